//! Proxies that say by the PROXY protocol for whom they connect, and everybody who would like to.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Ostiary, Setup, eventually, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::services::{HOST, Recorder, embedded, say, say_to};
use super::wire::{IDLE, OTHER, SOON, Wall, connect_from, let_go, rest};

const VERSION_1: &[u8] = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 443\r\n";

/// A header of version 2: version and command, family and protocol, what follows.
fn version_2(kind: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[kind, family][..], &length, block].concat()
}

/// Such a header for `client`, with a TLV behind the addresses.
fn speaking_for(client: &str) -> Vec<u8> {
    let tlv = [4, 0, 3, 0, 0, 0];
    match client.parse().unwrap() {
        IpAddr::V4(v4) => version_2(0x21, 0x11, &[&v4.octets()[..], &[127, 0, 0, 1, 0, 9, 1, 187], &tlv].concat()),
        IpAddr::V6(v6) => version_2(0x21, 0x21, &[&v6.octets()[..], &[0; 16], &[0, 9, 1, 187], &tlv].concat()),
    }
}

fn behind(setup: Setup) -> Setup {
    setup.with("OSTIARY_HTTP__PROXY_PROTOCOL_FROM", "127.0.0.1, 192.0.2.0/24").with("OSTIARY_HTTP__IDLE_TIMEOUT", "1s")
}

