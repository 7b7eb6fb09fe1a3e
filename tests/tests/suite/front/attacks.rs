//! Who comes to HTTP and HTTPS with other things in mind than an answer: what holds a connection and
//! says nothing, what floods it, and what makes work and does not wait for it. Each is shed, costs a
//! bounded amount of memory, and others are answered meanwhile.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ostiary_tests::run;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::services::site;
use super::wire::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Heard, IDLE, INITIAL_WINDOW_SIZE, OTHER, PING,
    PRIORITY, RST_STREAM, SETTINGS, SOON, WINDOW_UPDATE, Wall, connect_from, frame, head, head_for, let_go, page, rest,
    say_page, text, told,
};

/// What one attack may cost, in KiB.
const BOUNDED: u64 = 64 * 1024;

/// Runs an attack, and looks at what it did to memory and to others.
async fn shed(wall: &Wall, attack: impl Future<Output = Result<()>>) -> Result<()> {
    wall.answers().await?;
    let before = wall.memory()?;
    attack.await?;
    wall.answers().await?;
    let grown = wall.memory()?.saturating_sub(before);
    ensure!(grown < BOUNDED, "{grown} KiB more");
    Ok(())
}

/// Sends a byte every now and then until the other side has enough; gives how long it had not.
async fn drip(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Result<Duration> {
    let begun = Instant::now();
    let mut ended = [0];
    for byte in bytes {
        let _ = stream.write_all(&[*byte]).await;
        let _ = stream.flush().await;
        if let Ok(Ok(0) | Err(_)) = timeout(IDLE / 8, stream.read(&mut ended)).await {
            return Ok(begun.elapsed());
        }
    }
    anyhow::bail!("{} bytes were waited for", bytes.len())
}

#[tokio::test]
async fn heads_that_come_byte_by_byte_are_not_waited_for() -> Result<()> {
    let wall = Wall::start().await?;
    let head = format!("GET / HTTP/1.1\r\nHost: accounts.localhost\r\n{}", "X: y\r\n".repeat(20));
    shed(&wall, async {
        let (plain, https) = (wall.ostiary.http_address()?, wall.https()?);
        let mut dripping = Vec::new();
        for _ in 0..10 {
            let open = TcpStream::connect(plain).await?;
            dripping.push(tokio::spawn({
                let head = head.clone();
                async move { drip(open, head.as_bytes()).await }
            }));
            let encrypted = wall.tls(TcpStream::connect(https).await?, "http/1.1").await?;
            let head = head.clone();
            dripping.push(tokio::spawn(async move { drip(encrypted, head.as_bytes()).await }));
        }
        for one in dripping {
            let held = one.await??;
            ensure!(held < IDLE * 4, "a connection was held for {held:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_handshake_that_stalls_is_given_up() -> Result<()> {
    let wall = Wall::start().await?;
    shed(&wall, async {
        // A record of the handshake that announces a hello of 512 bytes.
        let hello = [&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &[7; 200]].concat();
        let mut stalled = Vec::new();
        for begun in [&[][..], &hello[..1], &hello[..11], &hello] {
            let mut stream = TcpStream::connect(wall.https()?).await?;
            stream.write_all(begun).await?;
            stalled.push((begun.len(), stream));
        }
        for (length, mut stream) in stalled {
            let held = let_go(&mut stream).await?;
            ensure!(held < IDLE * 4, "{length} bytes were held for {held:?}");
        }
        let held = drip(TcpStream::connect(wall.https()?).await?, &hello).await?;
        ensure!(held < IDLE * 4, "a slow one was held for {held:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn heads_without_end_are_refused() -> Result<()> {
    let wall = Wall::start().await?;
    let begun = "GET / HTTP/1.1\r\nHost: accounts.localhost\r\n";
    shed(&wall, async {
        let floods = [
            ("X: y\r\n".repeat(200) + "\r\n", "431"),
            (format!("X: {}\r\n\r\n", "y".repeat(20_000)), "431"),
            (format!("{}: y\r\n\r\n", "X".repeat(70_000)), "431"),
            ("X: y\r\n".repeat(100_000), "431"),
        ];
        for (flood, status) in floods {
            for encrypted in [false, true] {
                let said = format!("{begun}{flood}");
                let answer = if encrypted {
                    told_to(wall.http1().await?, said).await?
                } else {
                    told_to(TcpStream::connect(wall.ostiary.http_address()?).await?, said).await?
                };
                // The end may overtake the answer, when there is more to come.
                let is_refused = answer.starts_with(&format!("HTTP/1.1 {status} ")) || answer.is_empty();
                ensure!(is_refused, "{} bytes: {answer}", flood.len());
            }
        }
        Ok(())
    })
    .await
}

/// Says something and gives what comes back until the end.
async fn told_to(stream: impl AsyncRead + AsyncWrite, said: String) -> Result<String> {
    let (mut from, mut to) = tokio::io::split(stream);
    let saying = async {
        let _ = to.write_all(said.as_bytes()).await;
        let _ = to.flush().await;
    };
    let (answer, ()) = timeout(SOON, async { tokio::join!(rest(&mut from), saying) }).await?;
    Ok(answer)
}

/// Whether the other side said goodbye, which it does when it has enough.
fn is_left(heard: &[Heard]) -> bool {
    heard.iter().any(|heard| heard.kind == GOAWAY)
}

#[tokio::test]
async fn header_blocks_of_http_2_are_bounded() -> Result<()> {
    let wall = Wall::start().await?;
    shed(&wall, async {
        // Too many, and one too large: refused, and the connection goes on.
        let many: Vec<(&str, &str)> = vec![("x", "y"); 1_000];
        let large = "y".repeat(15_900);
        for (what, more) in [("many", &many[..]), ("large", &[("x", &large), ("y", &large)])] {
            let mut frames = wall.http2(&[]).await?;
            let block = head("GET", "/sign-in", more);
            let mut parts = block.chunks(16_000);
            let first = parts.next().context("a block")?;
            let mut said = frame(HEADERS, END_STREAM, 1, first);
            for part in parts {
                said.extend(frame(CONTINUATION, 0, 1, part));
            }
            said.extend(frame(CONTINUATION, END_HEADERS, 1, &[]));
            frames.say(&said).await?;
            let heard = frames.until(|heard| heard.ends(1) || heard.resets(1) || heard.kind == GOAWAY).await?;
            // 200 would be one byte of the static table.
            let is_served = heard.iter().any(|heard| heard.kind == HEADERS && heard.payload.first() == Some(&0x88));
            ensure!(!is_served, "{what}: {}", told(&heard));
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn continuations_without_end_end_the_connection() -> Result<()> {
    let wall = Wall::start().await?;
    shed(&wall, async {
        let full = head("GET", "/", &[("x", &"y".repeat(16_000))]);
        for (what, part) in [("empty", &[][..]), ("small", &[0x82; 10]), ("full", &full)] {
            let mut frames = wall.http2(&[]).await?;
            frames.say(&frame(HEADERS, END_STREAM, 1, &head("GET", "/", &[]))).await?;
            let (sent, heard) = frames.flood(frame(CONTINUATION, 0, 1, part), 20_000).await;
            ensure!(sent < 20_000 && is_left(&heard), "{what}: {sent} sent, {}", told(&heard));
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_small_block_does_not_become_a_large_one() -> Result<()> {
    let wall = Wall::start().await?;
    shed(&wall, async {
        let mut frames = wall.http2(&[]).await?;
        // One header of 4,000 bytes is put into the table, and then meant 12,000 times.
        let mut block = head("GET", "/sign-in", &[]);
        block.push(0x40);
        text(&mut block, "x-bomb");
        text(&mut block, &"y".repeat(4_000));
        block.extend([0xbe; 12_000]);
        frames.say(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await?;
        let heard = frames.until(|heard| heard.ends(1) || heard.resets(1) || heard.kind == GOAWAY).await?;
        let is_served = heard.iter().any(|heard| heard.kind == HEADERS && heard.payload.first() == Some(&0x88));
        ensure!(!is_served, "{}", told(&heard));
        // And again and again on one connection.
        let frames = wall.http2(&[]).await?;
        let bombs: Vec<u8> =
            (0..50).flat_map(|number| frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &block)).collect();
        frames.flood(bombs, 1).await;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_client_cannot_begin_a_handshake_anew() -> Result<()> {
    let wall = Wall::start().await?;
    let port = wall.https()?.port();
    let authority = wall.authority.file.clone();
    shed(&wall, async {
        // "R" on a line of its own asks for it.
        let client = tokio::task::spawn_blocking(move || {
            let mut command = Command::new("timeout");
            command.args(["20", "openssl", "s_client", "-tls1_2", "-servername", "accounts.localhost"]);
            command.args(["-connect", &format!("127.0.0.1:{port}"), "-CAfile"]).arg(authority);
            run(&mut command, "R\nGET / HTTP/1.1\r\nHost: accounts.localhost\r\n\r\n")
        });
        let client = client.await??;
        ensure!(client.stdout.contains("Verify return code: 0"), "{client:?}");
        ensure!(client.stdout.contains("RENEGOTIATING") || client.stderr.contains("RENEGOTIATING"), "{client:?}");
        ensure!(client.code == Some(1) && client.stderr.contains("no renegotiation"), "{client:?}");
        ensure!(!client.stdout.contains("HTTP/1.1 "), "{client:?}");
        Ok(())
    })
    .await
}

/// Asks and takes back at once, or after the request was taken, so often.
fn taken_back(times: u32, path: &str) -> Vec<u8> {
    let cancel = 8_u32.to_be_bytes();
    (0..times)
        .flat_map(|number| [page(2 * number + 1, path), frame(RST_STREAM, 0, 2 * number + 1, &cancel)].concat())
        .collect()
}

#[tokio::test]
async fn requests_that_are_taken_back_again_and_again_end_the_connection() -> Result<()> {
    // A service that takes connections and never answers.
    let service = TcpListener::bind("127.0.0.1:0").await?;
    let site = site("localhost", service.local_addr()?);
    let wall = Wall::with(async |setup| setup.with_file(&site).start().await).await?;
    shed(&wall, async {
        // Before anybody looked at them.
        let (_, heard) = wall.http2(&[]).await?.flood(taken_back(20_000, "/sign-in"), 1).await;
        ensure!(is_left(&heard), "{}", told(&heard));
        Ok(())
    })
    .await?;
    shed(&wall, async {
        // When they were answered and nobody takes it.
        let asked = given_up(&wall, "accounts.localhost", HEADERS).await?;
        ensure!(asked < 300, "{asked} requests were begun");
        // When they are being answered, by a service that takes its time.
        let asked = given_up(&wall, "localhost", PING).await?;
        ensure!(asked < 300, "{asked} requests were begun");
        Ok(())
    })
    .await?;
    drop(service);
    Ok(())
}

/// Asks `host` and takes it back when a frame of a kind has come, until the connection ends.
async fn given_up(wall: &Wall, host: &str, kind: u8) -> Result<u32> {
    let mut frames = wall.http2(&[(INITIAL_WINDOW_SIZE, 0)]).await?;
    for number in 0..1_000 {
        let stream = 2 * number + 1;
        let ask = frame(HEADERS, END_HEADERS | END_STREAM, stream, &head_for(host, "GET", "/sign-in", &[]));
        let back = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        let ping = frame(PING, 0, 0, &[7; 8]);
        if frames.say(&[ask, ping].concat()).await.is_err()
            || frames.until(|heard| heard.kind == kind).await.is_err()
            || frames.say(&back).await.is_err()
        {
            return Ok(number);
        }
    }
    Ok(1_000)
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_not_kept() -> Result<()> {
    let wall = Wall::start().await?;
    shed(&wall, async {
        // Nothing of an answer is taken, or its first byte alone.
        for window in [0, 1] {
            let mut frames = wall.http2(&[(INITIAL_WINDOW_SIZE, window)]).await?;
            frames.say(&frame(WINDOW_UPDATE, 0, 0, &10_000_000_u32.to_be_bytes())).await?;
            let mut stream = 1;
            let stuck: Vec<u32> = (0..20).map(|number| 2 * number + 1).collect();
            for stream in &stuck {
                frames.say(&page(*stream, "/sign-in")).await?;
            }
            // Others on the connection are served meanwhile, and keep it.
            let mut reset = Vec::new();
            let begun = Instant::now();
            while reset.len() < stuck.len() {
                ensure!(begun.elapsed() < IDLE * 6, "window {window}: {} of 20 are held", stuck.len() - reset.len());
                stream = stream.max(39) + 2;
                let open = frame(WINDOW_UPDATE, 0, stream, &100_000_u32.to_be_bytes());
                frames.say(&[page(stream, "/sign-in"), open].concat()).await?;
                let heard = frames.until(|heard| heard.ends(stream)).await?;
                reset.extend(heard.iter().filter(|heard| heard.kind == RST_STREAM).map(|heard| heard.stream));
                sleep(IDLE / 8).await;
            }
            reset.sort_unstable();
            assert_eq!(reset, stuck);
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn whoever_only_chatters_is_left() -> Result<()> {
    let wall = Wall::start().await?;
    shed(&wall, async {
        let table = [&1_u16.to_be_bytes()[..], &4_096_u32.to_be_bytes()].concat();
        let mut floods = Vec::new();
        for said in [
            frame(PING, 0, 0, &[7; 8]),
            frame(PING, ACK, 0, &[7; 8]),
            frame(SETTINGS, 0, 0, &table),
            frame(SETTINGS, 0, 0, &[]),
            frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
            frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]),
            frame(0x42, 0, 0, &[7; 100]),
        ] {
            let mut frames = wall.http2(&[]).await?;
            frames.say(&said).await?;
            floods.push(tokio::spawn(frames.flood(said.repeat(100), 200)));
            // Nor does a word now and then keep a connection on which nothing is asked.
            let mut frames = wall.http2(&[]).await?;
            floods.push(tokio::spawn(async move {
                let mut times = 0;
                while times < 80 && frames.say(&said).await.is_ok() {
                    times += 1;
                    sleep(IDLE / 8).await;
                }
                (times, Vec::new())
            }));
        }
        for (number, flood) in floods.into_iter().enumerate() {
            let (sent, heard) = flood.await?;
            ensure!(number % 2 == 0 || sent < 40, "{number}: {sent} sent, {}", told(&heard));
        }
        Ok(())
    })
    .await?;
    shed(&wall, async {
        // The same from somebody who never reads what is said back.
        let mut frames = wall.http2(&[]).await?;
        let pings = frame(PING, 0, 0, &[7; 8]).repeat(1_000);
        let begun = Instant::now();
        let flooding = timeout(SOON, async { while frames.to.write_all(&pings).await.is_ok() {} });
        flooding.await.context("the connection is still held")?;
        ensure!(begun.elapsed() > IDLE / 2, "it was held until it did not read");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_body_of_nothing_does_not_pile_up() -> Result<()> {
    let wall = Wall::start().await?;
    shed(&wall, async {
        let mut frames = wall.http2(&[]).await?;
        let more = [("content-type", "application/x-www-form-urlencoded")];
        frames.say(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/sign-in", &more))).await?;
        let empty = frame(DATA, 0, 1, &[]).repeat(1_000);
        let padded = frame(DATA, 8, 1, &[0]).repeat(1_000);
        for _ in 0..100 {
            if frames.say(&empty).await.is_err() || frames.say(&padded).await.is_err() {
                return Ok(());
            }
        }
        frames.say(&frame(DATA, END_STREAM, 1, b"username=nobody&password=wrong")).await?;
        // Answered or refused, within the patience of `until`.
        frames.until(|heard| heard.ends(1) || heard.resets(1) || heard.kind == GOAWAY).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn one_address_does_not_keep_others_out() -> Result<()> {
    let wall = Wall::with(async |setup| {
        let setup = setup.with("OSTIARY_HTTP__MAX_CONNECTIONS", "60").with("OSTIARY_HTTP__IDLE_TIMEOUT", "30s");
        setup.with("OSTIARY_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "100").start().await
    })
    .await?;
    let plain = wall.ostiary.http_address()?;
    let mut held = Vec::new();
    for number in 0..100 {
        // Half a request line, or a record that announces 512 bytes of a handshake.
        let (to, begun) =
            if number % 2 == 0 { (plain, &b"GET / HT"[..]) } else { (wall.https()?, &[22, 3, 1, 2, 0, 1][..]) };
        let mut stream = TcpStream::connect(to).await?;
        // Who was sent away does not matter here.
        let _ = stream.write_all(begun).await;
        held.push(stream);
    }
    for _ in 0..5 {
        let stream = connect_from(OTHER, wall.https()?).await?;
        let mut stream = wall.tls(stream, "http/1.1").await?;
        let answer = timeout(SOON, say_page(&mut stream)).await??;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // They did hold what there was.
    let mut byte = [0];
    let mut closed = 0;
    for stream in &mut held {
        closed += usize::from(timeout(Duration::from_millis(1), stream.read(&mut byte)).await.is_ok());
    }
    ensure!((40..=60).contains(&closed), "{closed} of a hundred were closed");
    Ok(())
}
