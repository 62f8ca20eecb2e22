//! Function processes of one stack, found by where their program was unpacked: no other stack's are touched. Killing them
//! is how one sees that nothing is lost and nothing sent twice.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::package;

/// A running function process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Process id.
    pub id: u32,
    /// The deployed function's name; empty where the system does not tell.
    pub function: String,
}

/// Kills the processes of a function at once, whatever they are doing, and says how many there were. The emulator starts
/// another for the next message.
///
/// # Errors
/// Where there is no such function.
pub fn kill_function(local_dir: &Path, function: &str) -> Result<usize> {
    if !package::functions()?.iter().any(|name| name == function) {
        bail!("there is no function '{function}'; the functions are: {}", package::functions()?.join(", "));
    }
    let local_dir = fs::canonicalize(local_dir).with_context(|| format!("finding {}", local_dir.display()))?;
    let deployed = format!("-{function}");
    Ok(workers(&local_dir).iter().filter(|worker| worker.function.ends_with(&deployed) && kill(worker)).count())
}

/// Function processes whose program lies in a stack's directory.
#[must_use]
pub fn workers(stack_dir: &Path) -> Vec<Worker> {
    let unpacked = stack_dir.join("tmp");
    let ours = |program: &Path| program.starts_with(&unpacked) && program.ends_with("bootstrap");
    if Path::new("/proc/self/exe").exists() {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        return ids
            .filter(|id| fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|program| ours(&program)))
            .map(|id| Worker { id, function: function_of(id) })
            .collect();
    }
    let Ok(listed) = Command::new("ps").args(["-A", "-o", "pid=,comm="]).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    text.lines()
        .filter_map(|line| line.trim().split_once(' '))
        .filter(|(_, program)| ours(&PathBuf::from(program.trim())))
        .filter_map(|(id, _)| Some(Worker { id: id.parse().ok()?, function: String::new() }))
        .collect()
}

fn function_of(id: u32) -> String {
    let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
    let name = environment.split(|byte| *byte == 0).find_map(|pair| pair.strip_prefix(b"AWS_LAMBDA_FUNCTION_NAME="));
    name.map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default()
}

/// Ends a process at once, whatever it is doing; whether it was there.
#[must_use]
pub fn kill(worker: &Worker) -> bool {
    // A command rather than a system call: the workspace has no unsafe code.
    let script = format!("kill -s KILL {} 2>/dev/null", worker.id);
    Command::new("sh").args(["-c", &script]).status().is_ok_and(|status| status.success())
}
