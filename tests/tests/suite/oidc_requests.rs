//! The authorization endpoint under attack: what it answers with a page, what it tells the client,
//! and where it never sends anybody.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Application, Browser, Ostiary, Page, Pair, on_both_pairs};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use url::Url;

on_both_pairs!(
    nobody_is_sent_to_a_stranger,
    errors_go_to_the_client,
    a_request_may_come_as_a_form,
    who_says_no_is_heard,
    silence_is_kept,
);

const CALLBACK: &str = "https://cms.example.tld/callback";

async fn application(ostiary: &Ostiary, more: &[&str]) -> Result<Application> {
    let application = ostiary.add_application("cms", more).await?;
    assert_eq!(application.redirect_uri, CALLBACK);
    Ok(application)
}

/// The parameters with which the browser is sent back.
fn sent_back(page: &Page) -> Result<Vec<(String, String)>> {
    let to = page.onward().with_context(|| format!("{} ({}): {}", page.url, page.status, page.text()))?;
    ensure!(to.as_str().split('?').next() == Some(CALLBACK), "sent to {to}");
    Ok(to.query_pairs().into_owned().collect())
}

fn get<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// Replaces the query of a good request.
fn with_query(good: &Url, query: &str) -> Url {
    let mut url = good.clone();
    url.set_query(Some(query));
    url
}

async fn nobody_is_sent_to_a_stranger(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let application = application(&ostiary, &[]).await?;
    let loopback = "http://127.0.0.1/callback";
    ostiary.cli(&["client", "add", "phone", "--name", "Phone", "--public", "--redirect-uri", loopback]).await?;
    let browser = Browser::new(&ostiary)?;
    let long = format!("https://cms.example.tld/{}", "x".repeat(9000));
    let evil = [
        "https://evil.example/callback",
        "https://cms.example.tld.evil.example/callback",
        "https://cms.example.tld@evil.example/callback",
        "https://cms.example.tld:443@evil.example/callback",
        "https://a@b@evil.example/callback",
        "https://evil.example/callback?https://cms.example.tld/callback",
        "https://evil.example\\@cms.example.tld/callback",
        "https://cms.example.tld\\.evil.example/callback",
        "https://cms.example.tld/callback/",
        "https://cms.example.tld/callback/../other",
        "https://cms.example.tld/callback/%2e%2e/other",
        "https://cms.example.tld/callback?x=1",
        "https://cms.example.tld/callback#fragment",
        "https://cms.example.tld/callback%0d%0aSet-Cookie:a=b",
        "https://cms.example.tld:8443/callback",
        "https://CMS.example.tld/callback",
        "HTTPS://cms.example.tld/callback",
        "http://cms.example.tld/callback",
        "//cms.example.tld/callback",
        "/callback",
        "cms.example.tld/callback",
        "https://cmsxexample.tld/callback",
        "JavaScript:alert(1)",
        "javascript://cms.example.tld/callback",
        "data:text/html,<script>alert(1)</script>",
        " https://cms.example.tld/callback",
        "https://cms.example.tld/callback ",
        "https://cms.example.tld/callback\0",
        long.as_str(),
    ];
    for uri in evil {
        // With every other thing wrong as well: nothing is looked at before the address.
        for more in [&[("redirect_uri", uri)][..], &[("redirect_uri", uri), ("response_type", "x"), ("prompt", "none")]]
        {
            let page = browser.open_once(&application.ask("openid", more)?.url).await?;
            is_a_problem(&page).with_context(|| uri.to_owned())?;
        }
    }
    let good = application.ask("openid", &[])?.url;
    let query = good.query().context("no query")?.to_owned();
    let strip = |name: &str| {
        let kept: Vec<&str> = query.split('&').filter(|part| !part.starts_with(&format!("{name}="))).collect();
        kept.join("&")
    };
    for bad in [
        String::new(),
        strip("client_id"),
        strip("redirect_uri"),
        format!("{query}&client_id=cms"),
        format!("{query}&redirect_uri={CALLBACK}"),
        format!("{}&client_id=", strip("client_id")),
        format!("{}&client_id=nobody", strip("client_id")),
        format!("{}&client_id=CMS", strip("client_id")),
        format!("{}&client_id=cms%00", strip("client_id")),
        format!("{}&client_id=%ff", strip("client_id")),
        format!("{query}&x={}", "y".repeat(17_000)),
        format!("{query}{}", "&x=y".repeat(100)),
    ] {
        is_a_problem(&browser.open_once(&with_query(&good, &bad)).await?).with_context(|| bad.clone())?;
    }
    // A program on somebody's machine may come from any port, and from nowhere else.
    for (uri, taken) in [
        ("http://127.0.0.1:49152/callback", true),
        ("http://127.0.0.1/callback", true),
        ("http://127.0.0.1:49152/other", false),
        ("http://127.0.0.1:49152@evil.example/callback", false),
        ("http://127.0.0.1.evil.example/callback", false),
        ("http://localhost:49152/callback", false),
    ] {
        let more = [("client_id", "phone"), ("redirect_uri", uri)];
        let page = browser.open_once(&application.ask("openid", &more)?.url).await?;
        assert_eq!(page.status.is_redirection(), taken, "{uri}");
    }
    Ok(())
}

