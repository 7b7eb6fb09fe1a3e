//! python-ldap3, the strictest of the clients: it reads the whole schema first and checks every name
//! and value against it. What it does is in `tests/ldap/client.py`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use ostiary_tests::{Authority, Pair, Setup, brought_by, on_both_pairs, repository, run};

on_both_pairs!(python_ldap3_reads_the_schema_and_does_everything);

/// A picture of eight by eight red pixels.
const PICTURE: &str = "89504e470d0a1a0a0000000d49484452000000080000000808020000004b6d29dc0000001449444154789c633c2127c7800d\
                       3061151db41200d0ca01143e63a8990000000049454e44ae426082";
/// All that the client does.
const ACTS: &[&str] = &[
    "what_the_server_tells",
    "names_and_values_are_typed",
    "entries_are_written",
    "pictures",
    "results_in_pages",
    "searches",
    "passwords",
    "encrypted",
];

async fn python_ldap3_reads_the_schema_and_does_everything(pair: Pair) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::make(folder.path())?;
    let (certificate, key) = authority.issue()?.write(folder.path())?;
    let setup = Setup::on(pair)
        .with("OSTIARY_LDAP__CERTIFICATE_FILE", &certificate.display().to_string())
        .with("OSTIARY_LDAP__KEY_FILE", &key.display().to_string())
        .with("OSTIARY_LDAP__TLS_LISTEN", "127.0.0.1:0");
    let ostiary = setup.start().await?;
    let admin = ostiary.add_person("admin", &["lldap_admin"]).await?;
    let told = serde_json::json!({
        "url": ostiary.ldap_url()?,
        "ldaps": format!("ldaps://{}", ostiary.ldaps_address()?),
        "base": ostiary.base_dn()?,
        "authority": authority.file,
        "admin": ostiary.person_dn("admin")?,
        "password": admin.password,
        "picture": PICTURE,
    });
    let mut command = Command::new(interpreter().await?);
    command.arg(repository().join("tests/ldap/client.py"));
    let finished = tokio::task::spawn_blocking(move || run(&mut command, &told.to_string())).await??;
    ensure!(finished.code == Some(0), "{}{}", finished.stdout, finished.stderr);
    assert_eq!(finished.stdout.lines().collect::<Vec<_>>(), ACTS);
    Ok(())
}

/// A Python that has the library, installed now if it is not there.
async fn interpreter() -> Result<PathBuf> {
    tokio::task::spawn_blocking(|| brought_by("python.sh")).await?
}
