//! Certificates that the house makes for itself: the root as people get it, and what curl, OpenSSL
//! and OpenLDAP make of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Finished, Ostiary, Pair, Setup, eventually, free_port, run};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tempfile::TempDir;

use super::services::Recorder;

/// What every private key on this curve says of itself (RFC 5480 section 2.1.1: id-ecPublicKey).
const EC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

fn setup(pair: Pair) -> Setup {
    Setup::on(pair)
        .with("OSTIARY_SITE__DOMAIN", "example.test")
        .with("OSTIARY_SITE__ORG_NAME", "Example")
        .with("OSTIARY_HTTPS__MODE", "internal")
        .with("OSTIARY_HTTPS__LISTEN", "127.0.0.1:0")
        .with("OSTIARY_LDAP__TLS_LISTEN", "127.0.0.1:0")
}

/// What the start says behind `label`.
fn printed<'a>(ostiary: &'a Ostiary, label: &str) -> Result<&'a str> {
    let line = ostiary.output().lines().find_map(|line| line.trim_start().strip_prefix(label));
    line.map(str::trim).with_context(|| format!("no {label:?} in\n{}", ostiary.output()))
}

/// curl, for which all names lead here, and which trusts `root` alone.
async fn curl(root: Option<&Path>, arguments: &[&str]) -> Result<Finished> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--connect-to", "::127.0.0.1:"]);
    if let Some(root) = root {
        command.arg("--cacert").arg(root).args(["--capath", "/nowhere"]);
    }
    command.args(arguments);
    tokio::task::spawn_blocking(move || run(&mut command, "")).await?
}

async fn openssl(arguments: &[&str]) -> Result<Finished> {
    let mut command = Command::new("openssl");
    command.args(arguments);
    tokio::task::spawn_blocking(move || run(&mut command, "")).await?
}

/// The root as it is handed out over plain HTTP, in a file, and its fingerprint.
async fn downloaded(ostiary: &Ostiary, folder: &Path, name: &str) -> Result<(PathBuf, String)> {
    let file = folder.join(name);
    std::fs::write(&file, curl(None, &[printed(ostiary, "root ")?]).await?.ok()?)?;
    let path = file.display().to_string();
    let told = openssl(&["x509", "-in", &path, "-noout", "-fingerprint", "-sha256"]).await?.ok()?;
    let fingerprint = told.trim().split_once('=').context("no fingerprint")?.1.to_owned();
    Ok((file, fingerprint))
}

/// Whether curl, which trusts `root`, gets the page of `host`.
async fn is_trusted(ostiary: &Ostiary, host: &str, root: &Path) -> Result<bool> {
    let page = format!("https://{host}:{}/api/health", ostiary.https_address()?.port());
    let answer = curl(Some(root), &["--output", "/dev/null", &page]).await?;
    ensure!([Some(0), Some(60)].contains(&answer.code), "{answer:?}");
    Ok(answer.code == Some(0))
}

#[tokio::test]
async fn a_fresh_server_hands_out_the_root_that_it_names() -> Result<()> {
    let (ostiary, folder) = (setup(Pair::Embedded).start().await?, TempDir::new()?);
    let (file, fingerprint) = downloaded(&ostiary, folder.path(), "root.pem").await?;
    assert_eq!(printed(&ostiary, "SHA-256 ")?, fingerprint);
    let port = ostiary.http_address()?.port();
    let address = format!("http://accounts.example.test:{port}/root.crt");
    assert_eq!(printed(&ostiary, "root ")?, address);

    let head = curl(None, &["--head", &address]).await?.ok()?.to_ascii_lowercase();
    for line in [
        "http/1.1 200 ok\r\n",
        "\r\ncontent-type: application/x-x509-ca-cert\r\n",
        "\r\ncontent-disposition: attachment; filename=\"example.test-root.crt\"\r\n",
    ] {
        ensure!(head.contains(line), "{line:?} is missing in {head}");
    }
    let pem = std::fs::read_to_string(&file)?;
    for host in ["accounts.example.test", "directory.example.test"] {
        for version in ["--http1.1", "--http2"] {
            let page = format!("https://{host}:{}/root.crt", ostiary.https_address()?.port());
            assert_eq!(curl(Some(&file), &[version, &page]).await?.ok()?, pem, "{host} {version}");
            ensure!(curl(Some(&file), &[version, "--head", &page]).await?.ok()?.contains(" 200"), "{host} {version}");
        }
    }
    let shown = openssl(&["x509", "-in", &file.display().to_string(), "-noout", "-text"]).await?.ok()?;
    for part in [
        "Subject: CN = Example Root ",
        "CA:TRUE, pathlen:0",
        "X509v3 Name Constraints: critical",
        "DNS:example.test\n",
        "IP:0.0.0.0/0.0.0.0",
    ] {
        ensure!(shown.contains(part), "{part:?} is missing in {shown}");
    }

    // The command says the same.
    let told = ostiary.cli(&["ca", "show"]).await?;
    for part in ["Example Root ", "example.test, and all names under", &fingerprint, &address] {
        ensure!(told.contains(part), "{part:?} is missing in {told}");
    }
    assert_eq!(ostiary.cli(&["ca", "show", "--pem"]).await?, pem);
    Ok(())
}

