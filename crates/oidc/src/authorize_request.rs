//! Reading an authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1,
//! RFC 7636 section 4.3), once its client and redirect URI are known to be right.
//!
//! Parameters that are not known are ignored, such as Directus' `access_type`.

use ostiary_model::{
    AuthorizationError, Client, CodeChallenge, GrantRequest, Prompt, RedirectUri, ReturnAddress, Scopes, Span,
};

use crate::params::{Params, Twice};

/// What is read, with the most bytes that each may have. `client_id` and `redirect_uri` are read
/// before.
const KNOWN: [(&str, usize); 12] = [
    ("response_type", 256),
    ("response_mode", 64),
    ("scope", 1024),
    ("state", 4096),
    ("nonce", 1024),
    ("prompt", 256),
    ("max_age", 32),
    ("login_hint", 256),
    ("code_challenge", 128),
    ("code_challenge_method", 64),
    ("client_id", 256),
    ("redirect_uri", 2048),
];

const TWICE: AuthorizationError = AuthorizationError::InvalidRequest("A parameter is given more than once.");
const TOO_LONG: AuthorizationError = AuthorizationError::InvalidRequest("A parameter is too long.");
const CONTROL: AuthorizationError = AuthorizationError::InvalidRequest("A parameter holds a control character.");
const NO_RESPONSE_TYPE: AuthorizationError = AuthorizationError::InvalidRequest("The response_type is missing.");
const RESPONSE_MODE: AuthorizationError = AuthorizationError::InvalidRequest("The response_mode must be query.");
const NO_CHALLENGE: AuthorizationError =
    AuthorizationError::InvalidRequest("The code_challenge is missing: PKCE with S256 is required.");
const METHOD: AuthorizationError = AuthorizationError::InvalidRequest("The code_challenge_method must be S256.");
const CHALLENGE: AuthorizationError =
    AuthorizationError::InvalidRequest("The code_challenge is not a SHA-256 in base64url.");
const PROMPT: AuthorizationError =
    AuthorizationError::InvalidRequest("The prompt is not one of none, login, consent and select_account.");
const MAX_AGE: AuthorizationError = AuthorizationError::InvalidRequest("The max_age is not a number of seconds.");

/// The address for the answer. A `state` that cannot be given back as it came is left out.
pub(crate) fn return_address(params: &Params, redirect_uri: RedirectUri) -> ReturnAddress {
    let state = match value(params, "state") {
        Ok(state) => state.map(str::to_owned),
        Err(_) => None,
    };
    ReturnAddress { redirect_uri, state }
}

/// What `client` asks for, to be answered at `back`.
pub(crate) fn read(params: &Params, client: &Client, back: ReturnAddress) -> Result<GrantRequest, AuthorizationError> {
    for (name, _) in KNOWN {
        value(params, name)?;
    }
    not_supported(params)?;
    match value(params, "response_type")? {
        Some("code") => {}
        Some(_) => return Err(AuthorizationError::UnsupportedResponseType),
        None => return Err(NO_RESPONSE_TYPE),
    }
    if !matches!(value(params, "response_mode")?, None | Some("query")) {
        return Err(RESPONSE_MODE);
    }
    Ok(GrantRequest {
        client: client.id().clone(),
        back,
        scopes: scopes(params, client)?,
        nonce: value(params, "nonce")?.map(str::to_owned),
        challenge: challenge(params)?,
        prompt: Prompt::parse(value(params, "prompt")?.unwrap_or_default()).ok_or(PROMPT)?,
        max_age: max_age(params)?,
        login_hint: value(params, "login_hint")?.map(str::to_owned),
    })
}

fn value<'a>(params: &'a Params, name: &str) -> Result<Option<&'a str>, AuthorizationError> {
    let Some(value) = params.one(name).map_err(|Twice| TWICE)? else { return Ok(None) };
    let longest = KNOWN.iter().find(|(known, _)| *known == name).map_or(0, |(_, longest)| *longest);
    if value.len() > longest {
        return Err(TOO_LONG);
    }
    if value.chars().any(char::is_control) { Err(CONTROL) } else { Ok(Some(value)) }
}

/// What would change the meaning of the request if it were ignored.
fn not_supported(params: &Params) -> Result<(), AuthorizationError> {
    for (name, error) in [
        ("request", AuthorizationError::RequestNotSupported),
        ("request_uri", AuthorizationError::RequestUriNotSupported),
        ("registration", AuthorizationError::RegistrationNotSupported),
    ] {
        if params.any(&[name]) {
            return Err(error);
        }
    }
    Ok(())
}

fn scopes(params: &Params, client: &Client) -> Result<Scopes, AuthorizationError> {
    let asked = Scopes::parse(value(params, "scope")?.unwrap_or_default());
    let scopes = asked.map_err(|_| AuthorizationError::InvalidScope)?.intersection(client.details.scopes);
    if scopes.is_empty() { Err(AuthorizationError::InvalidScope) } else { Ok(scopes) }
}

/// Every client has to send one: a rule without exceptions cannot be talked down (RFC 9700
/// section 2.1.1). A method that is not named is `plain` (RFC 7636 section 4.3), which hides
/// nothing.
fn challenge(params: &Params) -> Result<CodeChallenge, AuthorizationError> {
    let challenge = value(params, "code_challenge")?.ok_or(NO_CHALLENGE)?;
    if value(params, "code_challenge_method")? != Some("S256") {
        return Err(METHOD);
    }
    CodeChallenge::parse(challenge).ok_or(CHALLENGE)
}

fn max_age(params: &Params) -> Result<Option<Span>, AuthorizationError> {
    let Some(text) = value(params, "max_age")? else { return Ok(None) };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MAX_AGE);
    }
    text.parse().map(|seconds| Some(Span::from_secs(seconds))).map_err(|_| MAX_AGE)
}

