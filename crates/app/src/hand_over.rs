//! One sign-in for both hosts: the accounts host hands a session over to the directory host.
//!
//! Each host has a cookie of its own, so that neither sees the other's. The directory host sends
//! the browser to the accounts host with the fingerprint of a random state that it keeps in a
//! cookie; it comes back with a ticket that works once, for a minute, and with that state only.
//! A ticket that somebody else planted is worth nothing without the cookie (login CSRF).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use ostiary_model::{Ctx, Secret, Session, SessionId, Span};
use uuid::Uuid;

use crate::access::{Visitor, standing};
use crate::sign_in::SignedIn;
use crate::tokens::{TicketKind, token_hash};
use crate::{App, Trouble};

const TICKET_TTL: Span = Span::from_secs(60);
const ID_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

impl App {
    /// The state for a hand-over: what the directory host keeps, and the fingerprint it sends.
    #[must_use]
    pub fn hand_over_state(&self, ctx: &Ctx) -> (Secret, String) {
        let state = crate::tokens::new_token(ctx, "");
        let fingerprint = hex(token_hash(state.expose()).as_bytes());
        (state, fingerprint)
    }

    /// A ticket for the visitor's session, bound to `fingerprint`. Whether the visitor may enter
    /// is asked at the other host, at every request.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn hand_over_make(&self, ctx: &Ctx, visitor: &Visitor, fingerprint: &str) -> Result<Secret, Trouble> {
        let digest = token_hash(fingerprint);
        let parent = visitor.session.parent.unwrap_or(visitor.session.id);
        let value =
            [parent.uuid().as_bytes().as_slice(), visitor.user.id.uuid().as_bytes(), digest.as_bytes()].concat();
        self.ticket_make(ctx, TicketKind::HandOver, &value, TICKET_TTL).await
    }

    /// Takes a ticket. `None` when it is over, was taken, came with another state, or the session
    /// has ended meanwhile.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn hand_over_take(
        &self,
        ctx: &Ctx,
        ticket: &Secret,
        state: &Secret,
    ) -> Result<Option<SignedIn>, Trouble> {
        let Some(value) = self.ticket_take(ctx, TicketKind::HandOver, ticket).await? else { return Ok(None) };
        let Some((parent, rest)) = value.split_first_chunk::<ID_BYTES>() else { return Ok(None) };
        let Some((user, digest)) = rest.split_first_chunk::<ID_BYTES>() else { return Ok(None) };
        let fingerprint = hex(token_hash(state.expose()).as_bytes());
        let expected = token_hash(&fingerprint);
        if digest.len() != HASH_BYTES || verify_slices_are_equal(digest, expected.as_bytes()).is_err() {
            return Ok(None);
        }
        let parent = SessionId::from(Uuid::from_bytes(*parent));
        let user = Uuid::from_bytes(*user).into();
        let Some(parent) =
            self.store().sessions_of(user, ctx.now).await?.into_iter().find(|session| session.id == parent)
        else {
            return Ok(None);
        };
        self.hand_over_open(ctx, &parent).await
    }

    async fn hand_over_open(&self, ctx: &Ctx, parent: &Session) -> Result<Option<SignedIn>, Trouble> {
        let mut tx = self.store().begin().await?;
        if standing(ctx, &mut tx, parent.user, parent.generation).await?.is_none() {
            return Ok(None);
        }
        let session = Session {
            id: ctx.id(),
            parent: Some(parent.id),
            created_at: ctx.now,
            seen_at: ctx.now,
            address: ctx.address,
            agent: ctx.agent.as_deref().map(ToOwned::to_owned),
            // Administering ends with idle time, also where signing in is remembered.
            remembered: false,
            ..parent.clone()
        };
        let signed_in = match self.session_write(ctx, &mut tx, session).await {
            // Signed out in another window a moment ago.
            Err(Trouble::Store(ostiary_store::Error::Orphan)) => return Ok(None),
            other => other?,
        };
        self.commit(ctx, tx).await?;
        Ok(Some(signed_in))
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
