//! Tokens: random texts that open something, and their fingerprints.
//!
//! 256 bits of chance in base64url, after a prefix that tells a person (and a secret scanner)
//! what it is. Only the SHA-256 is ever stored; with so much chance in it a slow hash would add
//! nothing.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ostiary_model::{Ctx, Secret, Span, TokenHash};
use ostiary_store::TicketHome;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::seal::Purpose;
use crate::{App, Trouble};

/// Longer ones are not ours and are not hashed.
const MAX_LENGTH: usize = 256;

/// A new token that begins with `prefix`.
pub(crate) fn new_token(ctx: &Ctx, prefix: &str) -> Secret {
    let mut text = String::with_capacity(prefix.len() + 43);
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(ctx.bytes::<32>(), &mut text);
    Secret::new(text)
}

/// The fingerprint under which a token is stored.
pub(crate) fn token_hash(token: &str) -> TokenHash {
    let text = if token.len() > MAX_LENGTH { "" } else { token };
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    TokenHash::new(bytes)
}

/// What a ticket is for. One for something else is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TicketKind {
    /// Setting up an authenticator app.
    TotpCeremony,
    /// A sign-in on its way from one host to the other.
    HandOver,
}

impl TicketKind {
    /// The fingerprint under which a ticket of this kind is kept.
    fn hash(self, token: &Secret) -> TokenHash {
        let kind = match self {
            Self::TotpCeremony => "totp ceremony",
            Self::HandOver => "hand-over",
        };
        token_hash(&Zeroizing::new(format!("{kind}:{}", token.expose())))
    }
}

impl App {
    /// Keeps `value` for `ttl` and gives the token that takes it, once. The token says where it
    /// lives: see [`TicketHome`]. The value is sealed for this token: whoever can write to the
    /// cache can neither read nor make one.
    pub(crate) async fn ticket_make(
        &self,
        ctx: &Ctx,
        kind: TicketKind,
        value: &[u8],
        ttl: Span,
    ) -> Result<Secret, Trouble> {
        match self.ticket_put(ctx, TicketHome::Cache, (kind, value), ttl).await {
            Ok(token) => Ok(token),
            Err(_) => self.ticket_put(ctx, TicketHome::Database, (kind, value), ttl).await,
        }
    }

    async fn ticket_put(
        &self,
        ctx: &Ctx,
        home: TicketHome,
        (kind, value): (TicketKind, &[u8]),
        ttl: Span,
    ) -> Result<Secret, Trouble> {
        let token = new_token(ctx, home_prefix(home));
        let hash = kind.hash(&token);
        let sealed = self.vault.seal(ctx, Purpose::Ticket, row_of(&hash), value)?;
        self.store().ticket_put(home, &hash, sealed, ctx.now, ttl).await?;
        Ok(token)
    }

    /// What the ticket holds, left where it is.
    pub(crate) async fn ticket_peek(&self, ctx: &Ctx, kind: TicketKind, token: &Secret) -> Result<Opened, Trouble> {
        let Some(home) = home_of(token) else { return Ok(None) };
        let hash = kind.hash(token);
        let sealed = self.store().ticket_peek(home, &hash, ctx.now).await?;
        Ok(self.ticket_open(&hash, sealed))
    }

    /// Takes what the ticket holds, once.
    pub(crate) async fn ticket_take(&self, ctx: &Ctx, kind: TicketKind, token: &Secret) -> Result<Opened, Trouble> {
        let Some(home) = home_of(token) else { return Ok(None) };
        let hash = kind.hash(token);
        let sealed = self.store().ticket_take(home, &hash, ctx.now).await?;
        Ok(self.ticket_open(&hash, sealed))
    }

    /// What was not sealed by us is no ticket.
    fn ticket_open(&self, hash: &TokenHash, sealed: Option<Vec<u8>>) -> Opened {
        self.vault.open(Purpose::Ticket, row_of(hash), &sealed?).ok()
    }
}

/// What a ticket held.
pub(crate) type Opened = Option<Zeroizing<Vec<u8>>>;

/// What a ticket's value is bound to: half of its fingerprint.
fn row_of(hash: &TokenHash) -> Uuid {
    let (half, _) = hash.as_bytes().split_at(16);
    Uuid::from_slice(half).unwrap_or_default()
}

const fn home_prefix(home: TicketHome) -> &'static str {
    match home {
        TicketHome::Cache => "c",
        TicketHome::Database => "d",
    }
}

fn home_of(token: &Secret) -> Option<TicketHome> {
    match token.expose().as_bytes().first() {
        Some(b'c') => Some(TicketHome::Cache),
        Some(b'd') => Some(TicketHome::Database),
        _ => None,
    }
}
