//! The second factor: setting up an authenticator app and checking its codes (RFC 6238).
//!
//! SHA-1, six figures, thirty seconds: what every app can do. A code is taken from the step now
//! and one on either side, and each step once. Setting up is a ceremony: the secret waits, sealed,
//! under a ticket that only this session can use, until a code proves that the app has it.

use data_encoding::BASE32_NOPAD;
use ostiary_model::{AuthMethod, Ctx, Secret, SessionId, Span, Timestamp, User};
use ostiary_store::Tx;
use thiserror::Error;
use totp_rs::{Builder, Totp};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::access::{Visitor, standing};
use crate::seal::Purpose;
use crate::sessions::{Opened, Opening};
use crate::sign_in::SignedIn;
use crate::throttle::{CODES_WINDOW, Counted, Guess, Suspect, Throttle};
use crate::tokens::TicketKind;
use crate::{App, Trouble};

/// How long after the password an app may be begun to be set up.
const FRESH: Span = Span::from_mins(15);
/// How long somebody may take to set up an app.
const CEREMONY: Span = Span::from_mins(15);
/// 160 bits (RFC 4226 section 4, R6).
const SECRET_BYTES: usize = 20;
const SESSION_ID_BYTES: usize = 16;

/// An authenticator app about to be set up.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Stands for the ceremony in the form.
    pub ticket: Secret,
    /// The secret in base32, for typing.
    pub secret: Secret,
    /// The `otpauth:` address, for the QR code.
    pub url: Secret,
}

/// Why a code was not taken.
#[derive(Debug, Error)]
pub enum CodeError {
    /// It is not the code, or it was used before.
    #[error("the code is not right")]
    Rejected {
        /// How many more tries there are from here before a pause.
        left: u32,
    },
    /// Too many tries: nothing was looked at.
    #[error("codes are paused after too many tries")]
    Paused {
        /// The pause ends after this time at the latest.
        left: Span,
    },
    /// The account has no authenticator app.
    #[error("no authenticator app is set up")]
    NotSetUp,
    /// The account has one already.
    #[error("an authenticator app is set up already")]
    AlreadySetUp,
    /// The ceremony is over, was finished, or belongs to another session.
    #[error("setting up took too long")]
    Expired,
    /// The password was typed too long ago to set up an app now.
    #[error("signing in was too long ago")]
    SignInAgain,
    /// The person's access ended meanwhile.
    #[error("the session has ended")]
    SessionOver,
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<ostiary_store::Error> for CodeError {
    fn from(error: ostiary_store::Error) -> Self {
        Self::Trouble(error.into())
    }
}

impl App {
    /// Checks a code of the visitor's authenticator app. The answer is a new session, of two
    /// factors, in place of the old one.
    ///
    /// # Errors
    /// [`CodeError`].
    pub async fn code_check(&self, ctx: &Ctx, visitor: &Visitor, code: &Secret) -> Result<SignedIn, CodeError> {
        let user = &visitor.user;
        let record = self.store().totp(user.id).await?.ok_or(CodeError::NotSetUp)?;
        let counted = self.code_guess(ctx, user, Some(record.created_at)).await?;
        let secret = self.vault.open(Purpose::Totp, user.id.uuid(), &record.secret_sealed)?;
        let Some(step) = matching_step(&secret, code, ctx) else { return Err(self.code_wrong(ctx, user, &counted)) };
        let mut tx = self.store().begin().await?;
        // In the order that administrators write in, or two of them would wait for each other.
        tx.directory_lock().await?;
        let user = standing(ctx, &mut tx, user.id, visitor.session.generation).await?.ok_or(CodeError::SessionOver)?;
        if !tx.totp_spend(user.id, step, ctx.now).await? {
            return Err(self.code_wrong(ctx, &user, &counted));
        }
        let opened = self.session_open_with_totp(ctx, &mut tx, &user, visitor).await?;
        tx.user_signed_in(user.id, ctx.now).await?;
        let signed_in = self.session_opened(ctx, tx, opened).await?;
        self.guess_was_right(ctx, &counted).await?;
        tracing::info!(target: "audit", request = %ctx.request, account = %user.id, address = ?ctx.address, "signed in, second step");
        Ok(signed_in)
    }

