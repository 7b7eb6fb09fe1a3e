//! Opening, replacing and ending sessions.

use ostiary_model::{AuthMethods, Ctx, Session, Timestamp, TokenHash, User};
use ostiary_store::{NewSession, Tx};

use crate::sign_in::SignedIn;
use crate::tokens::{new_token, token_hash};
use crate::{App, Trouble};

/// How long a name in `User-Agent` may be.
const AGENT_MAX: usize = 256;

/// What kind of session to open.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) methods: AuthMethods,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) remembered: bool,
    /// The cookies of the session that this one takes the place of, deleted in the same
    /// transaction: a proof of more changes the cookie, so that a planted one is worth nothing
    /// (session fixation).
    pub(crate) replaces: Vec<TokenHash>,
}

/// A session that is written but not committed, and the cookies that end with it.
pub(crate) struct Opened {
    signed_in: SignedIn,
    ended: Vec<TokenHash>,
}

impl App {
    /// Writes a new session of `user`, whose standing the caller has asked in `tx`.
    pub(crate) async fn session_open(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        user: &User,
        opening: Opening,
    ) -> Result<Opened, Trouble> {
        let settings = self.settings().session;
        let lifetime = if opening.remembered { settings.remembered } else { settings.lifetime };
        let session = Session {
            id: ctx.id(),
            parent: None,
            user: user.id,
            generation: user.generation,
            methods: opening.methods,
            authenticated_at: opening.authenticated_at,
            created_at: ctx.now,
            expires_at: ctx.now + lifetime,
            seen_at: ctx.now,
            remembered: opening.remembered,
            address: ctx.address,
            agent: ctx.agent.as_deref().map(|agent| agent.chars().take(AGENT_MAX).collect()),
        };
        let signed_in = self.session_write(ctx, tx, session).await?;
        Ok(Opened { signed_in, ended: opening.replaces })
    }

    /// Writes `session` under a new cookie.
    pub(crate) async fn session_write(&self, ctx: &Ctx, tx: &mut Tx, session: Session) -> Result<SignedIn, Trouble> {
        let token = new_token(ctx, "ost_ss_");
        tx.session_insert(&NewSession { token: token_hash(token.expose()), session: &session }).await?;
        Ok(SignedIn { token, session })
    }

    /// Commits and gives the cookie out.
    pub(crate) async fn session_opened(&self, ctx: &Ctx, tx: Tx, opened: Opened) -> Result<SignedIn, Trouble> {
        self.store().sessions_forget(&opened.ended, ctx.now).await;
        self.commit(ctx, tx).await?;
        self.store().sessions_forget(&opened.ended, ctx.now).await;
        Ok(opened.signed_in)
    }

    /// Ends the session and, when it is one of the directory host, the sign-in that it hangs
    /// from: signing out is signing out of everything in this browser.
    ///
    /// # Errors
    /// [`Trouble`] when the store does not answer: the session may still be open then.
    pub async fn sign_out(&self, ctx: &Ctx, session: &Session) -> Result<(), Trouble> {
        self.store().session_end(session.parent.unwrap_or(session.id), ctx.now).await?;
        self.audit(ctx, "signed out", session.user);
        Ok(())
    }
}
