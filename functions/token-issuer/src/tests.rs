use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::{Client as DynamoDbClient, Config};
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ims_store::Tables;
use ims_testkit::dynamodb::DynamoDb;
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::*;

const CLIENT: &str = "app-1";
const AUDIENCE: &str = "https://api.example/v1/oauth2/token";

fn url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn ed25519() -> SigningKey {
    SigningKey::read(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref()).unwrap()
}

/// An RSA key pair: private half, and public half as a JSON Web Key.
fn rsa(kid: &str) -> (EncodingKey, Value) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
    let (n, e) = (url(n.big_endian_without_leading_zero()), url(e.big_endian_without_leading_zero()));
    let der = AsDer::<Pkcs8V1Der>::as_der(&pair).unwrap();
    // The key itself (PKCS#1) lies behind 26 bytes that say what it is.
    let private = EncodingKey::from_rsa_der(&der.as_ref()[26..]);
    (private, json!({"kty": "RSA", "n": n, "e": e, "kid": kid, "alg": "RS512", "use": "sig"}))
}

/// An issuer with one application registered, and that application.
struct World {
    _database: DynamoDb,
    store: Store,
    issuer: Issuer,
    verifier: Verifier,
    private: EncodingKey,
    public: Value,
    now: u64,
}

impl World {
    async fn start() -> Self {
        let database = DynamoDb::default();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-2"))
            .endpoint_url(database.listen().await.unwrap())
            .retry_config(Settings::dynamodb_retries())
            .allow_no_auth()
            .build();
        let tables = Tables::from_lookup(|name| Some(name.trim_start_matches("IMS_TABLE_").to_owned())).unwrap();
        let store = Store::new(DynamoDbClient::from_conf(config), tables);
        let key = ed25519();
        let (jwks, permissions) = (key.jwks(), Permissions::built_in(true).unwrap());
        let issuer = Issuer::new("https://api.example/v1/", key, permissions, &jwks).unwrap();
        let (private, public) = rsa("k1");
        let world = Self {
            _database: database,
            store,
            issuer,
            verifier: Verifier::new(&jwks).unwrap(),
            private,
            public,
            now: seconds(Timestamp::now()),
        };
        let jwks = json!({"keys": [world.public]});
        world
            .operate(json!({"action": "register", "client": CLIENT, "supplier": "EMIS", "ods": "YGM41", "jwks": jwks}))
            .await
            .unwrap();
        world
    }

    async fn operate(&self, request: Value) -> Result<Value, String> {
        handle(&self.store, &self.issuer, request).await.map_err(|error| error.to_string())
    }

    fn claims(&self, jti: &str) -> Value {
        json!({"iss": CLIENT, "sub": CLIENT, "aud": AUDIENCE, "exp": self.now + 290, "iat": self.now, "jti": jti})
    }

    fn sign(&self, claims: &Value) -> String {
        sign(Algorithm::RS512, Some("k1"), &self.private, claims)
    }

    async fn post(&self, form: &str) -> (u64, Value) {
        let mut event: Value = serde_json::from_str(include_str!("../fixtures/post-token.json")).unwrap();
        event["body"] = json!(form);
        let answer = handle(&self.store, &self.issuer, event).await.unwrap();
        assert_eq!(answer["headers"]["Cache-Control"], "no-store");
        assert_eq!(answer["headers"]["X-Request-ID"], "60e0b220-4136-4ca5-ae46-1d97ef59d068");
        (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(answer["body"].as_str().unwrap()).unwrap())
    }

    async fn ask(&self, assertion: &str) -> (u64, Value) {
        let event: Value = serde_json::from_str(include_str!("../fixtures/post-token.json")).unwrap();
        self.post(&event["body"].as_str().unwrap().replace("ASSERTION", assertion)).await
    }
}

fn sign(algorithm: Algorithm, kid: Option<&str>, key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

#[tokio::test]
async fn an_application_gets_a_token_that_the_api_accepts() {
    let world = World::start().await;
    let (status, body) = world.ask(&world.sign(&world.claims("1"))).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(600)));
    let claims = world.verifier.check(body["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(
        (claims.sub.as_str(), claims.supplier.as_deref(), claims.ods.as_deref()),
        (CLIENT, Some("EMIS"), Some("YGM41"))
    );
    assert!((claims.exp - claims.iat) == GOOD_FOR && claims.role.is_none());
}

