//! Pebble, the test authority of Let's Encrypt, with a name server that says that every name is
//! here. Both are from Debian's newest, brought by `tests/services/pebble.sh`; each test has its own.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Authority, brought_by, run};

/// A running Pebble. Dropping it ends it.
pub struct Pebble {
    programs: PathBuf,
    servers: Vec<Child>,
    folder: PathBuf,
    port: u16,
    management: u16,
    /// Where its directory is handed out with nothing in it about when to renew: by itself Pebble
    /// suggests windows of two days, and tests have seconds.
    quiet: u16,
    /// Whom its own server is from, for clients.
    pub ca_file: PathBuf,
}

/// A port that was free a moment ago.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Pebble {
    /// Starts one that looks at names on these ports of this machine, over HTTP and over TLS, and
    /// whose certificates are good for `life`.
    ///
    /// # Errors
    /// When it cannot be brought, or does not get ready.
    pub fn start(folder: &Path, (http, tls): (u16, u16), life: Duration) -> Result<Self> {
        let authority = Authority::make(folder)?;
        authority.issue()?.write(folder)?;
        let (port, management, quiet, names) = (free_port()?, free_port()?, free_port()?, free_port()?);
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": "certificate.pem", "privateKey": "key.pem",
            "httpPort": http, "tlsPort": tls, "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "retryAfter": { "authz": 1, "order": 1 },
            "profiles": { "default": { "description": "the usual", "validityPeriod": life.as_secs() } },
        }});
        std::fs::write(folder.join("pebble.json"), config.to_string())?;
        let (programs, servers, ca_file) = (brought_by("pebble.sh")?, Vec::new(), authority.file);
        let mut pebble = Self { programs, servers, folder: folder.to_owned(), port, management, quiet, ca_file };
        let names = format!("127.0.0.1:{names}");
        let mut resolver = Command::new(pebble.programs.join("pebble-challtestsrv"));
        resolver.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv6", ""]);
        resolver.args(["-defaultIPv4", "127.0.0.1", "-dnsserver", &names]);
        resolver.args(["-management", &format!("127.0.0.1:{}", free_port()?)]);
        pebble.launch(&mut resolver)?;
        wait_for(&names)?;
        let mut server = Command::new(pebble.programs.join("pebble"));
        server.args(["-config", "pebble.json", "-strict", "-dnsserver", &names]);
        // None of its authorizations is good for another order: each has to be proved.
        pebble.launch(server.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0"))?;
        wait_for(&format!("127.0.0.1:{port}"))?;
        wait_for(&format!("127.0.0.1:{management}"))?;
        pebble.hand_out_quietly()?;
        Ok(pebble)
    }

    /// All other addresses in the directory are Pebble's own.
    fn hand_out_quietly(&mut self) -> Result<()> {
        let mut directory: Value = serde_json::from_str(&self.answer(self.port, "/dir")?)?;
        directory.as_object_mut().context("the directory is no object")?.remove("renewalInfo");
        let answer = format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{directory}");
        std::fs::write(self.folder.join("dir"), answer)?;
        let mut server = Command::new("openssl");
        server.args(["s_server", "-quiet", "-HTTP", "-accept", &format!("127.0.0.1:{}", self.quiet)]);
        self.launch(server.args(["-cert", "certificate.pem", "-key", "key.pem"]))?;
        wait_for(&format!("127.0.0.1:{}", self.quiet))
    }

    fn answer(&self, port: u16, path: &str) -> Result<String> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert"]).arg(&self.ca_file);
        run(curl.arg(format!("https://localhost:{port}{path}")), "")?.ok()
    }

    fn launch(&mut self, command: &mut Command) -> Result<()> {
        let log = File::create(self.folder.join(format!("server{}.log", self.servers.len())))?;
        let command = command.current_dir(&self.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.servers.push(command.spawn()?);
        Ok(())
    }

    /// The address of its directory.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.quiet)
    }

    /// Writes the root of what it issues, which it makes anew at each start, into a file.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn root(&self) -> Result<PathBuf> {
        let root = self.answer(self.management, "/roots/0")?;
        let file = self.folder.join("root.pem");
        std::fs::write(&file, root)?;
        Ok(file)
    }

    /// How many orders it was given.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn orders(&self) -> Result<usize> {
        self.told("Added order ")
    }

    /// How many certificates it has issued.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn issued(&self) -> Result<usize> {
        self.told("Issued certificate ")
    }

    fn told(&self, words: &str) -> Result<usize> {
        Ok(std::fs::read_to_string(self.folder.join("server1.log"))?.matches(words).count())
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for mut server in self.servers.drain(..) {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn wait_for(address: &str) -> Result<()> {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        ensure!(begun.elapsed() < Duration::from_secs(20), "nothing listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
