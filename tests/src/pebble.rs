//! Pebble, the test authority of Let's Encrypt, with a name server that says that every name is
//! here. Both are Debian's; each test has its own.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{Authority, run};

/// A running Pebble. Dropping it ends it.
pub struct Pebble {
    servers: Vec<Child>,
    folder: PathBuf,
    port: u16,
    management: u16,
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
    /// Starts one that looks at names on these ports of this machine.
    ///
    /// # Errors
    /// When Pebble is not installed, or does not get ready.
    pub fn start(folder: &Path, http: u16, tls: u16) -> Result<Self> {
        let authority = Authority::make(folder)?;
        authority.issue()?.write(folder)?;
        let (port, management, names) = (free_port()?, free_port()?, free_port()?);
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": "certificate.pem", "privateKey": "key.pem",
            "httpPort": http, "tlsPort": tls, "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        std::fs::write(folder.join("pebble.json"), config.to_string())?;
        let (servers, ca_file) = (Vec::new(), authority.file);
        let mut pebble = Self { servers, folder: folder.to_owned(), port, management, ca_file };
        let names = format!("127.0.0.1:{names}");
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver.args([
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
            "-defaultIPv6",
            "",
            "-defaultIPv4",
            "127.0.0.1",
        ]);
        resolver.args(["-dns01", &names, "-management", &format!("127.0.0.1:{}", free_port()?)]);
        pebble.launch(resolver)?;
        wait_for(&names)?;
        let mut server = Command::new("pebble");
        server.args(["-config", "pebble.json", "-strict", "-dnsserver", &names]).env("PEBBLE_VA_NOSLEEP", "1");
        pebble.launch(server)?;
        wait_for(&format!("127.0.0.1:{port}"))?;
        wait_for(&format!("127.0.0.1:{management}"))?;
        Ok(pebble)
    }

    fn launch(&mut self, mut command: Command) -> Result<()> {
        let log = File::create(self.folder.join(format!("server{}.log", self.servers.len())))?;
        let command = command.current_dir(&self.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let missing = "Pebble is missing: it is Debian's package pebble (apt-get install pebble)";
        self.servers.push(command.spawn().context(missing)?);
        Ok(())
    }

    /// The address of its directory.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// Writes the root of what it issues, which it makes anew at each start, into a file.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn root(&self) -> Result<PathBuf> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert"]).arg(&self.ca_file);
        let root = run(curl.arg(format!("https://localhost:{}/roots/0", self.management)), "")?.ok()?;
        let file = self.folder.join("root.pem");
        std::fs::write(&file, root)?;
        Ok(file)
    }

    /// How many orders it was given.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn orders(&self) -> Result<usize> {
        Ok(std::fs::read_to_string(self.folder.join("server1.log"))?.matches("Added order ").count())
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
