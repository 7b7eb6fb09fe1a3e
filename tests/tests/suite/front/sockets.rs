//! Sockets that were opened by somebody else, and ports that root opens before it is given up.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Authority, Ostiary, Pair, Setup, free_port, random_hex};

use super::launch::{Launched, finished, given, listening, needs_root, open_to_all};

/// Debian's user and group without rights.
const NOBODY: u32 = 65534;

/// What `ostiary.toml` says of two addresses.
fn ports(http: SocketAddr, ldap: SocketAddr) -> Setup {
    let setup = Setup::on(Pair::Embedded).with("OSTIARY_HTTP__LISTEN", &http.to_string());
    setup.with("OSTIARY_LDAP__LISTEN", &ldap.to_string())
}

fn serve(ostiary: &Ostiary) -> Command {
    let mut command = ostiary.command();
    command.arg("serve");
    command
}

/// What curl gets from `url`, with `arguments`.
async fn curl(url: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--max-time", "20", "--noproxy", "*"]).args(arguments).arg(url);
    finished(command).await?.ok()
}

#[tokio::test]
async fn sockets_come_from_systemd() -> Result<()> {
    let [http, ldap] = [free_port()?, free_port()?].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let ostiary = ports(http, ldap).prepare().await?;
    let ours = serve(&ostiary);
    let mut activate = Command::new("systemd-socket-activate");
    activate.args(["--listen", &http.to_string(), "--listen", &ldap.to_string()]);
    for (name, value) in ours.get_envs() {
        if let (Some(name), Some(value)) = (name.to_str(), value.and_then(|value| value.to_str())) {
            activate.arg("--setenv").arg(format!("{name}={value}"));
        }
    }
    activate.arg(ours.get_program()).args(ours.get_args()).current_dir(ostiary.folder());
    let server = Launched::launch(&mut activate, ostiary.folder())?;
    server.says("Listening on").await?;
    // The first connection starts it, and is answered.
    ensure!(curl(&format!("http://{http}/api/health"), &[]).await?.contains("\"OK\""), "{}", server.log());
    TcpStream::connect(ldap)?;
    // It says so after it has begun to answer.
    server.says(&format!("ldap://{ldap}")).await
}

#[tokio::test]
async fn a_socket_for_everything_is_one_for_ipv4() -> Result<()> {
    let (socket, bound) = listening("[::]:0")?;
    let (ldap, ldap_at) = listening("127.0.0.1:0")?;
    let ostiary = ports(SocketAddr::from(([0, 0, 0, 0], bound.port())), ldap_at).prepare().await?;
    let _server = Launched::start(&mut given(&serve(&ostiary), vec![ldap, socket])?, ostiary.folder()).await?;
    let told = curl(&format!("http://127.0.0.1:{}/api/health", bound.port()), &[]).await?;
    ensure!(told.contains("\"OK\""), "{told}");
    Ok(())
}

#[tokio::test]
async fn what_nothing_can_be_served_on_is_refused() -> Result<()> {
    let (http, http_at) = listening("127.0.0.1:0")?;
    let (other, other_at) = listening("127.0.0.1:0")?;
    let (ldap, ldap_at) = listening("127.0.0.1:0")?;
    let ostiary = ports(http_at, ldap_at).prepare().await?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let connected = TcpStream::connect(listener.local_addr()?)?;
    let unnamed = format!("no key names the inherited socket {other_at}: name it with [http] listen, [https] listen");
    let cases: [(OwnedFd, &str); 5] = [
        (other, &unnamed),
        (UdpSocket::bind("127.0.0.1:0")?.into(), "inherited socket 3 is no TCP socket that listens"),
        (connected.into(), "inherited socket 3 is no TCP socket that listens"),
        (UnixListener::bind(ostiary.folder().join("unix"))?.into(), "inherited socket 3 is no TCP"),
        (std::fs::File::open("/dev/null")?.into(), "inherited socket 3 is no TCP socket that listens"),
    ];
    for (wrong, told) in cases {
        let sockets = vec![http.try_clone()?, ldap.try_clone()?, wrong];
        let ended = finished(given(&serve(&ostiary), sockets)?).await?;
        ensure!(ended.code == Some(1) && ended.stderr.contains(told), "{ended:?}");
    }
    ensure!(!ostiary.data_dir().exists(), "data was touched");
    Ok(())
}

