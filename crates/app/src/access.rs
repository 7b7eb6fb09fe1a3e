//! Who is at the door now, and whether an account may still have what it was given.
//!
//! Two questions with one meaning. [`standing`] asks the row in the database, inside the
//! transaction that hands something out. [`App::bound`] asks the directory in memory and is for
//! doors that only show something; it hears of a change as soon as it is committed here, and
//! within a second when another process committed it (as long as the database can be reached).
//! Pages hear of it at once: [`App::session`] looks for changes first. What of the panel a visitor
//! sees is asked of [`App::panel_access`].

use std::sync::Arc;

use ostiary_model::{Action, Ctx, Generation, Group, Level, Role, Session, Timestamp, User, UserId, may};
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
        owes_second_factor(&self.user, &self.session)
    }
}

/// A part of the panel.
#[derive(Debug, Clone)]
pub enum PanelPart {
    /// All of it: for administrators.
    Whole,
    /// Who is in these groups, and nothing else: for those who manage them. By name, one at least.
    Groups(Vec<Arc<Group>>),
}

/// What of the panel somebody may see.
#[derive(Debug, Clone)]
pub enum PanelAccess {
    /// Nothing.
    Closed,
    /// This part, once they have proved a second factor.
    OwesSecondFactor(PanelPart),
    /// This part, now.
    Open(PanelPart),
}

/// Whether the account has a second factor and the session has not proved it.
pub(crate) fn owes_second_factor(user: &User, session: &Session) -> bool {
    user.has_totp && session.methods.level() < Level::TwoFactor
}

/// The account, if it exists, is open at this moment, and is of the generation that whatever it
/// holds was made under. Every grant of access goes through here, in the transaction that grants.
pub(crate) async fn standing(
    ctx: &Ctx,
    tx: &mut Tx,
    user: UserId,
    generation: Generation,
) -> Result<Option<User>, Trouble> {
    let user = tx.user_by_id(user).await?;
    Ok(user.filter(|user| holds(user, generation, ctx.now)))
}

/// Whether what was made under `generation` still belongs to an account that may be used at `now`.
/// Expiry is asked here, at each use: nothing happens to an account when its time is over.
pub(crate) fn holds(user: &User, generation: Generation, now: Timestamp) -> bool {
    user.is_open(now) && user.generation == generation
}

/// Whether the account may be used on pages and in applications: a program's may not.
pub(crate) const fn may_sign_in(user: &User) -> bool {
    !user.is_service
}

impl App {
    /// [`standing`] for doors that hand out nothing but an answer: asks the row, outside any
    /// transaction.
    pub(crate) async fn standing_now(
        &self,
        ctx: &Ctx,
        user: UserId,
        generation: Generation,
    ) -> Result<Option<User>, Trouble> {
        let user = self.store().user_by_id(user).await?;
        Ok(user.filter(|user| holds(user, generation, ctx.now)))
    }

    /// The account behind an identity that was proved earlier (an LDAP bind, a session), if that
    /// still holds at this moment.
    #[must_use]
    pub fn bound(&self, user: UserId, generation: Generation) -> Option<(Arc<User>, Role)> {
        let now = self.clock.now();
        let user = self.directory().user(user).filter(|user| holds(user, generation, now))?;
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
        let found = self.bound(session.user, session.generation);
        let Some((user, role)) = found.filter(|(user, _)| may_sign_in(user)) else { return Ok(None) };
        // A note for later. That it could not be made is no reason to turn anybody away.
        if let Err(error) = self.store().session_seen(&token, &session, ctx.now).await {
            tracing::warn!(%error, "the use of a session could not be noted");
        }
        Ok(Some(Visitor { session, user, role }))
    }

    /// What of the panel `visitor` may see. It takes two steps; the verbs ask for them again, in
    /// their own transactions.
    #[must_use]
    pub fn panel_access(&self, visitor: &Visitor) -> PanelAccess {
        let part = if may(visitor.user.id, visitor.role, Action::Administer).is_ok() {
            PanelPart::Whole
        } else {
            let mut groups = self.directory().managed_by(visitor.user.id);
            // Whoever puts people into a group that rights hang from gives rights: not for managers.
            groups.retain(|group| !self.directory().has_rights(group));
            if groups.is_empty() {
                return PanelAccess::Closed;
            }
            PanelPart::Groups(groups)
        };
        match visitor.session.methods.level() {
            Level::TwoFactor => PanelAccess::Open(part),
            Level::None | Level::OneFactor => PanelAccess::OwesSecondFactor(part),
        }
    }

    pub(crate) fn is_idle(&self, session: &Session, now: Timestamp) -> bool {
        !session.remembered && now.since(session.seen_at) > self.settings().session.idle
    }
}
