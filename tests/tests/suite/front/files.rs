//! Certificates in files that do not do: for a host that they are not for, or with the wrong key.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Authority, Ostiary, eventually};
use serde_json::{Value, json};

use super::services::{Recorder, embedded};

/// How it stands with the certificate of `host`, as somebody on this machine is told.
async fn state_of(ostiary: &Ostiary, host: &str) -> Result<Value> {
    let health = reqwest::get(format!("http://{}/api/health", ostiary.http_address()?)).await?.text().await?;
    let health: Value = serde_json::from_str(&health)?;
    let states = health["certificates"].as_array().context("no certificates")?;
    let is_for = |state: &&Value| state["names"].as_array().is_some_and(|names| names.contains(&json!(host)));
    states.iter().find(is_for).cloned().with_context(|| format!("{host} is missing in {health}"))
}

#[tokio::test]
async fn what_is_wrong_with_certificates_in_files_is_told_everywhere() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::make(folder.path())?;
    let (certificate, key) = authority.issue()?.write(folder.path())?;
    let setup = embedded()
        .with("OSTIARY_HTTPS__MODE", "files")
        .with("OSTIARY_HTTPS__LISTEN", "127.0.0.1:0")
        .with("OSTIARY_HTTPS__CERTIFICATE_FILE", &certificate.display().to_string())
        .with("OSTIARY_HTTPS__KEY_FILE", &key.display().to_string());
    let (_recorder, ostiary) = Recorder::of("wiki.example.org", setup).await?;

    let told = format!("[https] certificate_file names {certificate:?}, which is not for \"wiki.example.org\"");
    let checked = ostiary.try_cli(&["check"], "").await?;
    ensure!(checked.code == Some(0) && checked.stderr.contains(&told), "{checked:?}");
    ensure!(!checked.stderr.contains("accounts.localhost"), "{checked:?}");
    // The log has quotes of its own.
    let in_log = "which is not for \"wiki.example.org\"";
    eventually("the word in the log", async || Ok(ostiary.log().contains(in_log).then_some(()))).await?;
    let missing = state_of(&ostiary, "wiki.example.org").await?;
    assert_eq!(missing["standing"], "missing");
    let problem = missing["problem"].as_str().unwrap_or_default();
    assert_eq!(problem, format!("{}, which is served, is not for it", certificate.display()));

    let own = state_of(&ostiary, "accounts.localhost").await?;
    assert_eq!((&own["standing"], &own["problem"]), (&json!("good"), &Value::Null));
    // A pair that does not go together.
    let other = authority.issue()?;
    std::fs::write(&key, &other.key)?;
    eventually("the broken pair to be told", async || {
        let own = state_of(&ostiary, "accounts.localhost").await?;
        let problem = own["problem"].as_str().unwrap_or_default();
        Ok(problem.contains("a key that does not belong to the certificate").then_some(()))
    })
    .await?;
    std::fs::write(&certificate, &other.certificate)?;
    eventually("the mended pair to be taken up", async || {
        let own = state_of(&ostiary, "accounts.localhost").await?;
        Ok((own["standing"] == "good" && own["problem"].is_null()).then_some(()))
    })
    .await
}
