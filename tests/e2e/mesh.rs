//! Files that come to the service's MESH mailbox, and what goes back to the mailboxes that sent them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use ims_domain::ImmunisationId;
use ims_store::FeedFileState;
use ims_testkit::population::nhs_number;
use ims_tests::{
    Stack,
    rows::{SYSTEM, vaccination, vaccination_file},
    stack,
};
use mesh_mailbox::{Mesh, Message, Settings};
use serde_json::{Value, json};
use xtask::mesh::MeshServer;

/// One of the people of these tests: none of another test's.
const PERSON: u64 = 6_200;

/// A mailbox of the server, as its owner uses it; it sends in small chunks.
fn mailbox(server: &MeshServer, name: &str) -> Mesh {
    Mesh::new(Settings {
        url: server.url.clone(),
        mailbox: name.to_owned(),
        password: server.password.clone(),
        shared_key: server.shared_key.clone(),
        workflow: "IMS_FILES".to_owned(),
        chunk: 500,
        identity: None,
    })
    .unwrap()
}

async fn collect(stack: &Stack) -> (u64, u64) {
    let answer = stack.running.invoke("mesh-mailbox", &json!({"action": "collect"})).await.unwrap();
    assert_eq!(answer["mailbox"], "on");
    let count = |what: &str| answer[what].as_u64().unwrap();
    (count("collected"), count("acknowledgements"))
}

/// Takes what is in a mailbox.
async fn take(mesh: &Mesh) -> Vec<Message> {
    let mut taken = Vec::new();
    for id in mesh.inbox().await.unwrap() {
        taken.push(mesh.message(&id).await.unwrap().unwrap());
        mesh.acknowledge(&id).await.unwrap();
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_by_mesh_and_its_acknowledgements_go_back() {
    let Some(stack) = stack().await.unwrap() else { return };
    let Some(server) = stack.running.endpoints.mesh.clone() else {
        return eprintln!("skipped: the stack has no MESH server (cargo xtask up --mesh, Python 3.11 or later)");
    };
    let (supplier, nobody, own) =
        (mailbox(&server, &server.supplier), mailbox(&server, &server.nobody), mailbox(&server, &server.own));
    supplier.handshake().await.unwrap();
    // What an earlier run that failed may have left.
    for left in [&supplier, &nobody, &own] {
        take(left).await;
    }
    let rows = |id: &str, day: &str| {
        let (number, id) = (nhs_number(PERSON), format!("{}-{id}", stack.run));
        vaccination(&[("NHS_NUMBER", &number), ("UNIQUE_ID", &id), ("DATE_AND_TIME", day)])
    };
    let file = vaccination_file(&[rows("mesh-1", "20251001T10000000"), rows("mesh-2", "tomorrow")]);
    assert!(file.len() > 1_000, "in chunks");
    let name = |ods: &str, place: u64| format!("FLU_Vaccinations_v5_{ods}_{}.csv", stack.stamp(place));
    let (mine, theirs, stray) = (name("V0V8L", 60), name("YGA", 61), name("V0V8L", 62));
    supplier.send(&server.own, &mine, "one", &file).await.unwrap();
    supplier
        .send(&server.own, &theirs, "two", &vaccination_file(&[rows("mesh-3", "20251001T10000000")]))
        .await
        .unwrap();
    nobody.send(&server.own, &stray, "three", &vaccination_file(&[rows("mesh-4", "20251001T10000000")])).await.unwrap();

    // Two at once, and once more: every file is stored once, and only then taken out of the mailbox.
    let (one, two) = tokio::join!(collect(&stack), collect(&stack));
    assert!(one.0 + two.0 >= 3, "{one:?} {two:?}");
    assert_eq!(collect(&stack).await.0, 0);
    assert!(own.inbox().await.unwrap().is_empty());

    let processed = stack.file(&mine, |state| state == FeedFileState::Processed).await.unwrap();
    assert_eq!((processed.rows, processed.accepted, processed.rejected), (2, 1, 1));
    for (file, why) in [
        (&theirs, "the ODS code 'YGA' in its name is not one of its sender's (MAVIS)"),
        (&stray, "the mailbox 'X26ABC3' is not registered as a sender"),
    ] {
        let refused = stack.file(file, |state| state == FeedFileState::Unauthorised).await.unwrap();
        assert_eq!(refused.error.as_deref(), Some(why), "{file}");
    }
    let id = ImmunisationId::of(SYSTEM, &format!("{}-mesh-1", stack.run));
    let (status, _): (u16, Value) = stack.read(&format!("Immunization/{id}")).await.unwrap();
    assert_eq!(status, 200);

    collect(&stack).await;
    collect(&stack).await;
    let text = |message: &Message| String::from_utf8(message.bytes.clone()).unwrap();
    let back = take(&supplier).await;
    let of = |stem: &str| -> Vec<&Message> { back.iter().filter(|message| message.file.starts_with(stem)).collect() };
    let (mine, theirs) = (of(mine.trim_end_matches(".csv")), of(theirs.trim_end_matches(".csv")));
    assert_eq!(
        (mine.len(), theirs.len(), back.len()),
        (3, 1, 4),
        "{:?}",
        back.iter().map(|m| &m.file).collect::<Vec<_>>()
    );
    let one_of = |ending: &str, part: &str| {
        mine.iter()
            .find(|message| message.file.contains(part) && message.file.ends_with(ending))
            .map(|found| text(found))
    };
    assert!(one_of(".csv", "_InfAck_").unwrap().contains("|Success|"));
    let bus_ack = one_of(".csv", "_BusAck_").unwrap();
    assert_eq!(bus_ack.lines().count(), 2);
    assert!(bus_ack.contains(&format!("{}-mesh-2^{SYSTEM}", stack.run)));
    assert!(one_of(".json", "_BusAck_").is_some());
    let refusal = text(theirs[0]);
    assert!(refusal.contains("|Failure|") && refusal.contains("the ODS code 'YGA' in its name"), "{refusal}");
    let back = take(&nobody).await;
    assert_eq!(back.len(), 1);
    assert!(text(&back[0]).contains("the mailbox 'X26ABC3' is not registered"));

    // Nothing goes back twice.
    assert_eq!(collect(&stack).await, (0, 0));
    assert!(take(&supplier).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_opens_no_mailbox() {
    let Some(stack) = stack().await.unwrap() else { return };
    let Some(server) = stack.running.endpoints.mesh.clone() else {
        return eprintln!("skipped: the stack has no MESH server");
    };
    let wrong = MeshServer { password: "wrong".to_owned(), ..server.clone() };
    assert!(mailbox(&wrong, &server.own).handshake().await.unwrap_err().to_string().contains("403"));
    assert!(mailbox(&server, &server.own).handshake().await.is_ok());
}
