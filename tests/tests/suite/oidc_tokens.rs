//! Token and userinfo endpoint as programs find them: headers, errors, and every way of asking
//! wrongly. And the end of an account, which is the end of all that it gave out.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Application, Browser, Ostiary, Pair, Person, Setup, on_both_pairs};
use reqwest::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use url::Url;

on_both_pairs!(
    the_provider_describes_itself,
    the_token_endpoint_takes_one_proof_and_every_parameter_once,
    userinfo_takes_a_token_from_header_or_body_alone,
    other_sites_may_ask_what_needs_no_cookie,
    a_code_is_used_once_over_the_wire,
    a_closed_account_is_closed_at_every_step,
    the_file_brings_clients,
);

const ALL: &str = "openid profile email groups offline_access";

struct Scene {
    ostiary: Ostiary,
    browser: Browser,
    client: Client,
    ada: Person,
    application: Application,
}

async fn scene(pair: Pair) -> Result<Scene> {
    let ostiary = Ostiary::start(pair).await?;
    let application = ostiary.add_application("cms", &["--policy", "one_factor"]).await?;
    let ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    let client = browser.client().clone();
    Ok(Scene { ostiary, browser, client, ada, application })
}

impl Scene {
    fn at(&self, path: &str) -> Result<Url> {
        self.browser.accounts(path)
    }

    async fn code(&mut self) -> Result<(String, String)> {
        let asked = self.application.ask(ALL, &[])?;
        let answer = self.application.answer(&self.browser, &mut self.ada, &asked).await?;
        let code = answer.into_iter().find(|(name, _)| name == "code").context("no code")?.1;
        Ok((code, asked.verifier))
    }
}

/// Status and `error` of an answer.
async fn error_of(request: RequestBuilder) -> Result<(u16, String)> {
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers().contains_key(WWW_AUTHENTICATE), status == 401, "RFC 9110 section 15.5.2");
    let body: Value = answer.json().await?;
    ensure!(body["error_description"].is_string(), "{body}");
    Ok((status, body["error"].as_str().unwrap_or_default().to_owned()))
}

async fn the_provider_describes_itself(pair: Pair) -> Result<()> {
    let scene = scene(pair).await?;
    let issuer = scene.ostiary.accounts()?;
    let mut documents = Vec::new();
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let answer = scene.client.get(scene.at(path)?).send().await?;
        assert_eq!((answer.status(), &answer.headers()[CONTENT_TYPE]), (StatusCode::OK, &"application/json".parse()?));
        ensure!(answer.headers()[CACHE_CONTROL].to_str()?.starts_with("public"));
        documents.push(answer.json::<Value>().await?);
    }
    assert_eq!(documents[0], documents[1]);
    assert_eq!(documents[0]["issuer"], issuer);
    assert_eq!(documents[0]["response_types_supported"], json!(["code"]));
    // Every address that is named is there.
    for (name, value) in documents[0].as_object().context("no object")? {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let address = value.as_str().context("no text")?;
            ensure!(address.starts_with(issuer), "{name}");
            assert_ne!(scene.client.get(address).send().await?.status(), 404, "{name}");
        }
    }
    let keys = scene.client.get(scene.at("/jwks.json")?).send().await?;
    ensure!(keys.headers()[CACHE_CONTROL].to_str()?.starts_with("public"));
    let keys: Value = keys.json().await?;
    let key = &keys["keys"][0];
    assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&json!("RSA"), &json!("RS256"), &json!("sig")));
    ensure!(key["kid"].is_string() && key.get("d").is_none() && key.get("p").is_none(), "{key}");
    let listed = scene.ostiary.json(&["keys", "list"]).await?;
    ensure!(listed.to_string().contains(key["kid"].as_str().context("no kid")?), "{listed}");
    Ok(())
}

