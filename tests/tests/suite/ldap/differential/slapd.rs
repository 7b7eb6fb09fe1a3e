//! OpenLDAP's slapd, started in a folder of its own on a free port with Ostiary's schema, ended when
//! it is dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::peer::Peer;

/// Debian's place for it is not in everybody's path.
const PROGRAM: &str = "/usr/sbin/slapd";
/// It listens on the loopback address for some minutes.
const PASSWORD: &str = "compared";

pub(super) struct Slapd {
    child: Child,
    address: SocketAddr,
    base: String,
    folder: TempDir,
}

impl Slapd {
    /// Starts one below `base`; `schema` is what it has to know beside what is built in.
    pub(super) fn start(base: &str, schema: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ostiary-slapd-").tempdir()?;
        std::fs::create_dir(folder.path().join("data"))?;
        let config = folder.path().join("slapd.conf");
        std::fs::write(&config, configuration(base, schema, folder.path()))?;
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let log = std::fs::File::create(folder.path().join("log"))?;
            let mut child = Command::new(PROGRAM)
                .args(["-d", "0", "-h", &format!("ldap://{address}/"), "-f"])
                .arg(&config)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .with_context(|| format!("{PROGRAM} is not there: install the package slapd"))?;
            if answers(&mut child, address)? {
                return Ok(Self { child, address, base: base.to_owned(), folder });
            }
        }
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        let told = Command::new(PROGRAM).args(["-T", "test", "-u", "-f"]).arg(&config).output()?;
        bail!("slapd does not start\n{log}{}", String::from_utf8_lossy(&told.stderr))
    }

    /// A connection of the administrator who passes every access rule.
    pub(super) fn peer(&self) -> Result<Peer> {
        Peer::bound("slapd", self.address, &format!("cn=root,{}", self.base), PASSWORD)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has complained of.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answers(child: &mut Child, address: SocketAddr) -> Result<bool> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if TcpStream::connect(address).is_ok() {
            return Ok(true);
        }
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    Ok(false)
}

/// No indexes: what they would save is nothing here, and a mistake in one would hide what is asked.
/// No times and ids of its own: those of Ostiary are brought to it.
fn configuration(base: &str, schema: &str, folder: &Path) -> String {
    let folder = folder.display();
    // Without a schema it knows no member.
    let overlays = if schema.is_empty() { "" } else { OVERLAYS };
    format!(
        "modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload memberof\nmoduleload ppolicy\nmoduleload sssvlv\n\
         {schema}pidfile {folder}/slapd.pid\nthreads 2\nsizelimit unlimited\ntimelimit unlimited\n\
         database mdb\nmaxsize 268435456\nsuffix \"{base}\"\nrootdn \"cn=root,{base}\"\nrootpw {PASSWORD}\n\
         directory {folder}/data\ndbnosync\nlastmod off\n{overlays}"
    )
}

const OVERLAYS: &str = "overlay memberof\nmemberof-group-oc groupOfNames\nmemberof-refint TRUE\n\
    memberof-dangling error\nmemberof-dangling-error 19\noverlay sssvlv\n";
