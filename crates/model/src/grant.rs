//! One authorization request on its way from the click in an application to its tokens.
//!
//! A grant is the hinge between the protocol and the pages: they share its id and nothing else.
//! It is [`Pending`] until the person is known and has agreed, [`Approved`] while its code waits
//! to be fetched, [`Exchanged`] when that has happened; or it was [`Cancelled`]. Each state holds
//! what exists then, and the next one can only be made from the one before. The store takes these
//! values and writes them guarded by the state they came from.

use crate::access::Level;
use crate::answer::{AuthorizationError, ReturnAddress};
use crate::client::SignInPolicy;
use crate::ids::{GrantId, SessionId, UserId};
use crate::names::ClientId;
use crate::people::{Generation, User};
use crate::pkce::CodeChallenge;
use crate::prompt::Prompt;
use crate::scope::Scopes;
use crate::secret::TokenHash;
use crate::session::{AuthMethods, Session};
use crate::time::{Span, Timestamp};

/// What a client asked for. Its redirect URI and scopes were checked against its registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRequest {
    /// Who asks.
    pub client: ClientId,
    /// Where the answer goes.
    pub back: ReturnAddress,
    /// What is asked for, no more than the client may have.
    pub scopes: Scopes,
    /// To be repeated in the ID token.
    pub nonce: Option<String>,
    /// What the code is tied to.
    pub challenge: CodeChallenge,
    /// How the person is to be asked.
    pub prompt: Prompt,
    /// How long ago the sign-in may have been.
    pub max_age: Option<Span>,
    /// Who the client thinks it is.
    pub login_hint: Option<String>,
}

/// Who somebody is and how they proved it: what every token goes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authentication {
    /// Who.
    pub user: UserId,
    /// Their generation then.
    pub generation: Generation,
    /// How they proved it.
    pub methods: AuthMethods,
    /// When (`auth_time`).
    pub at: Timestamp,
}

impl From<&Session> for Authentication {
    fn from(session: &Session) -> Self {
        Self {
            user: session.user,
            generation: session.generation,
            methods: session.methods,
            at: session.authenticated_at,
        }
    }
}

/// That a person agreed to what a client asked for, remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Who agreed.
    pub user: UserId,
    /// To which client.
    pub client: ClientId,
    /// To what.
    pub scopes: Scopes,
    /// When.
    pub granted_at: Timestamp,
    /// Until when it holds.
    pub expires_at: Timestamp,
}

impl Consent {
    /// Whether it still holds, and for all of `scopes`.
    #[must_use]
    pub fn covers(&self, scopes: Scopes, now: Timestamp) -> bool {
        now < self.expires_at && scopes.is_subset(self.scopes)
    }
}

/// A grant in any of its states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// The person has still to sign in or to agree.
    Pending(Pending),
    /// Its code waits for the client.
    Approved(Approved),
    /// The client has fetched its tokens.
    Exchanged(Exchanged),
    /// The person said no.
    Cancelled(Cancelled),
}

impl Grant {
    /// What was asked for.
    #[must_use]
    pub const fn request(&self) -> &GrantRequest {
        match self {
            Self::Pending(grant) => &grant.request,
            Self::Approved(grant) => &grant.request,
            Self::Exchanged(grant) => &grant.request,
            Self::Cancelled(grant) => &grant.request,
        }
    }

    /// When this state is over.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        match self {
            Self::Pending(grant) => grant.expires_at,
            Self::Approved(grant) => grant.expires_at,
            Self::Exchanged(grant) => grant.expires_at,
            Self::Cancelled(grant) => grant.expires_at,
        }
    }
}

/// See [`Grant::Pending`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Which grant.
    pub id: GrantId,
    /// What was asked for.
    pub request: GrantRequest,
    /// Who has agreed to it on the consent page.
    pub consented_by: Option<UserId>,
    /// When the request came.
    pub created_at: Timestamp,
    /// When it is too late to go on.
    pub expires_at: Timestamp,
}

