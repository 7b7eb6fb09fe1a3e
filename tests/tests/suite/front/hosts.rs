//! Which hosts may be asked for over a connection: those that its certificate is for, and no other,
//! whatever else is served here.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use ostiary_tests::run;

use super::services::{HOST, Recorder};
use super::wire::{END_HEADERS, END_STREAM, HEADERS, Wall, frame, head_for};

#[tokio::test]
async fn a_connection_is_for_the_hosts_of_its_certificate() -> Result<()> {
    let mut recorder = None;
    // A site that the certificate is not for.
    let wall = Wall::with(async |setup| {
        let (heard, ostiary) = Recorder::of(HOST, setup).await?;
        recorder = Some(heard);
        Ok(ostiary)
    })
    .await?;
    let recorder = recorder.context("a recorder")?;
    let port = wall.https()?.port();
    // What is named in the handshake, which host is asked for, and what becomes of it. By its address a
    // client names nothing.
    for (named, host, path, status) in [
        ("accounts.localhost", "accounts.localhost", "/sign-in", "200"),
        ("accounts.localhost", "ACCOUNTS.localhost", "/sign-in", "200"),
        ("accounts.localhost", "accounts.localhost:1", "/sign-in", "200"),
        ("accounts.localhost", "directory.localhost", "/", "303"),
        ("directory.localhost", "accounts.localhost", "/sign-in", "200"),
        ("127.0.0.1", "accounts.localhost", "/sign-in", "200"),
        ("accounts.localhost", "accounts.localhost", "/api/health", "200"),
        ("accounts.localhost", HOST, "/", "421"),
        ("accounts.localhost", HOST, "/api/health", "421"),
        ("127.0.0.1", HOST, "/", "421"),
        ("accounts.localhost", "evil.example", "/sign-in", "421"),
        ("accounts.localhost", "evil.example", "/api/health", "421"),
        ("accounts.localhost", "x.accounts.localhost", "/sign-in", "421"),
    ] {
        for version in ["--http1.1", "--http2"] {
            let mut command = Command::new("curl");
            command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", version]);
            command.args(["--resolve", &format!("{named}:{port}:127.0.0.1"), "--cacert"]).arg(&wall.authority.file);
            command.args([
                "--header",
                &format!("Host: {host}"),
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_code}",
            ]);
            command.arg(format!("https://{named}:{port}{path}"));
            let told = tokio::task::spawn_blocking(move || run(&mut command, "")).await??.ok()?;
            assert_eq!(told, status, "{named} {host} {path} {version}");
        }
    }
    // On a connection of its own as well, one request does not open the way for the next.
    let mut frames = wall.http2(&[]).await?;
    for (stream, host) in [(1, "accounts.localhost"), (3, HOST), (5, "directory.localhost")] {
        let block = head_for(host, "GET", "/sign-in", &[]);
        frames.say(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)).await?;
        frames.until(|heard| heard.ends(stream)).await?;
    }
    ensure!(recorder.heard().is_empty(), "a site was asked over a connection of another");
    Ok(())
}
