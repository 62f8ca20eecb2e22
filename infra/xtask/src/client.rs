//! The sandbox's test client: a supplier's registered application, whose keys are made with the stack.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::{KeyPair as _, RsaKeyPair},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{demo::running::Running, endpoints::Endpoints};

/// Its id.
const CLIENT: &str = "sandbox-client";
/// The supplier that it speaks for, and that supplier's ODS code: it may do everything with some vaccine types and nothing
/// with others.
const SUPPLIER: &str = "MAVIS";
const ODS: &str = "V0V8L";
/// Id of its key.
const KID: &str = "sandbox-1";

/// A registered application, as `endpoints.json` tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestClient {
    /// Its id.
    pub id: String,
    /// The supplier that it speaks for.
    pub supplier: String,
    /// That supplier's ODS code.
    pub ods: String,
    /// Id of its key.
    pub kid: String,
    /// File of its private key (RSA, PKCS#8, PEM).
    pub key: String,
}

/// The test client of a directory.
#[must_use]
pub fn test_client(local_dir: &Path) -> TestClient {
    let key = path(local_dir).display().to_string();
    TestClient { id: CLIENT.to_owned(), supplier: SUPPLIER.to_owned(), ods: ODS.to_owned(), kid: KID.to_owned(), key }
}

fn path(local_dir: &Path) -> PathBuf {
    local_dir.join("client.pem")
}

/// Registers the test client, with a key that is made once a directory.
///
/// # Errors
/// Where the key cannot be made or read, or the stack refuses it.
pub async fn register(endpoints: &Endpoints, local_dir: &Path) -> Result<()> {
    let request = json!({
        "action": "register", "client": CLIENT, "supplier": SUPPLIER, "ods": ODS,
        "jwks": {"keys": [public_key(&path(local_dir))?]},
    });
    Running::connect(endpoints).await?.invoke("token-issuer", &request).await.map(drop)
}

/// The public half of a key file, which is made where it is not there.
fn public_key(path: &Path) -> Result<Value> {
    if !path.is_file() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).context("making the test client's key")?;
        let der = AsDer::<Pkcs8V1Der>::as_der(&pair).context("writing the test client's key")?;
        fs::write(path, pem(der.as_ref()))?;
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(body)?)
        .map_err(|error| anyhow::anyhow!("{}: {error}: delete it", path.display()))?;
    let url = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
    let (n, e) = (url(n.big_endian_without_leading_zero()), url(e.big_endian_without_leading_zero()));
    Ok(json!({"kty": "RSA", "n": n, "e": e, "kid": KID, "alg": "RS512", "use": "sig"}))
}

fn pem(der: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_its_public_half_can_be_registered() {
        let dir = std::env::temp_dir().join(format!("ims-client-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let made = public_key(&path(&dir)).unwrap();
        assert_eq!(public_key(&path(&dir)).unwrap(), made);
        assert!(ims_runtime::auth::KeySet::parse(&json!({"keys": [made]}).to_string()).is_ok());
        assert!(fs::read_to_string(path(&dir)).unwrap().starts_with("-----BEGIN PRIVATE KEY-----\nMII"));
        fs::remove_dir_all(dir).unwrap();
    }
}
