//! Which app passwords are known to be there, for connections that were bound with one, and when
//! they were used, until that is written down.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ostiary_model::{Actor, AppPassword, AppPasswordId, Ctx, Span, Timestamp, UserId};

use crate::{App, Trouble};

/// How long what the store said counts.
const FRESH: Span = Span::from_secs(1);
/// How exactly the last use is known.
const USE_STEP: Span = Span::from_mins(5);
/// What was seen longer ago than this is swept out, when there are more than [`SWEEP`]. No
/// operation takes as long.
const STALE: Span = Span::from_mins(10);
const SWEEP: usize = 1024;

/// What this process knows of app passwords.
#[derive(Default)]
pub(crate) struct AppPasswords {
    seen: Mutex<HashMap<AppPasswordId, Seen>>,
    uses: Mutex<HashMap<AppPasswordId, (Option<IpAddr>, Timestamp)>>,
}

#[derive(Clone, Copy)]
struct Seen {
    at: Timestamp,
    /// Once it is not there it never is again: somebody who asked the store before the revocation
    /// and comes back after it changes nothing.
    is_there: bool,
}

impl AppPasswords {
    fn seen(&self) -> MutexGuard<'_, HashMap<AppPasswordId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was there when it was last looked for.
    pub(crate) fn is_live(&self, id: AppPasswordId) -> bool {
        self.seen().get(&id).is_some_and(|seen| seen.is_there)
    }

    fn is_known(&self, id: AppPasswordId, now: Timestamp) -> bool {
        let seen = self.seen().get(&id).copied();
        seen.is_some_and(|seen| !seen.is_there || (seen.at <= now && now.since(seen.at) < FRESH))
    }

    fn saw(&self, id: AppPasswordId, is_there: bool, at: Timestamp) {
        let mut all = self.seen();
        if all.len() > SWEEP {
            all.retain(|_, seen| at.since(seen.at) < STALE);
        }
        let seen = all.entry(id).or_insert(Seen { at, is_there });
        *seen = Seen { at, is_there: is_there && seen.is_there };
    }

    /// It was revoked, and is dead from here on.
    pub(crate) fn ended(&self, id: AppPasswordId, now: Timestamp) {
        self.saw(id, false, now);
    }

    fn forget(&self, id: AppPasswordId) {
        self.seen().remove(&id);
    }

    /// Notes a use, to be written down by [`App::app_passwords_note`].
    pub(super) fn used(&self, password: &AppPassword, ctx: &Ctx) {
        self.saw(password.id, true, ctx.now);
        if password.last_used_at.is_none_or(|last| ctx.now.since(last) >= USE_STEP) {
            let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
            uses.insert(password.id, (ctx.address, ctx.now));
        }
    }
}

impl App {
    /// Looks whether an app password is still there, when that is not known. What cannot be asked
    /// for does not hold: the connection ends, and may bind again.
    pub(crate) async fn app_password_look(&self, id: AppPasswordId, owner: UserId) {
        let now = self.clock.now();
        if self.app_passwords.is_known(id, now) {
            return;
        }
        match self.store().app_passwords_of(owner).await {
            Ok(all) => self.app_passwords.saw(id, all.iter().any(|password| password.id == id), now),
            Err(error) => {
                tracing::warn!(%error, "it could not be asked whether an app password is still there");
                self.app_passwords.forget(id);
            }
        }
    }

    /// Writes down when app passwords were used: nobody who binds waits for that.
    ///
    /// # Errors
    /// [`Trouble`]; the uses are forgotten then.
    pub async fn app_passwords_note(&self) -> Result<(), Trouble> {
        let uses = std::mem::take(&mut *self.app_passwords.uses.lock().unwrap_or_else(PoisonError::into_inner));
        if uses.is_empty() {
            return Ok(());
        }
        let ctx = self.ctx(Actor::Server);
        let mut tx = self.store().begin().await?;
        for (id, (address, at)) in uses {
            tx.app_password_used(id, address, at).await?;
        }
        self.commit(&ctx, tx).await
    }
}
