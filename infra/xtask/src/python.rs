//! The emulator's Python: found, checked, and given a virtual environment of the project's own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{progress::step, workspace_root};

/// The oldest Python that the pinned packages support.
const OLDEST: (u32, u32) = (3, 10);

/// Finds a Python that can make virtual environments. Each candidate is run: a version manager's shim exists even where
/// there is no Python behind it.
fn interpreter() -> Result<(PathBuf, String)> {
    let chosen = std::env::var_os("IMS_PYTHON").map(PathBuf::from);
    let candidates: Vec<PathBuf> = match chosen {
        Some(path) => vec![path],
        None => ["python3", "python3.13", "python3.12", "python3.11", "python3.10"].map(PathBuf::from).to_vec(),
    };
    let mut seen = Vec::new();
    for candidate in &candidates {
        let program =
            "import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1], sys.version.split()[0])";
        let Ok(output) = Command::new(candidate).args(["-c", program]).output() else { continue };
        let text = String::from_utf8_lossy(&output.stdout);
        let parts: Vec<&str> = text.split_whitespace().collect();
        let version = |i: usize| parts.get(i).and_then(|p| p.parse::<u32>().ok()).unwrap_or(0);
        if output.status.success() && (version(0), version(1)) >= OLDEST {
            return Ok((candidate.clone(), parts.get(2).copied().unwrap_or_default().to_owned()));
        }
        let why = if output.status.success() { text } else { String::from_utf8_lossy(&output.stderr) };
        seen.push(format!("{}: {}", candidate.display(), why.trim().lines().last().unwrap_or_default()));
    }
    bail!(
        "the local stack needs Python {}.{} or later with its venv module (Debian, Ubuntu: apt-get install python3 \
         python3-venv), or name one in IMS_PYTHON.\nTried: {}",
        OLDEST.0,
        OLDEST.1,
        if seen.is_empty() { "none found".to_owned() } else { seen.join("; ") }
    )
}

/// Checks that a usable Python is there, without installing anything.
///
/// # Errors
/// Says what to install.
pub fn check() -> Result<()> {
    interpreter().map(drop)
}

/// The version of the Python that is used: major and minor.
///
/// # Errors
/// Says what to install.
pub fn version() -> Result<(u32, u32)> {
    let (_, version) = interpreter()?;
    let mut parts = version.split('.').map_while(|part| part.parse().ok());
    Ok((parts.next().unwrap_or_default(), parts.next().unwrap_or_default()))
}

/// A virtual environment with what the requirements files name, made or brought up to date where they changed.
/// Returns its `python`.
///
/// # Errors
/// Where Python or a package cannot be had.
pub fn venv(requirements: &[&str]) -> Result<PathBuf> {
    venv_at(".local/venv", requirements)
}

/// The same in another directory of the workspace, for what must not mix with the stack's packages.
///
/// # Errors
/// As [`venv`].
pub fn venv_at(directory: &str, requirements: &[&str]) -> Result<PathBuf> {
    let root = workspace_root();
    let dir = root.join(directory);
    let python = dir.join("bin/python");
    let (system, version) = interpreter()?;
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    // Two stacks that start at once must not install into one another.
    let lock = fs::File::create(dir.with_extension("lock"))?;
    lock.lock().context("waiting for another installation")?;

    let stamps = dir.join("installed");
    let base = stamps.join("python");
    if fs::read_to_string(&base).unwrap_or_default() != version || !python.is_file() {
        step(format!("making a virtual environment with Python {version}"));
        let status =
            Command::new(&system).args(["-m", "venv", "--clear"]).arg(&dir).status().context("python -m venv")?;
        if !status.success() {
            bail!("{} -m venv {} failed; see above", system.display(), dir.display());
        }
        fs::create_dir_all(&stamps)?;
        fs::write(&base, &version)?;
    }
    for file in requirements {
        install(&python, &stamps, &root, file)?;
    }
    Ok(python)
}

fn install(python: &Path, stamps: &Path, root: &Path, file: &str) -> Result<()> {
    let path = root.join(file);
    let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let digest = hex(&Sha256::digest(&text));
    let stamp = stamps.join(file.replace('/', "-"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == digest) {
        return Ok(());
    }
    step(format!("installing {file}"));
    // Every dependency is listed with its hashes, so pip has nothing to resolve.
    let status = Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "-r"])
        .arg(&path)
        .status()
        .context("running pip")?;
    if !status.success() {
        bail!("pip could not install {}; is the package index reachable?", path.display());
    }
    fs::write(stamp, digest)?;
    Ok(())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
