//! The `openidconnect` crate's client as relying party: what should work, works with a library
//! that checks everything.

use anyhow::{Context, Result, ensure};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreGenderClaim, CoreProviderMetadata};
use openidconnect::{
    AdditionalClaims, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
    UserInfoClaims,
};
use ostiary_tests::{Application, Asked, Browser, Ostiary, Pair, Person, on_both_pairs};
use serde::{Deserialize, Serialize};

on_both_pairs!(a_library_goes_the_whole_way, what_was_altered_is_noticed);

/// The one claim that the library does not know.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Groups {
    groups: Vec<String>,
}

impl AdditionalClaims for Groups {}

/// How the client proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Basic,
    Post,
    Public,
}

struct House {
    ostiary: Ostiary,
    ada: Person,
}

async fn house(pair: Pair) -> Result<House> {
    let ostiary = Ostiary::start(pair).await?;
    ostiary.cli(&["group", "add", "editors"]).await?;
    let ada = ostiary.add_person("ada", &["editors"]).await?;
    Ok(House { ostiary, ada })
}

/// Sends what the library asks for through the tests' own client.
fn sender(
    browser: &Browser,
) -> impl Fn(HttpRequest) -> std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, reqwest::Error>> + Send>> {
    let client = browser.client().clone();
    move |request| {
        let client = client.clone();
        Box::pin(async move {
            let answer = client.execute(reqwest::Request::try_from(request)?).await?;
            let mut response = HttpResponse::new(Vec::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            *response.body_mut() = answer.bytes().await?.to_vec();
            Ok(response)
        })
    }
}

/// What an authorization request is answered with.
async fn code(
    application: &Application,
    browser: &Browser,
    ada: &mut Person,
    url: url::Url,
    state: &CsrfToken,
) -> Result<String> {
    let asked = Asked { url, state: state.secret().clone(), verifier: String::new(), nonce: String::new() };
    let answer = application.answer(browser, ada, &asked).await?;
    let get = |name: &str| answer.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
    ensure!(get("state").as_deref() == Some(state.secret()), "{answer:?}");
    ensure!(get("iss").as_deref() == Some(application.issuer.as_str().trim_end_matches('/')), "{answer:?}");
    get("code").with_context(|| format!("{answer:?}"))
}

async fn a_library_goes_the_whole_way(pair: Pair) -> Result<()> {
    let House { ostiary, mut ada } = house(pair).await?;
    let browser = Browser::new(&ostiary)?;
    for (id, way) in [("basic", Way::Basic), ("post", Way::Post), ("public", Way::Public)] {
        let more: &[&str] = if way == Way::Public { &["--public"] } else { &[] };
        let application = ostiary.add_application(id, more).await?;
        sign_in_with(&ostiary, &application, way, (&browser, &mut ada)).await.with_context(|| format!("{way:?}"))?;
    }
    Ok(())
}

async fn sign_in_with(
    ostiary: &Ostiary,
    application: &Application,
    way: Way,
    (browser, ada): (&Browser, &mut Person),
) -> Result<()> {
    let http = sender(browser);
    let issuer = IssuerUrl::new(ostiary.accounts()?.to_owned())?;
    let metadata = CoreProviderMetadata::discover_async(issuer, &http).await?;
    let client = CoreClient::from_provider_metadata(
        metadata,
        ClientId::new(application.id.clone()),
        application.secret.clone().map(ClientSecret::new),
    )
    .set_redirect_uri(RedirectUrl::new(application.redirect_uri.clone())?)
    .set_auth_type(if way == Way::Basic { AuthType::BasicAuth } else { AuthType::RequestBody });

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email", "groups", "offline_access"].map(|scope| Scope::new(scope.to_owned())))
        .set_pkce_challenge(challenge)
        .url();
    let code = code(application, browser, ada, url, &state).await?;
    let tokens =
        client.exchange_code(AuthorizationCode::new(code))?.set_pkce_verifier(verifier).request_async(&http).await?;

    let id_token = tokens.id_token().context("no ID token")?;
    let verifier = client.id_token_verifier();
    let claims = id_token.claims(&verifier, &nonce)?;
    let hash = openidconnect::AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg()?,
        id_token.signing_key(&verifier)?,
    )?;
    assert_eq!(Some(&hash), claims.access_token_hash());
    let methods: Vec<&str> =
        claims.auth_method_refs().context("no amr")?.iter().map(|method| method.as_str()).collect();
    assert_eq!(methods, ["pwd", "otp", "mfa"]);
    ensure!(claims.auth_time().is_some());

    let subject = claims.subject().clone();
    let told: UserInfoClaims<Groups, CoreGenderClaim> =
        client.user_info(tokens.access_token().clone(), Some(subject.clone()))?.request_async(&http).await?;
    assert_eq!(told.subject(), &subject);
    assert_eq!(told.email().map(|email| email.as_str()), Some(ada.email().as_str()));
    assert_eq!(told.preferred_username().map(|name| name.as_str()), Some("ada"));
    assert_eq!(told.additional_claims().groups, ["editors"]);

    let refresh_token = tokens.refresh_token().context("no refresh token")?;
    let renewed = client.exchange_refresh_token(refresh_token)?.request_async(&http).await?;
    ensure!(renewed.refresh_token().map(|token| token.secret()) != Some(refresh_token.secret()), "it was not replaced");
    let id_token = renewed.id_token().context("no ID token")?;
    let again = id_token.claims(&client.id_token_verifier(), |nonce: Option<&Nonce>| match nonce {
        None => Ok(()),
        Some(_) => Err("a nonce after refreshing".to_owned()),
    })?;
    assert_eq!((again.subject(), again.auth_time()), (&subject, claims.auth_time()));
    Ok(())
}