/// See [`Grant::Approved`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// Which grant.
    pub id: GrantId,
    /// What was asked for, and is granted.
    pub request: GrantRequest,
    /// Whose it is.
    pub holder: Authentication,
    /// The browser session in which it was approved.
    pub session: SessionId,
    /// The fingerprint of its code.
    pub code: TokenHash,
    /// When the code is too old.
    pub expires_at: Timestamp,
}

/// See [`Grant::Exchanged`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// Which grant.
    pub id: GrantId,
    /// What was granted.
    pub request: GrantRequest,
    /// Whose it is.
    pub holder: Authentication,
    /// When the client came for it.
    pub exchanged_at: Timestamp,
    /// When everything that came of it is over. Until then a second use of its code is noticed.
    pub expires_at: Timestamp,
}

/// See [`Grant::Cancelled`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled {
    /// Which grant.
    pub id: GrantId,
    /// What was asked for.
    pub request: GrantRequest,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

/// What has to happen next with a pending grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The person signs in.
    SignIn,
    /// They prove their second factor.
    Code,
    /// They set up a second factor.
    SetUpAuthenticator,
    /// They are asked whether they agree.
    Consent,
    /// Nothing: it can be approved.
    Approve,
}

impl Step {
    /// What the client is told instead when the person must not be asked.
    #[must_use]
    pub const fn when_silent(self) -> Option<AuthorizationError> {
        match self {
            Self::SignIn => Some(AuthorizationError::LoginRequired),
            Self::Code | Self::SetUpAuthenticator => Some(AuthorizationError::InteractionRequired),
            Self::Consent => Some(AuthorizationError::ConsentRequired),
            Self::Approve => None,
        }
    }
}

impl Pending {
    /// A grant that begins now and may take `life`.
    #[must_use]
    pub fn open(id: GrantId, request: GrantRequest, now: Timestamp, life: Span) -> Self {
        Self { id, request, consented_by: None, created_at: now, expires_at: now + life }
    }

    /// What has to happen next, given the client's `policy`, who is at the door, and what they
    /// agreed to before. The one place where this is decided.
    #[must_use]
    pub fn next(
        &self,
        policy: SignInPolicy,
        visitor: Option<(&Session, &User)>,
        consent: Option<&Consent>,
        now: Timestamp,
    ) -> Step {
        let Some((session, user)) = visitor else { return Step::SignIn };
        if session.methods.level() < Level::OneFactor || self.is_stale(session, now) {
            return Step::SignIn;
        }
        if session.methods.level() < policy.level() {
            return if user.has_totp { Step::Code } else { Step::SetUpAuthenticator };
        }
        let agreed_now = self.consented_by == Some(user.id);
        let agreed_before = consent.is_some_and(|consent| {
            consent.user == user.id
                && consent.client == self.request.client
                && consent.covers(self.request.scopes, now)
                && !self.request.prompt.asks_for_consent()
        });
        if agreed_now || agreed_before { Step::Approve } else { Step::Consent }
    }

    /// Whether the client wants a newer sign-in than this. One that was made for this very
    /// request is never too old, else `max_age=0` could not be met.
    fn is_stale(&self, session: &Session, now: Timestamp) -> bool {
        let too_old = self.request.max_age.is_some_and(|max_age| now.since(session.authenticated_at) > max_age);
        (too_old || self.request.prompt.asks_to_sign_in()) && session.authenticated_at < self.created_at
    }

    /// The person of `session` goes on to the client, which may fetch the tokens by the code with
    /// this fingerprint for `life`.
    #[must_use]
    pub fn approve(self, session: &Session, code: TokenHash, now: Timestamp, life: Span) -> Approved {
        Approved {
            id: self.id,
            request: self.request,
            holder: session.into(),
            session: session.id,
            code,
            expires_at: now + life,
        }
    }