    /// Begins to set up an authenticator app for the visitor, who must have typed their password a
    /// moment ago: a session that somebody took over must not become one of two factors.
    ///
    /// # Errors
    /// [`CodeError::AlreadySetUp`], [`CodeError::SignInAgain`], [`CodeError::Trouble`].
    pub async fn totp_begin(&self, ctx: &Ctx, visitor: &Visitor) -> Result<Enrolment, CodeError> {
        if visitor.user.has_totp {
            return Err(CodeError::AlreadySetUp);
        }
        if ctx.now.since(visitor.session.authenticated_at) > FRESH {
            return Err(CodeError::SignInAgain);
        }
        let secret = Zeroizing::new(ctx.bytes::<SECRET_BYTES>());
        let value = Zeroizing::new([visitor.session.id.uuid().as_bytes().as_slice(), secret.as_slice()].concat());
        let ticket = self.ticket_make(ctx, TicketKind::TotpCeremony, &value, CEREMONY).await?;
        Ok(self.enrolment(ticket, secret.as_slice(), &visitor.user)?)
    }

    /// The ceremony under `ticket` once more, to try again after a wrong code. `None` when it is
    /// over or not this session's.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn totp_resume(
        &self,
        ctx: &Ctx,
        visitor: &Visitor,
        ticket: &Secret,
    ) -> Result<Option<Enrolment>, Trouble> {
        let value = self.ticket_peek(ctx, TicketKind::TotpCeremony, ticket).await?;
        let Some(secret) = ceremony_secret(visitor, value) else { return Ok(None) };
        self.enrolment(ticket.clone(), &secret, &visitor.user).map(Some)
    }

    /// Finishes setting up with a code from the app. The answer is a new session, of two factors.
    ///
    /// # Errors
    /// [`CodeError`].
    pub async fn totp_confirm(
        &self,
        ctx: &Ctx,
        visitor: &Visitor,
        ticket: &Secret,
        code: &Secret,
    ) -> Result<SignedIn, CodeError> {
        let user = &visitor.user;
        let counted = self.code_guess(ctx, user, None).await?;
        let value = self.ticket_peek(ctx, TicketKind::TotpCeremony, ticket).await?;
        let secret = ceremony_secret(visitor, value).ok_or(CodeError::Expired)?;
        let Some(step) = matching_step(&secret, code, ctx) else { return Err(self.code_wrong(ctx, user, &counted)) };
        self.ticket_take(ctx, TicketKind::TotpCeremony, ticket).await?.ok_or(CodeError::Expired)?;
        let sealed = self.vault.seal(ctx, Purpose::Totp, user.id.uuid(), &secret)?;
        let mut tx = self.store().begin().await?;
        tx.directory_lock().await?;
        let user = standing(ctx, &mut tx, user.id, visitor.session.generation).await?.ok_or(CodeError::SessionOver)?;
        if !tx.totp_insert(user.id, &sealed, step, ctx.now).await? {
            return Err(CodeError::AlreadySetUp);
        }
        let opened = self.session_open_with_totp(ctx, &mut tx, &user, visitor).await?;
        tx.user_signed_in(user.id, ctx.now).await?;
        self.notice_factor_added(ctx, &mut tx, &user).await?;
        let signed_in = self.session_opened(ctx, tx, opened).await?;
        self.guess_was_right(ctx, &counted).await?;
        tracing::info!(target: "audit", request = %ctx.request, user = %user.id, "authenticator app set up");
        Ok(signed_in)
    }

    /// Writes the session of two factors in place of the visitor's. Whoever signed out meanwhile
    /// stays out.
    async fn session_open_with_totp(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        user: &User,
        visitor: &Visitor,
    ) -> Result<Opened, CodeError> {
        let replaces = tx.session_delete(visitor.session.id).await?;
        if replaces.is_empty() {
            return Err(CodeError::SessionOver);
        }
        let opening = Opening {
            methods: visitor.session.methods.with(AuthMethod::Totp),
            authenticated_at: visitor.session.authenticated_at,
            remembered: visitor.session.remembered,
            replaces,
        };
        Ok(self.session_open(ctx, tx, user, opening).await?)
    }

