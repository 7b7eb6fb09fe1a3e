//! A running Ostiary that holds the population, in a data folder of its own.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::population::Population;
use crate::process::Running;
use crate::seed::seed;

/// Longest time from start to ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// How Ostiary is started.
#[derive(Clone)]
pub(crate) struct Ostiary {
    /// The program.
    pub(crate) binary: PathBuf,
    /// Its data folder.
    pub(crate) data: PathBuf,
    /// Where pids are noted.
    pub(crate) pids: PathBuf,
    /// Settings that differ from the defaults, as environment variables.
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// A running one.
pub(crate) struct Serving {
    running: Running,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the line that says it is ready.
    pub(crate) ready_in: Duration,
}

impl Ostiary {
    /// One with `population` in the folder `work`.
    pub(crate) fn filled(binary: &Path, work: &Path, population: &Population) -> anyhow::Result<Self> {
        let ostiary = Self {
            binary: binary.to_owned(),
            data: work.join(format!("ostiary-{}", population.people.len())),
            pids: work.join("pids"),
            settings: Vec::new(),
        };
        // The first start makes keys and tables.
        ostiary.start()?.stop()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(seed(&ostiary.data.join("ostiary.db"), population))?;
        Ok(ostiary)
    }

    pub(crate) fn start(&self) -> anyhow::Result<Serving> {
        let mut command = Command::new(&self.binary);
        // What happens is always logged; it goes where logs go.
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OSTIARY_")) {
            command.env_remove(name);
        }
        command
            .current_dir(self.data.parent().context("a folder around the data folder")?)
            .env("OSTIARY_SERVER__DATA_DIR", &self.data)
            .env("OSTIARY_HTTP__LISTEN", "127.0.0.1:0")
            .env("OSTIARY_LDAP__LISTEN", "127.0.0.1:0")
            .env("OSTIARY_LOG__LEVEL", "warn")
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        let begun = Instant::now();
        let mut running = Running::start(&mut command, &self.pids)?;
        let output = running.child().stdout.take().context("its output")?;
        let (said, lines) = channel();
        // Reads to the end, so that the server never waits for a reader.
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = String::new();
            while output.read_line(&mut line).is_ok_and(|read| read > 0) {
                let ready = line.starts_with("ready in ");
                let _ = said.send(std::mem::take(&mut line));
                if ready {
                    break;
                }
            }
            let _ = output.read_to_end(&mut Vec::new());
        });
        let mut address = None;
        loop {
            let Ok(line) = lines.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) else {
                bail!("Ostiary did not get ready: {}", std::fs::read_to_string(self.log())?);
            };
            if let Some((_, rest)) = line.split_once("ldap://") {
                address = address.or(rest.split_whitespace().next().and_then(|address| address.parse().ok()));
            }
            if line.starts_with("ready in ") {
                let address = address.context("Ostiary did not say where LDAP is")?;
                return Ok(Serving { running, address, ready_in: begun.elapsed() });
            }
        }
    }

    fn log(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    /// What it calls itself.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        let output = Command::new(&self.binary).arg("--version").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Serving {
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.running.stop()
    }
}
