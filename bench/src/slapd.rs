//! OpenLDAP's slapd as the peer: started in a folder of its own on a free port, filled with the
//! same people, ended by its pid.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::population;

/// Of the account that reads. The server is on the loopback address for some seconds.
pub(crate) const PASSWORD: &str = "measured";

pub(crate) struct Slapd {
    child: Child,
    address: SocketAddr,
    base: String,
    _folder: TempDir,
}

impl Slapd {
    pub(crate) async fn start(base: &str, people: u32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        let config = path.join("slapd.conf");
        let data = path.join("data");
        std::fs::create_dir(&data)?;
        std::fs::write(&config, configuration(base, &path.display().to_string()))?;
        let ldif = path.join("people.ldif");
        std::fs::write(&ldif, population::ldif(base, people))?;
        let filled = Command::new("slapadd").arg("-q").arg("-f").arg(&config).arg("-l").arg(&ldif).status().await;
        ensure!(filled.context("slapadd is not there: install the package slapd")?.success(), "slapadd failed");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let child = Command::new("slapd")
            .args(["-d", "0", "-h", &format!("ldap://{address}/"), "-f"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("slapd is not there: install the package slapd")?;
        let slapd = Self { child, address, base: base.to_owned(), _folder: folder };
        slapd.wait().await?;
        Ok(slapd)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn root_dn(&self) -> String {
        format!("cn=root,{}", self.base)
    }

    async fn wait(&self) -> anyhow::Result<()> {
        for _ in 0..100 {
            if TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("slapd (pid {:?}) does not answer at {}", self.child.id(), self.address)
    }
}

fn configuration(base: &str, folder: &str) -> String {
    format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\npidfile {folder}/slapd.pid\n\
         modulepath /usr/lib/ldap\nmoduleload back_mdb\nthreads 4\n\
         database mdb\nmaxsize 268435456\nsuffix \"{base}\"\nrootdn \"cn=root,{base}\"\nrootpw {PASSWORD}\n\
         directory {folder}/data\nindex objectClass eq\nindex uid eq\nindex mail eq\nindex uniqueMember eq\n"
    )
}
