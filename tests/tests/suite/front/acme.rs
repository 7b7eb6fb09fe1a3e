//! Certificates from an authority, from the settings to what clients see.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use ostiary_tests::{Ostiary, Pair, Pebble, Setup, eventually, free_port, run};
use tempfile::TempDir;

pub(super) const HOSTS: [&str; 2] = ["accounts.example.test", "directory.example.test"];

/// A server of `pair` that orders from `pebble`, on any ports.
pub(super) fn ordering_from(pair: Pair, pebble: &Pebble, challenge: &str) -> Setup {
    Setup::on(pair)
        .with("OSTIARY_SITE__DOMAIN", "example.test")
        .with("OSTIARY_HTTPS__LISTEN", "127.0.0.1:0")
        .with("OSTIARY_HTTPS__MODE", "acme")
        .with("OSTIARY_LDAP__TLS_LISTEN", "127.0.0.1:0")
        .with("OSTIARY_ACME__DIRECTORY", &pebble.directory())
        .with("OSTIARY_ACME__CA_FILE", &pebble.ca_file.display().to_string())
        .with("OSTIARY_ACME__CHALLENGES", challenge)
}

/// Whether curl, which trusts `root`, gets the page of `host` from this server.
pub(super) async fn is_served(ostiary: &Ostiary, host: &str, root: &Path) -> Result<bool> {
    let port = ostiary.https_address()?.port();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--output", "/dev/null", "--max-time", "10", "--noproxy", "*", "--cacert"]).arg(root);
    curl.args(["--resolve", &format!("{host}:{port}:127.0.0.1"), &format!("https://{host}:{port}/")]);
    Ok(tokio::task::spawn_blocking(move || run(&mut curl, "")).await??.code == Some(0))
}

/// A server that orders from a Pebble of its own.
pub(super) struct Ordering {
    pub(super) ostiary: Ostiary,
    pub(super) pebble: Pebble,
    // Holds the files.
    _folder: TempDir,
}

impl Ordering {
    async fn start(challenge: &str) -> Result<Self> {
        Self::start_with(challenge, Duration::from_secs(3_600), |setup| setup).await
    }

    /// The same with certificates that are good for `life`, and other settings.
    pub(super) async fn start_with(
        challenge: &str,
        life: Duration,
        change: impl FnOnce(Setup) -> Setup,
    ) -> Result<Self> {
        let mut ordering = Self::prepare(challenge, life, change).await?;
        ordering.ostiary.start_again()?;
        Ok(ordering)
    }

    /// The same, with the server not started.
    async fn prepare(challenge: &str, life: Duration, change: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (http, https) = (free_port()?, free_port()?);
        let pebble = Pebble::start(folder.path(), (http, https), life)?;
        let setup = ordering_from(Pair::Embedded, &pebble, challenge)
            .with("OSTIARY_HTTP__LISTEN", &format!("127.0.0.1:{http}"))
            .with("OSTIARY_HTTPS__LISTEN", &format!("127.0.0.1:{https}"));
        let ostiary = change(setup).prepare().await?;
        Ok(Self { ostiary, pebble, _folder: folder })
    }

    async fn is_served(&self, host: &str, root: &Path) -> Result<bool> {
        is_served(&self.ostiary, host, root).await
    }

    pub(super) async fn until_served(&self) -> Result<()> {
        let root = self.pebble.root()?;
        for host in HOSTS {
            eventually(&format!("the certificate of {host}, the log says\n{}", self.ostiary.log()), async || {
                Ok(self.is_served(host, &root).await?.then_some(()))
            })
            .await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_fresh_server_gets_its_certificate_over_tls() -> Result<()> {
    let mut ordering = Ordering::start("tls-alpn-01").await?;
    ordering.until_served().await?;
    assert_eq!(ordering.pebble.orders()?, 1, "one for both names");
    // LDAP has it, too.
    let port = ordering.ostiary.ldaps_address()?.port();
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-CAfile"]).arg(ordering.pebble.root()?);
    let shown = tokio::task::spawn_blocking(move || run(&mut client, "")).await??;
    ensure!(shown.stdout.contains("Verify return code: 0"), "{shown:?}");
    // What is stored is served at once, and nothing is ordered again.
    ordering.ostiary.kill();
    ordering.ostiary.start_again()?;
    let root = ordering.pebble.root()?;
    ensure!(ordering.is_served("accounts.example.test", &root).await?, "{}", ordering.ostiary.log());
    assert_eq!(ordering.pebble.orders()?, 1);
    Ok(())
}

#[tokio::test]
async fn a_fresh_server_gets_its_certificate_over_http() -> Result<()> {
    let ordering = Ordering::start("http-01").await?;
    ordering.until_served().await?;
    // A token that nobody knows is no page and leads nowhere.
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--noproxy", "*"]);
    curl.arg(format!("http://{}/.well-known/acme-challenge/unknown", ordering.ostiary.http_address()?));
    let code = tokio::task::spawn_blocking(move || run(&mut curl, "")).await??.ok()?;
    assert_eq!(code, "404");
    Ok(())
}

#[tokio::test]
async fn a_machine_whose_clock_is_a_day_off_orders_once() -> Result<()> {
    for seconds in [-86_400, 86_400] {
        let life = Duration::from_secs(90 * 86_400);
        let mut ordering = Ordering::prepare("tls-alpn-01", life, |setup| setup).await?;
        ordering.ostiary.set_clock(seconds)?;
        ordering.ostiary.start_again()?;
        ordering.until_served().await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(ordering.pebble.orders()?, 1, "{}", ordering.ostiary.log());
        // The clock is put right.
        ordering.ostiary.stop().await?;
        ordering.ostiary.set_clock(0)?;
        ordering.ostiary.start_again()?;
        ordering.until_served().await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(ordering.pebble.orders()?, 1, "{}", ordering.ostiary.log());
    }
    Ok(())
}