#[tokio::test]
async fn sockets_for_another_process_are_left_alone() -> Result<()> {
    let [http, ldap] = [free_port()?, free_port()?].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let ostiary = ports(http, ldap).prepare().await?;
    let mut command = serve(&ostiary);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let _server = Launched::start(&mut command, ostiary.folder()).await?;
    ensure!(curl(&format!("http://{http}/api/health"), &[]).await?.contains("\"OK\""));
    Ok(())
}

/// A server for ports below 1024 on an address of its own, started by root to run as nobody, with
/// HTTPS, and whoever issued its certificate.
struct Given {
    ostiary: Ostiary,
    authority: Authority,
    key: PathBuf,
    ip: String,
}

impl Given {
    async fn prepare() -> Result<Self> {
        needs_root()?;
        let own = u32::from_str_radix(&random_hex()[..5], 16)?;
        let ip = format!("127.{}.{}.{}", 1 + own % 250, own / 250 % 250, 2 + own / 62500);
        let at = |port: u16| format!("{ip}:{port}");
        let setup = Setup::on(Pair::Embedded)
            .with("OSTIARY_SERVER__USER", "nobody")
            .with("OSTIARY_HTTP__LISTEN", &at(80))
            .with("OSTIARY_HTTPS__LISTEN", &at(443))
            .with("OSTIARY_LDAP__LISTEN", &at(389))
            .with("OSTIARY_HTTPS__MODE", "files")
            .with("OSTIARY_HTTPS__CERTIFICATE_FILE", "certificate.pem")
            .with("OSTIARY_HTTPS__KEY_FILE", "key.pem");
        let ostiary = setup.prepare().await?;
        let authority = Authority::make(ostiary.folder())?;
        let (_, key) = authority.issue()?.write(ostiary.folder())?;
        open_to_all(&ostiary)?;
        let given = Self { ostiary, authority, key, ip };
        given.key_is_for(NOBODY)?;
        Ok(given)
    }

    /// Lets nobody but `user` read the private key.
    fn key_is_for(&self, user: u32) -> Result<()> {
        std::fs::set_permissions(&self.key, std::fs::Permissions::from_mode(0o600))?;
        Ok(chown(&self.key, Some(user), None)?)
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = open_to_all(&self.ostiary)?;
        command.args(arguments);
        Ok(command)
    }

    async fn start(&self) -> Result<Launched> {
        Launched::start(&mut self.command(&["serve"])?, self.ostiary.folder()).await
    }

    /// Asks over HTTPS and over HTTP.
    async fn is_well(&self) -> Result<()> {
        let ca = self.authority.file.display().to_string();
        let resolve = format!("accounts.localhost:443:{}", self.ip);
        let page = curl("https://accounts.localhost/sign-in", &["--cacert", &ca, "--resolve", &resolve]).await?;
        ensure!(page.contains("<form"), "{page}");
        ensure!(curl(&format!("http://{}/api/health", self.ip), &[]).await?.contains("\"OK\""));
        Ok(())
    }

    /// Sees to it that every file of the house is nobody's.
    fn all_is_nobodys(&self) -> Result<()> {
        let mut folders = vec![self.ostiary.data_dir()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            ensure!(owner(&folder)? == NOBODY, "{} is not nobody's", folder.display());
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                ensure!(owner(&path)? == NOBODY, "{} is not nobody's", path.display());
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files += 1;
                }
            }
        }
        ensure!(files >= 1, "there is a database");
        Ok(())
    }
}

fn owner(path: &Path) -> Result<u32> {
    Ok(std::fs::symlink_metadata(path)?.uid())
}

