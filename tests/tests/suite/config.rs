//! Configuration and the start: every mistake is told with its place and its remedy, and a server
//! that cannot start says why and changes nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Result, ensure};
use ostiary_tests::{Finished, Issued, Ostiary, Pair, Setup, eventually, on_both_pairs};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

async fn refused(ostiary: &Ostiary, command: &str) -> Result<String> {
    let Finished { code, stdout, stderr } = ostiary.try_cli(&[command], "").await?;
    ensure!(code == Some(1), "{command} ended with {code:?}: {stdout}{stderr}");
    ensure!(!stdout.contains("ready in"), "it started all the same: {stdout}");
    Ok(stderr)
}

async fn with_file(text: &str) -> Result<Ostiary> {
    Setup::on(Pair::Embedded).with_file(text).prepare().await
}

#[tokio::test]
async fn all_mistakes_of_a_configuration_are_told_at_once() -> Result<()> {
    let file = "[htp]\nlisten = \"127.0.0.1:1\"\n\n[site]\ndomian = \"example.org\"\n[lockout]\nwindow = \"soon\"\n";
    let ostiary = Setup::on(Pair::Embedded).with_file(file).with("OSTIARY_LOG__LEVLE", "info").prepare().await?;
    for command in ["check", "serve", "health"] {
        let told = refused(&ostiary, command).await?;
        for part in [
            "the configuration has 4 errors:",
            "ostiary.toml, line 1: there is no section [htp]; the nearest is [http]",
            "ostiary.toml, line 5: there is no key domian in [site]; the nearest is domain",
            "ostiary.toml, line 7: [lockout] window is \"soon\"; allowed is a length of time such as",
            "OSTIARY_LOG__LEVLE: there is no such setting; the nearest is OSTIARY_LOG__LEVEL",
        ] {
            ensure!(told.contains(part), "{part:?} is missing in:\n{told}");
        }
    }
    ensure!(!ostiary.data_dir().exists(), "something was written");
    Ok(())
}

#[tokio::test]
async fn a_configuration_without_mistakes_is_told_too() -> Result<()> {
    let ostiary = with_file("[site]\ndomain = \"example.org\"\n").await?;
    assert_eq!(ostiary.cli(&["check"]).await?, "The configuration has no mistakes.\n");
    ensure!(!ostiary.data_dir().exists(), "something was written");
    // Asked for by those, too, whose configuration has mistakes.
    let ostiary = with_file("[htp]\n").await?;
    let example = ostiary.cli(&["check", "--example"]).await?;
    assert_eq!(example, std::fs::read_to_string(ostiary_tests::repository().join("config.example.toml"))?);
    Ok(())
}

#[tokio::test]
async fn the_file_that_comes_with_the_compose_file_has_no_mistakes() -> Result<()> {
    let text = std::fs::read_to_string(ostiary_tests::repository().join("deploy/ostiary.toml"))?;
    let ostiary = Setup::on(Pair::Embedded).prepare().await?;
    let secret = ostiary.folder().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef")?;
    let text = text.replace("/run/secrets/directus_client", &secret.display().to_string());
    std::fs::write(ostiary.folder().join("ostiary.toml"), text)?;
    assert_eq!(ostiary.cli(&["check"]).await?, "The configuration has no mistakes.\n");
    Ok(())
}

#[tokio::test]
async fn the_end_of_a_certificate_is_told_at_the_start_and_by_the_check() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params.not_after = date_time_ymd(2021, 1, 1);
    let issued = Issued { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() };
    let (certificate, key) = issued.write(folder.path())?;
    let ostiary = Setup::on(Pair::Embedded)
        .with("OSTIARY_LDAP__CERTIFICATE_FILE", &certificate.display().to_string())
        .with("OSTIARY_LDAP__KEY_FILE", &key.display().to_string())
        .start()
        .await?;
    let told = ostiary.try_cli(&["check"], "").await?;
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "The configuration has no mistakes.\n"));
    let words = "certificate.pem\", which ended at 2021-01-01T00:00:00Z";
    ensure!(told.stderr.contains("[ldap] certificate_file names ") && told.stderr.contains(words), "{}", told.stderr);
    eventually("the log to tell it", async || Ok(ostiary.log().contains(words).then_some(()))).await
}

#[tokio::test]
async fn a_file_that_is_named_must_be_there() -> Result<()> {
    let ostiary = with_file("").await?;
    let told = ostiary.try_cli(&["--config", "elsewhere.toml", "check"], "").await?;
    assert_eq!(told.code, Some(1));
    ensure!(told.stderr.contains("elsewhere.toml cannot be read"), "{}", told.stderr);
    Ok(())
}

on_both_pairs!(secrets_come_from_files);

