//! What every request to the pages meets first, and what every answer carries: hosts, addresses
//! behind proxies, headers, problems, assets, the log.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Browser, Ostiary, Pair, Setup};
use reqwest::{Method, Response, StatusCode, header};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// Asks by address, with a Host header of the test's own.
async fn ask(ostiary: &Ostiary, host: &str, path: &str) -> Result<Response> {
    let url = format!("http://{}{path}", ostiary.http_address()?);
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    Ok(client.get(url).header(header::HOST, host).send().await?)
}

#[tokio::test]
async fn two_names_and_no_others() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    for (host, status) in [
        ("accounts.localhost", 200),
        ("ACCOUNTS.LocalHost", 200),
        ("accounts.localhost:1", 200),
        ("directory.localhost", 404),
        ("localhost", 421),
        ("accounts.localhost.evil.example", 421),
        ("evilaccounts.localhost", 421),
        ("accounts.localhost.", 421),
        ("127.0.0.1", 421),
        ("user@accounts.localhost", 421),
    ] {
        assert_eq!(ask(&ostiary, host, "/sign-in").await?.status(), status, "{host}");
    }
    let misdirected = ask(&ostiary, "evil.example", "/sign-in").await?;
    ensure!(misdirected.headers()[header::CONTENT_TYPE] == "text/plain; charset=utf-8");
    ensure!(!misdirected.text().await?.contains("evil.example"), "what was asked for is not said again");
    // A container's own check knows no name.
    assert_eq!(ask(&ostiary, "127.0.0.1", "/api/health").await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn every_answer_carries_the_headers() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    for (host, path) in [
        ("accounts.localhost", "/sign-in"),
        ("accounts.localhost", "/account"),
        ("accounts.localhost", "/nowhere"),
        ("accounts.localhost", "/theme"),
        ("accounts.localhost", "/set-up/none"),
        ("accounts.localhost", "/api/health"),
        ("accounts.localhost", "/api/oidc/authorization"),
        ("directory.localhost", "/people"),
        ("directory.localhost", "/nowhere"),
        ("directory.localhost", "/sign-out"),
        ("elsewhere.localhost", "/"),
    ] {
        let answer = ask(&ostiary, host, path).await?;
        let get = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(get("content-security-policy"), POLICY, "{host}{path}");
        assert_eq!(get("x-content-type-options"), "nosniff", "{host}{path}");
        assert_eq!(get("x-frame-options"), "DENY", "{host}{path}");
        assert_eq!(get("referrer-policy"), "same-origin", "{host}{path}");
        assert_eq!(get("cross-origin-opener-policy"), "same-origin", "{host}{path}");
        assert_eq!(get("cross-origin-resource-policy"), "same-origin", "{host}{path}");
        ensure!(get("permissions-policy").contains("camera=()"), "{host}{path}");
        assert_eq!(get("cache-control"), "no-store", "{host}{path}");
        assert_eq!(get("strict-transport-security"), "", "{host}{path}: over plain HTTP");
        assert_eq!(get("access-control-allow-origin"), "", "{host}{path}");
    }
    Ok(())
}

#[tokio::test]
async fn over_https_cookies_and_headers_are_stricter() -> Result<()> {
    let ostiary = Setup::on(Pair::Embedded)
        .with("OSTIARY_SITE__ACCOUNTS_URL", "https://accounts.example.org")
        .with("OSTIARY_SITE__DIRECTORY_URL", "https://directory.example.org")
        .with("OSTIARY_HTTP__LISTEN", &format!("127.0.0.1:{}", free_port()?))
        .start()
        .await?;
    let answer = ask(&ostiary, "accounts.example.org", "/sign-in").await?;
    assert_eq!(answer.headers()[header::STRICT_TRANSPORT_SECURITY], "max-age=31536000");
    let cookie = answer.headers()[header::SET_COOKIE].to_str()?;
    ensure!(cookie.starts_with("__Host-ostiary-visit="), "{cookie}");
    for part in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        ensure!(cookie.contains(part), "{cookie}");
    }
    ensure!(!cookie.to_ascii_lowercase().contains("domain"), "{cookie}");

    let over = ask(&ostiary, "directory.example.org", "/people").await?;
    let onward = over.headers()[header::LOCATION].to_str()?;
    ensure!(onward.starts_with("https://accounts.example.org/hand-over?"), "{onward}");
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[tokio::test]
async fn problems_are_pages_with_a_number_and_no_inside() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let browser = Browser::new(&ostiary)?;
    for (method, path, status) in [
        (Method::GET, "/nowhere", 404),
        (Method::GET, "/theme", 405),
        (Method::POST, "/account", 405),
        (Method::DELETE, "/sign-in", 405),
        (Method::GET, "/assets/0/nothing.css", 404),
        (Method::GET, "/sign-in?grant=nonsense", 400),
        (Method::GET, "/sign-in?panel=nonsense&path=https://evil.example/", 400),
        (Method::GET, "/sign-in?grant=%ff", 400),
        (Method::GET, "/consent?grant=01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3f", 410),
        (Method::GET, "/set-up/none", 410),
        (Method::GET, "/set-up/%ff", 404),
    ] {
        let answer = browser.client().request(method.clone(), browser.accounts(path)?).send().await?;
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8", "{path}");
        let html = answer.text().await?;
        ensure!(html.contains("<h1>") && html.contains("request: ") && html.contains("time: "), "{path}: {html}");
        for inside in ["panicked", "sqlx", "src/", "Error(", "evil.example"] {
            ensure!(!html.contains(inside), "{path} says {inside}");
        }
    }
    let head = browser.client().head(browser.accounts("/sign-in")?).send().await?;
    assert_eq!(head.status(), StatusCode::OK);
    ensure!(head.text().await?.is_empty(), "an answer to HEAD has no body");
    Ok(())
}

