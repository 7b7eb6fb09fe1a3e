//! What was acknowledged is kept: servers are killed in the middle of writing, at moments that are
//! different in every run, and everything that a client was told is looked for afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Browser, Ostiary, Page, Pair, on_both_pairs, random_hex};
use serde_json::Value;
use tokio::sync::Mutex;

on_both_pairs!(no_acknowledged_write_is_lost_when_the_server_is_killed, a_killed_command_leaves_all_or_nothing);

/// How often the server is killed.
const DEATHS: usize = 6;
/// Browsers that write at once.
const WRITERS: usize = 3;

async fn no_acknowledged_write_is_lost_when_the_server_is_killed(pair: Pair) -> Result<()> {
    let mut ostiary = Ostiary::start(pair).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for death in 0..DEATHS {
        let before = acknowledged.lock().await.len();
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (browser, acknowledged, stop) = (browser.clone(), Arc::clone(&acknowledged), Arc::clone(&stop));
                tokio::spawn(write_until_the_end(browser, format!("d{death}w{writer}"), acknowledged, stop))
            })
            .collect();
        // At least one write, and then a moment that nobody chose.
        while acknowledged.lock().await.len() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(chance(200)?).await;
        ostiary.kill();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await??;
        }
        ostiary.start_again()?;
        look_for_all(&ostiary, &acknowledged.lock().await).await?;
    }
    let written = acknowledged.lock().await.len();
    ensure!(written >= DEATHS, "only {written} writes were acknowledged");
    Ok(())
}

/// Up to so many milliseconds.
fn chance(most: u64) -> Result<Duration> {
    let number = u64::from_str_radix(&random_hex()[..8], 16)?;
    Ok(Duration::from_millis(number % most))
}

/// Adds people in the panel, one after the other, until the server is gone. Notes each one whom the
/// server said that it had added.
async fn write_until_the_end(
    browser: Browser,
    prefix: String,
    acknowledged: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
) -> Result<()> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    while !stop.load(Ordering::Relaxed) {
        let name = format!("{prefix}n{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        match add(&browser, &name).await {
            Ok(page) if page.status.is_success() && page.path() == format!("/people/{name}") => {
                acknowledged.lock().await.push(name);
            }
            // An answer that is no "done" while the server lives is a mistake.
            Ok(page) if page.status.as_u16() < 500 => {
                anyhow::bail!("{name} was not added: {} {}: {}", page.status, page.url, page.text());
            }
            // The server is gone, or was about to be.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

async fn add(browser: &Browser, name: &str) -> Result<Page> {
    let page = browser.open(browser.directory("/people/new")?).await?;
    let form = page.form("username")?.fill("username", name).fill("email", &format!("{name}@example.tld"));
    browser.send(&page, &form).await
}

async fn look_for_all(ostiary: &Ostiary, acknowledged: &[String]) -> Result<()> {
    let list = ostiary.json(&["user", "list"]).await?;
    let list = list.as_array().context("no list")?;
    let there: Vec<&str> = list.iter().filter_map(|person| person["username"].as_str()).collect();
    for name in acknowledged {
        ensure!(there.contains(&name.as_str()), "{name} was acknowledged and is lost; {} are there", there.len());
    }
    // Nobody is half there: every row has its address.
    for person in list {
        ensure!(person["email"].as_str().is_some_and(|email| email.contains('@')), "half a person: {person}");
    }
    Ok(())
}

async fn a_killed_command_leaves_all_or_nothing(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    ostiary.cli(&["group", "add", "editors"]).await?;
    let mut survived = 0;
    for number in 0..12 {
        let name = format!("k{number}");
        let mut command = ostiary.command();
        command.args(["user", "add", &name, "--email", &format!("{name}@example.tld"), "--group", "editors"]);
        let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn()?;
        tokio::time::sleep(chance(120)?).await;
        let _ = child.kill();
        let status = child.wait()?;
        let shown = ostiary.try_cli(&["user", "show", &name, "--json"], "").await?;
        if shown.code == Some(0) {
            let shown: Value = serde_json::from_str(&shown.stdout)?;
            ensure!(shown["groups"] == serde_json::json!(["editors"]), "half of it was written: {shown}");
            survived += 1;
        } else {
            ensure!(!status.success(), "{name} was acknowledged and is lost");
        }
    }
    // The server goes on and sees the same people.
    assert_eq!(ostiary.json(&["user", "list"]).await?.as_array().map(Vec::len), Some(survived));
    Ok(())
}
