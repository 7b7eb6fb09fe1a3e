//! Caddy with the same certificate, the same page under the same headers, and the same service
//! behind it.

use std::fmt::Write as _;
use std::fs::{create_dir_all, write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::front::{OWN, SITE};
use crate::handshakes::Page;
use crate::process::Running;

/// Where the page is that Caddy answers out of its settings, instead of out of a file.
pub(crate) const RESPOND: &str = "/respond";

/// Longest time from start to ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// What Caddy says itself, or what differs from answer to answer.
const NOT_SET: [&str; 4] = ["content-length", "connection", "date", "transfer-encoding"];

/// How Caddy is started.
pub(crate) struct Caddy<'a> {
    /// The program.
    pub(crate) binary: &'a Path,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// Where certificate and key are: `cert.pem` and `key.pem`.
    pub(crate) certificates: &'a Path,
    pub(crate) port: u16,
    /// The service for the name that is forwarded.
    pub(crate) upstream: SocketAddr,
}

impl Caddy<'_> {
    /// Starts it with `page` at `path`.
    pub(crate) fn start(&self, path: &str, page: &Page, pids: &Path) -> anyhow::Result<Running> {
        let file = self.folder.join("files").join(path.trim_start_matches('/'));
        create_dir_all(file.parent().context("a folder for the page")?)?;
        write(&file, &page.body)?;
        let settings = self.folder.join("Caddyfile");
        write(&settings, self.settings(page)?)?;
        let log = std::fs::File::create(self.folder.join("log"))?;
        let mut command = Command::new(self.binary);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&settings);
        command.env("HOME", &self.folder).env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut running = Running::start(&mut command, pids)?;
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            ensure!(!running.has_ended()? && begun.elapsed() < PATIENCE, "Caddy did not start: {}", log());
            sleep(Duration::from_millis(20));
        }
        Ok(running)
    }

    /// Without what Ostiary has not: an interface for administration, HTTP/3, a store of certificates.
    fn settings(&self, page: &Page) -> anyhow::Result<String> {
        let body = std::str::from_utf8(&page.body)?;
        ensure!(!body.contains('`') && !page.head.contains('`'), "the page cannot be quoted in a Caddyfile");
        let mut headers = String::new();
        for (name, value) in page.head.lines().filter_map(|line| line.split_once(": ")) {
            if !NOT_SET.contains(&name) {
                let _ = writeln!(headers, "\t\t{name} `{value}`");
            }
        }
        let (folder, port, upstream) = (self.folder.display(), self.port, self.upstream);
        let of = self.certificates.display();
        let tls = format!("bind 127.0.0.1\n\ttls {of}/cert.pem {of}/key.pem");
        Ok(format!(
            "{{\n\tadmin off\n\tauto_https off\n\tskip_install_trust\n\tpersist_config off\n\t\
             storage file_system {folder}/storage\n\tservers {{\n\t\tprotocols h1 h2\n\t}}\n}}\n\
             https://{OWN}:{port} {{\n\t{tls}\n\theader {{\n{headers}\t}}\n\thandle {RESPOND} {{\n\t\trespond `{body}`\n\t}}\n\t\
             root * {folder}/files\n\tfile_server\n}}\n\
             https://{SITE}:{port} {{\n\t{tls}\n\treverse_proxy {upstream} {{\n\t\ttransport http {{\n\t\t\t\
             keepalive_idle_conns_per_host 256\n\t\t}}\n\t}}\n}}\n"
        ))
    }
}
