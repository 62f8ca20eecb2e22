//! The emulators' Python: found, checked, and given virtual environments of the project's own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{progress::step, workspace_root};

/// Which Python an environment is made with.
#[derive(Debug)]
pub struct Wanted {
    /// The oldest that will do: major and minor.
    oldest: (u32, u32),
    /// The newest that will do.
    newest: (u32, u32),
    /// Environment variable in which somebody may name one.
    variable: &'static str,
    /// Programs that may be it.
    programs: &'static [&'static str],
    /// Who needs it, and how one comes by it.
    advice: &'static str,
}

/// Whatever the pinned packages of the default emulator support.
pub const USUAL: Wanted = Wanted {
    oldest: (3, 10),
    newest: (3, u32::MAX),
    variable: "IMS_PYTHON",
    programs: &["python3", "python3.13", "python3.12", "python3.11", "python3.10"],
    advice: "the local stack needs Python 3.10 or later with its venv module (Debian, Ubuntu: apt-get install python3 \
             python3-venv), or name one in IMS_PYTHON",
};

/// The one that LocalStack is pinned for.
pub const LOCALSTACKS: Wanted = Wanted {
    oldest: (3, 13),
    newest: (3, 13),
    variable: "IMS_PYTHON_3_13",
    programs: &["python3.13", "python3"],
    advice: "LocalStack without Docker needs Python 3.13 with its venv module (Debian 13, Ubuntu 25.04 or later: apt-get \
             install python3.13 python3.13-venv; elsewhere: pyenv install 3.13, or uv python install 3.13), or name one in \
             IMS_PYTHON_3_13",
};

/// Pythons that version managers keep apart from the search path: the folder below home, what each one's folder begins
/// with before its version, and where a version manager's own variable names another folder, that variable.
const MANAGED: [(&str, &str, Option<&str>); 2] =
    [(".pyenv/versions", "", Some("PYENV_ROOT")), (".local/share/uv/python", "cpython-", None)];

/// Finds a Python that can make virtual environments, and its version. Each candidate is run: a version manager's shim
/// exists even where there is no Python behind it.
fn interpreter(wanted: &Wanted) -> Result<(PathBuf, String)> {
    let candidates: Vec<PathBuf> = match std::env::var_os(wanted.variable) {
        Some(path) => vec![path.into()],
        None => wanted.programs.iter().map(PathBuf::from).chain(managed(wanted)).collect(),
    };
    let mut seen = Vec::new();
    for candidate in &candidates {
        let program =
            "import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1], sys.version.split()[0])";
        let Ok(output) = Command::new(candidate).args(["-c", program]).output() else { continue };
        let text = String::from_utf8_lossy(&output.stdout);
        let parts: Vec<&str> = text.split_whitespace().collect();
        let version = |i: usize| parts.get(i).and_then(|p| p.parse::<u32>().ok()).unwrap_or(0);
        if output.status.success() && (wanted.oldest..=wanted.newest).contains(&(version(0), version(1))) {
            return Ok((candidate.clone(), parts.get(2).copied().unwrap_or_default().to_owned()));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let why = parts.get(2).copied().or_else(|| said.trim().lines().last()).unwrap_or_default();
        seen.push(format!("{}: {why}", candidate.display()));
    }
    let tried = if seen.is_empty() { "none found".to_owned() } else { seen.join("; ") };
    bail!("{}.\nTried: {tried}", wanted.advice)
}

/// The Pythons of one exact version that version managers installed, newest first.
fn managed(wanted: &Wanted) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if wanted.oldest != wanted.newest {
        return found;
    }
    let version = format!("{}.{}", wanted.oldest.0, wanted.oldest.1);
    for (folder, prefix, variable) in MANAGED {
        let own = variable.and_then(std::env::var_os).map(|root| PathBuf::from(root).join("versions"));
        let Some(folder) = own.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(folder))) else {
            continue;
        };
        let start = format!("{prefix}{version}.");
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&start));
        let mut programs: Vec<PathBuf> = names
            .map(|entry| entry.path().join(format!("bin/python{version}")))
            .filter(|path| path.is_file())
            .collect();
        programs.sort();
        found.extend(programs.into_iter().rev());
    }
    found
}

/// Checks that a usable Python is there, without installing anything.
///
/// # Errors
/// Says what to install.
pub fn check(wanted: &Wanted) -> Result<()> {
    interpreter(wanted).map(drop)
}

