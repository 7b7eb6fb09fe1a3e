//! A server that a test starts as systemd or root would, with sockets that are open already, and
//! all that take its place afterwards.

use std::fs::{File, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use command_fds::{CommandFdExt, FdMapping};
use ostiary_tests::{Finished, Ostiary, eventually, run};

/// A server and those that follow it. Dropping it ends them all.
pub(super) struct Launched {
    child: Child,
    log: PathBuf,
}

/// Hands the program that follows what `LISTEN_FDS` counts, under its own number.
const AS_SYSTEMD: &str = r#"LISTEN_PID=$$ exec "$0" "$@""#;

/// `command`, which starts with `sockets` as systemd would start it (sd_listen_fds(3)).
pub(super) fn given(command: &Command, sockets: Vec<OwnedFd>) -> Result<Command> {
    let mut shell = Command::new("sh");
    shell.args(["-c", AS_SYSTEMD]).arg(command.get_program()).args(command.get_args());
    shell.env("LISTEN_FDS", sockets.len().to_string());
    copy(command, &mut shell);
    let mappings = (3..).zip(sockets).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd }).collect();
    shell.fd_mappings(mappings)?;
    Ok(shell)
}

/// Gives `to` the environment and the folder of `from`.
pub(super) fn copy(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
    if let Some(folder) = from.get_current_dir() {
        to.current_dir(folder);
    }
}

/// A socket that listens, for a server to be given, and where it is.
pub(super) fn listening(address: &str) -> Result<(OwnedFd, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    Ok((listener.into(), address))
}

impl Launched {
    /// Starts `command` with its output in a file of `folder`, without waiting for anything.
    pub(super) fn launch(command: &mut Command, folder: &Path) -> Result<Self> {
        let log = folder.join("log");
        let out = File::create(&log)?;
        let child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
        Ok(Self { child, log })
    }

    /// Starts `command` and waits until it is ready.
    pub(super) async fn start(command: &mut Command, folder: &Path) -> Result<Self> {
        let launched = Self::launch(command, folder)?;
        launched.says("ready in ").await?;
        Ok(launched)
    }

    /// What the server and those after it have written.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until `text` is in the log.
    pub(super) async fn says(&self, text: &str) -> Result<()> {
        let said = eventually(text, async || Ok(self.log().contains(text).then_some(()))).await;
        said.with_context(|| self.log())
    }

    /// The process that was started first.
    pub(super) fn first(&self) -> u32 {
        self.child.id()
    }

    /// All that were started to take its place, in their order.
    pub(super) fn started(&self) -> Vec<u32> {
        numbers(&self.log(), "starting anew")
    }

    /// The process that serves.
    pub(super) fn serving(&self) -> u32 {
        numbers(&self.log(), "has taken over").last().copied().unwrap_or_else(|| self.first())
    }

    /// Has the process that serves make room for another, and gives its number.
    pub(super) async fn restart(&self) -> Result<u32> {
        let before = self.serving();
        signal(before, "HUP")?;
        let after = eventually("another process to take over", async || {
            Ok(Some(self.serving()).filter(|serving| *serving != before))
        });
        after.await.with_context(|| self.log())
    }

    /// Waits until the process that was started first has ended, and gives its exit code.
    pub(super) async fn ended(&mut self) -> Result<Option<i32>> {
        let first = self.first();
        let ended = eventually("the process to end", async || Ok((!is_there(first)).then_some(()))).await;
        ended.with_context(|| self.log())?;
        Ok(self.child.wait()?.code())
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of the server under test\n{}", self.log());
        }
        for pid in self.started() {
            let _ = signal(pid, "KILL");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The numbers of processes in the lines of a log that have `text` in them.
fn numbers(log: &str, text: &str) -> Vec<u32> {
    let lines = log.lines().filter(|line| line.contains(text));
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    lines.filter_map(|line| digits(line.split_once("pid=")?.1).parse().ok()).collect()
}

/// Sends a process a signal by its name.
pub(super) fn signal(pid: u32, name: &str) -> Result<()> {
    run(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]), "")?.ok().map(drop)
}

/// Whether the process is still there.
pub(super) fn is_there(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended.
    state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Runs `command` to its end off the test's own thread.
pub(super) async fn finished(mut command: Command) -> Result<Finished> {
    tokio::task::spawn_blocking(move || run(&mut command, "")).await?
}

/// Says clearly why a test cannot run.
pub(super) fn needs_root() -> Result<()> {
    ensure!(std::fs::metadata("/proc/self")?.uid() == 0, "this test gives root up, so it has to be run as root");
    Ok(())
}

/// A command like `ostiary.command()`, whose program and folder everybody may get at.
pub(super) fn open_to_all(ostiary: &Ostiary) -> Result<Command> {
    let ours = ostiary.command();
    let program = ostiary.folder().join("ostiary");
    if !program.exists() && std::fs::hard_link(ours.get_program(), &program).is_err() {
        std::fs::copy(ours.get_program(), &program)?;
    }
    std::fs::set_permissions(ostiary.folder(), Permissions::from_mode(0o755))?;
    let mut command = Command::new(program);
    copy(&ours, &mut command);
    Ok(command)
}