async fn the_token_endpoint_takes_one_proof_and_every_parameter_once(pair: Pair) -> Result<()> {
    let mut scene = scene(pair).await?;
    let url = scene.at("/api/oidc/token")?;
    let secret = scene.application.secret.clone().context("no secret")?;
    let (code, verifier) = scene.code().await?;
    let redirect_uri = scene.application.redirect_uri.clone();
    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", redirect_uri.as_str()),
        ("code_verifier", verifier.as_str()),
    ];
    let post = || scene.client.post(url.clone());
    let basic = || post().basic_auth("cms", Some(&secret));
    let with = |more: &[(&'static str, &str)]| -> Vec<(String, String)> {
        exchange.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let without =
        |name: &str| -> Vec<(String, String)> { with(&[]).into_iter().filter(|(found, _)| found != name).collect() };
    let invalid_request = (400, "invalid_request".to_owned());
    let invalid_client = (401, "invalid_client".to_owned());
    for (what, request, expected) in [
        ("basic and body", basic().form(&with(&[("client_id", "cms"), ("client_secret", &secret)])), &invalid_request),
        ("another id in the body", basic().form(&with(&[("client_id", "other")])), &invalid_request),
        ("two headers", basic().basic_auth("cms", Some(&secret)).form(&with(&[])), &invalid_client),
        ("no client", post().form(&with(&[])), &invalid_client),
        ("no secret", post().form(&with(&[("client_id", "cms")])), &invalid_client),
        ("a wrong secret", post().basic_auth("cms", Some("wrong")).form(&with(&[])), &invalid_client),
        (
            "a wrong secret in the body",
            post().form(&with(&[("client_id", "cms"), ("client_secret", "x")])),
            &invalid_client,
        ),
        ("an unknown client", post().basic_auth("nobody", Some(&secret)).form(&with(&[])), &invalid_client),
        ("a bearer token", post().bearer_auth(&secret).form(&with(&[("client_id", "cms")])), &invalid_client),
        ("an assertion", post().form(&with(&[("client_id", "cms"), ("client_assertion", "x")])), &invalid_client),
        ("code twice", basic().form(&with(&[("code", &code)])), &invalid_request),
        ("grant type twice", basic().form(&with(&[("grant_type", "authorization_code")])), &invalid_request),
        ("verifier twice", basic().form(&with(&[("code_verifier", &verifier)])), &invalid_request),
        ("no code", basic().form(&without("code")), &invalid_request),
        ("no verifier", basic().form(&without("code_verifier")), &invalid_request),
        ("no redirect URI", basic().form(&without("redirect_uri")), &invalid_request),
        ("no grant type", basic().form(&without("grant_type")), &invalid_request),
        ("too much", basic().form(&with(&[("x", &"y".repeat(20_000))])), &invalid_request),
        ("JSON", basic().json(&json!({"grant_type": "authorization_code", "code": code})), &invalid_request),
        ("no body", basic(), &invalid_request),
        (
            "no UTF-8",
            basic().header(CONTENT_TYPE, "application/x-www-form-urlencoded").body("code=%ff"),
            &invalid_request,
        ),
        (
            "a code in the address",
            scene.client.post(format!("{url}?code={code}")).basic_auth("cms", Some(&secret)).form(&with(&[])),
            &invalid_request,
        ),
    ] {
        assert_eq!(&error_of(request).await.with_context(|| what.to_owned())?, expected, "{what}");
    }
    for grant_type in ["password", "client_credentials", "implicit", "urn:ietf:params:oauth:grant-type:device_code"] {
        let form = [("grant_type", grant_type), ("username", "ada"), ("password", scene.ada.password.as_str())];
        assert_eq!(error_of(basic().form(&form)).await?, (400, "unsupported_grant_type".to_owned()), "{grant_type}");
    }
    let answer = basic().form(&with(&[("client_id", "cms"), ("unknown", "ignored")])).send().await?;
    assert_eq!(answer.status(), 200, "none of all that has spent the code");
    assert_eq!(
        (&answer.headers()[CACHE_CONTROL], &answer.headers()[PRAGMA]),
        (&"no-store".parse()?, &"no-cache".parse()?)
    );
    let body: Value = answer.json().await?;
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("bearer"), &json!(3600), &json!(ALL))
    );
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(scene.client.request(method, url.clone()).send().await?.status(), 405);
    }
    Ok(())
}

