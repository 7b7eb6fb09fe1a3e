//! What must never happen, whoever asks and by whichever way: that people lock themselves out, or
//! that no administrator is left.

use ostiary_model::{ADMIN_GROUP, Actor, Ctx, Role, UserId};
use ostiary_store::{Error as StoreError, InvitationKind, Tx};

use super::AdminError;
use super::rights::role_in;

const LAST_ADMINISTRATOR: AdminError =
    AdminError::Guard("This is the last administrator. Put somebody else into lldap_admin first");
pub(super) const OWN_ACCOUNT: AdminError =
    AdminError::Guard("This is your own account. Ask another administrator, so that nobody locks themselves out");
pub(super) const BUILT_IN: AdminError =
    AdminError::Guard("Rights hang from this group, so it can be neither renamed nor deleted");
pub(super) const BUILT_IN_INSIDE: AdminError =
    AdminError::Guard("Rights hang from this group, so it can be in no other group");
pub(super) const BUILT_IN_MANAGED: AdminError =
    AdminError::Guard("Rights hang from this group, so only administrators change who is in it");

/// How things stood before a change that may take an administrator away.
pub(crate) struct Guard {
    /// Whether the account that acts is an administrator.
    is_administrator: bool,
    /// Whether there is an administrator who must remain. The command line may go without: it can
    /// make another one, and the next start prints a link for one.
    must_remain: bool,
}

impl Guard {
    /// Looks at how things stand.
    pub(crate) async fn before(ctx: &Ctx, tx: &mut Tx) -> Result<Self, AdminError> {
        let is_administrator = match ctx.actor.user() {
            Some(user) => role_in(tx, user).await? == Role::Admin,
            None => false,
        };
        let must_remain = !matches!(ctx.actor, Actor::CommandLine) && administrator_lasts(ctx, tx).await?;
        Ok(Self { is_administrator, must_remain })
    }

    /// Looks again after the change.
    ///
    /// # Errors
    /// [`AdminError::Guard`] when the account that acts is no administrator any more, or nobody is.
    pub(crate) async fn after(self, ctx: &Ctx, tx: &mut Tx) -> Result<(), AdminError> {
        if self.must_remain && !administrator_lasts(ctx, tx).await? {
            return Err(LAST_ADMINISTRATOR);
        }
        match ctx.actor.user() {
            Some(user) if self.is_administrator && role_in(tx, user).await? != Role::Admin => Err(OWN_ACCOUNT),
            _ => Ok(()),
        }
    }
}

/// Whether somebody is left who can open the panel, today and without an end.
pub(crate) async fn administrator_lasts(ctx: &Ctx, tx: &mut Tx) -> Result<bool, StoreError> {
    Ok(!tx.group_lasting_members(ADMIN_GROUP, ctx.now).await?.is_empty())
}

/// The link for a first administrator ends as soon as there is one, however they came about.
pub(super) async fn withdraw_link(ctx: &Ctx, tx: &mut Tx) -> Result<(), AdminError> {
    if administrator_lasts(ctx, tx).await? {
        tx.invitations_withdraw(InvitationKind::FirstAdministrator).await?;
    }
    Ok(())
}

/// Nobody locks themselves out by a slip. The command line may: whoever has it can repair it.
pub(crate) fn not_oneself(ctx: &Ctx, whom: UserId) -> Result<(), AdminError> {
    if ctx.actor.user() == Some(whom) { Err(OWN_ACCOUNT) } else { Ok(()) }
}