#[tokio::test]
async fn files_are_kept_for_good_under_their_version_only() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let browser = Browser::new(&ostiary)?;
    let page = browser.visit("/sign-in").await?;
    let files: Vec<&str> = page.body.split('"').filter(|part| part.starts_with("/assets/")).collect();
    ensure!(files.len() >= 4, "{files:?}");
    for file in files {
        for host in [browser.accounts(file)?, browser.directory(file)?] {
            let kept = browser.open_once(&host).await?;
            assert_eq!(kept.status, StatusCode::OK, "{host}");
            assert_eq!(kept.header("cache-control"), "public, max-age=31536000, immutable", "{host}");
            ensure!(kept.header("set-cookie").is_empty(), "{host}");
        }
        let name = file.rsplit('/').next().context("a name")?;
        let other = browser.open_once(&browser.accounts(&format!("/assets/0123456789abcdef/{name}"))?).await?;
        assert_eq!((other.status, other.header("cache-control")), (StatusCode::OK, "no-cache"), "{name}");
    }
    Ok(())
}

/// One failed sign-in, as told by a proxy; gives the status.
async fn fail(browser: &Browser, username: &str, forwarded: Option<&str>) -> Result<StatusCode> {
    let page = browser.visit("/sign-in").await?;
    let form = page.form("password")?.fill("username", username).fill("password", "not the password");
    let mut request = browser.client().post(browser.accounts("/sign-in")?).form(&form.fields);
    if let Some(list) = forwarded {
        request = request.header("x-forwarded-for", list);
    }
    Ok(request.send().await?.status())
}

#[tokio::test]
async fn nobody_escapes_by_a_header_of_their_own() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let browser = Browser::new(&ostiary)?;
    let mut last = StatusCode::OK;
    for count in 0..6 {
        last = fail(&browser, "ada", Some(&format!("198.51.100.{count}"))).await?;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "the header is anybody's word");
    // And what is no address is not even looked at.
    assert_eq!(fail(&browser, "bea", Some("nonsense")).await?, StatusCode::UNPROCESSABLE_ENTITY);
    Ok(())
}

#[tokio::test]
async fn a_trusted_proxy_tells_people_apart_and_must_speak_clearly() -> Result<()> {
    let ostiary =
        Setup::on(Pair::Embedded).with("OSTIARY_HTTP__TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8").start().await?;
    let browser = Browser::new(&ostiary)?;
    for _ in 0..5 {
        assert_eq!(fail(&browser, "ada", Some("198.51.100.1")).await?, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(fail(&browser, "ada", Some("198.51.100.1")).await?, StatusCode::TOO_MANY_REQUESTS);
    // Whatever the person puts before it, the last one that we do not trust counts.
    assert_eq!(fail(&browser, "ada", Some("203.0.113.9, 198.51.100.1")).await?, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(fail(&browser, "ada", Some("198.51.100.1, 10.1.2.3")).await?, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(fail(&browser, "ada", Some("198.51.100.2")).await?, StatusCode::UNPROCESSABLE_ENTITY);
    for unclear in ["", "unknown", "198.51.100.1:4711", "198.51.100.1,", "' or 1=1", "198.51.100.300"] {
        assert_eq!(fail(&browser, "ada", Some(unclear)).await?, StatusCode::BAD_REQUEST, "{unclear:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_log_holds_routes_and_no_secrets() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let link = ostiary.set_up_link().context("a link")?.to_owned();
    let (browser, root) = ostiary.first_administrator().await?;
    browser.open(browser.directory("/people?q=a-word-that-nobody-else-says")?).await?;
    let log = ostiary.log();
    let token = link.rsplit('/').next().context("a token")?;
    let session = browser.cookies(&browser.accounts("/")?).context("cookies")?;
    let session = session.split("; ").find_map(|cookie| cookie.strip_prefix("ostiary=")).context("a session")?;
    for secret in [token, session, &root.password, "a-word-that-nobody-else-says", "ticket=", "csrf="] {
        ensure!(!log.contains(secret), "the log holds {secret:?}");
    }
    for route in ["/set-up/{token}", "/hand-over", "/people"] {
        ensure!(log.contains(route), "the log does not hold {route:?}\n{log}");
    }
    Ok(())
}
