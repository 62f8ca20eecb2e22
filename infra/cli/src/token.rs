//! `ims token`: tokens of the sandbox issuer.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use ims_runtime::auth::{Claims, sign};
use jiff::Timestamp;

use crate::local_dir;

/// Arguments of `ims token`.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("whom").required(true).args(["supplier", "staff"])))]
pub struct Args {
    /// Supplier system, e.g. EMIS: what it may do is in the API's permissions
    #[arg(long, value_name = "NAME", conflicts_with = "role")]
    supplier: Option<String>,
    /// Member of staff
    #[arg(long, value_name = "NAME", requires = "role")]
    staff: Option<String>,
    /// Their role
    #[arg(long, value_name = "ROLE", requires = "staff")]
    role: Option<String>,
    /// Minutes for which the token is good
    #[arg(long, value_name = "MIN", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=525_600))]
    ttl: u64,
    /// Directory of the local stack [default: .local]
    #[arg(long, value_name = "DIR")]
    local_dir: Option<PathBuf>,
}

/// Runs `ims token`: prints a signed token, and nothing else.
///
/// # Errors
/// If there is no issuer's key, because no local stack was ever set up, or it cannot be used.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let path = args.local_dir.clone().unwrap_or_else(local_dir).join("issuer.der");
    let key = std::fs::read(&path)
        .with_context(|| format!("no {}: set the local stack up first (cargo xtask up)", path.display()))?;
    let now = u64::try_from(Timestamp::now().as_second()).context("the system clock is before 1970")?;
    println!("{}", sign(&claims(args, now), &key)?);
    Ok(ExitCode::SUCCESS)
}

fn claims(args: &Args, now: u64) -> Claims {
    let subject = args.supplier.as_deref().or(args.staff.as_deref()).unwrap_or_default();
    Claims { supplier: args.supplier.clone(), role: args.role.clone(), ..Claims::new(subject, now, args.ttl * 60) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn parse(text: &str) -> Result<Args, clap::Error> {
        Command::try_parse_from(format!("token {text}").split_whitespace()).map(|command| command.args)
    }

    #[test]
    fn a_token_is_for_a_supplier_or_for_staff_with_a_role() {
        let supplier = claims(&parse("--supplier EMIS --ttl 5").unwrap(), 1_000);
        assert_eq!((supplier.sub.as_str(), supplier.supplier.as_deref(), supplier.role), ("EMIS", Some("EMIS"), None));
        assert_eq!((supplier.iat, supplier.exp), (1_000, 1_300));
        let staff = claims(&parse("--staff ann --role planner").unwrap(), 0);
        assert_eq!((staff.sub.as_str(), staff.supplier, staff.role.as_deref()), ("ann", None, Some("planner")));
        for wrong in [
            "",
            "--staff ann",
            "--role planner",
            "--supplier A --staff b --role c",
            "--supplier A --role c",
            "--supplier A --ttl 0",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
