//! The Authorization header and a set of keys: nothing that nobody signed gets in, and no set of keys breaks the reader.

#![no_main]

// The module alone: the crate around it brings the AWS clients, which would be built with counters as well.
#[allow(dead_code, unused_imports, reason = "a target uses the reading side of it")]
#[path = "../../../shared/runtime/src/auth/mod.rs"]
mod auth;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;

/// A public key whose private half signs no token here (RFC 8037, appendix A).
const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fuzz_target!(|data: &[u8]| {
    let verifier = auth::Verifier::new(KEYS).expect("the set of keys can be read");
    let text = String::from_utf8_lossy(data);
    if let Ok(token) = auth::bearer(Some(&text)) {
        assert!(verifier.check(token).is_err(), "a token that nobody signed was taken");
    }
    // The parts of a token as they are meant, so that what is inside them is reached.
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let mut part = || URL_SAFE_NO_PAD.encode(parts.next().unwrap_or_default());
    let token = format!("{}.{}.{}", part(), part(), part());
    assert!(verifier.check(&token).is_err(), "a token that nobody signed was taken");
    if let Ok(keys) = auth::Verifier::new(&text) {
        assert!(keys.check(&token).is_err(), "a token that nobody signed was taken");
    }
});
