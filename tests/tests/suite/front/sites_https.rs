//! Sites over HTTPS, in both versions of HTTP, asked by curl; and what plain HTTP beside it does not do.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Authority, run};
use tokio::net::TcpListener;

use super::services::{Recorder, embedded, say_to};

#[tokio::test]
async fn a_site_comes_over_https_and_only_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::make(folder.path())?;
    let (certificate, key) = authority.issue()?.write(folder.path())?;
    let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
    let setup = embedded()
        .with("OSTIARY_HTTPS__MODE", "files")
        .with("OSTIARY_HTTPS__LISTEN", &format!("127.0.0.1:{port}"))
        .with("OSTIARY_HTTPS__CERTIFICATE_FILE", &certificate.display().to_string())
        .with("OSTIARY_HTTPS__KEY_FILE", &key.display().to_string());
    let plain = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let setup = setup.with("OSTIARY_HTTP__LISTEN", &plain.to_string());
    // A host that the tests' certificate is for.
    let (recorder, ostiary) = Recorder::of("localhost", setup).await?;
    for (version, framing) in [
        (["--http1.1", "--data-binary"], "\r\ncontent-length: 5\r\n"),
        (["--http2", "--data-binary"], "\r\ncontent-length: 5\r\n"),
        (["--http1.1", "--upload-file"], "\r\ntransfer-encoding: chunked\r\n"),
        (["--http2", "--upload-file"], "\r\ntransfer-encoding: chunked\r\n"),
    ] {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--cacert"]);
        command.arg(&authority.file).args(version);
        command.arg(if version[1] == "--upload-file" { "-" } else { "@-" });
        command.args([
            "--header",
            "Remote-User: evil",
            "--cookie",
            "a=1",
            &format!("https://localhost:{port}/up?to=here"),
        ]);
        let answer = tokio::task::spawn_blocking(move || run(&mut command, "hello")).await??.ok()?;
        assert_eq!(answer, "service", "{version:?}");
        // It answers before it has read everything.
        let heard = recorder.heard_until("hello").await?;
        for line in [
            " /up?to=here HTTP/1.1\r\n",
            &format!("\r\nhost: localhost:{port}\r\n"),
            "\r\nx-forwarded-proto: https\r\n",
            "\r\nx-forwarded-for: 127.0.0.1\r\n",
            "\r\ncookie: a=1\r\n",
            framing,
            "hello",
        ] {
            ensure!(heard.contains(line), "{line:?} is missing with {version:?} in\n{heard}");
        }
        ensure!(!heard.contains("evil"), "{heard}");
    }
    for path in ["/", "/api/health"] {
        let answer = say_to(plain, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
        ensure!(!answer.contains("service"), "{path}: {answer}");
        let told = answer.lines().find_map(|line| line.strip_prefix("location: "));
        ensure!(path != "/" || told.context("no redirect")? == format!("https://localhost:{port}/"), "{answer}");
    }
    assert_eq!(recorder.heard(), "", "the service was asked over plain HTTP");
    drop(ostiary);
    Ok(())
}
