//! A function in a sandbox stage that could reach beyond this computer refuses to start, and says why.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::{
    io::Read,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What a function said on stderr, and its exit status; `None` where it was still running after ten seconds.
fn start(binary: &Path, variables: &[(&str, &str)]) -> (Option<std::process::ExitStatus>, String) {
    let mut child = Command::new(binary)
        .env_clear()
        // A host's own profile must not make the difference.
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "eu-west-2")])
        .envs([("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9"), ("AWS_LAMBDA_FUNCTION_NAME", "guard")])
        .envs([("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"), ("AWS_LAMBDA_FUNCTION_VERSION", "1")])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if begun.elapsed() > Duration::from_secs(10) => {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (status, said)
}

#[test]
fn every_function_of_a_sandbox_refuses_to_start_unless_it_stays_on_this_computer() {
    let binaries = xtask::package::build(false).unwrap();
    let functions = xtask::package::functions().unwrap();
    assert_eq!(functions.len(), 18);
    let stage = ("IMS_STAGE", "sandbox");
    let not_set = "stage 'sandbox' refuses to start: AWS_ENDPOINT_URL is not set";
    let elsewhere = "stage 'sandbox' refuses to start: AWS_ENDPOINT_URL is 'https://dynamodb.eu-west-2.amazonaws.com', \
        which is not an address of this computer";
    let notify = "stage 'sandbox' refuses to start: IMS_NOTIFY_URL is 'https://api.notifications.service.gov.uk', \
        which is not an address of this computer";
    for function in &functions {
        for (variables, why) in [
            (vec![stage], not_set),
            (vec![stage, ("AWS_ENDPOINT_URL", "")], not_set),
            (vec![stage, ("AWS_ENDPOINT_URL", "  ")], not_set),
            (vec![stage, ("AWS_ENDPOINT_URL", "https://dynamodb.eu-west-2.amazonaws.com")], elsewhere),
            (
                vec![
                    stage,
                    ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
                    ("IMS_NOTIFY_URL", "https://api.notifications.service.gov.uk"),
                ],
                notify,
            ),
            (vec![("AWS_ENDPOINT_URL", "http://127.0.0.1:9")], "environment variable IMS_STAGE is not set"),
        ] {
            let (status, said) = start(&binaries.join(function), &variables);
            let status = status.unwrap_or_else(|| panic!("{function} {variables:?} runs on: {said}"));
            assert!(!status.success(), "{function} {variables:?} ended with {status}: {said}");
            assert!(said.contains(why), "{function} {variables:?} said: {said}");
        }
        // With a local endpoint the guard lets it pass; it then misses the rest of its configuration.
        let (_, said) = start(&binaries.join(function), &[stage, ("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]);
        assert!(!said.contains("refuses to start"), "{function} said: {said}");
    }
}
