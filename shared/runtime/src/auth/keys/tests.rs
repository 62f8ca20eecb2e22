use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::*;
use crate::auth::{AUDIENCE, Claims, ISSUER, Verifier};

fn url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn ed25519() -> SigningKey {
    SigningKey::read(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref()).unwrap()
}

/// A P-256 key pair: private half, and public half as a JSON Web Key.
fn p256() -> (EncodingKey, Value) {
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref()).unwrap();
    let point = pair.public_key().as_ref();
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": url(&point[1..33]), "y": url(&point[33..]), "kid": "ec"});
    (EncodingKey::from_ec_der(der.as_ref()), jwk)
}

/// An RSA key pair: private half, and public half as a JSON Web Key.
fn rsa() -> (EncodingKey, Value) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key();
    let (n, e) = (public.modulus(), public.exponent());
    let jwk = json!({
        "kty": "RSA", "n": url(n.big_endian_without_leading_zero()), "e": url(e.big_endian_without_leading_zero()),
        "kid": "rsa", "alg": "RS512",
    });
    let der = AsDer::<Pkcs8V1Der>::as_der(&pair).unwrap();
    // The key itself (PKCS#1) lies behind 26 bytes that say what it is.
    (EncodingKey::from_rsa_der(&der.as_ref()[26..]), jwk)
}

fn claims() -> Claims {
    Claims { supplier: Some("EMIS".into()), ..Claims::new("EMIS", jsonwebtoken::get_current_timestamp(), 60) }
}

fn set(keys: &[&Value]) -> Verifier {
    Verifier::new(&json!({"keys": keys}).to_string()).unwrap()
}

fn encode(algorithm: Algorithm, kid: Option<&str>, key: &EncodingKey) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, &claims(), key).unwrap()
}

#[test]
fn each_kind_of_key_checks_its_own_tokens() {
    let (ed, (ec, ec_jwk), (rsa, rsa_jwk)) = (ed25519(), p256(), rsa());
    let verifier = set(&[ed.public(), &ec_jwk, &rsa_jwk]);
    let token = ed.sign(&claims()).unwrap();
    assert_eq!(verifier.check(&token), Ok(claims()));
    assert_eq!(verifier.check(&encode(Algorithm::ES256, Some("ec"), &ec)), Ok(claims()));
    assert_eq!(verifier.check(&encode(Algorithm::RS512, Some("rsa"), &rsa)), Ok(claims()));
    for token in [
        encode(Algorithm::RS256, Some("rsa"), &rsa),
        encode(Algorithm::PS512, Some("rsa"), &rsa),
        encode(Algorithm::ES256, Some("rsa"), &ec),
        encode(Algorithm::ES256, Some("EC"), &ec),
        encode(Algorithm::ES256, None, &ec),
    ] {
        assert!(matches!(verifier.check(&token), Err(AuthError::Refused(_))), "{token}");
    }
}