    /// The person does not want to.
    #[must_use]
    pub fn cancel(self) -> Cancelled {
        Cancelled { id: self.id, request: self.request, expires_at: self.expires_at }
    }
}

impl Approved {
    /// The client has come with the code; what it gets lasts until `until`.
    #[must_use]
    pub fn exchange(self, now: Timestamp, until: Timestamp) -> Exchanged {
        Exchanged { id: self.id, request: self.request, holder: self.holder, exchanged_at: now, expires_at: until }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::names::{Email, Username};
    use crate::people::{Profile, UserState, Validity};
    use crate::redirect::RedirectUri;
    use crate::session::AuthMethod;

    const NOW: Timestamp = Timestamp::from_secs(10_000);

    fn user(id: u128, has_totp: bool) -> User {
        User {
            id: Uuid::from_u128(id).into(),
            subject: Uuid::from_u128(id).into(),
            profile: Profile {
                username: Username::parse("ada").unwrap(),
                email: Email::parse("ada@example.org").unwrap(),
                email_verified: true,
                display_name: String::new(),
                given_name: String::new(),
                family_name: String::new(),
            },
            state: UserState::Active,
            validity: Validity::default(),
            is_service: false,
            uid_number: None,
            gid_number: None,
            has_avatar: false,
            generation: Generation(1),
            has_totp,
            created_at: NOW,
            modified_at: NOW,
            password_changed_at: None,
            last_sign_in_at: None,
        }
    }

    fn session(user: &User, methods: AuthMethods, authenticated_at: i64) -> Session {
        Session {
            id: Uuid::from_u128(9).into(),
            parent: None,
            user: user.id,
            generation: user.generation,
            methods,
            authenticated_at: Timestamp::from_secs(authenticated_at),
            created_at: NOW,
            expires_at: NOW + Span::from_hours(1),
            seen_at: NOW,
            remembered: false,
            address: None,
            agent: None,
        }
    }

    fn grant(prompt: &str, max_age: Option<u32>) -> Pending {
        let request = GrantRequest {
            client: ClientId::parse("directus").unwrap(),
            back: ReturnAddress { redirect_uri: RedirectUri::parse("https://a.example/cb").unwrap(), state: None },
            scopes: Scopes::parse("openid email").unwrap(),
            nonce: None,
            challenge: CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap(),
            prompt: Prompt::parse(prompt).unwrap(),
            max_age: max_age.map(Span::from_secs),
            login_hint: None,
        };
        Pending::open(Uuid::from_u128(5).into(), request, NOW - Span::from_secs(60), Span::from_mins(15))
    }

    fn consent(user: &User, client: &str, scopes: &str, expires_at: Timestamp) -> Consent {
        Consent {
            user: user.id,
            client: ClientId::parse(client).unwrap(),
            scopes: Scopes::parse(scopes).unwrap(),
            granted_at: NOW,
            expires_at,
        }
    }

    const OLD: i64 = 9_000;
    const FRESH: i64 = 9_950;

    #[test]
    fn signing_in_is_asked_when_nobody_is_there_or_too_long_ago() {
        let ada = user(1, false);
        let password = AuthMethods::default().with(AuthMethod::Password);
        let before = consent(&ada, "directus", "openid email", NOW + Span::from_secs(1));
        for (prompt, max_age, at, expected) in [
            ("", None, OLD, Step::Approve),
            ("none", None, OLD, Step::Approve),
            ("login", None, OLD, Step::SignIn),
            ("login", None, FRESH, Step::Approve),
            ("select_account", None, OLD, Step::SignIn),
            ("select_account", None, FRESH, Step::Approve),
            ("", Some(1_000), OLD, Step::Approve),
            ("", Some(999), OLD, Step::SignIn),
            ("none", Some(999), OLD, Step::SignIn),
            ("", Some(0), OLD, Step::SignIn),
            ("", Some(0), FRESH, Step::Approve),
            ("", Some(10), FRESH, Step::Approve),
        ] {
            let session = session(&ada, password, at);
            let step = grant(prompt, max_age).next(SignInPolicy::OneFactor, Some((&session, &ada)), Some(&before), NOW);
            assert_eq!(step, expected, "prompt={prompt:?} max_age={max_age:?} at={at}");
        }
        assert_eq!(grant("", None).next(SignInPolicy::OneFactor, None, Some(&before), NOW), Step::SignIn);
        let nothing = session(&ada, AuthMethods::default(), FRESH);
        let step = grant("", None).next(SignInPolicy::OneFactor, Some((&nothing, &ada)), Some(&before), NOW);
        assert_eq!(step, Step::SignIn, "a session that proves nothing");
    }

    #[test]
    fn the_second_factor_is_asked_by_the_clients_policy() {
        let one = AuthMethods::default().with(AuthMethod::Password);
        let two = one.with(AuthMethod::Totp);
        for (policy, methods, has_totp, expected) in [
            (SignInPolicy::OneFactor, one, false, Step::Consent),
            (SignInPolicy::OneFactor, one, true, Step::Consent),
            (SignInPolicy::TwoFactor, one, false, Step::SetUpAuthenticator),
            (SignInPolicy::TwoFactor, one, true, Step::Code),
            (SignInPolicy::TwoFactor, two, true, Step::Consent),
        ] {
            let ada = user(1, has_totp);
            let session = session(&ada, methods, OLD);
            let step = grant("", None).next(policy, Some((&session, &ada)), None, NOW);
            assert_eq!(step, expected, "{policy:?} {methods:?} {has_totp}");
        }
    }

    #[test]
    fn consent_is_asked_unless_this_person_gave_it_for_all_of_this() {
        let (ada, eve) = (user(1, false), user(2, false));
        let later = NOW + Span::from_secs(1);
        let session = session(&ada, AuthMethods::default().with(AuthMethod::Password), OLD);
        let full = consent(&ada, "directus", "openid email groups", later);
        for (prompt, before, by, expected) in [
            ("", None, None, Step::Consent),
            ("", Some(full.clone()), None, Step::Approve),
            ("none", Some(full.clone()), None, Step::Approve),
            ("", Some(consent(&ada, "directus", "openid email", NOW)), None, Step::Consent),
            ("", Some(consent(&ada, "directus", "openid", later)), None, Step::Consent),
            ("", Some(consent(&ada, "other", "openid email", later)), None, Step::Consent),
            ("", Some(consent(&eve, "directus", "openid email", later)), None, Step::Consent),
            ("consent", Some(full.clone()), None, Step::Consent),
            ("consent", Some(full.clone()), Some(ada.id), Step::Approve),
            ("consent", Some(full), Some(eve.id), Step::Consent),
            ("", None, Some(ada.id), Step::Approve),
            ("", None, Some(eve.id), Step::Consent),
        ] {
            let grant = Pending { consented_by: by, ..grant(prompt, None) };
            let step = grant.next(SignInPolicy::OneFactor, Some((&session, &ada)), before.as_ref(), NOW);
            assert_eq!(step, expected, "prompt={prompt:?} {before:?} {by:?}");
        }
    }

    #[test]
    fn each_state_is_made_from_the_one_before() {
        let ada = user(1, false);
        let session = session(&ada, AuthMethods::default().with(AuthMethod::Password), FRESH);
        let pending = grant("", None);
        let code = TokenHash::new([7; 32]);
        let approved = pending.clone().approve(&session, code, NOW, Span::from_secs(60));
        assert_eq!(approved.expires_at, NOW + Span::from_secs(60));
        assert_eq!((approved.holder.user, approved.session), (ada.id, session.id));
        let exchanged = approved.clone().exchange(NOW, NOW + Span::from_days(90));
        assert_eq!((exchanged.id, exchanged.holder), (pending.id, approved.holder));
        assert_eq!(pending.clone().cancel().request, pending.request);
    }
}