async fn what_was_altered_is_noticed(pair: Pair) -> Result<()> {
    let House { ostiary, mut ada } = house(pair).await?;
    let browser = Browser::new(&ostiary)?;
    let application = ostiary.add_application("cms", &["--claims-in-id-token"]).await?;
    let tokens = application.sign_in(&browser, &mut ada, "openid email groups").await?;
    let claims = tokens.id_claims()?;
    assert_eq!((&claims["email"], &claims["groups"]), (&ada.email().into(), &serde_json::json!(["editors"])));

    let http = sender(&browser);
    let metadata = CoreProviderMetadata::discover_async(IssuerUrl::new(ostiary.accounts()?.to_owned())?, &http).await?;
    let nonce = Nonce::new(claims["nonce"].as_str().context("no nonce")?.to_owned());
    let checked = |token: &str, id: &str, nonce: &Nonce| {
        let client = CoreClient::from_provider_metadata(metadata.clone(), ClientId::new(id.to_owned()), None);
        let token: openidconnect::core::CoreIdToken = token.parse().ok()?;
        token.claims(&client.id_token_verifier(), nonce).ok().map(drop)
    };
    let token = tokens.get("id_token");
    ensure!(checked(token, "cms", &nonce).is_some(), "the token itself is good");
    ensure!(checked(token, "other", &nonce).is_none(), "for another client");
    ensure!(checked(token, "cms", &Nonce::new("another".into())).is_none(), "with another nonce");
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { anyhow::bail!("not three parts: {token}") };
    use base64::Engine as _;
    let code = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header_of = String::from_utf8(code.decode(header)?)?;
    ensure!(header_of.contains(r#""typ":"JWT""#) && header_of.contains(r#""kid":""#), "{header_of}");
    let evil = String::from_utf8(code.decode(payload)?)?.replace("editors", "admins1");
    let none = code.encode(r#"{"alg":"none","typ":"JWT"}"#);
    for altered in [
        format!("{header}.{}.{signature}", code.encode(&evil)),
        format!("{none}.{payload}."),
        format!("{none}.{}.{signature}", code.encode(&evil)),
    ] {
        ensure!(checked(&altered, "cms", &nonce).is_none(), "{altered}");
    }
    Ok(())
}
