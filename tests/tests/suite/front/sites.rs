//! Host names that are forwarded: what a service gets to see, what a client does, and requests that
//! are made to be read in two ways.

use anyhow::{Result, ensure};
use ostiary_tests::{Ostiary, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::services::{HOST, Recorder, Service, embedded, let_go, say};

#[tokio::test]
async fn a_site_has_all_of_its_host_and_nothing_of_ours() -> Result<()> {
    let (service, ostiary) = Service::behind(embedded()).await?;
    let asking = say(
        &ostiary,
        b"PUT /api/health?a=%2e%2E//b HTTP/1.1\r\nHost: WIKI.example.org:8443\r\nCookie: a=1\r\nContent-Length: 4\r\n\r\nbody",
    );
    let serving = async {
        let (mut stream, head) = service.asked().await?;
        let mut body = [0; 4];
        stream.read_exact(&mut body).await?;
        assert_eq!(&body, b"body");
        stream
            .write_all(
                b"HTTP/1.1 207 Multi\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nServer: a wiki\r\nSet-Cookie: a=2\r\n\
                  Set-Cookie: b=3\r\nKeep-Alive: timeout=5\r\nConnection: close, X-Own\r\nX-Own: 1\r\n\r\nto the end",
            )
            .await?;
        Ok::<_, anyhow::Error>(head)
    };
    let (answer, head) = tokio::join!(asking, serving);
    let (answer, head) = (answer?, head?);
    ensure!(head.starts_with("PUT /api/health?a=%2e%2E//b HTTP/1.1\r\n"), "{head}");
    for line in [
        "host: WIKI.example.org:8443",
        "cookie: a=1",
        "content-length: 4",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: WIKI.example.org:8443",
        "forwarded: for=127.0.0.1;host=\"WIKI.example.org:8443\";proto=http",
    ] {
        ensure!(head.contains(&format!("\r\n{line}\r\n")), "{line} is missing in\n{head}");
    }
    ensure!(head.lines().count() == 10, "{head}");
    let (top, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let mut lines: Vec<&str> = top.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "HTTP/1.1 207 Multi-Status",
            "date: Mon, 01 Jan 2001 00:00:00 GMT",
            "server: a wiki",
            "set-cookie: a=2",
            "set-cookie: b=3",
            "transfer-encoding: chunked",
        ]
    );
    assert_eq!(body, "A\r\nto the end\r\n0\r\n\r\n");

    let health = say(&ostiary, b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await?;
    ensure!(health.starts_with("HTTP/1.1 200 ") && health.contains("database"), "{health}");
    for host in ["xwiki.example.org", "wiki.example.org.", "example.org", "wiki.example.org.evil.example"] {
        let other = say(&ostiary, format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
        ensure!(other.starts_with("HTTP/1.1 421 "), "{host}: {other}");
    }
    Ok(())
}

#[tokio::test]
async fn nobody_says_from_outside_who_they_are() -> Result<()> {
    let (recorder, ostiary) = Recorder::behind(embedded()).await?;
    let claims = [
        "X-Forwarded-For: 10.6.6.6",
        "X_Forwarded_For: 10.6.6.6",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: evil",
        "X-Forwarded-User: evil",
        "Forwarded: for=10.6.6.6",
        "X-Real-IP: 10.6.6.6",
        "Remote-User: evil",
        "Remote_User: evil",
        "REMOTE-GROUPS: evil",
        "Remote-Email: evil",
        "Remote-Name: evil",
        "Proxy: evil",
        "Connection: x-forwarded-for, x-forwarded-host, host, x-evil",
        "X-Evil: 1",
    ];
    let head = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{}\r\n\r\n", claims.join("\r\n"));
    let answer = say(&ostiary, head.as_bytes()).await?;
    ensure!(answer.ends_with("service"), "{answer}");
    let heard = recorder.heard();
    ensure!(!heard.to_lowercase().contains("evil") && !heard.contains("10.6.6.6"), "{heard}");
    ensure!(heard.contains("\r\nhost: wiki.example.org\r\n"), "{heard}");
    ensure!(heard.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"), "{heard}");
    // Nor in trailers, which some services take for headers.
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nTrailer: Remote-User\r\nTE: trailers\r\n\r\n\
         1\r\nx\r\n0\r\nRemote-User: evil\r\n\r\n"
    );
    say(&ostiary, head.as_bytes()).await?;
    let heard = recorder.heard();
    ensure!(heard.ends_with("1\r\nx\r\n0\r\n\r\n") && !heard.to_lowercase().contains("evil"), "{heard}");
    Ok(())
}

/// What must never get through as a request of its own.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: wiki.example.org\r\n\r\n";

#[tokio::test]
async fn a_request_is_read_in_one_way_only() -> Result<()> {
    let (recorder, ostiary) = Recorder::behind(embedded()).await?;
    let long = SMUGGLED.len() + 5;
    // Headers, and the body before what is smuggled.
    for (headers, body) in [
        // RFC 9112 section 6.3: the coding counts, the length goes, and the connection ends.
        (format!("Content-Length: {long}\r\nTransfer-Encoding: chunked"), "0\r\n\r\n"),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {long}"), "0\r\n\r\n"),
        ("Content-Length: 4\r\nTransfer-Encoding: chunked".to_owned(), "0\r\n\r\n"),
        (format!("Content-Length: 0\r\nContent-Length: {}", SMUGGLED.len()), ""),
        (format!("Content-Length: {}\r\nContent-Length: 0", SMUGGLED.len()), ""),
        (format!("Content-Length: 0, {}", SMUGGLED.len()), ""),
        ("Content-Length: +0".to_owned(), ""),
        ("Content-Length: 0x0".to_owned(), ""),
        ("Content-Length: -1".to_owned(), ""),
        ("Content-Length: ".to_owned(), ""),
        ("Content-Length : 0".to_owned(), ""),
        ("Transfer-Encoding : chunked".to_owned(), "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked".to_owned(), "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity".to_owned(), "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x".to_owned(), "0\r\n\r\n"),
        ("Transfer-Encoding: gzip, chunked".to_owned(), "0\r\n\r\n"),
        ("Transfer-Encoding:\x0bchunked".to_owned(), "0\r\n\r\n"),
        ("X: y\r\n Transfer-Encoding: chunked".to_owned(), "0\r\n\r\n"),
        ("X: y\rTransfer-Encoding: chunked".to_owned(), "0\r\n\r\n"),
        ("X: \0\r\nContent-Length: 0".to_owned(), ""),
        ("Transfer-Encoding: chunked".to_owned(), "0x0\r\n\r\n"),
        ("Transfer-Encoding: chunked".to_owned(), "-0\r\n\r\n"),
        ("Transfer-Encoding: chunked".to_owned(), "1\r\nxyz0\r\n\r\n"),
        ("Transfer-Encoding: chunked".to_owned(), "fffffffffffffffff0\r\n\r\n"),
    ] {
        let whole = format!("POST /first HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n\r\n{body}{SMUGGLED}");
        let answer = say(&ostiary, whole.as_bytes()).await?;
        let heard = recorder.heard();
        ensure!(!heard.contains("GET /smuggled"), "{headers:?} {body:?} let through\n{heard}");
        ensure!(answer.matches("HTTP/1.1 ").count() <= 1, "{headers:?} {body:?} was answered twice\n{answer}");
        let both = heard.contains("content-length") && heard.contains("transfer-encoding");
        ensure!(!both, "{headers:?} has two lengths\n{heard}");
    }
    let old = format!("POST / HTTP/1.0\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}");
    ensure!(say(&ostiary, old.as_bytes()).await?.starts_with("HTTP/1.1 400 "));
    assert_eq!(recorder.heard(), "");
    // And what is said plainly is passed on.
    let plain = format!("POST /first HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\nab{SMUGGLED}");
    assert_eq!(say(&ostiary, plain.as_bytes()).await?.matches("HTTP/1.1 200 ").count(), 2);
    ensure!(recorder.heard().contains("GET /smuggled HTTP/1.1\r\n"));
    Ok(())
}

#[tokio::test]
async fn one_host_is_asked_for() -> Result<()> {
    let (recorder, ostiary) = Recorder::behind(embedded()).await?;
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}"), 421),
        (format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: accounts.localhost"), 421),
        (format!("GET / HTTP/1.1\r\nHost: accounts.localhost\r\nHost: {HOST}"), 421),
        (format!("GET / HTTP/1.1\r\nHost: x@{HOST}"), 421),
        (format!("GET / HTTP/1.1\r\nHost: {HOST}/x"), 421),
        (format!("GET / HTTP/1.1\r\nHost: {HOST}, accounts.localhost"), 421),
        (format!("GET / HTTP/1.1\r\nHost: {HOST}:nine"), 400),
        ("GET / HTTP/1.1".to_owned(), 421),
        (format!("GET http://{HOST}/ HTTP/1.1\r\nHost: accounts.localhost"), 400),
        (format!("GET http://{HOST}/ HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}"), 400),
        (format!("GET http://x@{HOST}/ HTTP/1.1\r\nHost: {HOST}"), 421),
        (format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443"), 501),
        (format!("TRACE / HTTP/1.1\r\nHost: {HOST}"), 501),
    ] {
        let answer = say(&ostiary, format!("{head}\r\n\r\n").as_bytes()).await?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}: {answer}");
        assert_eq!(recorder.heard(), "", "{head:?}");
    }
    // The whole address counts, and no service of another host hears of it.
    let ours =
        say(&ostiary, format!("GET http://accounts.localhost/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await?;
    ensure!(!ours.contains("service"), "{ours}");
    assert_eq!(recorder.heard(), "");
    let whole = format!("GET http://{HOST}/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    ensure!(say(&ostiary, whole.as_bytes()).await?.ends_with("service"));
    ensure!(recorder.heard().starts_with("GET /a HTTP/1.1\r\n"));
    // No other protocol gets past us.
    let h2c = format!(
        "GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    );
    ensure!(say(&ostiary, h2c.as_bytes()).await?.ends_with("service"));
    let heard = recorder.heard();
    ensure!(!heard.contains("upgrade") && !heard.contains("http2"), "{heard}");
    Ok(())
}

#[tokio::test]
async fn a_request_does_not_go_round_in_a_circle() -> Result<()> {
    // A server that forwards to itself.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let own = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let ostiary = embedded()
        .with("OSTIARY_HTTP__LISTEN", &own.to_string())
        .with_file(&super::services::site(HOST, own))
        .start()
        .await?;
    let answer = say(&ostiary, format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await?;
    ensure!(answer.starts_with("HTTP/1.1 508 "), "{answer}");
    Ok(())
}

async fn refused(ostiary: &Ostiary) -> Result<String> {
    say(ostiary, format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n").as_bytes()).await
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told_in_our_words() -> Result<()> {
    let (service, ostiary) = Service::behind(embedded()).await?;
    let (answer, taken) = tokio::join!(refused(&ostiary), async {
        let (mut stream, _) = service.asked().await?;
        stream.write_all(b"no HTTP at all\r\n\r\n").await?;
        Ok::<_, anyhow::Error>(stream)
    });
    ensure!(answer?.starts_with("HTTP/1.1 502 "), "garbage");
    let_go(taken?).await?;
    drop(service);
    let answer = refused(&ostiary).await?;
    ensure!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("cannot be reached"), "{answer}");
    ensure!(answer.contains("content-type: text/plain; charset=utf-8\r\n"), "{answer}");
    ensure!(!answer.contains("127.0.0.1"), "where a service is, is nobody's business\n{answer}");
    // The log is read beside us.
    eventually("a word in the log", async || {
        let log = ostiary.log();
        Ok((log.contains("site=\"wiki.example.org\"") && log.contains("refused")).then_some(()))
    })
    .await
}

#[tokio::test]
async fn who_hangs_up_halfway_leaves_no_service_waiting() -> Result<()> {
    let (service, ostiary) = Service::behind(embedded()).await?;
    for sent in [
        format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100\r\n\r\nhalf"),
        format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
    ] {
        let mut client = TcpStream::connect(ostiary.http_address()?).await?;
        client.write_all(sent.as_bytes()).await?;
        let (stream, _) = service.asked().await?;
        drop(client);
        let_go(stream).await?;
    }
    Ok(())
}
