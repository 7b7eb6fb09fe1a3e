//! What people, administrators and applications do with a server, from one end to the other.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use url::Url;

use crate::authenticator::Authenticator;
use crate::browser::{Browser, Page};
use crate::chance::random_hex;
use crate::server::Ostiary;

/// Somebody with a password, and with an authenticator once one is set up.
#[derive(Debug, Clone)]
pub struct Person {
    /// Sign-in name.
    pub username: String,
    /// Password.
    pub password: String,
    /// Authenticator app.
    pub authenticator: Option<Authenticator>,
}

impl Person {
    /// Somebody whose password follows from their name.
    #[must_use]
    pub fn named(username: &str) -> Self {
        Self { username: username.to_owned(), password: format!("the door of {username}"), authenticator: None }
    }

    /// Their address.
    #[must_use]
    pub fn email(&self) -> String {
        format!("{}@example.tld", self.username)
    }

    /// Goes through every page of a sign-in from `page` on: password, code or enrolment. Ends at
    /// the first page that is none of these.
    ///
    /// # Errors
    /// When a page does not take what is typed.
    pub async fn sign_in_from(&mut self, browser: &Browser, mut page: Page) -> Result<Page> {
        if page.path() == "/sign-in" {
            let form = page.form("password")?.fill("username", &self.username).fill("password", &self.password);
            page = browser.send(&page, &form).await?;
            ensure!(page.path() != "/sign-in", "{} was not let in: {}", self.username, page.text());
        }
        if page.path() == "/sign-in/authenticator" {
            let mut authenticator = Authenticator::new(&page.element("secret")?);
            let form = page.form("code")?.fill("code", &authenticator.code().await);
            page = browser.send(&page, &form).await?;
            ensure!(page.path() != "/sign-in/authenticator", "the code was not taken: {}", page.text());
            self.authenticator = Some(authenticator);
        } else if page.path() == "/sign-in/code" {
            let authenticator =
                self.authenticator.as_mut().context("a code is asked for and nobody has an authenticator")?;
            let form = page.form("code")?.fill("code", &authenticator.code().await);
            page = browser.send(&page, &form).await?;
            ensure!(page.path() != "/sign-in/code", "the code was not taken: {}", page.text());
        }
        Ok(page)
    }

    /// Signs in at the front door. Ends at their account.
    ///
    /// # Errors
    /// When they are not let in.
    pub async fn sign_in(&mut self, browser: &Browser) -> Result<Page> {
        let page = browser.visit("/sign-in").await?;
        self.sign_in_from(browser, page).await
    }
}

impl Ostiary {
    /// Makes the first administrator with the link that the server printed, in a browser of their
    /// own that is signed in with two factors afterwards.
    ///
    /// # Errors
    /// When any page of it goes wrong.
    pub async fn first_administrator(&self) -> Result<(Browser, Person)> {
        let (browser, mut person) = (Browser::new(self)?, Person::named("root"));
        let page = browser.open(self.set_up_link().context("no set-up link was printed")?).await?;
        let form = page.form("password")?.fill("username", &person.username).fill("email", &person.email());
        let page = browser.send(&page, &form.fill("password", &person.password)).await?;
        ensure!(!page.path().starts_with("/set-up"), "nobody was made: {}", page.text());
        // The panel asks for the second step that the account page does not need.
        let page = browser.open(browser.directory("/people")?).await?;
        let page = person.sign_in_from(&browser, page).await?;
        ensure!(page.path() == "/people", "the panel was not reached but {}: {}", page.url, page.text());
        Ok((browser, person))
    }

    /// Adds somebody by the command line, with their password, in `groups`.
    ///
    /// # Errors
    /// When they cannot be added.
    pub async fn add_person(&self, username: &str, groups: &[&str]) -> Result<Person> {
        let person = Person::named(username);
        let email = person.email();
        let mut arguments = vec!["user", "add", username, "--email", &email, "--password-stdin"];
        for group in groups {
            arguments.extend(["--group", group]);
        }
        self.cli_with(&arguments, &format!("{}\n", person.password)).await?;
        Ok(person)
    }

    /// Registers an application by the command line; `more` are further arguments, such as
    /// `--public`.
    ///
    /// # Errors
    /// When it cannot be registered.
    pub async fn add_application(&self, id: &str, more: &[&str]) -> Result<Application> {
        let redirect_uri = format!("https://{id}.example.tld/callback");
        let arguments = [&["client", "add", id, "--name", id, "--redirect-uri", &redirect_uri], more].concat();
        let made = self.json(&arguments).await?;
        let secret = made.get("client_secret").and_then(Value::as_str).map(str::to_owned);
        Ok(Application {
            issuer: Url::parse(self.accounts()?)?,
            id: id.to_owned(),
            secret,
            redirect_uri,
            client: Browser::new(self)?.client().clone(),
        })
    }
}