/// A page of ours, for a person, that leads nowhere by itself.
fn is_a_problem(page: &Page) -> Result<()> {
    ensure!(page.status.is_client_error(), "answered {} to {}", page.status, page.url);
    ensure!(page.onward().is_none() && !page.headers.contains_key(LOCATION), "leads to {:?}", page.onward());
    let kind = page.headers.get(CONTENT_TYPE).map(|kind| kind.to_str()).transpose()?.unwrap_or_default();
    ensure!(kind.starts_with("text/html"), "answers {kind}");
    // What was asked for stands there for an administrator to read: never as a link, never as code.
    let body = page.body.to_lowercase();
    for bad in ["href=\"http://evil", "href=\"https://evil", "href=\"javascript:", "href=\"data:", "<script>"] {
        ensure!(!body.contains(bad), "holds {bad}");
    }
    Ok(())
}

async fn errors_go_to_the_client(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let application = application(&ostiary, &["--scope", "openid", "--scope", "email"]).await?;
    let browser = Browser::new(&ostiary)?;
    let (long, longer) = ("x".repeat(1025), "x".repeat(4097));
    for (more, error) in [
        (&[("response_type", "token")][..], "unsupported_response_type"),
        (&[("response_type", "code id_token")], "unsupported_response_type"),
        (&[("response_type", "")], "invalid_request"),
        (&[("response_mode", "fragment")], "invalid_request"),
        (&[("response_mode", "form_post")], "invalid_request"),
        (&[("scope", "phone")], "invalid_scope"),
        (&[("scope", "profile groups")], "invalid_scope"),
        (&[("scope", "")], "invalid_scope"),
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("request", "eyJhbGciOiJub25lIn0.e30.")], "request_not_supported"),
        (&[("request_uri", "http://127.0.0.1:1/")], "request_uri_not_supported"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("prompt", "none")], "login_required"),
        (&[("max_age", "soon")], "invalid_request"),
        (&[("nonce", &long)], "invalid_request"),
        (&[("scope", &long)], "invalid_request"),
        (&[("login_hint", &long)], "invalid_request"),
        (&[("nonce", "a\0b")], "invalid_request"),
    ] {
        let asked = application.ask("openid", more)?;
        let back = sent_back(&browser.open_once(&asked.url).await?).with_context(|| format!("{more:?}"))?;
        assert_eq!(get(&back, "error"), Some(error), "{more:?}");
        assert_eq!(get(&back, "state"), Some(asked.state.as_str()), "{more:?}");
        assert_eq!(get(&back, "iss"), Some(ostiary.accounts()?), "{more:?}");
        ensure!(get(&back, "error_description").is_some() && get(&back, "code").is_none(), "{more:?}");
    }
    let good = application.ask("openid", &[])?;
    for name in ["response_type", "scope", "nonce", "prompt", "code_challenge", "code_challenge_method", "max_age"] {
        let mut url = good.url.clone();
        url.query_pairs_mut().append_pair(name, "x").append_pair(name, "x");
        let back = sent_back(&browser.open_once(&url).await?)?;
        assert_eq!(
            (get(&back, "error"), get(&back, "state")),
            (Some("invalid_request"), Some(good.state.as_str())),
            "{name}"
        );
    }
    // A state that cannot come back as it went does not come back at all.
    for state in [&[("state", "a"), ("state", "b")][..], &[("state", longer.as_str())], &[("state", "a\r\nb")]] {
        let back = sent_back(&browser.open_once(&application.ask("openid", state)?.url).await?)?;
        assert_eq!((get(&back, "error"), get(&back, "state")), (Some("invalid_request"), None), "{state:?}");
    }
    // What is not known is ignored, so that Directus and others may say more than is heard.
    let more = [("access_type", "offline"), ("scope", "openid phone"), ("claims", "{"), ("display", "popup")];
    let page = browser.open_once(&application.ask("openid", &more)?.url).await?;
    ensure!(page.onward().is_some_and(|to| to.path() == "/sign-in"), "{:?}", page.onward());
    Ok(())
}

