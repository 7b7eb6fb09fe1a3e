//! What a client holds after a grant: access tokens, and refresh tokens in families.
//!
//! A refresh token is replaced at each use (RFC 9700 section 4.14.2). All that grew from one grant
//! are one family, which ends as a whole.

use crate::grant::Authentication;
use crate::ids::{AccessTokenId, FamilyId, GrantId, UserId};
use crate::names::ClientId;
use crate::people::Generation;
use crate::scope::Scopes;
use crate::time::{Span, Timestamp};

/// An issued access token, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Its id.
    pub id: AccessTokenId,
    /// The grant it goes back to.
    pub grant: GrantId,
    /// Who holds it.
    pub client: ClientId,
    /// Whom it tells about.
    pub user: UserId,
    /// Their generation when they approved.
    pub generation: Generation,
    /// What it opens.
    pub scopes: Scopes,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
}

/// All refresh tokens of one grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its id.
    pub id: FamilyId,
    /// The grant it grew from.
    pub grant: GrantId,
    /// Who holds its newest token.
    pub client: ClientId,
    /// Whose it is.
    pub holder: Authentication,
    /// What was granted.
    pub scopes: Scopes,
    /// When the first token was issued.
    pub created_at: Timestamp,
    /// When it ends, however busy.
    pub expires_at: Timestamp,
}

/// That a refresh token was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// When.
    pub at: Timestamp,
    /// Its successor's text, sealed under a key that only the used token gives.
    pub successor_sealed: Vec<u8>,
}

/// One refresh token, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it is over if nobody uses it.
    pub expires_at: Timestamp,
    /// Whether it was used.
    pub rotation: Option<Rotation>,
}

/// What using a refresh token means now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshUse<'a> {
    /// It is the newest of its family: it is replaced.
    Newest,
    /// It was replaced a moment ago, as happens when browsers share it: its successor serves them
    /// all.
    Again(&'a Rotation),
    /// It was replaced long ago: whoever holds it has stolen it, or been robbed.
    Stolen,
    /// It is over.
    Expired,
}

impl RefreshToken {
    /// What using it at `now` means, where a repeated use is forgiven for `grace`.
    #[must_use]
    pub fn used(&self, family: &Family, now: Timestamp, grace: Span) -> RefreshUse<'_> {
        if now >= family.expires_at || now >= self.expires_at {
            return RefreshUse::Expired;
        }
        match &self.rotation {
            None => RefreshUse::Newest,
            Some(rotation) if now.since(rotation.at) <= grace => RefreshUse::Again(rotation),
            Some(_) => RefreshUse::Stolen,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::session::AuthMethods;

    #[test]
    fn a_used_token_is_forgiven_for_a_moment_and_then_a_theft() {
        let at = Timestamp::from_secs;
        let family = Family {
            id: Uuid::from_u128(1).into(),
            grant: Uuid::from_u128(2).into(),
            client: ClientId::parse("directus").unwrap(),
            holder: Authentication {
                user: Uuid::from_u128(3).into(),
                generation: Generation(1),
                methods: AuthMethods::default(),
                at: at(0),
            },
            scopes: Scopes::EMPTY,
            created_at: at(0),
            expires_at: at(1_000),
        };
        let rotation = Rotation { at: at(100), successor_sealed: vec![1] };
        let fresh = RefreshToken { created_at: at(0), expires_at: at(500), rotation: None };
        let used = RefreshToken { rotation: Some(rotation.clone()), ..fresh };
        let grace = Span::from_secs(30);
        assert_eq!(fresh.used(&family, at(499), grace), RefreshUse::Newest);
        assert_eq!(fresh.used(&family, at(500), grace), RefreshUse::Expired);
        assert_eq!(used.used(&family, at(130), grace), RefreshUse::Again(&rotation));
        assert_eq!(used.used(&family, at(131), grace), RefreshUse::Stolen);
        // Over is over: an old copy tells nothing any more and ends nothing.
        assert_eq!(used.used(&family, at(500), grace), RefreshUse::Expired);
        let long = RefreshToken { expires_at: at(2_000), rotation: None, ..used };
        assert_eq!(long.used(&family, at(1_000), grace), RefreshUse::Expired);
    }
}
