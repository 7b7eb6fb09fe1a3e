//! Signing in on pages: cookies, steps in their order, wrong passwords and codes, the first
//! administrator.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Authenticator, Browser, Ostiary, Page, Pair, Person, on_both_pairs};
use reqwest::{StatusCode, header};

on_both_pairs!(
    a_session_changes_its_cookie_with_every_step,
    a_wrong_code_keeps_the_secret_and_a_ceremony_ends_once,
    the_set_up_link_works_once_and_survives_mistakes,
    signing_out_ends_the_session_itself,
);

fn session(browser: &Browser) -> Result<Option<String>> {
    let cookies = browser.cookies(&browser.accounts("/")?).unwrap_or_default();
    Ok(cookies.split("; ").find_map(|cookie| cookie.strip_prefix("ostiary=")).map(str::to_owned))
}

/// Sends the sign-in form without following where it leads.
async fn sign_in_once(browser: &Browser, name: &str, password: &str, remember: bool) -> Result<reqwest::Response> {
    let page = browser.visit("/sign-in").await?;
    let mut form = page.form("password")?.fill("username", name).fill("password", password);
    if remember {
        form = form.fill("remember", "1");
    }
    Ok(browser.client().post(browser.accounts("/sign-in")?).form(&form.fields).send().await?)
}

/// Whether `cookie` still opens the account page.
async fn opens(ostiary: &Ostiary, cookie: &str) -> Result<bool> {
    let browser = Browser::new(ostiary)?;
    browser.plant(&browser.accounts("/")?, &format!("ostiary={cookie}"));
    Ok(browser.visit("/account").await?.path() == "/account")
}

#[tokio::test]
async fn the_session_cookie_is_well_kept() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let ada = ostiary.add_person("ada", &[]).await?;
    for (remember, name) in [(false, "ada"), (true, "ADA@example.tld")] {
        let browser = Browser::new(&ostiary)?;
        let answer = sign_in_once(&browser, name, &ada.password, remember).await?;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = answer.headers()[header::SET_COOKIE].to_str()?;
        ensure!(
            cookie.starts_with("ostiary=") && cookie.split(';').next().is_some_and(|pair| pair.len() > 48),
            "{cookie}"
        );
        ensure!(cookie.contains("; HttpOnly; SameSite=Lax; Path=/"), "{cookie}");
        ensure!(!cookie.contains("Domain") && !cookie.contains("Secure"), "{cookie}");
        assert_eq!(cookie.contains("Max-Age=2592000"), remember, "{cookie}");
    }
    Ok(())
}

async fn a_session_changes_its_cookie_with_every_step(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let mut ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    // One that somebody planted is not taken over.
    browser.plant(&browser.accounts("/")?, "ostiary=planted-by-somebody-else");
    ada.sign_in(&browser).await?;
    let first = session(&browser)?.context("a session")?;
    assert_ne!(first, "planted-by-somebody-else");

    let enrol = browser.visit("/sign-in/authenticator").await?;
    ada.sign_in_from(&browser, enrol).await?;
    let second = session(&browser)?.context("a session")?;
    assert_ne!(first, second);
    ensure!(!opens(&ostiary, &first).await?, "the cookie from before the second step is over");
    ensure!(opens(&ostiary, &second).await?);

    // With an authenticator set up, the password alone opens nothing.
    let other = Browser::new(&ostiary)?;
    let page = other.visit("/sign-in").await?;
    let form = page.form("password")?.fill("username", "ada").fill("password", &ada.password);
    let page = other.send(&page, &form).await?;
    assert_eq!(page.path(), "/sign-in/code");
    for skipped in ["/account", "/continue", "/sign-in/authenticator", "/sign-in", "/consent"] {
        assert_eq!(other.visit(skipped).await?.path(), "/sign-in/code", "{skipped}");
    }
    Ok(())
}

#[tokio::test]
async fn wrong_password_unknown_name_and_closed_account_read_the_same() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    ostiary.add_person("ada", &[]).await?;
    let closed = ostiary.add_person("bea", &[]).await?;
    ostiary.cli(&["user", "disable", "bea"]).await?;
    ostiary.cli(&["user", "add", "cyd", "--email", "cyd@example.tld"]).await?;
    let mut answers = Vec::new();
    for (name, password) in [("ada", "wrong"), ("nobody", "wrong"), ("bea", closed.password.as_str()), ("cyd", "")] {
        let answer = sign_in_once(&Browser::new(&ostiary)?, name, password, false).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(text.contains("do not match") && text.contains("role=\"alert\""), "{name}: {text}");
        // What the page says, without what was typed and the token of its form.
        answers.push((status, ostiary_tests::text_of(&text)));
    }
    assert_eq!(answers[0].0, StatusCode::UNPROCESSABLE_ENTITY);
    for other in &answers[1..] {
        assert_eq!(&answers[0], other);
    }
    Ok(())
}