/// The version of the Python that is used: major and minor.
///
/// # Errors
/// Says what to install.
pub fn version() -> Result<(u32, u32)> {
    let (_, version) = interpreter(&USUAL)?;
    let mut parts = version.split('.').map_while(|part| part.parse().ok());
    Ok((parts.next().unwrap_or_default(), parts.next().unwrap_or_default()))
}

/// The stack's virtual environment with what the requirements files name, made or brought up to date where they changed.
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
    Venv { directory, python: &USUAL, requirements, package: None }.make()
}

/// A virtual environment in the workspace.
#[derive(Debug)]
pub struct Venv<'a> {
    /// Its directory.
    pub directory: &'a str,
    /// The Python it is made with.
    pub python: &'a Wanted,
    /// Files of packages with their hashes.
    pub requirements: &'a [&'a str],
    /// A package of the workspace's own, by its folder.
    pub package: Option<&'a str>,
}

impl Venv<'_> {
    /// Makes it, or brings it up to date where something changed; its `python`.
    ///
    /// # Errors
    /// Where Python or a package cannot be had.
    pub fn make(&self) -> Result<PathBuf> {
        let root = workspace_root();
        let dir = root.join(self.directory);
        let python = dir.join("bin/python");
        let (system, version) = interpreter(self.python)?;
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
        for file in self.requirements {
            install(&python, &stamps, &root, file)?;
        }
        if let Some(folder) = self.package {
            install_own(&python, &stamps, &root, folder)?;
        }
        Ok(python)
    }
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
    pip(python, &["--require-hashes", "--no-deps", "-r"], &path)
        .with_context(|| format!("installing {file}; is the package index reachable?"))?;
    fs::write(stamp, digest)?;
    Ok(())
}

/// Installs a package of the workspace from a copy, since pip builds where the sources are.
fn install_own(python: &Path, stamps: &Path, root: &Path, folder: &str) -> Result<()> {
    let mut files = Vec::new();
    for part in ["pyproject.toml", "README.md", "src"] {
        collect(&root.join(folder).join(part), &PathBuf::from(part), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for (name, content) in &files {
        hash.update(name.to_string_lossy().as_bytes());
        hash.update(content);
    }
    let digest = hex(&hash.finalize());
    let stamp = stamps.join(folder.replace('/', "-"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == digest) {
        return Ok(());
    }
    step(format!("installing {folder}"));
    let copy = stamps.join("build");
    let _ = fs::remove_dir_all(&copy);
    for (name, content) in &files {
        let path = copy.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    let offline = ["--no-index", "--no-deps", "--no-build-isolation", "--force-reinstall"];
    pip(python, &offline, &copy).with_context(|| format!("installing {folder}"))?;
    fs::remove_dir_all(&copy)?;
    fs::write(stamp, digest)?;
    Ok(())
}

/// A file, or all below a folder but what Python compiled, with its content.
fn collect(path: &Path, name: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
            let entry = entry?;
            if entry.file_name() != "__pycache__" {
                collect(&entry.path(), &name.join(entry.file_name()), files)?;
            }
        }
        return Ok(());
    }
    files.push((name.to_owned(), fs::read(path).with_context(|| format!("reading {}", path.display()))?));
    Ok(())
}

fn pip(python: &Path, arguments: &[&str], what: &Path) -> Result<()> {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(arguments).arg(what);
    if !command.status().context("running pip")?.success() {
        bail!("pip could not install {}; see above", what.display());
    }
    Ok(())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_that_is_not_there_is_named_with_what_to_do() {
        let none = Wanted {
            oldest: (3, 99),
            newest: (3, 99),
            variable: "IMS_PYTHON_THAT_NOBODY_NAMES",
            programs: &["no-such-python3.99", "python3"],
            advice: "somebody needs Python 3.99",
        };
        let said = interpreter(&none).unwrap_err().to_string();
        assert!(said.starts_with("somebody needs Python 3.99.\nTried: python3: 3."), "{said}");
    }

    #[test]
    fn what_python_compiled_is_no_part_of_a_package() {
        let dir = std::env::temp_dir().join(format!("xtask-collect-{}", std::process::id()));
        fs::create_dir_all(dir.join("src/__pycache__")).unwrap();
        fs::write(dir.join("src/a.py"), "a").unwrap();
        fs::write(dir.join("src/__pycache__/a.pyc"), "b").unwrap();
        let mut files = Vec::new();
        collect(&dir.join("src"), Path::new("src"), &mut files).unwrap();
        assert_eq!(files, [(PathBuf::from("src/a.py"), b"a".to_vec())]);
        fs::remove_dir_all(dir).unwrap();
    }
}