async fn secrets_come_from_files(pair: Pair) -> Result<()> {
    // The address of the database from a file, as container systems mount it.
    let mut plain = Setup::on(pair).prepare().await?;
    let address = match plain.postgres_url() {
        Some(url) => url.to_owned(),
        None => format!("sqlite:{}", plain.folder().join("from-a-file.db").display()),
    };
    let file = plain.folder().join("database-url");
    std::fs::write(&file, format!("{address}\n"))?;
    let mut ostiary =
        Setup::on(Pair::Embedded).with("OSTIARY_DATABASE__URL_FILE", &file.display().to_string()).start().await?;
    ostiary.add_person("ada", &[]).await?;
    ostiary.stop().await?;
    if pair == Pair::Embedded {
        ensure!(plain.folder().join("from-a-file.db").exists());
    }
    plain.kill();
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_is_told_before_anything_is_written() -> Result<()> {
    let first = Ostiary::start(Pair::Embedded).await?;
    for (variable, section, address) in [
        ("OSTIARY_HTTP__LISTEN", "http", first.http_address()?),
        ("OSTIARY_LDAP__LISTEN", "ldap", first.ldap_address()?),
    ] {
        let second = Setup::on(Pair::Embedded).with(variable, &address.to_string()).prepare().await?;
        let told = refused(&second, "serve").await?;
        let expected = format!(
            "port {} on 127.0.0.1 is in use by another program; choose another with [{section}] listen or {variable}",
            address.port()
        );
        ensure!(told.contains(&expected), "{told}");
        ensure!(!second.data_dir().exists(), "something was written");
    }
    Ok(())
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_written_is_told() -> Result<()> {
    let ostiary = with_file("").await?;
    let file = ostiary.folder().join("a-file");
    std::fs::write(&file, "")?;
    let inside = file.join("data").display().to_string();
    // The kernel's own folder takes files from nobody, not even from root.
    for place in [inside.as_str(), "/proc/ostiary", "/proc"] {
        let ostiary = Setup::on(Pair::Embedded).with("OSTIARY_SERVER__DATA_DIR", place).prepare().await?;
        let told = refused(&ostiary, "serve").await?;
        ensure!(told.contains(&format!("the data folder {place} cannot be ")), "{told}");
        ensure!(told.contains("choose another with [server] data_dir or OSTIARY_SERVER__DATA_DIR"), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_away_is_told_without_its_password() -> Result<()> {
    let nowhere = "postgres://ostiary:hunter2@127.0.0.1:1/ostiary";
    let ostiary = Setup::on(Pair::Embedded).with("OSTIARY_DATABASE__URL", nowhere).prepare().await?;
    let told = refused(&ostiary, "serve").await?;
    ensure!(told.contains("the PostgreSQL database of [database] url cannot be opened"), "{told}");
    ensure!(!told.contains("hunter2"), "{told}");
    Ok(())
}

#[tokio::test]
async fn the_master_key_is_its_owners_alone() -> Result<()> {
    let mut ostiary = Ostiary::start(Pair::Embedded).await?;
    let key = ostiary.data_dir().join("master.key");
    let mode = |path: &Path| Ok::<_, anyhow::Error>(std::fs::metadata(path)?.permissions().mode() & 0o7777);
    assert_eq!((mode(&key)?, mode(&ostiary.data_dir())?), (0o600, 0o700));
    ostiary.stop().await?;

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644))?;
    for command in ["serve", "user"] {
        let arguments: &[&str] = if command == "user" { &["user", "list"] } else { &["serve"] };
        let told = ostiary.try_cli(arguments, "").await?;
        assert_eq!(told.code, Some(1));
        ensure!(
            told.stderr.contains("is open to others (mode 0644)") && told.stderr.contains("chmod 600"),
            "{}",
            told.stderr
        );
    }
    Ok(())
}

on_both_pairs!(a_lost_master_key_is_not_made_anew);

async fn a_lost_master_key_is_not_made_anew(pair: Pair) -> Result<()> {
    let mut ostiary = Ostiary::start(pair).await?;
    ostiary.stop().await?;
    let key = ostiary.data_dir().join("master.key");
    let kept = std::fs::read(&key)?;
    std::fs::remove_file(&key)?;
    let told = refused(&ostiary, "serve").await?;
    ensure!(told.contains("is missing") && told.contains("restore the file from a backup"), "{told}");
    ensure!(!key.exists(), "a new key stands in the way of the old one");

    std::fs::write(&key, &kept)?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    ostiary.start_again()?;
    ostiary.stop().await
}

on_both_pairs!(a_database_of_a_newer_release_is_refused);

async fn a_database_of_a_newer_release_is_refused(pair: Pair) -> Result<()> {
    let mut ostiary = Ostiary::start(pair).await?;
    ostiary.stop().await?;
    let sql = "INSERT INTO schema_migration (version, name, applied_at) VALUES (9999, '9999_future', 0)";
    match ostiary.postgres_url() {
        Some(url) => {
            let mut database = <sqlx::PgConnection as sqlx::Connection>::connect(url).await?;
            sqlx::query(sql).execute(&mut database).await?;
        }
        None => {
            let url = format!("sqlite:{}", ostiary.data_dir().join("ostiary.db").display());
            let mut database = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await?;
            sqlx::query(sql).execute(&mut database).await?;
        }
    }
    for command in ["serve", "migrate"] {
        let told = refused(&ostiary, command).await?;
        ensure!(told.contains("the database has schema version 9999, this release knows up to"), "{told}");
        ensure!(told.contains("Run the newer release, or restore a backup from before the upgrade"), "{told}");
    }
    Ok(())
}

on_both_pairs!(the_schema_can_be_brought_up_to_date_beforehand);

async fn the_schema_can_be_brought_up_to_date_beforehand(pair: Pair) -> Result<()> {
    let mut ostiary = Setup::on(pair).prepare().await?;
    for _ in 0..2 {
        let told = ostiary.cli(&["migrate"]).await?;
        ensure!(told.starts_with("The database has schema version "), "{told}");
    }
    ostiary.start_again()?;
    ostiary.stop().await
}