#[test]
fn only_the_issuers_valid_tokens_pass() {
    let key = ed25519();
    let verifier = set(&[key.public()]);
    let (now, sign) = (jsonwebtoken::get_current_timestamp(), |claims: Value| key.sign(&claims).unwrap());
    let valid = serde_json::to_value(claims()).unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = valid.clone();
        claims[name] = value;
        sign(claims)
    };
    let without = |name: &str| {
        let mut claims = valid.clone();
        claims.as_object_mut().unwrap().remove(name);
        sign(claims)
    };
    let token = sign(valid.clone());
    assert!(verifier.check(&token).is_ok());
    assert!(verifier.check(&with("nbf", json!(now - 1))).is_ok());
    let [header, body, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let none = url(json!({"alg": "none", "kid": key.kid}).to_string().as_bytes());
    let public = BASE64_URL_SAFE_NO_PAD.decode(key.public["x"].as_str().unwrap()).unwrap();
    let hmac = encode(Algorithm::HS256, Some(&key.kid), &EncodingKey::from_secret(&public));
    let hmac_of_the_text = encode(Algorithm::HS512, Some(&key.kid), &EncodingKey::from_secret(key.jwks().as_bytes()));
    let another = ed25519();
    let critical =
        Header { kid: Some(key.kid.clone()), crit: Some(vec!["b64".to_owned()]), ..Header::new(Algorithm::EdDSA) };
    for (what, token) in [
        ("forged signature", format!("{header}.{body}.{}", url(&[7; 64]))),
        ("changed body", format!("{header}.{}.{signature}", url(br#"{"sub":"TPP"}"#))),
        ("another's key, this kid", encode(Algorithm::EdDSA, Some(&key.kid), &another.key)),
        ("another's key", another.sign(&claims()).unwrap()),
        ("no algorithm", format!("{none}.{body}.")),
        ("no algorithm, its signature", format!("{none}.{body}.{signature}")),
        ("public key as secret", hmac),
        ("public keys' text as secret", hmac_of_the_text),
        ("no kid", encode(Algorithm::EdDSA, None, &key.key)),
        ("critical extension", jsonwebtoken::encode(&critical, &claims(), &key.key).unwrap()),
        ("expired", with("exp", json!(now - 6))),
        ("expires at no time", with("exp", json!("never"))),
        ("not yet", with("nbf", json!(now + 60))),
        ("not before no time", with("nbf", json!("then"))),
        ("issued in the future", with("iat", json!(now + 60))),
        ("issued at no time", with("iat", json!("now"))),
        ("issuer", with("iss", json!("someone-else"))),
        ("audience", with("aud", json!("someone-else"))),
        ("audiences", with("aud", json!(["someone-else"]))),
        ("without expiry", without("exp")),
        ("without issuer", without("iss")),
        ("without audience", without("aud")),
        ("without subject", without("sub")),
        ("no JSON", format!("{header}.{}.{signature}", url(b"x"))),
        ("two parts", format!("{header}.{body}")),
        ("four parts", format!("{token}.{signature}")),
        ("long", with("sub", json!("x".repeat(9_000)))),
        ("empty", String::new()),
    ] {
        assert!(matches!(verifier.check(&token), Err(AuthError::Refused(_))), "{what}");
    }
}

#[test]
fn a_key_is_replaced_without_a_moment_when_tokens_fail() {
    let (old, new) = (ed25519(), ed25519());
    let tokens = [old.sign(&claims()).unwrap(), new.sign(&claims()).unwrap()];
    for (keys, passing) in [
        (vec![old.public()], [true, false]),
        (vec![old.public(), new.public()], [true, true]),
        (vec![new.public()], [false, true]),
    ] {
        assert_eq!(tokens.each_ref().map(|token| set(&keys).check(token).is_ok()), passing);
    }
}

#[test]
fn a_set_of_keys_that_could_be_misread_is_refused() {
    let (ed, (_, ec)) = (ed25519(), p256());
    let with = |name: &str, value: Value| {
        let mut jwk = ed.public().clone();
        jwk[name] = value;
        jwk
    };
    for (keys, why) in [
        (json!({}), "at least one key"),
        (json!({"keys": []}), "at least one key"),
        (json!({"keys": [with("kid", json!(""))]}), "no 'kid'"),
        (json!({"keys": [ed.public(), ed.public()]}), "two keys have"),
        (json!({"keys": [with("d", json!("AA"))]}), "no public key"),
        (json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}), "no public key"),
        (json!({"keys": [with("alg", json!("RS512"))]}), "is not for signatures with"),
        (json!({"keys": [with("use", json!("enc"))]}), "is not for signatures with"),
        (json!({"keys": [with("kty", json!("none"))]}), "is not for signatures with"),
        (json!({"keys": [{"kty": "RSA", "kid": "a", "n": url(&[255; 128]), "e": "AQAB"}]}), "2048 bits"),
        (json!({"keys": [{"kty": "EC", "kid": "a", "crv": "P-384", "x": ec["x"], "y": ec["y"]}]}), "P-256"),
    ] {
        let error = KeySet::parse(&keys.to_string()).unwrap_err().to_string();
        assert!(error.contains(why), "{keys}: {error}");
    }
    assert!(KeySet::parse("keys").is_err());
    assert!(SigningKey::read(&[1, 2, 3]).is_err());
    assert_eq!(format!("{:?}", KeySet::parse(&ed.jwks()).unwrap()), format!("{{{:?}}}", ed.kid));
}

#[test]
fn a_token_is_for_whom_it_is_expected() {
    let key = ed25519();
    let keys = KeySet::parse(&key.jwks()).unwrap();
    let token = key.sign(&claims()).unwrap();
    let check =
        |subject| keys.check::<Claims>(&token, Expected { issuer: ISSUER, audience: AUDIENCE, subject }).is_ok();
    assert_eq!((check(None), check(Some("EMIS")), check(Some("TPP"))), (true, true, false));
}
