//! Functions as packages: built by cargo, each binary zipped as `bootstrap`, named by its content.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{cargo, progress::step, python::hex, workspace_root};

/// A function ready to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Crate and binary.
    pub name: String,
    /// The zip.
    pub path: PathBuf,
    /// Object key: `{name}/{hash of the content}.zip`.
    pub key: String,
}

/// Where cargo builds: `CARGO_TARGET_DIR`, else the directory this program was itself built in, so that the tools, the
/// functions and the tests share their dependencies.
#[must_use]
pub fn target_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
        return workspace_root().join(dir);
    }
    // {target}/debug/xtask, or {target}/debug/deps/some_test-hash.
    let own = std::env::current_exe().ok().and_then(|exe| {
        let dir = exe.ancestors().find(|dir| dir.ends_with("debug") || dir.ends_with("release"))?;
        dir.parent().map(Path::to_owned)
    });
    own.unwrap_or_else(|| workspace_root().join("target"))
}

/// The functions: every crate in `functions/`, sorted.
///
/// # Errors
/// Where the directory cannot be read.
pub fn functions() -> Result<Vec<String>> {
    let dir = workspace_root().join("functions");
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Builds the functions and the sandbox's own processes, with optimisation or for tests; says where the binaries are.
///
/// # Errors
/// Where the build fails; the compiler has said why on stderr.
pub fn build(optimised: bool) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--bins", "-p", "ims-testkit"]);
    for name in functions()? {
        command.args(["-p", &name]);
    }
    if optimised {
        command.arg("--release");
    }
    if !command.status().context("running cargo build")?.success() {
        bail!("the functions do not build; see above");
    }
    Ok(target_dir().join(if optimised { "release" } else { "debug" }))
}

/// The function that comes with files of its own, in `assets/` beside its program.
const WITH_ASSETS: &str = "console";

/// Zips every function, some at a time; packages whose content has not changed are used again.
///
/// # Errors
/// Where a binary is missing or a file cannot be written.
pub fn package(binaries: &Path, assets: &Path, local_dir: &Path) -> Result<Vec<Package>> {
    let dir = local_dir.join("packages");
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let waiting = Mutex::new(functions()?);
    let done = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().ok().and_then(|mut names| names.pop());
                    let Some(name) = next else { break };
                    let assets = (name == WITH_ASSETS).then_some(assets);
                    let package = package_one(&name, binaries, assets, &dir);
                    if let Ok(mut done) = done.lock() {
                        done.push(package);
                    }
                }
            });
        }
    });
    let done = done.into_inner().map_err(|_| anyhow!("a packaging thread panicked"))?;
    let mut packages = done.into_iter().collect::<Result<Vec<_>>>()?;
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    remove_old(&dir, &packages);
    Ok(packages)
}

fn package_one(name: &str, binaries: &Path, assets: Option<&Path>, dir: &Path) -> Result<Package> {
    let binary = binaries.join(name);
    let bytes = fs::read(&binary).with_context(|| format!("reading {}", binary.display()))?;
    let mut files = Vec::new();
    if let Some(assets) = assets {
        for entry in fs::read_dir(assets).with_context(|| format!("reading {}", assets.display()))? {
            let entry = entry?;
            files.push((format!("assets/{}", entry.file_name().to_string_lossy()), fs::read(entry.path())?));
        }
        files.sort();
    }
    let mut hash = Sha256::new();
    hash.update(&bytes);
    for (file, content) in &files {
        hash.update(file);
        hash.update(content);
    }
    let hash = &hex(&hash.finalize())[..16];
    let path = dir.join(format!("{name}-{hash}.zip"));
    let package = Package { name: name.to_owned(), path: path.clone(), key: format!("{name}/{hash}.zip") };
    if path.is_file() {
        return Ok(package);
    }
    // The default options carry no time, so the same binary always gives the same zip.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1))
        .unix_permissions(0o755);
    let part = path.with_extension("part");
    let mut zip = ZipWriter::new(fs::File::create(&part)?);
    zip.start_file("bootstrap", options)?;
    zip.write_all(&bytes)?;
    for (file, content) in &files {
        zip.start_file(file.as_str(), options.unix_permissions(0o644))?;
        zip.write_all(content)?;
    }
    zip.finish()?;
    fs::rename(part, path)?;
    step(format!("packaged {name} ({} MB)", bytes.len() / 1_000_000));
    Ok(package)
}

/// Old packages are only in the way; that one cannot be removed is no failure.
fn remove_old(dir: &Path, current: &[Package]) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| current.iter().all(|package| package.path != entry.path())) {
        let _ = fs::remove_file(entry.path());
    }
}
