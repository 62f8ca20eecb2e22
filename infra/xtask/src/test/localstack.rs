//! The step `localstack`: the executor's own checks, and a smoke test on LocalStack.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail};

use super::{Counts, Done, Outcome, OwnStack, TestArgs, check, checks_python, counted, pytest_counts, run_nextest};
use crate::{
    localstack::{self, EXECUTOR},
    progress::step,
    python,
    stack::Emulator,
    workspace_root,
};

/// The test that says whether an emulator does what the service needs.
const SMOKE: &str = "package(ims-tests) & binary(smoke)";
/// Set where LocalStack's needs are there or can be had, as `.ci/run` finds out: then its absence is a failure.
const REQUIRED: &str = "IMS_REQUIRE_LOCALSTACK";
/// The oldest Python that the executor itself runs on.
const EXECUTORS_OLDEST: (u32, u32) = (3, 11);

/// Has the compose file read by whichever compose command is there; no engine is needed.
fn compose() -> Result<Done> {
    let file = workspace_root().join(localstack::COMPOSE);
    for program in [&["docker", "compose"][..], &["docker-compose"]] {
        let command = || {
            let mut command = Command::new(program[0]);
            command.args(&program[1..]);
            command
        };
        if command().arg("version").output().is_ok_and(|output| output.status.success()) {
            return check(command().arg("--file").arg(file).args(["config", "--quiet"]));
        }
    }
    step("not checked: infra/localstack/compose.yaml, since there is no compose command");
    Ok(Done { outcome: Outcome::Passed, counts: None })
}

/// Checks the executor, and runs the smoke test on a LocalStack of its own.
pub(super) fn run(args: &TestArgs) -> Result<Done> {
    if let Err(missing) = localstack::check() {
        if std::env::var_os(REQUIRED).is_some() {
            return Err(missing);
        }
        step(format!("skipped: {missing:#}"));
        let skipped = Done {
            outcome: Outcome::Skipped("there is neither Python 3.13 nor Docker".to_owned()),
            counts: Some(Counts { skipped: 1, ..Counts::default() }),
        };
        if python::version()? < EXECUTORS_OLDEST {
            return Ok(skipped);
        }
        return Ok(executor_tests(checks_python()?)?.and(skipped));
    }
    // A Docker engine alone may be there.
    let done = match localstack::environment(true) {
        Ok(python) => executor(&python)?.and(compose()?),
        Err(error) => {
            step(format!("the executor is not checked: {error:#}"));
            executor_tests(checks_python()?)?
        }
    };
    // There the step e2e runs it, with all else.
    if args.emulator == Emulator::LocalStack {
        return Ok(done);
    }
    let own = OwnStack::new("smoke")?;
    let mut up = own.task("up")?;
    up.args(["--emulator", Emulator::LocalStack.name(), "--still"]).stdout(std::process::Stdio::null());
    if !up.status()?.success() {
        bail!("LocalStack does not come up; see above");
    }
    Ok(done.and(run_nextest(SMOKE, Some(&own.dir))?).and(own.logs()?))
}

/// Lints, types and tests of the executor.
fn executor(python: &std::path::Path) -> Result<Done> {
    let tool = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(python.with_file_name(name));
        command.current_dir(workspace_root().join(EXECUTOR)).args(arguments);
        command
    };
    let done = check(&mut tool("ruff", &["check", "--no-cache", "."]))?
        .and(check(&mut tool("ruff", &["format", "--no-cache", "--check", "."]))?)
        .and(check(&mut tool("mypy", &["--cache-dir", "/dev/null"]))?);
    Ok(done.and(executor_tests(python.to_owned())?))
}

fn executor_tests(python: PathBuf) -> Result<Done> {
    let mut command = Command::new(python);
    command.current_dir(workspace_root().join(EXECUTOR)).args(["-m", "pytest", "-q", "--color=no"]);
    command.args(["-p", "no:cacheprovider"]).env("PYTHONDONTWRITEBYTECODE", "1");
    counted(&mut command, true, pytest_counts)
}
