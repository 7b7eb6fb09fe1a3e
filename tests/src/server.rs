//! A server under test: the real binary, on ports and in a folder of its own.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::binary::binary;
use crate::machine::Machine;
use crate::pair::{Pair, given};
use crate::postgres::FreshPostgres;
use crate::process::{Finished, run};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a server is started with.
pub struct Setup {
    pair: Pair,
    settings: Vec<(String, String)>,
    file: Option<String>,
    machine: Option<Arc<Machine>>,
}

impl Setup {
    /// On a pair, with defaults but for the ports and the folder.
    #[must_use]
    pub const fn on(pair: Pair) -> Self {
        Self { pair, settings: Vec::new(), file: None, machine: None }
    }

    /// With a variable such as `OSTIARY_LOCKOUT__WINDOW`.
    #[must_use]
    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self.settings.push((variable.to_owned(), value.to_owned()));
        self
    }

    /// With an `ostiary.toml` of this content.
    #[must_use]
    pub fn with_file(mut self, text: &str) -> Self {
        self.file = Some(text.to_owned());
        self
    }

    /// On a machine of its own.
    #[must_use]
    pub fn inside(mut self, machine: &Arc<Machine>) -> Self {
        self.machine = Some(Arc::clone(machine));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it does not get ready, with all that it wrote.
    pub async fn start(self) -> Result<Ostiary> {
        let mut ostiary = self.prepare().await?;
        ostiary.start_again()?;
        Ok(ostiary)
    }

    /// Makes folder and database without starting anything.
    ///
    /// # Errors
    /// When the servers of the pair are not there.
    pub async fn prepare(self) -> Result<Ostiary> {
        // For the tests' own client. Nothing is lost when another test has chosen before.
        let _ = ostiary_edge::choose_tls_library();
        let folder = tempfile::Builder::new().prefix("ostiary-").tempdir()?;
        let mut settings = vec![
            ("OSTIARY_SERVER__DATA_DIR".to_owned(), folder.path().join("data").display().to_string()),
            // Any free port: the server says which.
            ("OSTIARY_HTTP__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("OSTIARY_LDAP__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
        ];
        let database = match self.pair {
            Pair::Embedded => None,
            Pair::Servers => {
                let cache = given("OSTIARY_TEST_REDIS")?;
                let database = FreshPostgres::make().await?;
                settings.push(("OSTIARY_DATABASE__URL".to_owned(), database.url.clone()));
                // Keys hold token hashes and ids that are never the same twice: one cache serves all.
                settings.push(("OSTIARY_CACHE__URL".to_owned(), cache));
                Some(database)
            }
        };
        for (variable, value) in self.settings {
            settings.retain(|(name, _)| *name != variable);
            settings.push((variable, value));
        }
        if let Some(text) = self.file {
            std::fs::write(folder.path().join("ostiary.toml"), text)?;
        }
        let (pair, machine) = (self.pair, self.machine);
        Ok(Ostiary { pair, settings, process: None, output: String::new(), machine, database, folder })
    }
}

/// A server under test. Dropping it ends the process and removes folder and database.
pub struct Ostiary {
    /// What it stands on.
    pub pair: Pair,
    settings: Vec<(String, String)>,
    process: Option<Process>,
    output: String,
    // Dropped after the process, and in this order.
    machine: Option<Arc<Machine>>,
    database: Option<FreshPostgres>,
    folder: TempDir,
}

struct Process {
    child: Child,
    stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Ostiary {
    /// Starts a server with defaults on `pair`.
    ///
    /// # Errors
    /// When it does not get ready, with all that it wrote.
    pub async fn start(pair: Pair) -> Result<Self> {
        Setup::on(pair).start().await
    }

    /// A command of the binary with this server's settings and nothing of the caller's own.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = match &self.machine {
            Some(machine) => machine.command(binary()),
            None => Command::new(binary()),
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OSTIARY_")) {
            command.env_remove(name);
        }
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path());
        command
    }

    /// Has the server believe from its next start on that it is so many seconds later.
    ///
    /// # Errors
    /// When the library for it is not there.
    pub fn set_clock(&mut self, seconds: i64) -> Result<()> {
        let library = std::fs::read_dir("/usr/lib")?
            .filter_map(|folder| Some(folder.ok()?.path().join("faketime/libfaketimeMT.so.1")))
            .find(|path| path.exists())
            .context("libfaketime is missing: it is Debian's package libfaketime")?;
        self.settings.retain(|(name, _)| !name.contains("FAKETIME") && name != "LD_PRELOAD");
        for (name, value) in [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME", format!("{seconds:+}s")),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ] {
            self.settings.push((name.to_owned(), value));
        }
        Ok(())
    }

    /// Starts the server on what is in its folder and database already, on the ports it had.
    ///
    /// # Errors
    /// When it does not get ready, with all that it wrote.
    pub fn start_again(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the server runs already");
        let mut child = self
            .command()
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("the server cannot be started")?;
        let stderr = Arc::new(Mutex::new(String::new()));
        let (lines, line) = std::sync::mpsc::channel();
        let mut readers = Vec::new();
        if let Some(out) = child.stdout.take() {
            readers.push(std::thread::spawn(move || {
                for text in BufReader::new(out).lines().map_while(Result::ok) {
                    let _ = lines.send(text);
                }
            }));
        }
        if let Some(mut err) = child.stderr.take() {
            let into = Arc::clone(&stderr);
            readers.push(std::thread::spawn(move || {
                let mut part = [0; 4096];
                while let Ok(count @ 1..) = err.read(&mut part) {
                    let text = String::from_utf8_lossy(part.get(..count).unwrap_or_default()).into_owned();
                    into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
                }
            }));
        }
        self.process = Some(Process { child, stderr, readers });
        self.output.clear();
        let until = Instant::now() + PATIENCE;
        loop {
            match line.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(text) => {
                    let ready = text.starts_with("ready in ");
                    let _ = writeln!(self.output, "{text}");
                    if ready {
                        break;
                    }
                }
                Err(_) => {
                    self.kill();
                    bail!("the server did not get ready\n{}{}", self.output, self.log());
                }
            }
        }
        self.keep_ports()
    }

    /// The next start takes the same ports, as a real one would.
    fn keep_ports(&mut self) -> Result<()> {
        let (http, https) = (Some(self.http_address()?), self.https_address().ok());
        let (ldap, ldaps) = (self.ldap_address().ok(), self.ldaps_address().ok());
        for (variable, value) in [
            ("OSTIARY_HTTP__LISTEN", http),
            ("OSTIARY_HTTPS__LISTEN", https),
            ("OSTIARY_LDAP__LISTEN", ldap),
            ("OSTIARY_LDAP__TLS_LISTEN", ldaps),
        ] {
            let Some(value) = value else { continue };
            self.settings.retain(|(name, _)| name != variable);
            self.settings.push((variable.to_owned(), value.to_string()));
        }
        Ok(())
    }

    /// What it printed when it last started.
    #[must_use]
    pub fn output(&self) -> &str {
        &self.output
    }

    /// What it has logged since it last started.
    #[must_use]
    pub fn log(&self) -> String {
        let process = self.process.as_ref();
        process.map(|process| process.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }

    fn printed(&self, label: &str) -> Result<&str> {
        let line = self.output.lines().find_map(|line| line.trim_start().strip_prefix(label));
        line.map(str::trim).with_context(|| format!("no {label:?} in\n{}", self.output))
    }

    /// Where people sign in, such as `http://accounts.localhost:41234`.
    ///
    /// # Errors
    /// When it did not say.
    pub fn accounts(&self) -> Result<&str> {
        self.printed("sign in ")
    }

    /// Where administrators work.
    ///
    /// # Errors
    /// When it did not say.
    pub fn directory(&self) -> Result<&str> {
        self.printed("administer ")
    }

    /// Where HTTP is spoken.
    ///
    /// # Errors
    /// When it did not say.
    pub fn http_address(&self) -> Result<SocketAddr> {
        let listen = self.settings.iter().find(|(name, _)| name == "OSTIARY_HTTP__LISTEN").map(|(_, value)| value);
        if let Some(address) =
            listen.and_then(|value| value.parse::<SocketAddr>().ok()).filter(|address| address.port() != 0)
        {
            return Ok(address);
        }
        if let Ok(line) = self.printed("plain HTTP ") {
            let url = line.split_whitespace().next().and_then(|url| url.strip_prefix("http://"));
            return url.and_then(|address| address.parse().ok()).with_context(|| format!("no address in {line:?}"));
        }
        self.pages_address()
    }

    /// Where HTTPS is spoken.
    ///
    /// # Errors
    /// When it is not.
    pub fn https_address(&self) -> Result<SocketAddr> {
        ensure!(self.accounts()?.starts_with("https://"), "there is no HTTPS");
        self.pages_address()
    }

    fn pages_address(&self) -> Result<SocketAddr> {
        let url = self.accounts()?;
        let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).context("no port in the address")?;
        Ok(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Where LDAP is spoken.
    ///
    /// # Errors
    /// When it did not say.
    pub fn ldap_address(&self) -> Result<SocketAddr> {
        let line = self.printed("LDAP ")?;
        let url = line.split_whitespace().next().and_then(|url| url.strip_prefix("ldap://"));
        url.and_then(|address| address.parse().ok()).with_context(|| format!("no address in {line:?}"))
    }

    /// Where LDAP is spoken over TLS.
    ///
    /// # Errors
    /// When it did not say.
    pub fn ldaps_address(&self) -> Result<SocketAddr> {
        let line = self.printed("LDAPS ")?;
        let url = line.split_whitespace().next().and_then(|url| url.strip_prefix("ldaps://"));
        url.and_then(|address| address.parse().ok()).with_context(|| format!("no address in {line:?}"))
    }

    /// Where LDAP is spoken, as an address for clients.
    ///
    /// # Errors
    /// When it did not say.
    pub fn ldap_url(&self) -> Result<String> {
        Ok(format!("ldap://{}", self.ldap_address()?))
    }

    /// The base DN.
    ///
    /// # Errors
    /// When it did not say.
    pub fn base_dn(&self) -> Result<&str> {
        self.printed("LDAP ")?.split_whitespace().nth(1).context("no base DN")
    }

    /// The DN of a person.
    ///
    /// # Errors
    /// When the server did not say its base.
    pub fn person_dn(&self, username: &str) -> Result<String> {
        Ok(format!("uid={username},ou=people,{}", self.base_dn()?))
    }

    /// The one-time link that makes the first administrator, if one was printed.
    #[must_use]
    pub fn set_up_link(&self) -> Option<&str> {
        self.output.lines().map(str::trim).find(|line| line.contains("/set-up/"))
    }

    /// Its folder, in which `data` lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The address of its PostgreSQL database, if it has one.
    #[must_use]
    pub fn postgres_url(&self) -> Option<&str> {
        self.database.as_ref().map(|database| database.url.as_str())
    }

    /// The id of the running process.
    ///
    /// # Errors
    /// When none runs.
    pub fn pid(&self) -> Result<u32> {
        self.process.as_ref().map(|process| process.child.id()).context("the server does not run")
    }

    /// Runs a command of the binary, with `stdin`, and gives how it ended. Off the test's own
    /// thread, so that several may run at once.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn try_cli(&self, arguments: &[&str], stdin: &str) -> Result<Finished> {
        let mut command = self.command();
        command.args(arguments);
        let stdin = stdin.to_owned();
        tokio::task::spawn_blocking(move || run(&mut command, &stdin)).await?
    }

    /// Runs a command of the binary that must work, and gives its standard output.
    ///
    /// # Errors
    /// When it did not work.
    pub async fn cli(&self, arguments: &[&str]) -> Result<String> {
        self.cli_with(arguments, "").await
    }

    /// Runs a command of the binary with `stdin`, which must work.
    ///
    /// # Errors
    /// When it did not work.
    pub async fn cli_with(&self, arguments: &[&str], stdin: &str) -> Result<String> {
        self.try_cli(arguments, stdin).await?.ok().with_context(|| format!("ostiary {}", arguments.join(" ")))
    }

    /// Runs a command with `--json` that must work, and gives what it says.
    ///
    /// # Errors
    /// When it did not work or its output is not JSON.
    pub async fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let output = self.cli(&[arguments, &["--json"]].concat()).await?;
        serde_json::from_str(&output).with_context(|| output.clone())
    }

    /// Ends the process where it stands, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
            for reader in process.readers {
                let _ = reader.join();
            }
            self.process = None;
        }
    }

    /// Sends the process a signal by its name, such as `TERM`.
    ///
    /// # Errors
    /// When none runs.
    pub fn signal(&self, name: &str) -> Result<()> {
        let pid = self.pid()?.to_string();
        run(Command::new("kill").args([&format!("-{name}"), &pid]), "")?.ok().map(drop)
    }

    /// Waits until the process has ended by itself, and gives its exit code and its log.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn ended(&mut self) -> Result<(Option<i32>, String)> {
        let until = Instant::now() + PATIENCE;
        loop {
            let process = self.process.as_mut().context("the server does not run")?;
            if let Some(status) = process.child.try_wait()? {
                for reader in process.readers.drain(..) {
                    let _ = reader.join();
                }
                let log = self.log();
                self.process = None;
                return Ok((status.code(), log));
            }
            ensure!(Instant::now() < until, "the server did not end\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks the process to stop and waits until it has.
    ///
    /// # Errors
    /// When it does not, or ends with an error.
    pub async fn stop(&mut self) -> Result<()> {
        self.signal("TERM")?;
        let (code, log) = self.ended().await?;
        ensure!(code == Some(0), "the server ended with {code:?}\n{log}");
        Ok(())
    }
}

impl Drop for Ostiary {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of the server under test\n{}", self.log());
        }
        self.kill();
    }
}