fn request(host: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Says bytes and gives everything that comes until the other side ends it.
async fn end_of(ostiary: &Ostiary, bytes: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(ostiary.http_address()?).await?;
    let _ = stream.write_all(bytes).await;
    timeout(SOON, rest(&mut stream)).await.context("the connection is still held")
}

/// The address that the service was told.
fn told(recorder: &Recorder) -> Option<String> {
    let heard = recorder.heard();
    heard.lines().find_map(|line| line.strip_prefix("x-forwarded-for: ").map(str::to_owned))
}

#[tokio::test]
async fn a_proxy_says_for_whom_it_connects() -> Result<()> {
    let (recorder, ostiary) = Recorder::behind(behind(embedded())).await?;
    for (header, client) in [
        (VERSION_1.to_vec(), "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n".to_vec(), "203.0.113.9"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (b"PROXY UNKNOWN 203.0.113.7 203.0.113.7 1 2\r\n".to_vec(), "127.0.0.1"),
        (speaking_for("203.0.113.8"), "203.0.113.8"),
        (speaking_for("2001:db8::8"), "2001:db8::8"),
        (speaking_for("::ffff:203.0.113.10"), "203.0.113.10"),
        (version_2(0x20, 0x11, &[203, 0, 113, 7, 0, 0, 0, 0, 0, 1, 0, 2]), "127.0.0.1"),
        (version_2(0x20, 0, &[]), "127.0.0.1"),
        (version_2(0x21, 0, &[]), "127.0.0.1"),
    ] {
        let whole = [&header[..], &request(HOST)].concat();
        let answer = end_of(&ostiary, &whole).await?;
        ensure!(answer.ends_with("service"), "{}: {answer}", String::from_utf8_lossy(&header));
        assert_eq!(told(&recorder).as_deref(), Some(client), "{}", String::from_utf8_lossy(&header));
        // The same in single bytes.
        let mut stream = TcpStream::connect(ostiary.http_address()?).await?;
        stream.set_nodelay(true)?;
        for byte in &header {
            stream.write_all(&[*byte]).await?;
            tokio::task::yield_now().await;
        }
        stream.write_all(&request(HOST)).await?;
        ensure!(timeout(SOON, rest(&mut stream)).await?.ends_with("service"), "byte by byte");
        assert_eq!(told(&recorder).as_deref(), Some(client));
    }
    // As curl says it, which speaks for itself.
    let address = ostiary.http_address()?;
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--haproxy-protocol"]);
    command.args(["--header", &format!("Host: {HOST}"), &format!("http://{address}/")]);
    let answer = tokio::task::spawn_blocking(move || run(&mut command, "")).await??.ok()?;
    assert_eq!((answer.as_str(), told(&recorder).as_deref()), ("service", Some("127.0.0.1")));
    // And our own check, which comes from where the proxy is.
    ostiary.cli(&["health"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_does_not_say_it_is_not_heard() -> Result<()> {
    let (recorder, ostiary) = Recorder::behind(behind(embedded())).await?;
    let long = format!("PROXY TCP4 203.0.113.7 127.0.0.1 1 2{}\r\n", " ".repeat(100));
    let addresses = [203, 0, 113, 7, 127, 0, 0, 1, 0, 9, 1, 187];
    let unix = version_2(0x21, 0x31, &[1; 216]);
    for (what, header) in [
        ("none", Vec::new()),
        ("a long line", long.into_bytes()),
        ("a line that ends otherwise", b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\n".to_vec()),
        ("another family", b"PROXY TCP4 2001:db8::7 ::1 1 2\r\n".to_vec()),
        ("no addresses", b"PROXY TCP4\r\n".to_vec()),
        ("a name", b"PROXY TCP4 localhost 127.0.0.1 1 2\r\n".to_vec()),
        ("an older version", version_2(0x11, 0x11, &addresses)),
        ("no such command", version_2(0x22, 0x11, &addresses)),
        ("datagrams", version_2(0x21, 0x12, &addresses)),
        ("a Unix socket", unix),
        ("too short for its family", version_2(0x21, 0x21, &addresses)),
        ("too long", version_2(0x21, 0x11, &[&addresses[..], &[0; 3_000]].concat())),
        ("a broken signature", [b"\r\n\r\n\0\r\nQUIT\r", &speaking_for("203.0.113.7")[12..]].concat()),
    ] {
        let answer = end_of(&ostiary, &[header, request(HOST)].concat()).await?;
        assert_eq!(answer, "", "{what}");
        assert_eq!(recorder.heard(), "", "{what}");
    }
    // One header is one; a second is a bad request.
    for second in [VERSION_1.to_vec(), speaking_for("203.0.113.9")] {
        let whole = [VERSION_1, &second[..], &request(HOST)].concat();
        let answer = end_of(&ostiary, &whole).await?;
        ensure!(answer.starts_with("HTTP/1.1 400 ") && recorder.heard().is_empty(), "{answer}");
    }
    // A length that takes in a part of the request.
    let mut greedy = version_2(0x21, 0x11, &addresses);
    greedy[15] += 4;
    let answer = end_of(&ostiary, &[greedy, request(HOST)].concat()).await?;
    ensure!(!answer.contains("service") && recorder.heard().is_empty(), "{answer}");
    // The administrator hears of it, the way a proxy looks whether we are there is no matter.
    eventually("a word in the log", async || {
        Ok(ostiary.log().contains("a connection of a proxy was closed").then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_header_is_not_waited_for_longer_than_a_handshake() -> Result<()> {
    let (recorder, ostiary) = Recorder::behind(behind(embedded())).await?;
    let mut waiting = Vec::new();
    for begun in
        [&[][..], b"P", b"PROXY TCP4 203.0.113.7", b"\r\n\r\n\0\r\nQUIT\n", &version_2(0x21, 0x11, &[0; 12])[..20]]
    {
        let mut stream = TcpStream::connect(ostiary.http_address()?).await?;
        stream.write_all(begun).await?;
        waiting.push((begun.len(), stream));
    }
    for (length, mut stream) in waiting {
        let held = let_go(&mut stream).await?;
        ensure!(held < IDLE * 4, "{length} bytes were held for {held:?}");
    }
    // Nor when it comes slowly.
    let mut stream = TcpStream::connect(ostiary.http_address()?).await?;
    let begun = Instant::now();
    for byte in VERSION_1 {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(IDLE / 8).await;
    }
    ensure!(let_go(&mut stream).await.is_ok() && begun.elapsed() < IDLE * 8 && recorder.heard().is_empty());
    Ok(())
}

#[tokio::test]
async fn nobody_else_gives_an_address() -> Result<()> {
    let (recorder, ostiary) = Recorder::behind(behind(embedded())).await?;
    let from_other = async |bytes: Vec<u8>| {
        let mut stream = connect_from(OTHER, ostiary.http_address()?).await?;
        stream.write_all(&bytes).await?;
        anyhow::Ok(timeout(SOON, rest(&mut stream)).await?)
    };
    for header in
        [VERSION_1.to_vec(), speaking_for("203.0.113.7"), version_2(0x20, 0, &[]), b"PROXY UNKNOWN\r\n".to_vec()]
    {
        let answer = from_other([header, request(HOST)].concat()).await?;
        ensure!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert_eq!(recorder.heard(), "");
    }
    ensure!(from_other(request(HOST)).await?.ends_with("service"));
    assert_eq!(told(&recorder).as_deref(), Some("127.0.0.2"));
    // And where there are no such proxies, from nobody at all.
    let (recorder, ostiary) = Recorder::behind(embedded()).await?;
    let answer = say(&ostiary, &[VERSION_1, &request(HOST)].concat()).await?;
    ensure!(answer.starts_with("HTTP/1.1 400 ") && recorder.heard().is_empty(), "{answer}");
    Ok(())
}

#[tokio::test]
async fn what_counts_for_an_address_counts_for_the_clients() -> Result<()> {
    let setup = behind(embedded())
        .with("OSTIARY_HTTP__TRUSTED_PROXIES", "198.51.100.0/24")
        .with("OSTIARY_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "3")
        .with("OSTIARY_HTTP__IDLE_TIMEOUT", "30s");
    let (recorder, ostiary) = Recorder::behind(setup).await?;
    // Whose X-Forwarded-For is believed: a proxy behind the proxy, and no client.
    let claiming = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: 10.6.6.6\r\nConnection: close\r\n\r\n");
    for (client, expected) in [("203.0.113.7", "203.0.113.7"), ("198.51.100.7", "10.6.6.6")] {
        end_of(&ostiary, &[&speaking_for(client)[..], claiming.as_bytes()].concat()).await?;
        assert_eq!(told(&recorder).as_deref(), Some(expected));
    }
    // The proxy holds as many connections as it likes, each client its share.
    let asking = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let begin = async |client: &str| {
        let mut stream = TcpStream::connect(ostiary.http_address()?).await?;
        stream.write_all(&[&speaking_for(client)[..], asking.as_bytes()].concat()).await?;
        anyhow::Ok(stream)
    };
    let mut held = Vec::new();
    for client in ["203.0.113.7", "203.0.113.8", "198.51.100.7", "198.51.100.7"] {
        for _ in 0..3 {
            let mut stream = begin(client).await?;
            let mut answer = Vec::new();
            while !answer.ends_with(b"service") {
                answer.push(timeout(SOON, stream.read_u8()).await??);
            }
            held.push(stream);
        }
    }
    let one_more = timeout(SOON, rest(&mut begin("203.0.113.7").await?)).await?;
    assert_eq!(one_more, "", "a fourth of one address");
    for client in ["203.0.113.9", "198.51.100.7"] {
        let answer = end_of(&ostiary, &[&speaking_for(client)[..], &request(HOST)].concat()).await?;
        ensure!(answer.ends_with("service"), "{client}: {answer}");
    }
    // Those that have a place keep it.
    for stream in &mut held {
        stream.write_all(&request(HOST)).await?;
        ensure!(timeout(SOON, rest(stream)).await?.ends_with("service"));
    }
    Ok(())
}

#[tokio::test]
async fn it_comes_before_tls() -> Result<()> {
    let mut recorder = None;
    let wall = Wall::with(async |setup| {
        let (heard, ostiary) = Recorder::of("localhost", behind(setup)).await?;
        recorder = Some(heard);
        Ok(ostiary)
    })
    .await?;
    let recorder = recorder.context("a recorder")?;
    let page = b"GET /sign-in HTTP/1.1\r\nHost: accounts.localhost\r\nConnection: close\r\n\r\n";
    let https: SocketAddr = wall.https()?;
    for (header, protocol) in [(VERSION_1.to_vec(), "http/1.1"), (speaking_for("203.0.113.8"), "http/1.1")] {
        let mut stream = TcpStream::connect(https).await?;
        stream.write_all(&header).await?;
        let mut stream = wall.tls(stream, protocol).await?;
        stream.write_all(page).await?;
        ensure!(rest(&mut stream).await.starts_with("HTTP/1.1 200 "));
        // Inside of it it is nothing but a bad request.
        let mut stream = TcpStream::connect(https).await?;
        stream.write_all(&header).await?;
        let mut stream = wall.tls(stream, protocol).await?;
        stream.write_all(&[&header, &page[..]].concat()).await?;
        ensure!(rest(&mut stream).await.starts_with("HTTP/1.1 400 "));
    }
    // curl says it before TLS as well, and the service hears of the client.
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--haproxy-protocol", "--http2"]);
    command.arg("--cacert").arg(&wall.authority.file).arg(format!("https://localhost:{}/", https.port()));
    let answer = tokio::task::spawn_blocking(move || run(&mut command, "")).await??.ok()?;
    assert_eq!((answer.as_str(), told(&recorder).as_deref()), ("service", Some("127.0.0.1")));
    // Without it there is no handshake; from a stranger, none with it.
    ensure!(wall.tls(TcpStream::connect(https).await?, "http/1.1").await.is_err());
    let mut stranger = connect_from(OTHER, https).await?;
    stranger.write_all(VERSION_1).await?;
    ensure!(wall.tls(stranger, "http/1.1").await.is_err());
    wall.tls(connect_from(OTHER, https).await?, "http/1.1").await?;
    // Plain HTTP beside it takes it, too.
    let plain = wall.ostiary.http_address()?;
    let answer = say_to(plain, &[VERSION_1, page].concat()).await?;
    ensure!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    Ok(())
}
