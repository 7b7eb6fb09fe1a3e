//! How it stands with certificates, as the health check, the figures and the panel tell it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Browser, Ostiary, Page, Pair, Pebble, Person, Setup, eventually, free_port, run};
use serde_json::Value;

/// What strangers are told in place of what went wrong.
const GENERAL: &str = "the last attempt to get one failed";

/// A server that orders from the authority of `directory`, and where its pages are.
fn ordering(directory: &str, http: u16, https: u16) -> Setup {
    Setup::on(Pair::Embedded)
        .with("OSTIARY_SITE__DOMAIN", "example.test")
        .with("OSTIARY_HTTP__LISTEN", &format!("127.0.0.1:{http}"))
        .with("OSTIARY_HTTPS__LISTEN", &format!("127.0.0.1:{https}"))
        .with("OSTIARY_HTTPS__MODE", "acme")
        .with("OSTIARY_METRICS__LISTEN", "127.0.0.1:0")
        .with("OSTIARY_ACME__DIRECTORY", directory)
}

/// What a program of the command line says to `arguments`.
async fn curl(arguments: &[&str]) -> Result<String> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "10", "--noproxy", "*"]).args(arguments);
    tokio::task::spawn_blocking(move || run(&mut curl, "")).await??.ok()
}

/// The health check as it is answered to somebody with `headers`.
async fn asked(ostiary: &Ostiary, headers: &[&str]) -> Result<Value> {
    let url = format!("http://{}/api/health", ostiary.http_address()?);
    let headers: Vec<&str> = headers.iter().flat_map(|header| ["--header", *header]).collect();
    Ok(serde_json::from_str(&curl(&[&headers[..], &[&url]].concat()).await?)?)
}

/// What the command says, which must find the server well enough to serve.
async fn health(ostiary: &Ostiary) -> Result<Value> {
    Ok(serde_json::from_str(&ostiary.cli(&["health"]).await?)?)
}

/// The health check once it says of the first certificate that it stands so.
async fn until(ostiary: &Ostiary, standing: &str) -> Result<Value> {
    eventually(&format!("a {standing} certificate, the log says\n{}", ostiary.log()), async || {
        let told = health(ostiary).await?;
        let first = &told["certificates"][0];
        let is_settled = first["standing"] == standing && (standing == "good" || !first["problem"].is_null());
        Ok(is_settled.then_some(told))
    })
    .await
}

/// The figures.
async fn figures(ostiary: &Ostiary) -> Result<String> {
    let line = ostiary.output().lines().find_map(|line| line.trim().strip_prefix("metrics "));
    curl(&[line.context("no metrics")?.trim()]).await
}

/// The page System, for an administrator over HTTPS.
async fn system(ostiary: &Ostiary, root: &Path, person: &mut Person) -> Result<(Page, Page)> {
    let browser = Browser::trusting(ostiary, root)?;
    let page = browser.open(browser.directory("/system")?).await?;
    let page = person.sign_in_from(&browser, page).await?;
    Ok((page, browser.open(browser.directory("/people")?).await?))
}

#[tokio::test]
async fn an_authority_that_is_away_is_told_without_its_address_to_strangers() -> Result<()> {
    let away = format!("127.0.0.1:{}", free_port()?);
    let ostiary = ordering(&format!("https://{away}/dir"), free_port()?, free_port()?).start().await?;
    let told = until(&ostiary, "missing").await?;
    assert_eq!(told["status"], "DEGRADED");
    let first = &told["certificates"][0];
    assert_eq!(first["names"], serde_json::json!(["accounts.example.test", "directory.example.test"]));
    ensure!(first["problem"].as_str().is_some_and(|words| words.contains(&away)), "{told}");
    ensure!(first["ends_at"].is_null() && first["next_attempt"].is_string(), "{told}");
    for headers in [
        &["Host: accounts.example.test"][..],
        &["X-Forwarded-For: 203.0.113.9"],
        &["Forwarded: for=203.0.113.9"],
        &["Host: anything.example"],
    ] {
        let stranger = asked(&ostiary, headers).await?;
        assert_eq!(stranger["status"], "DEGRADED", "{headers:?}");
        ensure!(stranger.to_string().contains(GENERAL), "{headers:?}: {stranger}");
        ensure!(!stranger.to_string().contains(&away), "{headers:?}: {stranger}");
    }
    let figures = figures(&ostiary).await?;
    let names = "names=\"accounts.example.test,directory.example.test\"";
    for line in [
        format!("ostiary_certificate_standing{{{names},standing=\"missing\"}} 1"),
        format!("ostiary_certificate_standing{{{names},standing=\"good\"}} 0"),
        "ostiary_database_up 1".to_owned(),
        "ostiary_cache_up 1".to_owned(),
        "ostiary_connections{door=\"ldap\"} 0".to_owned(),
    ] {
        ensure!(figures.lines().any(|own| own == line), "{line:?} is missing in:\n{figures}");
    }
    ensure!(figures.contains("ostiary_certificate_next_attempt_timestamp_seconds{"), "{figures}");
    ensure!(!figures.contains("ostiary_certificate_not_after_timestamp_seconds{"), "{figures}");
    ensure!(!figures.contains(&away) && figures.contains("ostiary_build_info{version="), "{figures}");
    Ok(())
}

