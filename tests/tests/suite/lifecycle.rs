//! How a server ends, and what happens to those who are connected: running requests are answered,
//! a second signal cuts, a client that hangs up leaves nothing behind.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Ostiary, Pair, Setup, eventually, on_both_pairs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

on_both_pairs!(
    a_signal_lets_running_requests_end,
    who_hangs_up_leaves_nothing_behind,
    a_start_after_a_stop_is_the_same_house
);

/// The head of a form post to the accounts host, with the body still to come.
fn head(ostiary: &Ostiary, path: &str, length: usize) -> Result<String> {
    let host = ostiary.accounts()?.trim_start_matches("http://").to_owned();
    Ok(format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n",
        ostiary.accounts()?
    ))
}

async fn a_signal_lets_running_requests_end(pair: Pair) -> Result<()> {
    let mut ostiary = Ostiary::start(pair).await?;
    let mut idle = TcpStream::connect(ostiary.http_address()?).await?;
    let mut ldap = TcpStream::connect(ostiary.ldap_address()?).await?;
    let mut busy = TcpStream::connect(ostiary.http_address()?).await?;
    let body = "grant_type=authorization_code&code=none&client_id=nobody";
    busy.write_all(head(&ostiary, "/api/oidc/token", body.len())?.as_bytes()).await?;
    busy.write_all(&body.as_bytes()[..10]).await?;
    tokio::time::sleep(Duration::from_millis(200)).await;

    let began = Instant::now();
    ostiary.signal("TERM")?;
    let mut nothing = Vec::new();
    idle.read_to_end(&mut nothing).await?;
    ensure!(nothing.is_empty(), "an idle connection was told something");
    ldap.read_to_end(&mut nothing).await.ok();
    ensure!(began.elapsed() < Duration::from_secs(5), "idle connections held the server up");
    eventually("new connections to be refused", async || {
        Ok(TcpStream::connect(ostiary.http_address()?).await.is_err().then_some(()))
    })
    .await?;

    // The rest of the request comes, and its answer goes out.
    busy.write_all(&body.as_bytes()[10..]).await?;
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 40") && answer.contains("invalid_"), "{answer}");
    let (code, log) = ostiary.ended().await?;
    assert_eq!(code, Some(0), "{log}");
    Ok(())
}

#[tokio::test]
async fn the_grace_has_an_end_and_a_second_signal_is_quicker() -> Result<()> {
    for (grace, signals) in [("1s", 1), ("1h", 2)] {
        let mut ostiary = Setup::on(Pair::Embedded).with("OSTIARY_SERVER__SHUTDOWN_GRACE", grace).start().await?;
        let mut stuck = TcpStream::connect(ostiary.http_address()?).await?;
        stuck.write_all(head(&ostiary, "/api/oidc/token", 100)?.as_bytes()).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let began = Instant::now();
        for _ in 0..signals {
            ostiary.signal("INT")?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let (code, log) = ostiary.ended().await?;
        assert_eq!(code, Some(0), "{log}");
        ensure!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
        ensure!(log.contains("cutting off what still ran"), "{log}");
    }
    Ok(())
}

async fn who_hangs_up_leaves_nothing_behind(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let link = ostiary.set_up_link().context("no link")?.to_owned();
    let path = link.strip_prefix(ostiary.accounts()?).context("the link is elsewhere")?;
    let browser = ostiary_tests::Browser::new(&ostiary)?;
    let page = browser.open(&link).await?;
    let form = page.form("password")?.fill("username", "half").fill("email", "half@example.tld");
    let form = form.fill("password", "nobody waits for this");
    let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
    let cookies = browser.cookies(&page.url).context("no cookies")?;
    let request = head(&ostiary, path, body.len())?.replace("\r\n\r\n", &format!("\r\nCookie: {cookies}\r\n\r\n"));
    for part in [body.len() / 2, body.len() - 1] {
        let mut stream = TcpStream::connect(ostiary.http_address()?).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.write_all(&body.as_bytes()[..part]).await?;
        drop(stream);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(ostiary.json(&["user", "list"]).await?.as_array().map(Vec::len), Some(0), "half a form made somebody");
    // The link is not used up, and the server is well.
    let (_, root) = ostiary.first_administrator().await?;
    assert_eq!(root.username, "root");

    // Whoever hangs up before the answer gets all of it or nothing of it, never a part.
    let names: Vec<String> = (0..8).map(|number| format!("p{number}")).collect();
    for name in &names {
        let mut person = ostiary.add_person(name, &[]).await?;
        let browser = ostiary_tests::Browser::new(&ostiary)?;
        let page = browser.visit("/sign-in").await?;
        let form = page.form("password")?.fill("username", name).fill("password", &person.password);
        let wait = Duration::from_millis(names.iter().position(|other| other == name).unwrap_or(0) as u64 * 8);
        let _ = tokio::time::timeout(wait, browser.send(&page, &form)).await;
        let page = person.sign_in(&ostiary_tests::Browser::new(&ostiary)?).await?;
        assert_eq!(page.path(), "/account");
    }
    Ok(())
}

async fn a_start_after_a_stop_is_the_same_house(pair: Pair) -> Result<()> {
    let mut ostiary = Ostiary::start(pair).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    let keys = ostiary.json(&["keys", "list"]).await?;
    ostiary.stop().await?;
    ostiary.start_again()?;
    ensure!(ostiary.set_up_link().is_none(), "a link for a first administrator, though there is one");
    let page = browser.open(browser.directory("/people")?).await?;
    assert_eq!(page.path(), "/people", "the session did not survive: {}", page.text());
    assert_eq!(ostiary.json(&["keys", "list"]).await?, keys);
    Ok(())
}

#[tokio::test]
async fn connections_have_a_limit_and_an_end() -> Result<()> {
    let setup = Setup::on(Pair::Embedded).with("OSTIARY_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "2");
    let ostiary = setup.with("OSTIARY_HTTP__IDLE_TIMEOUT", "1s").start().await?;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(TcpStream::connect(ostiary.http_address()?).await?);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut third = TcpStream::connect(ostiary.http_address()?).await?;
    let mut nothing = Vec::new();
    third.read_to_end(&mut nothing).await.ok();
    ensure!(nothing.is_empty() && held.len() == 2, "a third connection was served");
    for mut stream in held {
        stream.read_to_end(&mut nothing).await?;
    }
    ensure!(ostiary.cli(&["health"]).await?.contains("OK"), "there is room again");
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_no_http_gets_an_error_and_no_more() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    for (request, status) in [
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "421"),
        ("GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n", "421"),
        (long.as_str(), "431"),
    ] {
        let mut stream = TcpStream::connect(ostiary.http_address()?).await?;
        stream.write_all(request.as_bytes()).await.ok();
        let mut answer = vec![0; 16];
        stream.read_exact(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    ensure!(ostiary.cli(&["health"]).await?.contains("OK"));
    Ok(())
}
