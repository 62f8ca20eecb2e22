//! The console's styles, scripts and outlines: built by npm packages, put beside the console's program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{progress::step, python::hex, workspace_root};

/// Where their sources are.
const SOURCES: &str = "functions/console/web";
/// The oldest Node.js that the pinned packages support.
const OLDEST_NODE: u32 = 20;

/// Node.js's major version, where there is one.
fn node() -> Option<u32> {
    let output = Command::new("node").arg("--version").output().ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

/// Checks that a usable Node.js is there, without installing anything.
///
/// # Errors
/// Says what to install.
pub fn check() -> Result<()> {
    let found = match node() {
        Some(version) if version >= OLDEST_NODE => return Ok(()),
        Some(version) => format!("version {version} was found"),
        None => "none was found".to_owned(),
    };
    bail!(
        "the console needs Node.js {OLDEST_NODE} or later with npm ({found}): see https://nodejs.org, or apt-get install nodejs npm"
    )
}

/// Installs what a folder's `package-lock.json` names, unless it is there already.
///
/// # Errors
/// Where npm fails; it has said why on stderr.
pub fn install(folder: &Path) -> Result<()> {
    let lock = fs::read(folder.join("package-lock.json"))
        .with_context(|| format!("reading {}", folder.join("package-lock.json").display()))?;
    let stamp = folder.join("node_modules/.ims-lock");
    let digest = hex(&Sha256::digest(&lock));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == digest) {
        return Ok(());
    }
    step(format!("installing npm packages in {}", folder.display()));
    let mut command = Command::new("npm");
    command.args(["ci", "--no-audit", "--no-fund", "--loglevel", "error"]).current_dir(folder);
    if !command.status().context("running npm")?.success() {
        bail!("npm could not install {}; is the package registry reachable?", folder.display());
    }
    fs::write(stamp, digest)?;
    Ok(())
}

/// Adds the files of a folder and those below it, packages apart.
fn source_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_file() {
            found.push(path);
        } else if !path.ends_with("node_modules") {
            source_files(&path, found)?;
        }
    }
    Ok(())
}

/// Builds the console's files into `console/` of a local directory, unless nothing has changed; says where they are.
///
/// # Errors
/// Where npm or the build fails.
pub fn build(areas: &Path, local_dir: &Path) -> Result<PathBuf> {
    let sources = workspace_root().join(SOURCES);
    let out = local_dir.join("console");
    let mut inputs = vec![areas.to_owned()];
    source_files(&sources, &mut inputs)?;
    inputs.sort();
    let mut hash = Sha256::new();
    for path in &inputs {
        hash.update(fs::read(path).with_context(|| format!("reading {}", path.display()))?);
    }
    let digest = hex(&hash.finalize());
    let stamp = local_dir.join("console.stamp");
    if out.join("manifest.json").is_file() && fs::read_to_string(&stamp).is_ok_and(|built| built == digest) {
        return Ok(out);
    }
    check()?;
    install(&sources)?;
    step("building the console's styles and scripts");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("removing {}", out.display()))?;
    }
    let status = Command::new("node")
        .arg("build.mjs")
        .args([&std::path::absolute(&out)?, &std::path::absolute(areas)?])
        .current_dir(&sources)
        .status()
        .context("running node")?;
    if !status.success() {
        bail!("{SOURCES}/build.mjs failed; see above");
    }
    fs::write(stamp, digest)?;
    Ok(out)
}
