//! Who is at the door now, and whether an account may still have what it was given.
//!
//! Two questions with one meaning. [`standing`] asks the row in the database, inside the
//! transaction that hands something out. [`App::bound`] asks the directory in memory and is for
//! doors that only show something; it hears of a change as soon as it is committed here, and
//! within a second when another process committed it (as long as the database can be reached).
//! Pages hear of it at once: [`App::session`] looks for changes first.

use std::sync::Arc;

use ostiary_model::{Ctx, Generation, Level, Role, Session, Timestamp, User, UserId};
use ostiary_store::Tx;

use crate::tokens::token_hash;
use crate::{App, Trouble};

/// A person at the door: a session that holds at this moment.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The session.
    pub session: Session,
    /// The person.
    pub user: Arc<User>,
    /// What they may do.
    pub role: Role,
}

impl Visitor {
    /// Whether this visitor must still prove a second factor to see their own account: those who
    /// set one up are never let in without it.
    #[must_use]
    pub fn owes_second_factor(&self) -> bool {
        self.user.has_totp && self.session.methods.level() < Level::TwoFactor
    }
}

/// The account, if it exists, is open, and is of the generation that whatever it holds was made
/// under. Every grant of access goes through here, in the transaction that grants.
pub(crate) async fn standing(tx: &mut Tx, user: UserId, generation: Generation) -> Result<Option<User>, Trouble> {
    let user = tx.user_by_id(user).await?;
    Ok(user.filter(|user| holds(user, generation)))
}

fn holds(user: &User, generation: Generation) -> bool {
    !user.state.is_disabled() && user.generation == generation
}

impl App {
    /// [`standing`] for doors that hand out nothing but an answer: asks the row, outside any
    /// transaction.
    pub(crate) async fn standing_now(&self, user: UserId, generation: Generation) -> Result<Option<User>, Trouble> {
        let user = self.store().user_by_id(user).await?;
        Ok(user.filter(|user| holds(user, generation)))
    }

    /// The account behind an identity that was proved earlier (an LDAP bind, a session), if that
    /// still holds.
    #[must_use]
    pub fn bound(&self, user: UserId, generation: Generation) -> Option<(Arc<User>, Role)> {
        let user = self.directory().user(user).filter(|user| holds(user, generation))?;
        let role = self.directory().role(user.id);
        Some((user, role))
    }

    /// The visitor whose browser sent `cookie`, if the session holds.
    ///
    /// # Errors
    /// [`Trouble`] when the store does not answer.
    pub async fn session(&self, ctx: &Ctx, cookie: &str) -> Result<Option<Visitor>, Trouble> {
        let token = token_hash(cookie);
        let Some(session) = self.store().session_by_token(&token, ctx.now).await? else {
            return Ok(None);
        };
        if self.is_idle(&session, ctx.now) {
            return Ok(None);
        }
        // Cheap, one number: what another process has committed holds from the next request on.
        self.directory().catch_up(self.store()).await?;
        let Some((user, role)) = self.bound(session.user, session.generation) else { return Ok(None) };
        // A note for later. That it could not be made is no reason to turn anybody away.
        if let Err(error) = self.store().session_seen(&token, &session, ctx.now).await {
            tracing::warn!(%error, "the use of a session could not be noted");
        }
        Ok(Some(Visitor { session, user, role }))
    }

    pub(crate) fn is_idle(&self, session: &Session, now: Timestamp) -> bool {
        !session.remembered && now.since(session.seen_at) > self.settings().session.idle
    }
}