async fn userinfo_takes_a_token_from_header_or_body_alone(pair: Pair) -> Result<()> {
    let mut scene = scene(pair).await?;
    let tokens = scene.application.sign_in(&scene.browser, &mut scene.ada, ALL).await?;
    let token = tokens.get("access_token").to_owned();
    let url = scene.at("/api/oidc/userinfo")?;
    let (get, post) = (|| scene.client.get(url.clone()), || scene.client.post(url.clone()));
    let sub = tokens.id_claims()?["sub"].clone();
    for request in [get().bearer_auth(&token), post().bearer_auth(&token), post().form(&[("access_token", &token)])] {
        let answer = request.send().await?;
        assert_eq!((answer.status(), &answer.headers()[CACHE_CONTROL]), (StatusCode::OK, &"no-store".parse()?));
        let claims: Value = answer.json().await?;
        assert_eq!((&claims["sub"], &claims["email_verified"]), (&sub, &json!(true)));
    }
    let with_query = || Url::parse_with_params(url.as_str(), &[("access_token", &token)]);
    for (what, request, status, error) in [
        ("in the address", scene.client.get(with_query()?), 400, "invalid_request"),
        ("in the address, posted", scene.client.post(with_query()?), 400, "invalid_request"),
        ("in address and header", scene.client.get(with_query()?).bearer_auth(&token), 400, "invalid_request"),
        ("in header and body", post().bearer_auth(&token).form(&[("access_token", &token)]), 400, "invalid_request"),
        ("twice", get().bearer_auth(&token).bearer_auth(&token), 400, "invalid_request"),
        ("as basic", get().basic_auth("cms", Some(&token)), 400, "invalid_request"),
        ("unknown", get().bearer_auth("ost_at_unknown"), 401, "invalid_token"),
        ("the refresh token", get().bearer_auth(tokens.get("refresh_token")), 401, "invalid_token"),
        ("the ID token", get().bearer_auth(tokens.get("id_token")), 401, "invalid_token"),
    ] {
        let answer = request.send().await?;
        let header = answer.headers()[WWW_AUTHENTICATE].to_str()?.to_owned();
        assert_eq!(answer.status().as_u16(), status, "{what}");
        ensure!(header.starts_with("Bearer ") && header.contains(&format!(r#"error="{error}""#)), "{what}: {header}");
    }
    for request in [get(), post(), post().form(&[("a", "b")])] {
        let answer = request.send().await?;
        assert_eq!(
            (answer.status(), &answer.headers()[WWW_AUTHENTICATE]),
            (StatusCode::UNAUTHORIZED, &r#"Bearer realm="Ostiary""#.parse()?)
        );
    }
    let plain = scene.application.sign_in(&scene.browser, &mut scene.ada, "email").await?;
    ensure!(plain.get("id_token").is_empty() && plain.get("refresh_token").is_empty(), "{:?}", plain.body);
    let answer = get().bearer_auth(plain.get("access_token")).send().await?;
    assert_eq!(answer.status(), 403);
    ensure!(answer.headers()[WWW_AUTHENTICATE].to_str()?.contains(r#"error="insufficient_scope""#));
    Ok(())
}

async fn other_sites_may_ask_what_needs_no_cookie(pair: Pair) -> Result<()> {
    let scene = scene(pair).await?;
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/jwks.json",
        "/api/oidc/token",
        "/api/oidc/userinfo",
    ] {
        let before = scene
            .client
            .request(Method::OPTIONS, scene.at(path)?)
            .header("origin", "https://spa.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
            .send()
            .await?;
        assert_eq!(before.status(), 204, "{path}");
        ensure!(before.headers()["access-control-allow-headers"].to_str()?.contains("authorization"), "{path}");
        let method = if path.ends_with("token") { Method::POST } else { Method::GET };
        let answer =
            scene.client.request(method, scene.at(path)?).header("origin", "https://spa.example").send().await?;
        for headers in [before.headers(), answer.headers()] {
            assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{path}");
            ensure!(!headers.contains_key("access-control-allow-credentials"), "{path}");
        }
    }
    Ok(())
}

async fn a_code_is_used_once_over_the_wire(pair: Pair) -> Result<()> {
    let mut scene = scene(pair).await?;
    let (code, verifier) = scene.code().await?;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (application, code, verifier) = (scene.application.clone(), code.clone(), verifier.clone());
            tokio::spawn(async move { application.exchange(&code, &verifier).await })
        })
        .collect();
    let mut given = Vec::new();
    for task in tasks {
        let tokens = task.await??;
        match tokens.status.as_u16() {
            200 => given.push(tokens),
            400 => assert_eq!(tokens.get("error"), "invalid_grant"),
            other => anyhow::bail!("{other}: {}", tokens.body),
        }
    }
    assert_eq!(given.len(), 1);
    assert_eq!(scene.application.userinfo(given[0].get("access_token")).await?.0, 401, "a second use ends the first");

    let tokens = scene.application.sign_in(&scene.browser, &mut scene.ada, ALL).await?;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (application, token) = (scene.application.clone(), tokens.get("refresh_token").to_owned());
            tokio::spawn(async move { application.refresh(&token).await })
        })
        .collect();
    let mut successors = std::collections::HashSet::new();
    for task in tasks {
        let renewed = task.await??;
        ensure!(renewed.status == 200, "{}", renewed.body);
        assert_eq!(scene.application.userinfo(renewed.get("access_token")).await?.0, 200);
        successors.insert(renewed.get("refresh_token").to_owned());
    }
    assert_eq!(successors.len(), 1);
    Ok(())
}

async fn a_closed_account_is_closed_at_every_step(pair: Pair) -> Result<()> {
    let mut scene = scene(pair).await?;
    for (number, end) in
        [&["user", "disable"][..], &["user", "delete"], &["user", "reset-factors"]].into_iter().enumerate()
    {
        let name = format!("person{number}");
        scene.ada = scene.ostiary.add_person(&name, &[]).await?;
        scene.browser = Browser::new(&scene.ostiary)?;
        let tokens = scene.application.sign_in(&scene.browser, &mut scene.ada, ALL).await?;
        let (code, verifier) = scene.code().await?;
        let waiting = scene.application.ask(ALL, &[("prompt", "consent")])?;
        let consent = scene.browser.open(&waiting.url).await?;
        assert_eq!(consent.path(), "/consent");

        scene.ostiary.cli(&[end, &[&name]].concat()).await?;

        let application = &scene.application;
        assert_eq!(application.userinfo(tokens.get("access_token")).await?.0, 401, "{end:?}: no claims");
        let refused =
            [application.exchange(&code, &verifier).await?, application.refresh(tokens.get("refresh_token")).await?];
        for refused in refused {
            assert_eq!((refused.status.as_u16(), refused.get("error")), (400, "invalid_grant"), "{end:?}");
        }
        let page = scene.browser.send(&consent, &consent.form("answer")?.fill("answer", "allow")).await?;
        ensure!(
            !page.onward().is_some_and(|to| to.as_str().contains("code=")),
            "{end:?}: a code for {:?}",
            page.onward()
        );
        let page = scene.browser.open(&scene.application.ask(ALL, &[])?.url).await?;
        assert_eq!(page.path(), "/sign-in", "{end:?}: no sign-in without a form");
    }
    Ok(())
}

async fn the_file_brings_clients(pair: Pair) -> Result<()> {
    let secret = "a secret of thirty-two characters";
    let file = format!(
        "[[clients]]\nid = \"cms\"\nname = \"CMS\"\nsecret = \"{secret}\"\npolicy = \"one_factor\"\n\
         redirect_uris = [\"https://cms.example.tld/callback\"]\n"
    );
    let ostiary = Setup::on(pair).with_file(&file).start().await?;
    let browser = Browser::new(&ostiary)?;
    let mut ada = ostiary.add_person("ada", &[]).await?;
    let mut cms = ostiary.add_application("twin", &[]).await?;
    cms.id = "cms".to_owned();
    cms.secret = Some(secret.to_owned());
    cms.redirect_uri = "https://cms.example.tld/callback".to_owned();
    let tokens = cms.sign_in(&browser, &mut ada, "openid").await?;
    ensure!(tokens.status == 200, "{}", tokens.body);
    let refused = ostiary.try_cli(&["client", "delete", "cms"], "").await?;
    ensure!(refused.ok().is_err(), "the file alone may remove it");
    Ok(())
}