/// Sees to it that no thread of a process has anything left of root.
fn nothing_of_root_is_left(pid: u32) -> Result<()> {
    let groups = Command::new("id").args(["-G", "nobody"]).output()?;
    let groups = String::from_utf8(groups.stdout)?.trim().to_owned();
    let mut threads = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = std::fs::read_to_string(task?.path().join("status"))?;
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
        };
        let four = [NOBODY.to_string(), NOBODY.to_string(), NOBODY.to_string(), NOBODY.to_string()].join(" ");
        ensure!(value("Uid") == four && value("Gid") == four && value("Groups") == groups, "{status}");
        for capabilities in ["CapEff", "CapPrm", "CapAmb"] {
            ensure!(value(capabilities).trim_start_matches('0').is_empty(), "{status}");
        }
        ensure!(value("NoNewPrivs") == "1", "{status}");
        threads += 1;
    }
    ensure!(threads > 1, "threads are what this is about");
    Ok(())
}

#[tokio::test]
async fn root_opens_the_ports_and_is_given_up() -> Result<()> {
    let given = Given::prepare().await?;
    let mut server = given.start().await?;
    given.is_well().await?;
    nothing_of_root_is_left(server.first())?;
    given.all_is_nobodys()?;
    ensure!(!server.log().contains("running as root"), "{}", server.log());

    // The next one has no right to open these ports: it is given them.
    let second = server.restart().await?;
    assert_eq!(server.ended().await?, Some(0), "{}", server.log());
    given.is_well().await?;
    nothing_of_root_is_left(second)?;
    // What the user cannot read is not served from memory by the old one and lost with the next.
    given.key_is_for(0)?;
    super::launch::signal(second, "HUP")?;
    server.says("this one goes on").await?;
    ensure!(server.log().contains("[https] key_file") && server.serving() == second, "{}", server.log());
    given.is_well().await
}

#[tokio::test]
async fn what_the_user_cannot_read_is_refused_at_the_start() -> Result<()> {
    let given = Given::prepare().await?;
    given.key_is_for(0)?;
    for command in ["serve", "check"] {
        let ended = finished(given.command(&[command])?).await?;
        ensure!(ended.code == Some(1) && ended.stderr.contains("[https] key_file"), "{command}: {ended:?}");
        ensure!(ended.stderr.to_lowercase().contains("permission denied"), "{command}: {ended:?}");
    }
    Ok(())
}

#[tokio::test]
async fn commands_of_root_leave_nothing_of_root_behind() -> Result<()> {
    let given = Given::prepare().await?;
    // The data folder is made where nobody could not make it.
    finished(given.command(&["migrate"])?).await?.ok()?;
    given.all_is_nobodys().context("after migrate")?;
    for command in [&["user", "list"][..], &["keys", "list"], &["group", "list"], &["check"]] {
        finished(given.command(command)?).await?.ok()?;
        given.all_is_nobodys().with_context(|| command.join(" "))?;
    }
    Ok(())
}

#[tokio::test]
async fn only_root_becomes_somebody_else() -> Result<()> {
    let given = Given::prepare().await?;
    let mut other = given.command(&["user", "list"])?;
    other.env("OSTIARY_SERVER__USER", "daemon").uid(NOBODY).gid(NOBODY);
    let ended = finished(other).await?;
    let told = "Ostiary cannot run as \"daemon\", which [server] user names: only root can become \"daemon\"";
    ensure!(ended.code == Some(1) && ended.stderr.contains(told), "{ended:?}");

    for (name, told) in [("no-such-user", "this system has no user"), ("root", "is root")] {
        let mut unknown = given.command(&["check"])?;
        unknown.env("OSTIARY_SERVER__USER", name);
        let ended = finished(unknown).await?;
        let place = format!("OSTIARY_SERVER__USER: [server] user is {name:?}; allowed is the name of a user");
        ensure!(ended.code == Some(1) && ended.stderr.contains(&place) && ended.stderr.contains(told), "{ended:?}");
    }

    // Who is that user already needs no root.
    finished(given.command(&["migrate"])?).await?.ok()?;
    let mut same = given.command(&["user", "list"])?;
    same.uid(NOBODY).gid(NOBODY);
    finished(same).await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn root_without_a_user_is_warned() -> Result<()> {
    needs_root()?;
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let warnings = ostiary.log().lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect::<Vec<_>>();
    ensure!(warnings.len() == 1 && warnings[0].contains("running as root"), "{warnings:?}");
    Ok(())
}