#[tokio::test]
async fn nobody_gets_the_key_and_no_other_host_the_root() -> Result<()> {
    let service = setup(Pair::Embedded);
    let (recorder, ostiary) = Recorder::of("wiki.elsewhere.test", service).await?;
    let folder = TempDir::new()?;
    let (root, _) = downloaded(&ostiary, folder.path(), "root.pem").await?;
    let (http, https) = (ostiary.http_address()?.port(), ostiary.https_address()?.port());
    let accounts = format!("accounts.example.test:{http}");
    let answer = async |arguments: &[&str]| -> Result<String> {
        let told = ["--write-out", " %{http_code} %{redirect_url}", "--path-as-is"];
        curl(Some(&root), &[&told, arguments].concat()).await?.ok()
    };
    for (arguments, expected) in [
        (vec![format!("http://{accounts}/root.key")], format!(" 308 https://accounts.example.test:{https}/root.key")),
        (vec![format!("http://{accounts}/root.crt/")], format!(" 308 https://accounts.example.test:{https}/root.crt/")),
        (vec![format!("http://evil.test:{http}/root.crt")], "No site of this name is here.\n 421 ".to_owned()),
        (vec![format!("http://127.0.0.1:{http}/root.crt")], "No site of this name is here.\n 421 ".to_owned()),
        (
            vec!["--data".to_owned(), "x".to_owned(), format!("http://{accounts}/root.crt")],
            "The root can only be fetched.\n 405 ".to_owned(),
        ),
        (
            vec![format!("http://wiki.elsewhere.test:{http}/root.crt")],
            format!(" 308 https://wiki.elsewhere.test:{https}/root.crt"),
        ),
        (vec![format!("https://wiki.elsewhere.test:{https}/root.crt")], "service 200 ".to_owned()),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_eq!(answer(&arguments).await?, expected, "{arguments:?}");
    }
    ensure!(recorder.heard().contains("GET /root.crt "), "the path belongs to the site");
    for path in ["/root.key", "/root.pem", "/root.crt/../root.key", "/root%2Ecrt"] {
        for host in ["accounts", "directory"] {
            let told = answer(&[&format!("https://{host}.example.test:{https}{path}")]).await?;
            ensure!(!told.contains("-----BEGIN"), "{host} {path}: {told}");
        }
    }
    let said = [ostiary.output().to_owned(), ostiary.log(), ostiary.cli(&["ca", "show", "--pem"]).await?].concat();
    ensure!(!said.contains("PRIVATE KEY"), "{said}");
    Ok(())
}

