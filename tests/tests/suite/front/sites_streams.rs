//! What flows through a site: WebSockets, events, and bodies larger than any memory should be.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use ostiary_tests::Ostiary;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use super::services::{HOST, Recorder, Service, embedded, head, let_go, say};

const GIB: u64 = 1024 * 1024 * 1024;

/// More than this is not flat.
const FLAT: u64 = 24 * 1024;

async fn websocket(ostiary: &Ostiary) -> Result<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(ostiary.http_address()?).await?;
    let (socket, answer) = client_async(format!("ws://{HOST}/socket?a=b"), stream).await?;
    assert_eq!(answer.status(), 101);
    Ok(socket)
}

/// Says back what is said, until the other side closes.
async fn echo(stream: TcpStream) -> Result<()> {
    let mut socket = accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_websocket_is_carried_both_ways() -> Result<()> {
    let (service, ostiary) = Service::behind(embedded()).await?;
    let serving = tokio::spawn(async move { echo(service.taken().await?).await });
    let mut socket = websocket(&ostiary).await?;
    let large = Message::binary((0..3_000_000).map(|number: u32| number.to_le_bytes()[0]).collect::<Vec<_>>());
    for message in [Message::text("hello"), large, Message::text("")] {
        socket.send(message.clone()).await?;
        let back = tokio::time::timeout(Duration::from_secs(20), socket.next()).await?.context("closed")??;
        ensure!(back == message, "another message came back");
    }
    socket.close(None).await?;
    while let Some(Ok(_)) = socket.next().await {}
    serving.await??;
    Ok(())
}

#[tokio::test]
async fn either_end_of_a_websocket_may_hang_up() -> Result<()> {
    let (service, ostiary) = Service::behind(embedded()).await?;
    for client_first in [true, false] {
        let (client, served) = tokio::join!(websocket(&ostiary), async {
            Ok::<_, anyhow::Error>(accept_async(service.taken().await?).await?)
        });
        let (client, served) = (client?.into_inner(), served?.into_inner());
        let (gone, left) = if client_first { (client, served) } else { (served, client) };
        drop(gone);
        let_go(left).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_upgrade_is_an_answer_like_any_other() -> Result<()> {
    let (recorder, ostiary) = Recorder::behind(embedded()).await?;
    let upgrade = format!(
        "GET /socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n"
    );
    // What follows is looked at like any request: nothing is tunnelled past us.
    let next = format!("GET /next HTTP/1.1\r\nHost: {HOST}\r\nRemote-User: evil\r\n\r\n");
    let answers = say(&ostiary, format!("{upgrade}{next}").as_bytes()).await?;
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{answers}");
    let heard = recorder.heard();
    ensure!(heard.contains("upgrade: websocket\r\n") && heard.contains("sec-websocket-version: 777\r\n"), "{heard}");
    ensure!(heard.contains("GET /next HTTP/1.1\r\n") && !heard.contains("evil"), "{heard}");
    Ok(())
}

#[tokio::test]
async fn a_websocket_keeps_its_place_among_the_connections() -> Result<()> {
    let setup =
        embedded().with("OSTIARY_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "2").with("OSTIARY_SERVER__SHUTDOWN_GRACE", "60s");
    let (service, ostiary) = Service::behind(setup).await?;
    let serving = tokio::spawn(async move {
        let first = tokio::spawn(echo(service.taken().await?));
        let second = tokio::spawn(echo(service.taken().await?));
        let _cut_off = tokio::try_join!(first, second)?;
        Ok::<_, anyhow::Error>(())
    });
    let mut first = websocket(&ostiary).await?;
    let second = websocket(&ostiary).await?;
    let third = say(&ostiary, format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap_or_default();
    assert_eq!(third, "", "a third connection was let in");
    first.send(Message::text("still here")).await?;
    ensure!(first.next().await.context("closed")?? == Message::text("still here"));
    // And it ends when the server is asked to, not when it is cut off at the end of the grace.
    let begun = Instant::now();
    ostiary.signal("TERM")?;
    let (first, second) = (first.into_inner(), second.into_inner());
    tokio::try_join!(let_go(first), let_go(second))?;
    ensure!(begun.elapsed() < Duration::from_secs(3), "a stop waits for what never ends");
    serving.await??;
    Ok(())
}

#[tokio::test]
async fn an_event_arrives_before_the_next_one_happens() -> Result<()> {
    let (service, ostiary) = Service::behind(embedded()).await?;
    let mut client = TcpStream::connect(ostiary.http_address()?).await?;
    client
        .write_all(format!("GET /events HTTP/1.1\r\nHost: {HOST}\r\nAccept: text/event-stream\r\n\r\n").as_bytes())
        .await?;
    let (mut stream, _) = service.asked().await?;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await?;
    let answer = head(&mut client).await?;
    ensure!(answer.contains("content-type: text/event-stream\r\n"), "{answer}");
    for number in 0..5 {
        let event = format!("data: {number}\n\n");
        stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
        let mut heard = vec![0; 3 + event.len() + 2];
        tokio::time::timeout(Duration::from_secs(5), client.read_exact(&mut heard)).await??;
        assert_eq!(String::from_utf8(heard)?, format!("{:x}\r\n{event}\r\n", event.len()));
    }
    drop(client);
    let_go(stream).await
}

/// What the server's memory is, and was at most since it was last asked: KiB.
fn memory(ostiary: &Ostiary) -> Result<(u64, u64)> {
    let process = format!("/proc/{}", ostiary.pid()?);
    let status = std::fs::read_to_string(format!("{process}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).context("no figure")
    };
    let figures = (field("VmRSS:")?, field("VmHWM:")?);
    // proc(5): forgets the peak.
    std::fs::write(format!("{process}/clear_refs"), "5")?;
    Ok(figures)
}

#[tokio::test]
async fn two_gigabytes_come_up_in_flat_memory() -> Result<()> {
    let (service, ostiary) = Service::behind(embedded()).await?;
    for chunked in [false, true] {
        let (before, _) = memory(&ostiary)?;
        let begun = Instant::now();
        let serving = async {
            let (mut stream, head) = service.asked().await?;
            let mut count = 0;
            let mut part = vec![0; 1024 * 1024];
            // Chunks have lengths between them; what counts is that all of it came.
            while count < 2 * GIB {
                let read = stream.read(&mut part).await?;
                ensure!(read > 0, "the upload broke off after {count} bytes");
                count += u64::try_from(read)?;
            }
            stream.write_all(b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await?;
            stream.read_to_end(&mut part).await.ok();
            Ok::<_, anyhow::Error>(head)
        };
        let sending = async {
            let mut stream = TcpStream::connect(ostiary.http_address()?).await?;
            let length =
                if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {}", 2 * GIB) };
            stream.write_all(format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n{length}\r\n\r\n").as_bytes()).await?;
            let part = vec![b'x'; 1024 * 1024];
            for _ in 0..2 * 1024 {
                if chunked {
                    stream.write_all(b"100000\r\n").await?;
                }
                stream.write_all(&part).await?;
                if chunked {
                    stream.write_all(b"\r\n").await?;
                }
            }
            if chunked {
                stream.write_all(b"0\r\n\r\n").await?;
            }
            head(&mut stream).await
        };
        let (asked, answer) = tokio::try_join!(serving, sending)?;
        ensure!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        ensure!(asked.contains("transfer-encoding: chunked\r\n") == chunked, "{asked}");
        let (_, most) = memory(&ostiary)?;
        println!(
            "2 GiB up, chunked {chunked}: {:?}, {} KiB more than {before}",
            begun.elapsed(),
            most.saturating_sub(before)
        );
        ensure!(most < before + FLAT, "memory went from {before} KiB to {most} KiB");
    }
    Ok(())
}

#[tokio::test]
async fn two_gigabytes_come_down_in_flat_memory() -> Result<()> {
    let (service, ostiary) = Service::behind(embedded()).await?;
    let (before, _) = memory(&ostiary)?;
    let begun = Instant::now();
    let serving = async {
        let (mut stream, _) = service.asked().await?;
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 2 * GIB).as_bytes()).await?;
        let part = vec![b'x'; 1024 * 1024];
        for _ in 0..2 * 1024 {
            stream.write_all(&part).await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    let taking = async {
        let mut stream = TcpStream::connect(ostiary.http_address()?).await?;
        stream.write_all(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await?;
        let answer = head(&mut stream).await?;
        ensure!(answer.contains(&format!("content-length: {}\r\n", 2 * GIB)), "{answer}");
        // A client that takes its time first: what does not fit waits at the service.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut part = vec![0; 1024 * 1024];
        let mut count = 0;
        while count < 2 * GIB {
            let read = stream.read(&mut part).await?;
            ensure!(read > 0, "the download broke off after {count} bytes");
            count += u64::try_from(read)?;
        }
        Ok(())
    };
    tokio::try_join!(serving, taking)?;
    let (_, most) = memory(&ostiary)?;
    println!("2 GiB down: {:?}, {} KiB more than {before}", begun.elapsed(), most.saturating_sub(before));
    ensure!(most < before + FLAT, "memory went from {before} KiB to {most} KiB");
    Ok(())
}
