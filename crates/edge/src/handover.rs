//! A restart that nobody notices: on SIGHUP the program is started anew and given the sockets that
//! listen. When it says that it is ready, this process ends as on SIGTERM; when it is not, this one
//! goes on. systemd is told who is the main process (sd_notify(3)).
//!
//! The new process gets the sockets as from systemd, and among them its end of a line to this one.
//! Connections stay where they are: nothing but what listens changes hands.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use sd_notify::NotifyState;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::process::Child;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::lifecycle::Stop;

/// How long the new process may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a process that said that it is not ready may take to end.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// The first descriptor that is handed over (sd_listen_fds(3)).
const FIRST: i32 = 3;
/// What is said over the line.
const READY: u8 = b'R';

/// The process that this one is to follow, which waits until it is ready.
pub struct Parent(UnixStream);

impl Parent {
    pub(crate) const fn at(line: UnixStream) -> Self {
        Self(line)
    }
}

/// Tells whoever waits for it that this process serves: the one before it, else systemd.
pub fn tell_ready(parent: Option<Parent>) {
    let told = match parent {
        Some(Parent(mut line)) => line.write_all(&[READY]),
        None => sd_notify::notify(&[NotifyState::Ready]),
    };
    if let Err(error) = told {
        tracing::warn!(%error, "nobody heard that this process is ready");
    }
}

/// Why the new process does not take over.
#[derive(Debug, Error)]
enum HandoverError {
    #[error("{} cannot be started: {cause}", program.display())]
    NotStarted { program: PathBuf, cause: io::Error },
    #[error("it was not ready within {} seconds", READY_WITHIN.as_secs())]
    Late,
    #[error("it ended ({0}), and has said why")]
    Ended(ExitStatus),
    #[error("it cannot be heard: {0}")]
    Lost(#[from] io::Error),
}

/// Starts the program anew when it is asked to.
pub struct Handover {
    program: PathBuf,
    arguments: Vec<OsString>,
    sockets: Vec<OwnedFd>,
    hangups: Option<Signal>,
}

impl Handover {
    /// Remembers how this process was started, and keeps `sockets` for the next. From here on
    /// SIGHUP does not end the process, unless it was started at a terminal, where it means that
    /// the terminal is gone.
    ///
    /// # Errors
    /// The system's words.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new<'a>(sockets: impl Iterator<Item = &'a TcpListener>) -> io::Result<Self> {
        let mut arguments = std::env::args_os();
        // By its name and not by its file, so that a link may lead to a new one.
        let name = arguments.next().map(PathBuf::from).filter(|name| name.components().count() > 1);
        let program = name.map_or_else(std::env::current_exe, std::path::absolute)?;
        let at_terminal = io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal();
        Ok(Self {
            program,
            arguments: arguments.collect(),
            sockets: sockets.map(|socket| socket.as_fd().try_clone_to_owned()).collect::<io::Result<_>>()?,
            hangups: if at_terminal { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// Waits for SIGHUP; ends, with draining begun, when another process has taken over.
    pub async fn follow(mut self, stop: Stop) {
        let Some(mut hangups) = self.hangups.take() else { return std::future::pending().await };
        loop {
            hangups.recv().await;
            if std::process::id() == 1 {
                tracing::warn!("a container ends with its first process: restart the container instead of this one");
                continue;
            }
            notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now().unwrap_or(NotifyState::Status(""))]);
            let outcome = tokio::select! {
                outcome = self.hand_over() => outcome,
                () = ignore(&mut hangups) => continue,
            };
            match outcome {
                Ok(pid) => {
                    notify(&[NotifyState::MainPid(pid), NotifyState::Ready, NotifyState::Status("")]);
                    tracing::info!(pid, "another process has taken over; this one ends with what it is answering");
                    stop.draining().cancel();
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "the new process does not take over, this one goes on");
                    let status = format!("goes on as before, the new process did not take over: {error}");
                    notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
                }
            }
        }
    }

    /// Starts the new process and waits until it is ready. Gives its number.
    async fn hand_over(&self) -> Result<u32, HandoverError> {
        let (mut successor, mut line) =
            self.start().map_err(|cause| HandoverError::NotStarted { program: self.program.clone(), cause })?;
        tracing::info!(program = %self.program.display(), pid = successor.pid(), "starting anew");
        match tokio::time::timeout(READY_WITHIN, line.read_u8()).await {
            Ok(Ok(READY)) => Ok(successor.release()),
            Err(_) => Err(HandoverError::Late),
            Ok(Ok(_) | Err(_)) => Err(successor.end().await),
        }
    }

    /// The new process, and our end of the line to it.
    fn start(&self) -> io::Result<(Successor, tokio::net::UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = tokio::net::UnixStream::from_std(ours)?;
        let mut given = self.sockets.iter().map(OwnedFd::try_clone).collect::<io::Result<Vec<_>>>()?;
        given.push(theirs.into());
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments);
        // Without a number of a process, which nobody knows yet, the sockets are for whoever sees this.
        command
            .env("LISTEN_FDS", given.len().to_string())
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDNAMES")
            .env_remove("LISTEN_FDS_FIRST_FD");
        let mappings = (FIRST..).zip(given).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd }).collect();
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        // With the command goes our copy of their end, so that the line ends with that process.
        Ok((Successor(Some(tokio::process::Command::from(command).spawn()?)), ours))
    }
}

/// The new process, which ends with this value unless it is released.
struct Successor(Option<Child>);

impl Successor {
    fn pid(&self) -> u32 {
        self.0.as_ref().and_then(Child::id).unwrap_or_default()
    }

    /// Lets it live. Gives its number.
    fn release(mut self) -> u32 {
        let pid = self.pid();
        self.0 = None;
        pid
    }

    /// Why it is not there any more.
    async fn end(&mut self) -> HandoverError {
        let Some(child) = &mut self.0 else { return HandoverError::Late };
        match tokio::time::timeout(LAST_WORDS, child.wait()).await {
            Ok(Ok(status)) => HandoverError::Ended(status),
            Ok(Err(error)) => HandoverError::Lost(error),
            Err(_) => HandoverError::Late,
        }
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.start_kill();
        }
    }
}

/// One restart at a time.
async fn ignore(hangups: &mut Signal) {
    loop {
        hangups.recv().await;
        tracing::warn!("a new process is on its way already, so this SIGHUP is ignored");
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}