#[tokio::test]
async fn the_figures_are_read_and_nothing_else() -> Result<()> {
    let ostiary = Setup::on(Pair::Embedded).with("OSTIARY_METRICS__LISTEN", "127.0.0.1:0").start().await?;
    let url = ostiary.output().lines().find_map(|line| line.trim().strip_prefix("metrics ")).context("no metrics")?;
    let url = url.trim();
    let code = ["--output", "/dev/null", "--write-out", "%{http_code} %{content_type}"];
    let told = curl(&[&code[..], &[url]].concat()).await?;
    assert_eq!(told, "200 application/openmetrics-text; version=1.0.0; charset=utf-8");
    let told = curl(&[&code[..], &["--data", "a=b", url]].concat()).await?;
    ensure!(told.starts_with("405 "), "{told}");
    for path in ["/", "/api/health", "/people", "/metrics/"] {
        let told = curl(&[&code[..], &[&url.replace("/metrics", path)]].concat()).await?;
        ensure!(told.starts_with("404 "), "{path}: {told}");
    }
    // Nor are they on the port of the pages.
    let pages = format!("http://{}/metrics", ostiary.http_address()?);
    for host in ["Host: accounts.localhost", "Host: directory.localhost", "Host: elsewhere.example"] {
        let told = curl(&["--header", host, &pages]).await?;
        ensure!(!told.contains("ostiary_build"), "{host}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn a_good_certificate_is_told_with_its_dates_and_what_becomes_of_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (http, https) = (free_port()?, free_port()?);
    let pebble = Pebble::start(folder.path(), (http, https), Duration::from_secs(90 * 86_400))?;
    let setup = ordering(&pebble.directory(), http, https).with("OSTIARY_ACME__CHALLENGES", "tls-alpn-01");
    let mut ostiary = setup.with("OSTIARY_ACME__CA_FILE", &pebble.ca_file.display().to_string()).start().await?;
    let mut root = ostiary.add_person("root", &["lldap_admin"]).await?;

    let told = until(&ostiary, "good").await?;
    assert_eq!(told["status"], "OK");
    let first = &told["certificates"][0];
    let (renews, ends) = (first["renews_at"].as_str(), first["ends_at"].as_str());
    ensure!(renews.is_some() && renews < ends && first["problem"].is_null(), "{told}");
    let written = figures(&ostiary).await?;
    ensure!(written.contains("standing=\"good\"} 1"), "{written}");
    ensure!(written.contains("ostiary_certificate_not_after_timestamp_seconds{names="), "{written}");
    let trusted = pebble.root()?;
    let (page, people) = system(&ostiary, &trusted, &mut root).await?;
    let text = page.text();
    for words in ["accounts.example.test and directory.example.test , valid for", "Renews itself on", "From localhost"]
    {
        ensure!(text.contains(words), "{words:?} is missing in: {text}");
    }
    ensure!(!text.contains("attention") && !people.text().contains("attention"), "{text}");

    // A further host, whose authority has gone meanwhile.
    drop(pebble);
    ostiary.stop().await?;
    let site = "[[sites]]\nhost = \"wiki.example.test\"\nupstream = \"http://127.0.0.1:1\"\n";
    std::fs::write(ostiary.folder().join("ostiary.toml"), site)?;
    ostiary.start_again()?;
    let told = until(&ostiary, "troubled").await?;
    assert_eq!((&told["status"], &told["certificates"][1]["standing"]), (&"DEGRADED".into(), &"missing".into()));
    let stranger = asked(&ostiary, &["Host: accounts.example.test"]).await?.to_string();
    ensure!(stranger.contains("DEGRADED") && !stranger.contains("wiki"), "{stranger}");
    let (page, people) = system(&ostiary, &trusted, &mut root).await?;
    let text = page.text();
    for words in [
        "2 things need attention",
        "The certificate of accounts.example.test and directory.example.test could not be renewed. It is valid for",
        "There is no certificate for wiki.example.test.",
        "Tried again",
        "lead to this machine from the internet",
    ] {
        ensure!(text.contains(words), "{words:?} is missing in: {text}");
    }
    // The first page speaks of what cannot wait alone.
    let text = people.text();
    ensure!(text.contains("There is no certificate for wiki.example.test."), "{text}");
    ensure!(!text.contains("could not be renewed") && people.body.contains("href=\"/system\""), "{text}");
    Ok(())
}