#[tokio::test]
async fn bad_assertions_get_no_token_and_are_told_why() {
    let world = World::start().await;
    let (now, valid) = (world.now, world.claims("x"));
    let with = |name: &str, value: Value| {
        let mut claims = valid.clone();
        claims[name] = value;
        world.sign(&claims)
    };
    let without = |name: &str| {
        let mut claims = valid.clone();
        claims.as_object_mut().unwrap().remove(name);
        world.sign(&claims)
    };
    let good = world.sign(&valid);
    let [header, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let none = url(br#"{"alg":"none","typ":"JWT","kid":"k1"}"#);
    let (another, _) = rsa("k1");
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(world.public["n"].as_str().unwrap()).unwrap();
    let secret = EncodingKey::from_secret(&modulus);
    let text = EncodingKey::from_secret(json!({"keys": [world.public]}).to_string().as_bytes());
    for (what, assertion, why) in [
        ("expired", with("exp", json!(now - 6)), "it has expired ('exp')"),
        ("too long", with("exp", json!(now + 400)), "its 'exp' is more than 300 seconds ahead"),
        ("no end", without("exp"), "it has no usable 'exp'"),
        ("end in words", with("exp", json!("soon")), "'exp'"),
        (
            "another audience",
            with("aud", json!("https://api.example/v1")),
            "it must be 'https://api.example/v1/oauth2/token'",
        ),
        ("no audience", without("aud"), "'aud'"),
        ("another subject", with("sub", json!("app-2")), "it must be the 'iss', the application's id"),
        ("no subject", without("sub"), "'sub'"),
        ("unknown application", with("iss", json!("app-2")), "no application 'app-2' is registered"),
        ("issuer of a key's form", with("iss", json!("a#b")), "whose 'iss' is the id of an application"),
        ("no issuer", without("iss"), "whose 'iss' is the id of an application"),
        ("no jti", without("jti"), "its 'jti' must be a string"),
        ("empty jti", with("jti", json!("")), "its 'jti' must be a string"),
        ("long jti", with("jti", json!("j".repeat(129))), "its 'jti' must be a string"),
        ("jti is a number", with("jti", json!(1)), "its 'jti' must be a string"),
        ("not yet", with("nbf", json!(now + 60)), "it is not good yet ('nbf')"),
        ("issued later", with("iat", json!(now + 60)), "its 'iat'"),
        ("unknown kid", sign(Algorithm::RS512, Some("k2"), &world.private, &valid), "no key has its 'kid'"),
        ("no kid", sign(Algorithm::RS512, None, &world.private, &valid), "no key has its 'kid'"),
        ("another's key", sign(Algorithm::RS512, Some("k1"), &another, &valid), "its signature is not that of the key"),
        ("weaker hash", sign(Algorithm::RS256, Some("k1"), &world.private, &valid), "its 'alg' is not the one"),
        (
            "HS256, the public key as secret",
            sign(Algorithm::HS256, Some("k1"), &secret, &valid),
            "its 'alg' is not the one",
        ),
        ("HS512, the key set as secret", sign(Algorithm::HS512, Some("k1"), &text, &valid), "its 'alg' is not the one"),
        ("alg none", format!("{none}.{body}."), "with a known 'alg'"),
        ("alg none, signed", format!("{none}.{body}.{signature}"), "with a known 'alg'"),
        (
            "changed",
            format!("{header}.{}.{signature}", url(valid.to_string().replace("EMIS", "TPP").as_bytes())),
            "signature",
        ),
        ("cut off", format!("{header}.{body}"), "no token (JWT)"),
        ("no token", "x".to_owned(), "client_assertion is no token (JWT)"),
    ] {
        let (status, answer) = world.ask(&assertion).await;
        assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")), "{what}: {answer}");
        let told = answer["error_description"].as_str().unwrap();
        assert!(told.contains(why), "{what}: {told}");
        assert!(answer.get("access_token").is_none());
    }
    // None of them spent the one-time id.
    assert_eq!(world.ask(&good).await.0, 200);
}

#[tokio::test]
async fn an_assertion_is_good_once_for_its_application() {
    let world = World::start().await;
    let assertion = world.sign(&world.claims("once"));
    assert_eq!(world.ask(&assertion).await.0, 200);
    let (status, answer) = world.ask(&assertion).await;
    assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")));
    assert!(answer["error_description"].as_str().unwrap().contains("its 'jti' was used before"));
    // Another assertion with the same id is a repeat too; another application's id is another matter.
    let mut later = world.claims("once");
    later["exp"] = json!(world.now + 200);
    assert_eq!(world.ask(&world.sign(&later)).await.0, 401);
    let (private, public) = rsa("other");
    world
        .operate(json!({"action": "register", "client": "app-2", "supplier": "TPP", "jwks": {"keys": [public]}}))
        .await
        .unwrap();
    let mut claims = world.claims("once");
    (claims["iss"], claims["sub"]) = (json!("app-2"), json!("app-2"));
    assert_eq!(world.ask(&sign(Algorithm::RS512, Some("other"), &private, &claims)).await.0, 200);
    // A key of one application signs for no other.
    claims["jti"] = json!("twice");
    assert_eq!(world.ask(&sign(Algorithm::RS512, Some("k1"), &world.private, &claims)).await.0, 401);
}

#[tokio::test]
async fn of_many_at_once_with_one_id_one_gets_a_token() {
    let world = World::start().await;
    let assertion = world.sign(&world.claims("race"));
    let (one, two, three) = tokio::join!(world.ask(&assertion), world.ask(&assertion), world.ask(&assertion));
    let mut statuses = [one.0, two.0, three.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401]);
}

#[tokio::test]
async fn a_form_that_is_not_well_formed_is_refused_in_the_words_of_the_standard() {
    let world = World::start().await;
    let kind = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    for (form, status, error) in [
        (String::new(), 400, "invalid_request"),
        ("{\"grant_type\": \"client_credentials\"}".into(), 400, "invalid_request"),
        ("grant_type=authorization_code".into(), 400, "unsupported_grant_type"),
        ("grant_type=client_credentials".into(), 400, "invalid_request"),
        ("grant_type=client_credentials&client_assertion_type=basic".into(), 400, "invalid_request"),
        (format!("grant_type=client_credentials&{kind}"), 400, "invalid_request"),
        (format!("grant_type=client_credentials&grant_type=client_credentials&{kind}"), 400, "invalid_request"),
        (format!("grant_type=client_credentials&{kind}&client_assertion=x"), 401, "invalid_client"),
        ("a".repeat(40_000), 413, "invalid_request"),
    ] {
        let (answered, answer) = world.post(&form).await;
        assert_eq!((answered, answer["error"].as_str().unwrap()), (status, error), "{form:.80}: {answer}");
        assert!(!answer["error_description"].as_str().unwrap().is_empty());
    }
    let mut event: Value = serde_json::from_str(include_str!("../fixtures/post-token.json")).unwrap();
    event["httpMethod"] = json!("GET");
    let answer = handle(&world.store, &world.issuer, event).await.unwrap();
    assert_eq!((&answer["statusCode"], &answer["headers"]["Allow"]), (&json!(405), &json!("POST")));
}

#[tokio::test]
async fn applications_are_registered_for_suppliers_with_public_keys_only() {
    let world = World::start().await;
    let keys = json!({"keys": [world.public]});
    let register = |client: &str, supplier: &str, ods: Value, jwks: Value| json!({"action": "register", "client": client, "supplier": supplier, "ods": ods, "jwks": jwks});
    let private = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA", "kid": "k"}]});
    let secret = json!({"keys": [{"kty": "oct", "k": "AAAA", "kid": "k"}]});
    for (request, why) in [
        (register("a b", "EMIS", Value::Null, keys.clone()), "client 'a b'"),
        (register("", "EMIS", Value::Null, keys.clone()), "client ''"),
        (register("a", "NOBODY", Value::Null, keys.clone()), "supplier 'NOBODY'"),
        (register("a", "EMIS", json!("YGA"), keys.clone()), "ods 'YGA' is no ODS code of supplier 'EMIS'"),
        (register("a", "EMIS", Value::Null, json!({})), "jwks"),
        (register("a", "EMIS", Value::Null, private), "is no public key"),
        (register("a", "EMIS", Value::Null, secret), "is no public key"),
        (json!({"action": "give"}), "unknown variant"),
    ] {
        let error = world.operate(request).await.unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
    // Keys are replaced, and a registration is taken away.
    let (next, public) = rsa("k2");
    world.operate(register(CLIENT, "EMIS", Value::Null, json!({"keys": [world.public, public]}))).await.unwrap();
    let next = |jti: &str| sign(Algorithm::RS512, Some("k2"), &next, &world.claims(jti));
    assert_eq!(world.ask(&next("a")).await.0, 200);
    assert_eq!(world.ask(&world.sign(&world.claims("b"))).await.0, 200);
    world.operate(json!({"action": "remove", "client": CLIENT})).await.unwrap();
    world.operate(json!({"action": "remove", "client": CLIENT})).await.unwrap();
    assert_eq!(world.ask(&next("c")).await.0, 401);
}

#[test]
fn an_issuer_whose_key_is_not_published_does_not_start() {
    let permissions = || Permissions::built_in(true).unwrap();
    let made = Issuer::new("https://api.example", ed25519(), permissions(), &ed25519().jwks());
    assert!(matches!(made, Err(IssuerError::Unpublished)));
    let key = ed25519();
    let jwks = key.jwks();
    assert_eq!(
        Issuer::new("https://api.example/", key, permissions(), &jwks).unwrap().audience,
        "https://api.example/oauth2/token"
    );
}