#[cfg(test)]
mod tests {
    use ostiary_model::{ClientKind, ClientSource, NewClient, SignInPolicy, Timestamp};

    use super::*;

    const URI: &str = "https://app.example.org/cb";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn client(scopes: &[&str]) -> Client {
        let new = NewClient {
            id: "app".into(),
            name: "App".into(),
            redirect_uris: vec![URI.into()],
            public: true,
            policy: SignInPolicy::OneFactor,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            remember: None,
            claims_in_id_token: false,
        };
        let at = Timestamp::from_secs(0);
        let details = new.check().unwrap();
        Client { details, kind: ClientKind::Public, source: ClientSource::Command, created_at: at, modified_at: at }
    }

    fn request(change: impl FnOnce(&mut Vec<(String, String)>)) -> Result<GrantRequest, AuthorizationError> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut pairs: Vec<(String, String)> = [
            ("client_id", "app"),
            ("redirect_uri", URI),
            ("response_type", "code"),
            ("scope", "openid email"),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("access_type", "offline"),
        ]
        .into_iter()
        .map(owned)
        .collect();
        change(&mut pairs);
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let params = Params::parse(text.as_bytes()).unwrap();
        let client = client(&["openid", "email", "groups"]);
        let back = return_address(&params, client.redirect_uri(URI).unwrap());
        read(&params, &client, back)
    }

    fn with(name: &str, value: &str) -> Result<GrantRequest, AuthorizationError> {
        request(|pairs| {
            pairs.retain(|(found, _)| found != name);
            pairs.push((name.to_owned(), value.to_owned()));
        })
    }

    fn without(name: &str) -> Result<GrantRequest, AuthorizationError> {
        request(|pairs| pairs.retain(|(found, _)| found != name))
    }

    #[test]
    fn a_whole_request_is_read() {
        let read = request(|_| {}).unwrap();
        assert_eq!(read.scopes.to_string(), "openid email");
        assert_eq!(read.back.state.as_deref(), Some("s"));
        assert_eq!(read.nonce.as_deref(), Some("n"));
        assert_eq!(read.challenge.as_str(), CHALLENGE);
        assert_eq!((read.prompt, read.max_age), (Prompt::Ask { sign_in: false, consent: false }, None));
        assert_eq!(with("scope", "openid phone profile groups").unwrap().scopes.to_string(), "openid groups");
        assert_eq!(with("max_age", "0").unwrap().max_age, Some(Span::ZERO));
        assert_eq!(with("prompt", "none").unwrap().prompt, Prompt::Silent);
        assert_eq!(with("login_hint", "ada").unwrap().login_hint.as_deref(), Some("ada"));
        assert!(with("response_mode", "query").is_ok() && with("unknown", &"x".repeat(5000)).is_ok());
        assert!(without("state").is_ok() && without("nonce").is_ok());
    }

    #[test]
    fn what_is_wrong_is_named() {
        use AuthorizationError as E;
        for (name, value, error) in [
            ("response_type", "token", E::UnsupportedResponseType),
            ("response_type", "code id_token", E::UnsupportedResponseType),
            ("response_type", "", NO_RESPONSE_TYPE),
            ("response_mode", "fragment", RESPONSE_MODE),
            ("response_mode", "form_post", RESPONSE_MODE),
            ("scope", "", E::InvalidScope),
            ("scope", "phone address", E::InvalidScope),
            ("scope", "profile", E::InvalidScope),
            ("scope", "openid \"", E::InvalidScope),
            ("code_challenge", "", NO_CHALLENGE),
            ("code_challenge", "short", super::CHALLENGE),
            ("code_challenge_method", "plain", METHOD),
            ("code_challenge_method", "s256", METHOD),
            ("code_challenge_method", "", METHOD),
            ("prompt", "none login", PROMPT),
            ("prompt", "create", PROMPT),
            ("max_age", "-1", MAX_AGE),
            ("max_age", "+1", MAX_AGE),
            ("max_age", "1.5", MAX_AGE),
            ("max_age", "4294967296", MAX_AGE),
            ("nonce", "a\u{0}b", CONTROL),
            ("state", "a\r\nb", CONTROL),
            ("login_hint", &"x".repeat(257), TOO_LONG),
            ("state", &"x".repeat(4097), TOO_LONG),
            ("nonce", &"x".repeat(1025), TOO_LONG),
            ("request", "eyJhbGciOiJub25lIn0", E::RequestNotSupported),
            ("request_uri", "https://evil.example/r", E::RequestUriNotSupported),
            ("registration", "{}", E::RegistrationNotSupported),
        ] {
            assert_eq!(with(name, value), Err(error), "{name}={value}");
        }
    }

    #[test]
    fn nothing_known_may_stand_twice() {
        for (name, _) in KNOWN {
            let doubled = request(|pairs| {
                pairs.push((name.to_owned(), "x".to_owned()));
                pairs.push((name.to_owned(), "x".to_owned()));
            });
            assert_eq!(doubled, Err(TWICE), "{name}");
        }
    }

    #[test]
    fn a_state_that_cannot_come_back_is_left_out() {
        let uri = || RedirectUri::parse(URI).unwrap();
        let state = |text: &str| return_address(&Params::parse(text.as_bytes()).unwrap(), uri()).state;
        assert_eq!(state("state=a+b").as_deref(), Some("a b"));
        for none in ["", "state=", "state=a&state=a", "state=%00", &format!("state={}", "x".repeat(4097))] {
            assert_eq!(state(none), None, "{none}");
        }
    }
}
