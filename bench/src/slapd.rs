//! OpenLDAP's slapd as the peer: started in a folder of its own on a free port, filled with the
//! same population, ended by its pid.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::ldif::ldif;
use crate::population::{PASSWORD, Population, READER};

/// Debian's place for it is not in everybody's path.
const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";
const SLAPPASSWD: &str = "/usr/sbin/slappasswd";
/// Longest time that filling and starting may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running slapd. Dropping it ends it.
pub(crate) struct Slapd {
    child: Child,
    pub(crate) address: SocketAddr,
    /// How long it took to fill.
    pub(crate) filled_in: Duration,
    _folder: TempDir,
}

impl Slapd {
    /// Fills a new one with `population` and starts it with so many worker threads.
    pub(crate) async fn start(population: &Population, threads: usize) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("ostiary-bench-slapd-").tempdir()?;
        let path = folder.path();
        let config = path.join("slapd.conf");
        std::fs::create_dir(path.join("data"))?;
        std::fs::write(&config, configuration(&population.base, &path.display().to_string(), threads))?;
        let people = path.join("population.ldif");
        std::fs::write(&people, ldif(population, &stored_password().await?))?;
        let begun = Instant::now();
        fill(&config, &people).await?;
        let filled_in = begun.elapsed();
        std::fs::remove_file(&people)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let child = Command::new(SLAPD)
            .args(["-d", "0", "-h", &format!("ldap://{address}/"), "-f"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{SLAPD} is not there: install the package slapd"))?;
        let slapd = Self { child, address, filled_in, _folder: folder };
        slapd.wait().await?;
        Ok(slapd)
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("slapd has ended")
    }

    /// Ends it and waits until it is gone.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }

    async fn wait(&self) -> anyhow::Result<()> {
        for _ in 0..200 {
            if TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("slapd (pid {:?}) does not answer at {}", self.child.id(), self.address)
    }
}

async fn fill(config: &Path, people: &Path) -> anyhow::Result<()> {
    let mut filling =
        Command::new(SLAPADD).arg("-q").arg("-f").arg(config).arg("-l").arg(people).kill_on_drop(true).spawn()?;
    let filled = tokio::time::timeout(PATIENCE, filling.wait()).await.context("slapadd takes too long")?;
    ensure!(filled.context("slapadd is not there: install the package slapd")?.success(), "slapadd failed");
    Ok(())
}

/// The password as slapd hashes it by default: SSHA.
async fn stored_password() -> anyhow::Result<String> {
    let output = Command::new(SLAPPASSWD).args(["-s", PASSWORD]).output().await?;
    ensure!(output.status.success(), "slappasswd failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The first line of `slapd -VV`.
pub(crate) async fn version() -> anyhow::Result<String> {
    let output = Command::new(SLAPD).arg("-VV").output().await?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(text.lines().next().unwrap_or_default().trim_start_matches("@(#) $").trim_end_matches('$').trim().to_owned())
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