/// An OpenID Connect client that is not afraid to do everything wrong: it builds its requests by
/// hand. The `openidconnect` crate's client is the right one for what should work.
#[derive(Clone)]
pub struct Application {
    /// The issuer.
    pub issuer: Url,
    /// Its client id.
    pub id: String,
    /// Its secret; none when it is public.
    pub secret: Option<String>,
    /// Where it is answered.
    pub redirect_uri: String,
    client: Client,
}

/// An authorization request on its way, and what must come back with it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Where the browser goes.
    pub url: Url,
    /// The `state` that must come back.
    pub state: String,
    /// The PKCE verifier.
    pub verifier: String,
    /// The nonce that must be in the ID token.
    pub nonce: String,
}

/// What the token endpoint gave.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The status of the answer.
    pub status: StatusCode,
    /// The answer.
    pub body: Value,
}

impl Tokens {
    /// A text in the answer; empty when it is not there.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The claims of the ID token, not verified.
    ///
    /// # Errors
    /// When there is none.
    pub fn id_claims(&self) -> Result<Value> {
        let payload = self.get("id_token").split('.').nth(1).context("no ID token")?;
        Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
    }
}

impl Application {
    /// Asks for a sign-in; `more` are further parameters and replace those that are there.
    ///
    /// # Errors
    /// When the issuer is no address.
    pub fn ask(&self, scope: &str, more: &[(&str, &str)]) -> Result<Asked> {
        let verifier = format!("{}{}", random_hex(), random_hex());
        let challenge =
            URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes()));
        let (state, nonce) = (random_hex(), random_hex());
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", scope),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        parameters.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        parameters.extend(more);
        let mut url = self.issuer.join("/api/oidc/authorization")?;
        url.query_pairs_mut().extend_pairs(parameters);
        Ok(Asked { url, state, verifier, nonce })
    }

    /// Sends `person`'s browser through the whole sign-in, with consent, and gives the answer that
    /// reaches the application: parameters of the redirect.
    ///
    /// # Errors
    /// When the browser ends anywhere else.
    pub async fn answer(&self, browser: &Browser, person: &mut Person, asked: &Asked) -> Result<Vec<(String, String)>> {
        let page = browser.open(&asked.url).await?;
        let mut page = person.sign_in_from(browser, page).await?;
        if page.path() == "/consent" {
            let form = page.form("answer")?.fill("answer", "allow");
            page = browser.send(&page, &form).await?;
        }
        let url = page.onward().filter(|url| url.as_str().starts_with(&self.redirect_uri));
        let url = url.with_context(|| format!("the browser is at {} ({}): {}", page.url, page.status, page.text()))?;
        Ok(url.query_pairs().into_owned().collect())
    }

    /// The whole flow: sign-in, consent, code, tokens.
    ///
    /// # Errors
    /// When no code comes back.
    pub async fn sign_in(&self, browser: &Browser, person: &mut Person, scope: &str) -> Result<Tokens> {
        let asked = self.ask(scope, &[])?;
        let answer = self.answer(browser, person, &asked).await?;
        let get = |name: &str| answer.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        ensure!(get("state").as_deref() == Some(asked.state.as_str()), "another state came back: {answer:?}");
        let code = get("code").with_context(|| format!("no code came back: {answer:?}"))?;
        self.exchange(&code, &asked.verifier).await
    }

    /// Exchanges a code.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn exchange(&self, code: &str, verifier: &str) -> Result<Tokens> {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", verifier),
        ])
        .await
    }

    /// Uses a refresh token.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn refresh(&self, token: &str) -> Result<Tokens> {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Asks the token endpoint: with HTTP basic authentication, or by the client id alone when the
    /// application is public.
    ///
    /// # Errors
    /// When the server does not answer in JSON.
    pub async fn token(&self, parameters: &[(&str, &str)]) -> Result<Tokens> {
        let request = self.client.post(self.issuer.join("/api/oidc/token")?);
        let mut parameters = parameters.to_vec();
        let request = match &self.secret {
            Some(secret) => request.basic_auth(&self.id, Some(secret)),
            None => {
                parameters.push(("client_id", &self.id));
                request
            }
        };
        let response = request.form(&parameters).send().await?;
        Ok(Tokens { status: response.status(), body: response.json().await? })
    }

    /// Asks the userinfo endpoint.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn userinfo(&self, access_token: &str) -> Result<(StatusCode, String)> {
        let request = self.client.get(self.issuer.join("/api/oidc/userinfo")?).bearer_auth(access_token);
        let response = request.send().await?;
        Ok((response.status(), response.text().await?))
    }
}
