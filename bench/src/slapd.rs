//! OpenLDAP's slapd as the peer: in a folder of its own on a free port, with the same population.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::ldif::ldif;
use crate::population::{PASSWORD, Population, READER};
use crate::process::Running;

// Debian's place for them is not in everybody's path.
const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";
const SLAPPASSWD: &str = "/usr/sbin/slappasswd";
/// Longest time that filling and starting may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running slapd.
pub(crate) struct Slapd {
    running: Running,
    pub(crate) address: SocketAddr,
    /// How long it took to fill.
    pub(crate) filled_in: Duration,
}

impl Slapd {
    /// Fills a new one in the folder `work` with `population` and starts it with so many worker
    /// threads.
    pub(crate) fn start(population: &Population, work: &Path, threads: usize) -> anyhow::Result<Self> {
        let folder = work.join("slapd");
        let (config, people) = (folder.join("slapd.conf"), folder.join("population.ldif"));
        std::fs::create_dir_all(folder.join("data"))?;
        std::fs::write(&config, configuration(&population.base, &folder.display().to_string(), threads))?;
        std::fs::write(&people, ldif(population, &stored_password()?))?;
        let pids = work.join("pids");
        let begun = Instant::now();
        let mut filling = Command::new(SLAPADD);
        filling.arg("-q").arg("-f").arg(&config).arg("-l").arg(&people);
        finish(Running::start(&mut filling, &pids).context("install the package slapd")?)?;
        let filled_in = begun.elapsed();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = Command::new(SLAPD);
        command.args(["-d", "0", "-h", &format!("ldap://{address}/"), "-f"]).arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = Running::start(&mut command, &pids)?;
        while TcpStream::connect(address).is_err() {
            ensure!(!running.has_ended()? && begun.elapsed() < PATIENCE, "slapd does not answer");
            sleep(Duration::from_millis(20));
        }
        Ok(Self { running, address, filled_in })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.running.stop()
    }
}

/// Waits until it has ended well.
fn finish(mut running: Running) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = running.child().try_wait()? {
            ensure!(status.success(), "slapadd failed");
            return Ok(());
        }
        sleep(Duration::from_millis(20));
    }
    bail!("slapadd takes too long")
}

/// The password as slapd hashes it by default: SSHA.
fn stored_password() -> anyhow::Result<String> {
    let output = Command::new(SLAPPASSWD).args(["-s", PASSWORD]).output().context("install the package slapd")?;
    ensure!(output.status.success(), "slappasswd failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// What it calls itself.
pub(crate) fn version() -> anyhow::Result<String> {
    let output = Command::new(SLAPD).arg("-VV").output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().next().unwrap_or_default().trim_start_matches("@(#) $OpenLDAP: slapd ");
    Ok(line.split(" (").next().unwrap_or_default().trim().to_owned())
}

/// The reader is the root DN: it passes no access lists and no limits, which is the quickest way
/// to read that slapd has.
fn configuration(base: &str, folder: &str, threads: usize) -> String {
    format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\npidfile {folder}/slapd.pid\n\
         modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload memberof\nthreads {threads}\n\
         sizelimit unlimited\ntimelimit unlimited\n\
         database mdb\nmaxsize 4294967296\nsuffix \"{base}\"\n\
         rootdn \"uid={READER},ou=people,{base}\"\nrootpw {PASSWORD}\ndirectory {folder}/data\n\
         index objectClass eq\nindex uid,mail,cn,displayName eq,sub\nindex member,memberOf eq\n\
         overlay memberof\n"
    )
}
