//! Who is in a group: people, and other groups with all who are in them; and who manages it.

use ostiary_model::{
    ADMIN_GROUP, Action, Ctx, GroupId, Member, Membership, Nesting, PASSWORD_MANAGER_GROUP, STRICT_READONLY_GROUP,
    UserId, is_built_in,
};
use ostiary_store::Tx;

use super::AdminError;
use super::group::group_at;
use super::guards::{BUILT_IN_INSIDE, BUILT_IN_MANAGED, Guard};
use super::rights::Acting;
use crate::App;

impl App {
    /// Puts a person into a group. False when they were in it already.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn member_add(&self, ctx: &Ctx, user: UserId, group: GroupId) -> Result<bool, AdminError> {
        let mut tx = self.members_begin(ctx, group).await?;
        let added = put_in(ctx, &mut tx, group, Member::User(user)).await?;
        if added {
            tx.group_touch(group, ctx.now).await?;
        }
        self.commit(ctx, tx).await?;
        if added {
            self.audit_member(ctx, "member added", Member::User(user), group);
        }
        Ok(added)
    }

    /// Takes a person out of a group. False when they were not in it.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn member_remove(&self, ctx: &Ctx, user: UserId, group: GroupId) -> Result<bool, AdminError> {
        let mut tx = self.members_begin(ctx, group).await?;
        let guard = Guard::before(ctx, &mut tx).await?;
        let removed = take_out(&mut tx, group, Member::User(user)).await?;
        if removed {
            tx.group_touch(group, ctx.now).await?;
        }
        guard.after(ctx, &mut tx).await?;
        self.commit(ctx, tx).await?;
        if removed {
            self.audit_member(ctx, "member removed", Member::User(user), group);
        }
        Ok(removed)
    }

    /// Puts a group with all who are in it into another. False when it was in it already.
    ///
    /// # Errors
    /// [`AdminError`]; [`AdminError::Cycle`] when the outer group is in the inner one.
    pub async fn nesting_add(&self, ctx: &Ctx, nesting: Nesting) -> Result<bool, AdminError> {
        let mut tx = self.directory_begin(ctx).await?;
        group_at(&mut tx, nesting.parent).await?;
        let added = put_in(ctx, &mut tx, nesting.parent, Member::Group(nesting.child)).await?;
        if added {
            tx.group_touch(nesting.parent, ctx.now).await?;
        }
        self.commit(ctx, tx).await?;
        if added {
            self.audit_member(ctx, "member added", Member::Group(nesting.child), nesting.parent);
        }
        Ok(added)
    }

    /// Takes a group out of another. False when it was not in it.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn nesting_remove(&self, ctx: &Ctx, nesting: Nesting) -> Result<bool, AdminError> {
        let mut tx = self.directory_begin(ctx).await?;
        let guard = Guard::before(ctx, &mut tx).await?;
        let removed = take_out(&mut tx, nesting.parent, Member::Group(nesting.child)).await?;
        if removed {
            tx.group_touch(nesting.parent, ctx.now).await?;
        }
        guard.after(ctx, &mut tx).await?;
        self.commit(ctx, tx).await?;
        if removed {
            self.audit_member(ctx, "member removed", Member::Group(nesting.child), nesting.parent);
        }
        Ok(removed)
    }

    /// Lets somebody put people into a group and take them out. False when they did already.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn manager_add(&self, ctx: &Ctx, group: GroupId, user: UserId) -> Result<bool, AdminError> {
        let mut tx = self.directory_begin(ctx).await?;
        if group_at(&mut tx, group).await?.is_built_in() {
            return Err(BUILT_IN_MANAGED);
        }
        tx.user_by_id(user).await?.ok_or(AdminError::NoSuchPerson)?;
        let added = tx.manager_insert(group, user, ctx.now).await?;
        self.commit(ctx, tx).await?;
        if added {
            self.audit_member(ctx, "manager added", Member::User(user), group);
        }
        Ok(added)
    }

    /// Lets somebody manage a group no longer. False when they did not.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn manager_remove(&self, ctx: &Ctx, group: GroupId, user: UserId) -> Result<bool, AdminError> {
        let mut tx = self.directory_begin(ctx).await?;
        let removed = tx.manager_delete(group, user).await?;
        self.commit(ctx, tx).await?;
        if removed {
            self.audit_member(ctx, "manager removed", Member::User(user), group);
        }
        Ok(removed)
    }

    /// Turns away who neither administers nor manages `group`, by what is in memory.
    pub(super) fn members_early(&self, ctx: &Ctx, group: GroupId) -> Result<(), AdminError> {
        let manages = |user| self.directory().managed_by(user).iter().any(|managed| managed.id == group);
        let is_manager = ctx.actor.user().is_some_and(manages);
        self.early(ctx, Action::ChangeMembers { is_manager })
    }

    /// A transaction of somebody who may change who is in `group`, which is there.
    async fn members_begin(&self, ctx: &Ctx, group: GroupId) -> Result<Tx, AdminError> {
        self.members_early(ctx, group)?;
        let mut tx = self.change_begin().await?;
        let acting = self.acting(ctx, &mut tx).await?;
        if acting.may(Action::Administer).is_err() {
            managed(&acting, &mut tx, group).await?;
        }
        group_at(&mut tx, group).await?;
        Ok(tx)
    }
}

/// Whether whoever acts manages `group`. What rights hang from is not for managers, also not
/// through other groups: they would give rights that they do not have.
pub(super) async fn managed(acting: &Acting, tx: &mut Tx, group: GroupId) -> Result<(), AdminError> {
    let is_manager = match acting.user() {
        Some(user) => tx.is_manager(group, user).await?,
        None => false,
    };
    acting.may(Action::ChangeMembers { is_manager })?;
    for name in [ADMIN_GROUP, PASSWORD_MANAGER_GROUP, STRICT_READONLY_GROUP] {
        if let Some(built_in) = tx.group_by_name(name).await?
            && tx.nesting_reaches(group, built_in.id).await?
        {
            return Err(BUILT_IN_MANAGED);
        }
    }
    Ok(())
}

/// Puts a member into a group, which is there. False when it was in it already.
pub(super) async fn put_in(ctx: &Ctx, tx: &mut Tx, group: GroupId, member: Member) -> Result<bool, AdminError> {
    match member {
        Member::User(user) => {
            tx.user_by_id(user).await?.ok_or(AdminError::NoSuchPerson)?;
            Ok(tx.membership_insert(Membership { user, group }, ctx.now).await?)
        }
        Member::Group(child) => {
            if is_built_in(group_at(tx, child).await?.name.as_str()) {
                return Err(BUILT_IN_INSIDE);
            }
            if tx.nesting_reaches(group, child).await? {
                return Err(AdminError::Cycle);
            }
            Ok(tx.nesting_insert(Nesting { child, parent: group }, ctx.now).await?)
        }
    }
}

/// Takes a member out of a group. False when it was not in it.
pub(super) async fn take_out(tx: &mut Tx, group: GroupId, member: Member) -> Result<bool, AdminError> {
    Ok(match member {
        Member::User(user) => tx.membership_delete(Membership { user, group }).await?,
        Member::Group(child) => tx.nesting_delete(Nesting { child, parent: group }).await?,
    })
}
