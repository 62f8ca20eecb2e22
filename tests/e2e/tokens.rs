//! A supplier's application gets a token for a signed assertion, and uses it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ims_tests::stack;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// Bytes before an RSA key (PKCS#1) in a PKCS#8 document that say what it is.
const BEFORE_KEY: usize = 26;

#[tokio::test(flavor = "multi_thread")]
async fn an_applications_assertion_becomes_a_token_once() {
    let Some(stack) = stack().await.unwrap() else { return };
    let (endpoints, http) = (&stack.running.endpoints, reqwest::Client::builder().no_proxy().build().unwrap());
    let (client, url) = (&endpoints.client, format!("{}/oauth2/token", endpoints.api));
    let pem: String =
        std::fs::read_to_string(&client.key).unwrap().lines().filter(|line| !line.starts_with("-----")).collect();
    let key = EncodingKey::from_rsa_der(&BASE64_STANDARD.decode(pem).unwrap()[BEFORE_KEY..]);
    let now = jsonwebtoken::get_current_timestamp();
    let sign = |jti: &str, audience: &str| {
        let header = Header { kid: Some(client.kid.clone()), ..Header::new(Algorithm::RS512) };
        let claims = json!({"iss": client.id, "sub": client.id, "aud": audience, "exp": now + 240, "jti": jti});
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    };
    let ask = async |assertion: &str| {
        let form = format!(
            "grant_type=client_credentials&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer\
             &client_assertion={assertion}"
        );
        let request = http.post(&url).header("Content-Type", "application/x-www-form-urlencoded").body(form);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let assertion = sign(&format!("{}-1", stack.run), &url);
    let (status, body) = ask(&assertion).await;
    assert_eq!((status, &body["token_type"]), (200, &json!("Bearer")), "{body}");
    let token = body["access_token"].as_str().unwrap();
    // MAVIS has flu and not COVID.
    for (vaccine, expected) in [("FLU", 200), ("COVID", 403)] {
        let search = format!(
            "{}/Immunization?patient.identifier=https://fhir.nhs.uk/Id/nhs-number|9990001014&-immunization.target={vaccine}",
            endpoints.api
        );
        let answer = http.get(search).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{vaccine}");
    }
    let (status, body) = ask(&assertion).await;
    assert_eq!((status, body["error"].as_str()), (401, Some("invalid_client")), "{body}");
    let (status, body) = ask(&sign(&format!("{}-2", stack.run), &endpoints.api)).await;
    assert_eq!(status, 401, "{body}");
    assert!(body["error_description"].as_str().unwrap().contains(&url));
    let (status, body) = ask("x.y.z").await;
    assert_eq!((status, body["error"].as_str()), (401, Some("invalid_client")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_itself_to_anyone() {
    let Some(stack) = stack().await.unwrap() else { return };
    let (api, http) = (&stack.running.endpoints.api, reqwest::Client::builder().no_proxy().build().unwrap());
    let answer = http.get(format!("{api}/openapi.json")).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let document: Value = answer.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/Immunization/{id}"]["put"].is_object());
    let answer = http.get(format!("{api}/docs")).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert!(answer.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert!(answer.text().await.unwrap().contains("<h1>API description</h1>"));
}