#[tokio::test]
async fn after_some_tries_there_is_a_pause_that_says_how_long() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    for left in ["4 more tries", "3 more tries", "2 more tries", "1 more try", "is paused now"] {
        let answer = sign_in_once(&browser, "ada", "wrong", false).await?;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let text = answer.text().await?;
        ensure!(text.contains(left) && text.contains("10 minutes"), "{left}: {}", ostiary_tests::text_of(&text));
    }
    // The right password opens nothing now. Under the name that was guessed at, in any case of its
    // letters, the page says so; under another spelling it says what it says of a wrong password,
    // or it would tell that both are one account.
    for name in ["ada", "ADA"] {
        let answer = sign_in_once(&browser, name, &ada.password, false).await?;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{name}");
        assert_eq!(answer.headers()[header::RETRY_AFTER], "600", "{name}");
        ensure!(answer.text().await?.contains("Sign-in is paused"), "{name}");
    }
    let answer = sign_in_once(&browser, "ada@example.tld", &ada.password, false).await?;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    ensure!(answer.text().await?.contains("do not match"));
    assert_eq!(browser.visit("/account").await?.path(), "/sign-in");
    Ok(())
}

async fn enrol_page(browser: &Browser, person: &mut Person) -> Result<(Page, Authenticator)> {
    person.sign_in(browser).await?;
    let page = browser.visit("/sign-in/authenticator").await?;
    let authenticator = Authenticator::new(&page.element("secret")?);
    Ok((page, authenticator))
}

async fn a_wrong_code_keeps_the_secret_and_a_ceremony_ends_once(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let mut ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    let (page, mut authenticator) = enrol_page(&browser, &mut ada).await?;
    ensure!(page.body.contains("src=\"data:image/svg+xml,"), "a QR code");
    let secret = page.element("secret")?;

    let wrong = browser.send(&page, &page.form("code")?.fill("code", "000 000")).await?;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.element("secret")?, secret, "the same secret is shown again");

    // Somebody else's ceremony is not theirs, whatever the code.
    let mut bea = ostiary.add_person("bea", &[]).await?;
    let stranger = Browser::new(&ostiary)?;
    let (hers, _) = enrol_page(&stranger, &mut bea).await?;
    let ticket = page.form("code")?.value("ticket").context("a ticket")?.to_owned();
    let form = hers.form("code")?.fill("ticket", &ticket).fill("code", &authenticator.code().await);
    assert_eq!(stranger.send(&hers, &form).await?.status, StatusCode::GONE);

    let right = wrong.form("code")?.fill("code", &authenticator.code().await);
    let done = browser.send(&wrong, &right).await?;
    assert_eq!((done.path(), done.status), ("/account", StatusCode::OK));
    ensure!(done.text().contains("authenticator app"), "{}", done.text());
    let again = browser.visit("/sign-in/authenticator").await?;
    assert_eq!(again.path(), "/account", "it is set up already");
    Ok(())
}

async fn the_set_up_link_works_once_and_survives_mistakes(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let link = ostiary.set_up_link().context("a link")?.to_owned();
    let browser = Browser::new(&ostiary)?;
    let page = browser.open(&link).await?;
    let form = page.form("password")?.fill("username", "root").fill("email", "root@example.tld");
    for (name, value, words) in [
        ("password", "short", "too short"),
        ("password", "root@example.tld", "your name or e-mail address"),
        ("email", "no address", "form name@example.org"),
        ("username", "a b", "must not contain"),
    ] {
        let refused =
            browser.send(&page, &form.clone().fill("password", "a lamp in the harbour").fill(name, value)).await?;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{value}");
        ensure!(refused.text().contains(words), "{value}: {}", refused.text());
        ensure!(!refused.body.contains("a lamp in the harbour"), "a password is never shown again");
    }
    assert_eq!(ostiary.json(&["user", "list"]).await?.as_array().map(Vec::len), Some(0));

    let made = browser.send(&page, &form.clone().fill("password", "a lamp in the harbour")).await?;
    assert_eq!(made.path(), "/sign-in/authenticator");
    let used = Browser::new(&ostiary)?.open(&link).await?;
    assert_eq!(used.status, StatusCode::GONE);
    let again = browser.client().post(&link).form(&form.fields).send().await?;
    ensure!(again.status().is_client_error());
    assert_eq!(ostiary.json(&["user", "list"]).await?.as_array().map(Vec::len), Some(1));
    Ok(())
}

async fn signing_out_ends_the_session_itself(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let mut ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    let account = ada.sign_in(&browser).await?;
    let cookie = session(&browser)?.context("a session")?;
    let asked = browser.visit("/sign-out").await?;
    ensure!(asked.text().contains("Sign out?") && opens(&ostiary, &cookie).await?, "a GET only asks");
    let done = browser.send(&account, &account.form_to("/sign-out")?).await?;
    ensure!(done.text().contains("You are signed out"), "{}", done.text());
    ensure!(!opens(&ostiary, &cookie).await?, "a copy of the cookie opens nothing");
    assert_eq!(browser.visit("/account").await?.path(), "/sign-in");
    Ok(())
}
