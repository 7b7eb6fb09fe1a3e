//! Certificates from Caddy's own authority. It looks at names on the real ports 80 and 443 alone, so
//! Caddy, the server and its visitors have a machine of their own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Result, ensure};
use ostiary_tests::{Machine, Ostiary, Pair, Setup, brought_by, eventually, run};
use tempfile::TempDir;

use super::https::serial;

const HOSTS: [&str; 2] = ["accounts.example.test", "directory.example.test"];

/// Its shortest certificates are good for five minutes.
const CADDYFILE: &str = "{
	admin off
	skip_install_trust
	auto_https disable_redirects
	http_port 9080
	https_port 9443
	pki {
		ca test {
			name \"An authority of the tests\"
		}
	}
}
https://localhost:9443 {
	bind 127.0.0.1
	tls {
		issuer internal {
			ca test
		}
	}
	acme_server {
		ca test
		lifetime 5m
	}
}
";

/// Dropped in this order: programs, machine, files.
struct Scene {
    ostiary: Ostiary,
    caddy: Caddy,
    machine: Arc<Machine>,
    _folder: TempDir,
}

struct Caddy {
    process: Child,
    /// Whom its server and its certificates are from.
    root: PathBuf,
}

impl Caddy {
    async fn start(machine: &Machine, folder: &Path) -> Result<Self> {
        let program = tokio::task::spawn_blocking(|| brought_by("python.sh")).await??.with_file_name("caddy");
        std::fs::write(folder.join("Caddyfile"), CADDYFILE)?;
        let log = std::fs::File::create(folder.join("caddy.log"))?;
        let mut command = machine.command(program);
        command.args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"]).current_dir(folder);
        for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(variable, folder);
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        let caddy = Self { process, root: folder.join("caddy/pki/authorities/test/root.crt") };
        eventually("Caddy's directory", async || {
            let mut curl = machine.command("curl");
            curl.args(["--silent", "--fail", "--cacert"]).arg(&caddy.root).arg(DIRECTORY);
            Ok((told(curl).await?.code == Some(0)).then_some(()))
        })
        .await?;
        Ok(caddy)
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const DIRECTORY: &str = "https://localhost:9443/acme/test/directory";

async fn told(mut command: Command) -> Result<ostiary_tests::Finished> {
    tokio::task::spawn_blocking(move || run(&mut command, "")).await?
}

impl Scene {
    async fn start(challenge: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let machine = Arc::new(Machine::start(folder.path(), &HOSTS)?);
        let caddy = Caddy::start(&machine, folder.path()).await?;
        let ostiary = Setup::on(Pair::Embedded)
            .inside(&machine)
            .with("OSTIARY_SITE__DOMAIN", "example.test")
            .with("OSTIARY_HTTP__LISTEN", "127.0.0.1:80")
            .with("OSTIARY_HTTPS__LISTEN", "127.0.0.1:443")
            .with("OSTIARY_HTTPS__MODE", "acme")
            .with("OSTIARY_LDAP__TLS_LISTEN", "127.0.0.1:636")
            .with("OSTIARY_ACME__DIRECTORY", DIRECTORY)
            .with("OSTIARY_ACME__CA_FILE", &caddy.root.display().to_string())
            .with("OSTIARY_ACME__CHALLENGES", challenge)
            .start()
            .await?;
        Ok(Self { ostiary, caddy, machine, _folder: folder })
    }

    /// Waits until curl, which trusts Caddy's root, gets a page of both hosts.
    async fn until_served(&self) -> Result<()> {
        for host in HOSTS {
            eventually(&format!("the certificate of {host}, the log says\n{}", self.ostiary.log()), async || {
                let mut curl = self.machine.command("curl");
                curl.args(["--silent", "--output", "/dev/null", "--max-time", "10", "--cacert"]).arg(&self.caddy.root);
                curl.arg(format!("https://{host}/"));
                Ok((told(curl).await?.code == Some(0)).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// The certificate that is shown on a port, which must be of Caddy's authority.
    async fn shown(&self, port: u16) -> Result<String> {
        let mut client = self.machine.command("openssl");
        client.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", HOSTS[0], "-CAfile"]);
        client.arg(&self.caddy.root);
        let shown = told(client).await?;
        ensure!(shown.stdout.contains("Verify return code: 0"), "{shown:?}");
        serial(&shown)
    }
}

async fn gets_a_certificate_and_renews_it(challenge: &str) -> Result<()> {
    let mut scene = Scene::start(challenge).await?;
    scene.until_served().await?;
    let first = scene.shown(443).await?;
    assert_eq!(scene.shown(636).await?, first, "LDAP has it, too");
    // Four minutes later there is one left.
    scene.ostiary.stop().await?;
    scene.ostiary.set_clock(240)?;
    scene.ostiary.start_again()?;
    let second = eventually("a new certificate", async || {
        let now = scene.shown(443).await?;
        Ok((now != first).then_some(now))
    })
    .await?;
    scene.until_served().await?;
    assert_eq!(scene.shown(636).await?, second);
    Ok(())
}

#[tokio::test]
async fn caddy_gives_and_renews_a_certificate_over_tls() -> Result<()> {
    gets_a_certificate_and_renews_it("tls-alpn-01").await
}

#[tokio::test]
async fn caddy_gives_and_renews_a_certificate_over_http() -> Result<()> {
    gets_a_certificate_and_renews_it("http-01").await
}
