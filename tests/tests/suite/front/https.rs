//! HTTPS with certificates from files, asked by curl and OpenSSL.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Authority, Finished, Ostiary, Pair, Setup, eventually, run};
use tempfile::TempDir;

/// A server with HTTPS and LDAPS, and whoever issued its certificate.
struct Front {
    ostiary: Ostiary,
    authority: Authority,
    folder: TempDir,
}

impl Front {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::make(folder.path())?;
        let (certificate, key) = authority.issue()?.write(folder.path())?;
        let ostiary = Setup::on(Pair::Embedded)
            .with("OSTIARY_HTTPS__MODE", "files")
            .with("OSTIARY_HTTPS__LISTEN", "127.0.0.1:0")
            .with("OSTIARY_HTTPS__CERTIFICATE_FILE", &certificate.display().to_string())
            .with("OSTIARY_HTTPS__KEY_FILE", &key.display().to_string())
            .with("OSTIARY_LDAP__TLS_LISTEN", "127.0.0.1:0")
            .start()
            .await?;
        Ok(Self { ostiary, authority, folder })
    }

    /// What curl, which trusts the authority, says to `arguments`.
    async fn curl(&self, arguments: &[&str]) -> Result<Finished> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--cacert"]);
        command.arg(&self.authority.file).args(arguments);
        tokio::task::spawn_blocking(move || run(&mut command, "")).await?
    }

    /// Status, version of HTTP and target of a redirect.
    async fn answer(&self, arguments: &[&str]) -> Result<String> {
        let told = ["--output", "/dev/null", "--write-out", "%{http_code} %{http_version} %{redirect_url}"];
        Ok(self.curl(&[&told, arguments].concat()).await?.ok()?.trim().to_owned())
    }

    /// What OpenSSL's client says of a handshake.
    async fn handshake(&self, port: u16, arguments: &[&str]) -> Result<Finished> {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-CAfile"]);
        command.arg(&self.authority.file).args(arguments);
        tokio::task::spawn_blocking(move || run(&mut command, "")).await?
    }
}

pub(super) fn serial(finished: &Finished) -> Result<String> {
    let pem = finished.stdout.split_once("-----BEGIN CERTIFICATE-----").context("no certificate was shown")?.1;
    Ok(pem.split_once("-----END").context("it has no end")?.0.to_owned())
}

#[tokio::test]
async fn pages_come_over_both_versions_of_http() -> Result<()> {
    let front = Front::start().await?;
    let accounts = front.ostiary.accounts()?.to_owned();
    ensure!(accounts.starts_with("https://accounts.localhost:"), "{accounts}");
    let page = format!("{accounts}/sign-in");
    assert_eq!(front.answer(&["--http1.1", &page]).await?, "200 1.1");
    assert_eq!(front.answer(&["--http2", &page]).await?, "200 2");
    assert_eq!(front.answer(&["--tlsv1.2", "--tls-max", "1.2", &page]).await?, "200 2");
    ensure!(front.curl(&["--tls-max", "1.1", &page]).await?.code != Some(0), "TLS 1.1 is refused");
    let head = front.curl(&["--head", &page]).await?.ok()?;
    ensure!(head.contains("strict-transport-security: max-age="), "{head}");
    let discovery = front.curl(&[&format!("{accounts}/.well-known/openid-configuration")]).await?.ok()?;
    ensure!(discovery.contains(&format!("\"issuer\":\"{accounts}\"")), "{discovery}");
    // The panel has the other name.
    let directory = front.ostiary.directory()?.to_owned();
    ensure!(front.answer(&["--http2", &directory]).await?.starts_with("303 2 "), "{directory}");
    Ok(())
}

#[tokio::test]
async fn other_names_have_no_site_and_no_certificate() -> Result<()> {
    let front = Front::start().await?;
    let port = front.ostiary.https_address()?.port();
    let page = format!("{}/sign-in", front.ostiary.accounts()?);
    for version in ["--http1.1", "--http2"] {
        assert_eq!(
            front.answer(&[version, "--header", "Host: evil.example", &page]).await?.split(' ').next(),
            Some("421")
        );
    }
    let stranger = front.handshake(port, &["-servername", "evil.example"]).await?;
    ensure!(stranger.code != Some(0) && stranger.stderr.contains("alert"), "{stranger:?}");
    let known = front.handshake(port, &["-servername", "accounts.localhost"]).await?;
    ensure!(known.stdout.contains("Verify return code: 0"), "{known:?}");
    ensure!(known.stdout.contains("X25519MLKEM768") || known.stdout.contains("X25519"), "{known:?}");
    // Who asks for nothing but a challenge finds none.
    let challenge = front.handshake(port, &["-servername", "accounts.localhost", "-alpn", "acme-tls/1"]).await?;
    ensure!(challenge.code != Some(0), "{challenge:?}");
    Ok(())
}

#[tokio::test]
async fn plain_http_leads_to_https_and_serves_nothing() -> Result<()> {
    let front = Front::start().await?;
    let plain = front.ostiary.http_address()?;
    let accounts = front.ostiary.accounts()?.to_owned();
    let to = |path: &str| format!("http://{plain}{path}");
    let host = ["--header", "Host: accounts.localhost"];
    let answer = front.answer(&[&host[..], &[&to("/sign-in?a=b")]].concat()).await?;
    assert_eq!(answer, format!("308 1.1 {accounts}/sign-in?a=b"));
    let posted = front.answer(&[&host[..], &["--data", "username=ada", &to("/sign-in")]].concat()).await?;
    assert_eq!(posted, format!("308 1.1 {accounts}/sign-in"));
    assert_eq!(front.answer(&["--header", "Host: evil.example", &to("/")]).await?, "421 1.1");
    assert_eq!(front.answer(&[&to("/api/health")]).await?, "200 1.1");
    let mut health = front.ostiary.command();
    health.arg("health");
    tokio::task::spawn_blocking(move || run(&mut health, "")).await??.ok()?;
    Ok(())
}

#[tokio::test]
async fn a_new_certificate_is_served_by_all_doors_at_once() -> Result<()> {
    let front = Front::start().await?;
    let (https, ldaps) = (front.ostiary.https_address()?.port(), front.ostiary.ldaps_address()?.port());
    let name = ["-servername", "accounts.localhost"];
    let before = serial(&front.handshake(https, &name).await?)?;
    assert_eq!(serial(&front.handshake(ldaps, &[]).await?)?, before, "LDAP has the same");
    front.authority.issue()?.write(front.folder.path())?;
    let after = eventually("the new certificate", async || {
        let now = serial(&front.handshake(https, &name).await?)?;
        Ok((now != before).then_some(now))
    })
    .await?;
    assert_eq!(serial(&front.handshake(ldaps, &[]).await?)?, after);
    let ldap = front.ostiary.ldap_address()?.port();
    assert_eq!(serial(&front.handshake(ldap, &["-starttls", "ldap"]).await?)?, after, "StartTLS");
    Ok(())
}