#[tokio::test]
async fn curl_trusts_our_hosts_and_a_site_by_the_root_alone() -> Result<()> {
    let (_recorder, ostiary) = Recorder::of("wiki.elsewhere.test", setup(Pair::Embedded)).await?;
    let folder = TempDir::new()?;
    let (root, _) = downloaded(&ostiary, folder.path(), "root.pem").await?;
    let stranger = setup(Pair::Embedded).start().await?;
    let (other, _) = downloaded(&stranger, folder.path(), "other.pem").await?;
    for host in ["accounts.example.test", "directory.example.test", "wiki.elsewhere.test"] {
        ensure!(is_trusted(&ostiary, host, &root).await?, "{host}");
        ensure!(!is_trusted(&ostiary, host, &other).await?, "{host} by the root of another house");
    }
    // Whoever does not trust the next root yet must be able to come over plain HTTP for it.
    let page = format!("https://accounts.example.test:{}/sign-in", ostiary.https_address()?.port());
    let head = curl(Some(&root), &["--head", &page]).await?.ok()?.to_ascii_lowercase();
    ensure!(head.starts_with("http/2 200") && !head.contains("strict-transport-security"), "{head}");
    // The chain is the certificate alone, for both hosts the same.
    let port = ostiary.https_address()?.port();
    let shown = openssl(&[
        "s_client",
        "-connect",
        &format!("127.0.0.1:{port}"),
        "-servername",
        "accounts.example.test",
        "-verify_hostname",
        "directory.example.test",
        "-verify_return_error",
        "-showcerts",
        "-CAfile",
        &root.display().to_string(),
    ])
    .await?
    .ok()?;
    ensure!(shown.contains("Verify return code: 0") && shown.matches("-----BEGIN CERTIFICATE").count() == 1, "{shown}");
    Ok(())
}

#[tokio::test]
async fn ldap_clients_trust_the_root_over_both_kinds_of_tls() -> Result<()> {
    // OpenLDAP asks for the machine's own name when it is told `localhost`.
    let own = std::fs::read_to_string("/etc/hostname")?.trim().to_ascii_lowercase();
    let port = free_port()?;
    let ostiary = setup(Pair::Embedded)
        .with("OSTIARY_HTTPS__LISTEN", &format!("127.0.0.1:{port}"))
        .with("OSTIARY_SITE__ACCOUNTS_URL", &format!("https://{own}:{port}"))
        .start()
        .await?;
    let folder = TempDir::new()?;
    let (root, _) = downloaded(&ostiary, folder.path(), "root.pem").await?;
    let stranger = setup(Pair::Embedded).start().await?;
    let (other, _) = downloaded(&stranger, folder.path(), "other.pem").await?;
    let ada = ostiary.add_person("ada", &[]).await?;
    let dn = ostiary.person_dn("ada")?;
    let ask = async |root: &Path, arguments: &[&str]| -> Result<Finished> {
        let mut command = Command::new("ldapwhoami");
        command.env("LDAPTLS_CACERT", root).env("LDAPTLS_REQCERT", "demand");
        command.args(["-x", "-D", &dn, "-w", &ada.password]).args(arguments);
        tokio::task::spawn_blocking(move || run(&mut command, "")).await?
    };
    let plain = format!("ldap://localhost:{}", ostiary.ldap_address()?.port());
    let ldaps = format!("ldaps://localhost:{}", ostiary.ldaps_address()?.port());
    for arguments in [&["-H", ldaps.as_str()][..], &["-ZZ", "-H", &plain]] {
        assert_eq!(ask(&root, arguments).await?.ok()?.trim(), format!("dn:{dn}"));
        let refused = ask(&other, arguments).await?;
        ensure!(refused.code != Some(0), "by the root of another house: {refused:?}");
    }
    Ok(())
}

/// Two servers on one database, which begin at the same moment.
async fn two_at_once() -> Result<(Ostiary, Ostiary)> {
    let first = setup(Pair::Servers).prepare().await?;
    let database = first.postgres_url().context("no database")?.to_owned();
    let second = setup(Pair::Servers).with("OSTIARY_DATABASE__URL", &database).prepare().await?;
    for ostiary in [&first, &second] {
        std::fs::create_dir_all(ostiary.data_dir())?;
    }
    // Makes the master key, and no root yet.
    first.cli(&["keys", "list"]).await?;
    std::fs::copy(first.data_dir().join("master.key"), second.data_dir().join("master.key"))?;
    let begin = |mut ostiary: Ostiary| {
        tokio::task::spawn_blocking(move || {
            ostiary.start_again()?;
            anyhow::Ok(ostiary)
        })
    };
    let (first, second) = tokio::join!(begin(first), begin(second));
    Ok((first??, second??))
}