    /// Counts a guess at a code of the app that was set up at `since`; of one that is being set up
    /// where it is `None`.
    async fn code_guess(&self, ctx: &Ctx, user: &User, since: Option<Timestamp>) -> Result<Counted, CodeError> {
        match self.guess(ctx, Guess::Code, &Suspect::Authenticator(user.id, since)).await? {
            Throttle::Go(counted) => Ok(counted),
            Throttle::Paused => Err(CodeError::Paused { left: self.settings().lockout.window }),
            // Too many came from everywhere.
            Throttle::Silent { .. } => Err(CodeError::Paused { left: CODES_WINDOW }),
        }
    }

    fn code_wrong(&self, ctx: &Ctx, user: &User, counted: &Counted) -> CodeError {
        tracing::info!(target: "audit", request = %ctx.request, user = %user.id, address = ?ctx.address, "code refused");
        CodeError::Rejected { left: counted.left }
    }

    fn enrolment(&self, ticket: Secret, secret: &[u8], user: &User) -> Result<Enrolment, Trouble> {
        // A colon parts issuer and account in the address, so neither may hold one.
        let issuer = self.settings().site.org_name.replace(':', " ");
        let url = Builder::new()
            .with_secret(secret.to_vec())
            .with_issuer(Some(issuer))
            .with_account_name(user.profile.username.as_str())
            .build()
            .and_then(|totp| totp.to_url())
            .map_err(|_| Trouble::Crypto("the authenticator secret could not be written as an address"))?;
        Ok(Enrolment { ticket, secret: Secret::new(BASE32_NOPAD.encode(secret)), url: Secret::new(url) })
    }
}

/// The secret of a ceremony, if it is this session's.
fn ceremony_secret(visitor: &Visitor, value: Option<Zeroizing<Vec<u8>>>) -> Option<Zeroizing<Vec<u8>>> {
    let value = value?;
    let (session, secret) = value.split_first_chunk::<SESSION_ID_BYTES>()?;
    let is_own = SessionId::from(Uuid::from_bytes(*session)) == visitor.session.id;
    is_own.then(|| Zeroizing::new(secret.to_vec()))
}

/// The time step that `code` belongs to, if it is one of the three that may be used now. Blanks
/// in the code do not matter.
fn matching_step(secret: &[u8], code: &Secret, ctx: &Ctx) -> Option<i64> {
    let figures = Zeroizing::new(code.expose().chars().filter(|c| !c.is_whitespace()).take(9).collect::<String>());
    if figures.len() != 6 || !figures.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = u64::try_from(ctx.now.as_secs()).ok()?;
    totp(secret).check(&figures, seconds).and_then(|step| i64::try_from(step).ok())
}

fn totp(secret: &[u8]) -> Totp {
    Builder::new().with_secret(secret.to_vec()).build_noncompliant()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ostiary_model::{Actor, Entropy};

    use super::*;

    struct Zero;

    impl Entropy for Zero {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0);
        }
    }

    fn at(seconds: i64) -> Ctx {
        Ctx::new(Timestamp::from_secs(seconds), Actor::Anonymous, Arc::new(Zero))
    }

    fn code(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// RFC 6238 appendix B, the SHA-1 rows, cut to six figures.
    #[test]
    fn the_vectors_of_rfc_6238() {
        let secret = b"12345678901234567890";
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(matching_step(secret, &code(expected), &at(seconds)), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn one_step_of_skew_on_either_side_and_no_more() {
        let secret = b"12345678901234567890";
        let taken = |seconds| matching_step(secret, &code("081804"), &at(seconds)).is_some();
        let step = 1_111_111_109 / 30 * 30;
        assert!(taken(step - 30) && taken(step) && taken(step + 59));
        assert!(!taken(step - 31) && !taken(step + 60));
    }

    #[test]
    fn only_six_figures_are_a_code() {
        let secret = b"12345678901234567890";
        assert!(matching_step(secret, &code(" 287 082 "), &at(59)).is_some());
        for bad in ["", "28708", "2870822", "28708a", "２８７０８２", "-87082", "+28708"] {
            assert_eq!(matching_step(secret, &code(bad), &at(59)), None, "{bad:?}");
        }
    }
}
