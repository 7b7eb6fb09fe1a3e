//! Running programs to their end.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::binary::repository;

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output of a program that did what it was asked.
    ///
    /// # Errors
    /// When it did not, with all that it wrote.
    pub fn ok(self) -> Result<String> {
        ensure!(self.code == Some(0), "ended with {:?}\n{}{}", self.code, self.stderr, self.stdout);
        Ok(self.stdout)
    }
}

/// Runs `command` to its end with `stdin`.
///
/// # Errors
/// When it cannot be started.
pub fn run(command: &mut Command, stdin: &str) -> Result<Finished> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?} cannot be started"))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends without reading all it is given is no trouble of ours.
        let _ = pipe.write_all(stdin.as_bytes());
    }
    let output = child.wait_with_output()?;
    Ok(Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Has a script of `tests/services` bring a program, unless it is there, and gives the path that it
/// prints.
///
/// # Errors
/// When it cannot be brought.
pub fn brought_by(script: &str) -> Result<PathBuf> {
    let mut command = Command::new("bash");
    command.arg(repository().join("tests/services").join(script));
    let told = run(&mut command, "")?.ok().with_context(|| format!("tests/services/{script}"))?;
    Ok(told.trim().into())
}
