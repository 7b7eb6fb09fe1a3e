//! Numbers of people and groups in POSIX systems (RFC 2307): given from the range of the settings,
//! or chosen by an administrator.

use std::sync::atomic::{AtomicBool, Ordering};

use ostiary_model::{Ctx, User};
use ostiary_store::Tx;

use super::{AdminError, PersonChange};
use crate::{App, Trouble};

/// The largest number that stands for somebody: the next one means "nobody" to system calls.
pub(crate) const LAST_POSIX_NUMBER: i64 = 4_294_967_294;

/// Whether it was said already that no number is left.
#[derive(Debug, Default)]
pub(crate) struct PosixWarning(AtomicBool);

impl App {
    /// The next number, if one is left.
    pub(super) async fn posix_next(&self, tx: &mut Tx) -> Result<Option<i64>, Trouble> {
        let range = &self.settings().posix;
        let number = tx.posix_number_take(range.first, range.last).await?;
        if number.is_none() && !self.posix_warning.0.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                first = range.first,
                last = range.last,
                "no uidNumber and gidNumber is left: new accounts and groups get none; widen [posix] first and last"
            );
        }
        Ok(number)
    }

    /// Gives numbers to those who came while none was left, as far as there are some now.
    pub(crate) async fn posix_make_up(&self, ctx: &Ctx) -> Result<(), Trouble> {
        let mut tx = self.change_begin().await?;
        for group in tx.groups_without_number().await? {
            let Some(number) = self.posix_next(&mut tx).await? else { break };
            tx.group_set_gid(group, number, ctx.now).await?;
        }
        for (user, gid) in tx.users_without_number().await? {
            let Some(number) = self.posix_next(&mut tx).await? else { break };
            tx.user_set_posix(user, Some(number), gid, ctx.now).await?;
        }
        self.commit(ctx, tx).await
    }
}

/// Checks a number that somebody chose. Zero is root's.
pub(super) fn number_checked(attribute: &str, number: i64) -> Result<i64, AdminError> {
    if (1..=LAST_POSIX_NUMBER).contains(&number) {
        return Ok(number);
    }
    Err(AdminError::Form { attribute: attribute.to_owned(), why: "the number is not between 1 and 4294967294" })
}

/// Writes the numbers of a person that `change` names.
pub(super) async fn person_write(ctx: &Ctx, tx: &mut Tx, user: &User, change: &PersonChange) -> Result<(), AdminError> {
    let uid = match change.uid_number {
        Some(number) => Some(number_checked("uidNumber", number)?),
        None => user.uid_number,
    };
    let gid = match change.gid_number {
        Some(Some(number)) => Some(number_checked("gidNumber", number)?),
        Some(None) => None,
        None => user.gid_number,
    };
    if (uid, gid) != (user.uid_number, user.gid_number) {
        tx.user_set_posix(user.id, uid, gid, ctx.now).await?;
    }
    Ok(())
}
