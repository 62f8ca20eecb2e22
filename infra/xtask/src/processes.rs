//! Processes that outlive us: each has a log, and a record by which it is known again.
//!
//! A process id alone may by now belong to somebody else's process, so the record holds its start too. Each runs in a
//! process group of its own, and only that group is ever signalled.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// How long a process has to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is written down about a process that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    pid: u32,
    /// Start time as the system gives it; two processes with one id never share it.
    started: String,
    command: String,
}

/// The processes of one local stack, in `run/` and `logs/` of its directory.
#[derive(Debug, Clone)]
pub struct Processes {
    local_dir: PathBuf,
}

impl Processes {
    /// The processes recorded in a stack's directory.
    #[must_use]
    pub fn new(local_dir: &Path) -> Self {
        Self { local_dir: local_dir.to_owned() }
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.local_dir.join("run").join(format!("{name}.json"))
    }

    /// Where a process writes what it says.
    #[must_use]
    pub fn log_path(&self, name: &str) -> PathBuf {
        self.local_dir.join("logs").join(format!("{name}.log"))
    }

    fn record(&self, name: &str) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.record_path(name)).ok()?).ok()
    }

    /// Whether the process that was started under this name still runs.
    #[must_use]
    pub fn is_running(&self, name: &str) -> bool {
        self.record(name).is_some_and(|record| started(record.pid).is_some_and(|now| now == record.started))
    }

    /// Starts a process in a group of its own, its output in its log.
    ///
    /// # Errors
    /// Where it cannot be started, or ends at once.
    pub fn start(&self, name: &str, command: &mut Command) -> Result<()> {
        let (log_path, record_path) = (self.log_path(name), self.record_path(name));
        for path in [&log_path, &record_path] {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
            }
        }
        let log = fs::File::create(&log_path).with_context(|| format!("creating {}", log_path.display()))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}: {}", command.get_program().display()))?;
        let Some(started) = started(child.id()) else {
            bail!("{name} ended at once ({}): {}", child.wait()?, self.log_tail(name));
        };
        let program = command.get_program().to_string_lossy().into_owned();
        let record = Record { pid: child.id(), started, command: program };
        fs::write(&record_path, serde_json::to_vec_pretty(&record)?)?;
        Ok(())
    }

    /// The last lines of a process's log.
    #[must_use]
    pub fn log_tail(&self, name: &str) -> String {
        let text = fs::read(self.log_path(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Stops a process if it is still the one that was started; says whether it was.
    ///
    /// # Errors
    /// Where it does not end.
    pub fn stop(&self, name: &str) -> Result<bool> {
        let Some(record) = self.record(name) else { return Ok(false) };
        let runs = || started(record.pid).is_some_and(|now| now == record.started);
        let ran = runs();
        if ran {
            signal("TERM", record.pid)?;
            let begun = Instant::now();
            while runs() && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(50));
            }
            // Also whatever of the group its leader left behind.
            let _ = signal("KILL", record.pid);
            std::thread::sleep(Duration::from_millis(50));
            if runs() {
                bail!("{name} (process {}) does not end", record.pid);
            }
        }
        fs::remove_file(self.record_path(name))?;
        Ok(ran)
    }
}

/// Signals a process group. `kill` rather than a system call: the workspace has no unsafe code.
fn signal(signal: &str, group: u32) -> Result<()> {
    let script = format!("kill -s {signal} -- -{group} 2>/dev/null");
    Command::new("sh").args(["-c", &script]).status().context("running kill")?;
    Ok(())
}

/// When a live process started, in the system's own words; `None` where there is none, or only its remains.
fn started(pid: u32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name may hold anything; fields count from the bracket that closes it (proc(5)).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        return (!matches!(*fields.first()?, "Z" | "X")).then(|| fields.get(19).map(ToString::to_string))?;
    }
    let output = Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (state, start) = text.split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| start.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> (PathBuf, Processes) {
        let dir = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        (dir.clone(), Processes::new(&dir))
    }

    #[test]
    fn stops_what_it_started_with_its_children() {
        let (dir, processes) = place("stops");
        processes.start("sleeper", Command::new("sh").args(["-c", "sleep 60 & echo $!; wait"])).unwrap();
        let child: u32 = loop {
            if let Ok(pid) = processes.log_tail("sleeper").trim().parse() {
                break pid;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(processes.is_running("sleeper") && started(child).is_some());
        assert!(processes.stop("sleeper").unwrap());
        assert!(!processes.is_running("sleeper") && started(child).is_none());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn leaves_a_process_alone_that_only_shares_the_id() {
        let (dir, processes) = place("leaves");
        let mut other = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        fs::create_dir_all(dir.join("run")).unwrap();
        let record = Record { pid: other.id(), started: "long ago".into(), command: "ministack".into() };
        fs::write(processes.record_path("emulator"), serde_json::to_vec(&record).unwrap()).unwrap();
        assert!(!processes.is_running("emulator"));
        assert!(!processes.stop("emulator").unwrap());
        assert!(started(other.id()).is_some(), "the other process runs on");
        other.kill().unwrap();
        other.wait().unwrap();
        fs::remove_dir_all(dir).unwrap();
    }
}
