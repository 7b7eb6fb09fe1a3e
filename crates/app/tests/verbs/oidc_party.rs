//! Applications and what they hold, for the tests of the OpenID Connect verbs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ostiary_app::{App, CodeExchange, ExchangeError, Issued, Next, UserinfoError, Visitor};
use ostiary_model::{
    Client, CodeChallenge, CodeVerifier, GrantId, GrantRequest, NewClient, Prompt, ReturnAddress, Scopes, Secret,
    SignInPolicy, Span,
};
use serde_json::Value;
use url::Url;

use crate::{House, secret};

pub(crate) const ISSUER: &str = "https://accounts.example.tld";
pub(crate) const ALL: &str = "openid profile email groups offline_access";

/// A registered application.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub(crate) client: Client,
}

/// A code on its way to its client.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) grant: GrantId,
    pub(crate) exchange: CodeExchange,
}

/// A public client of one factor that remembers consent.
pub(crate) fn new_client(id: &str) -> NewClient {
    NewClient {
        id: id.to_owned(),
        name: format!("The {id}"),
        redirect_uris: vec![format!("https://{id}.example/cb")],
        public: true,
        policy: SignInPolicy::OneFactor,
        scopes: Vec::new(),
        remember: Some(Span::from_days(365)),
        claims_in_id_token: false,
    }
}

/// A request of this client, and the verifier that belongs to it.
pub(crate) fn request(client: &Client, scope: &str) -> (GrantRequest, CodeVerifier) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let verifier = format!("{:043}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let redirect_uri = client.details.redirect_uris[0].clone();
    let request = GrantRequest {
        client: client.id().clone(),
        back: ReturnAddress { redirect_uri, state: Some("the state".into()) },
        scopes: Scopes::parse(scope).unwrap(),
        nonce: Some("the nonce".into()),
        challenge: CodeChallenge::parse(&challenge).unwrap(),
        prompt: Prompt::Ask { sign_in: false, consent: false },
        max_age: None,
        login_hint: Some("ada".into()),
    };
    (request, CodeVerifier::parse(&verifier).unwrap())
}

/// A value in the query of a redirect.
pub(crate) fn in_query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// The `error` that the client gets.
pub(crate) fn error_of(next: &Next) -> String {
    let Next::Redirect(url) = next else { panic!("no redirect but {next:?}") };
    assert_eq!(in_query(url, "iss").as_deref(), Some(ISSUER));
    assert_eq!(in_query(url, "state").as_deref(), Some("the state"));
    assert_eq!(in_query(url, "code"), None);
    in_query(url, "error").unwrap()
}

/// The claims of a token, not verified.
pub(crate) fn claims(token: &Secret) -> Value {
    let payload = token.expose().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

impl House {
    pub(crate) async fn party(&self, id: &str) -> Party {
        self.party_with(id, |_| {}).await
    }

    pub(crate) async fn party_with(&self, id: &str, change: impl FnOnce(&mut NewClient)) -> Party {
        let mut new = NewClient { public: false, ..new_client(id) };
        change(&mut new);
        Party { client: self.app.client_add(&self.cli(), &new).await.unwrap().0 }
    }

    /// The visitor goes all the way to a code, agreeing where asked.
    pub(crate) async fn code(&self, party: &Party, visitor: &Visitor, scope: &str) -> Code {
        let (request, verifier) = request(&party.client, scope);
        let redirect_uri = request.back.redirect_uri.to_string();
        let grant = self.app.grant_open(&self.ctx(), request).await.unwrap();
        let mut next = self.app.grant_next(&self.ctx(), grant, Some(visitor)).await.unwrap();
        if matches!(next, Next::Consent(_)) {
            self.app.consent_answer(&self.ctx(), visitor, grant, true).await.unwrap();
            next = self.app.grant_next(&self.ctx(), grant, Some(visitor)).await.unwrap();
        }
        let Next::Redirect(url) = next else { panic!("no redirect but {next:?}") };
        let code = secret(&in_query(&url, "code").unwrap());
        Code { grant, exchange: CodeExchange { code, redirect_uri, verifier } }
    }

    /// The whole way to tokens.
    pub(crate) async fn tokens(&self, party: &Party, visitor: &Visitor, scope: &str) -> Issued {
        let code = self.code(party, visitor, scope).await;
        self.exchange(party, &code).await.unwrap()
    }

    pub(crate) async fn exchange(&self, party: &Party, code: &Code) -> Result<Issued, ExchangeError> {
        self.app.code_exchange(&self.ctx(), &party.client, &code.exchange).await
    }

    pub(crate) async fn refresh(&self, party: &Party, token: &Secret) -> Result<Issued, ExchangeError> {
        refresh_at(&self.app, self, party, token).await
    }

    /// Whether an access token still opens userinfo.
    pub(crate) async fn opens(&self, token: &Secret) -> bool {
        match self.app.userinfo(&self.ctx(), token).await {
            Ok(_) => true,
            Err(UserinfoError::InvalidToken) => false,
            Err(other) => panic!("{other}"),
        }
    }
}

/// Refreshes at one of several processes.
pub(crate) async fn refresh_at(
    app: &Arc<App>,
    house: &House,
    party: &Party,
    token: &Secret,
) -> Result<Issued, ExchangeError> {
    app.refresh(&house.ctx(), &party.client, token, None).await
}

/// The refresh token of an answer that must hold one.
pub(crate) fn refresh_token(issued: &Issued) -> &Secret {
    issued.refresh_token.as_ref().unwrap()
}

/// That nothing was given, as for anything that is not valid.
pub(crate) fn assert_invalid(result: &Result<Issued, ExchangeError>, what: &str) {
    assert!(matches!(result, Err(ExchangeError::InvalidGrant)), "{what}: {result:?}");
}
