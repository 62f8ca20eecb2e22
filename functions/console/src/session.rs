//! Who is signed in: the staff token in a cookie, checked on every request.

use axum::http::{HeaderMap, header};
use ims_runtime::auth::Verifier;
use ims_store::AuditEntry;
use jiff::Timestamp;
use thiserror::Error;

use crate::rooms::Role;

/// The session cookie's name.
pub const COOKIE: &str = "ims_session";

/// A member of staff who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// Name in the token.
    pub name: String,
    /// Role.
    pub role: Role,
    /// When the token ends.
    pub until: Timestamp,
}

impl Staff {
    /// An audit entry of something that this member of staff does.
    pub(crate) fn entry(&self, at: Timestamp, operation: &str, purpose: &str) -> AuditEntry {
        AuditEntry::new(at, &self.name, operation, purpose.to_owned()).in_role(self.role.name())
    }
}

/// Why a token does not open the console.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenProblem {
    /// Not signed by the issuer, for somebody else, or out of date.
    #[error("The token is not valid or has expired")]
    Refused,
    /// A supplier system's.
    #[error("This token is the supplier system {0}'s; the console is for staff")]
    Supplier(String),
    /// It carries no role.
    #[error("This token carries no role")]
    NoRole,
    /// A role that the console does not know.
    #[error(
        "The role '{0}' is not known; the roles are planner, analyst, engineer, agent, records-officer and auditor"
    )]
    UnknownRole(String),
}

/// Checks a token.
///
/// # Errors
/// Where it is not a valid token of a member of staff with a known role.
pub fn staff(verifier: &Verifier, token: &str) -> Result<Staff, TokenProblem> {
    let claims = verifier.check(token.trim()).map_err(|_| TokenProblem::Refused)?;
    if let Some(supplier) = claims.supplier {
        return Err(TokenProblem::Supplier(supplier));
    }
    let role = claims.role.ok_or(TokenProblem::NoRole)?;
    let role = Role::parse(&role).ok_or(TokenProblem::UnknownRole(role))?;
    let until = i64::try_from(claims.exp).ok().and_then(|second| Timestamp::from_second(second).ok());
    Ok(Staff { name: claims.sub, role, until: until.unwrap_or(Timestamp::MAX) })
}

/// The session cookie's value.
#[must_use]
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE && !value.is_empty()).then_some(value))
}

/// `Set-Cookie` for a session that ends with its token.
#[must_use]
pub fn set_cookie(token: &str, staff: &Staff, now: Timestamp, path: &str, is_https: bool) -> String {
    let seconds = (staff.until.as_second() - now.as_second()).max(0);
    let secure = if is_https { "; Secure" } else { "" };
    format!("{COOKIE}={}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", token.trim())
}

/// `Set-Cookie` that ends the session.
#[must_use]
pub fn clear_cookie(path: &str, is_https: bool) -> String {
    let secure = if is_https { "; Secure" } else { "" };
    format!("{COOKIE}=; Path={path}; Max-Age=0; HttpOnly; SameSite=Lax{secure}")
}