#[tokio::test]
async fn two_processes_share_a_root_which_survives_a_restart_and_is_renewed_without_one() -> Result<()> {
    let (mut first, second) = two_at_once().await?;
    let folder = TempDir::new()?;
    let (root, fingerprint) = downloaded(&first, folder.path(), "root.pem").await?;
    assert_eq!(downloaded(&second, folder.path(), "second.pem").await?.1, fingerprint);
    first.kill();
    first.start_again()?;
    assert_eq!(printed(&first, "SHA-256 ")?, fingerprint);
    for ostiary in [&first, &second] {
        ensure!(is_trusted(ostiary, "accounts.example.test", &root).await?, "{}", ostiary.log());
    }

    // Nothing happens by mistake.
    let refused = second.try_cli(&["ca", "renew"], "").await?;
    ensure!(refused.code == Some(1) && refused.stderr.contains("--yes"), "{refused:?}");
    ensure!(second.cli(&["ca", "show"]).await?.contains(&fingerprint), "it is another one");

    let told = second.cli(&["ca", "renew", "--yes"]).await?;
    ensure!(!told.contains(&fingerprint), "{told}");
    for ostiary in [&first, &second] {
        let (new, fresh) = eventually("the new root", async || {
            let (file, found) = downloaded(ostiary, folder.path(), "new.pem").await?;
            Ok((found != fingerprint).then_some((file, found)))
        })
        .await?;
        ensure!(told.contains(&fresh), "{fresh} is not in {told}");
        for host in ["accounts.example.test", "directory.example.test"] {
            ensure!(is_trusted(ostiary, host, &new).await? && !is_trusted(ostiary, host, &root).await?, "{host}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_key_lies_sealed_and_one_that_does_not_open_is_told() -> Result<()> {
    let mut ostiary = setup(Pair::Servers).start().await?;
    let url = ostiary.postgres_url().context("no database")?.to_owned();
    let mut database = PgConnection::connect(&url).await?;
    let row = sqlx::query("SELECT key_sealed FROM root").fetch_one(&mut database).await?;
    let sealed: Vec<u8> = row.try_get("key_sealed")?;
    ensure!(sealed.len() > 100 && !sealed.windows(EC_KEY.len()).any(|part| part == EC_KEY), "{sealed:?}");

    // Sealed with another master key, or for another row.
    ostiary.stop().await?;
    sqlx::query(AssertSqlSafe("UPDATE root SET key_sealed = (SELECT private_sealed FROM signing_key LIMIT 1)"))
        .execute(&mut database)
        .await?;
    for (command, part) in [(&["serve"][..], "[https] mode = \"internal\""), (&["ca", "show"], "ostiary ca renew")] {
        let refused = ostiary.try_cli(command, "").await?;
        ensure!(refused.code == Some(1), "{refused:?}");
        for part in [part, "another master key"] {
            ensure!(refused.stderr.contains(part), "{part:?} is missing in {}", refused.stderr);
        }
    }
    ostiary.cli(&["ca", "renew", "--yes"]).await?;
    ostiary.start_again()
}

#[tokio::test]
async fn another_mode_has_no_root() -> Result<()> {
    let ostiary = Setup::on(Pair::Embedded).start().await?;
    let (port, folder) = (ostiary.http_address()?.port(), TempDir::new()?);
    let page = format!("http://accounts.localhost:{port}/root.crt");
    let answer = curl(None, &["--output", "/dev/null", "--write-out", "%{http_code}", &page]).await?.ok()?;
    assert_eq!(answer, "404");
    let refused = ostiary.try_cli(&["ca", "show"], "").await?;
    ensure!(refused.code == Some(1) && refused.stderr.contains("[https] mode is \"off\""), "{refused:?}");
    ensure!(downloaded(&ostiary, folder.path(), "root.pem").await.is_err(), "the start names none");
    Ok(())
}