async fn a_request_may_come_as_a_form(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let application = application(&ostiary, &["--policy", "one_factor"]).await?;
    let mut ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    ada.sign_in(&browser).await?;
    let asked = application.ask("openid", &[])?;
    let body = asked.url.query().context("no query")?.to_owned();
    let mut url = asked.url.clone();
    url.set_query(None);
    let post = |body: String, kind: &'static str| {
        browser
            .client()
            .post(url.clone())
            .header(CONTENT_TYPE, kind)
            .header("origin", "https://cms.example.tld")
            .body(body)
    };
    let form = "application/x-www-form-urlencoded";
    let answer = post(body.clone(), form).send().await?;
    assert_eq!(answer.status(), 303, "never 307, which would send the form on");
    let to = url.join(answer.headers()[LOCATION].to_str()?)?;
    let page = browser.open(to).await?;
    assert_eq!(page.path(), "/consent");

    let answer = post(body.replace("response_type=code", "response_type=x"), form).send().await?;
    let to = answer.headers()[LOCATION].to_str()?;
    ensure!(to.starts_with(CALLBACK) && to.contains("error=unsupported_response_type"), "{to}");
    for (body, kind) in [
        (body.clone(), "text/plain"),
        (body.clone(), "application/json"),
        (format!("{body}&x={}", "y".repeat(20_000)), form),
        (body.replace("client_id=cms", "client_id=nobody"), form),
    ] {
        let answer = post(body, kind).send().await?;
        ensure!(
            answer.status().is_client_error() && !answer.headers().contains_key(LOCATION),
            "{kind}: {}",
            answer.status()
        );
    }
    // The address of a form's page holds no request.
    let answer = browser.client().post(asked.url).header(CONTENT_TYPE, form).body("").send().await?;
    ensure!(answer.status().is_client_error());
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::OPTIONS] {
        let answer =
            browser.client().request(method.clone(), url.clone()).header("origin", "https://x.example").send().await?;
        assert_eq!(answer.status(), 405, "{method}");
        ensure!(!answer.headers().contains_key("access-control-allow-origin"), "no other site may read this endpoint");
    }
    Ok(())
}

async fn who_says_no_is_heard(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let application = application(&ostiary, &["--policy", "one_factor"]).await?;
    let mut ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    let asked = application.ask("openid", &[])?;
    let page = browser.open(&asked.url).await?;
    let page = ada.sign_in_from(&browser, page).await?;
    assert_eq!(page.path(), "/consent");
    let denied = browser.send(&page, &page.form("answer")?.fill("answer", "deny")).await?;
    let back = sent_back(&denied)?;
    ensure!(denied.text().contains("cms"), "the page says where it leads: {}", denied.text());
    assert_eq!((get(&back, "error"), get(&back, "state")), (Some("access_denied"), Some(asked.state.as_str())));
    // The page is still open in another tab: it is too late to change one's mind there.
    let late = browser.send(&page, &page.form("answer")?.fill("answer", "allow")).await?;
    ensure!(!late.onward().is_some_and(|to| to.as_str().contains("code=")), "{:?}", late.onward());
    Ok(())
}

async fn silence_is_kept(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let one = application(&ostiary, &["--policy", "one_factor"]).await?;
    let two = ostiary.add_application("strict", &["--policy", "two_factor"]).await?;
    let mut ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    let silent = [("prompt", "none")];
    let ask = async |application: &Application| -> Result<Url> {
        let page = browser.open_once(&application.ask("openid", &silent)?.url).await?;
        assert_eq!(page.status, 303);
        page.onward().context("leads nowhere")
    };
    ensure!(ask(&one).await?.query().is_some_and(|query| query.contains("error=login_required")));
    ada.sign_in(&browser).await?;
    ensure!(ask(&one).await?.query().is_some_and(|query| query.contains("error=consent_required")));
    ensure!(ask(&two).await?.query().is_some_and(|query| query.contains("error=interaction_required")));
    let asked = one.ask("openid", &[])?;
    one.answer(&browser, &mut ada, &asked).await?;
    ensure!(ask(&one).await?.query().is_some_and(|query| query.contains("code=ost_ac_")));
    Ok(())
}
