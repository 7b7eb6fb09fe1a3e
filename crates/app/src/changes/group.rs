//! What is to be different about a group, written in one transaction; and deleting groups.

use std::borrow::Cow;

use ostiary_model::{Action, Ctx, Group, GroupEntry, GroupId, GroupName, Member, UserId};
use ostiary_store::Tx;

use super::guards::{BUILT_IN, BUILT_IN_MANAGED, Guard};
use super::values::{self, Bearer};
use super::{AdminError, GroupChange, member, posix};
use crate::App;

impl App {
    /// Changes a group. All of it or nothing.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn group_change(&self, ctx: &Ctx, id: GroupId, change: &GroupChange) -> Result<(), AdminError> {
        self.members_early(ctx, id)?;
        let mut change = Cow::Borrowed(change);
        if let Some(values) = self.pictures_checked(&change.values).await? {
            change.to_mut().values = values;
        }
        let mut tx = self.change_begin().await?;
        self.group_apply(ctx, &mut tx, id, &change).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "group changed", id);
        self.audit_group(ctx, id, &change);
        Ok(())
    }

    /// [`App::group_change`] within `tx`, which was begun with [`App::change_begin`].
    ///
    /// # Errors
    /// [`AdminError`]. `tx` must not be committed then.
    pub(crate) async fn group_apply(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        id: GroupId,
        change: &GroupChange,
    ) -> Result<(), AdminError> {
        let acting = self.acting(ctx, tx).await?;
        if acting.may(Action::Administer).is_err() {
            if !is_of_people_only(change) {
                return Err(AdminError::Denied);
            }
            member::managed(&acting, tx, id).await?;
        }
        let entry = tx.group_entry(id).await?.ok_or_else(|| no_such_group(id))?;
        self.group_write(ctx, tx, &entry, change).await
    }

    /// Writes what `change` says of a group, for somebody who may.
    pub(super) async fn group_write(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        entry: &GroupEntry,
        change: &GroupChange,
    ) -> Result<(), AdminError> {
        let group = &entry.group;
        name_write(ctx, tx, group, change.name.as_deref()).await?;
        if let Some(number) = change.gid_number.filter(|number| Some(*number) != group.gid_number) {
            tx.group_set_gid(group.id, posix::number_checked("gidNumber", number)?, ctx.now).await?;
        }
        if !change.values.is_empty() {
            let schema = tx.schema().await?;
            for (number, list) in values::checked(&schema, Bearer::Group, &change.values)? {
                if values::differ(&schema, &entry.values, number, &list) {
                    tx.group_values_set(group.id, number, &list, ctx.now).await?;
                }
            }
        }
        if let Some(managers) = &change.managers {
            managers_write(ctx, tx, entry, managers).await?;
        }
        let guard = if change.remove.is_empty() { None } else { Some(Guard::before(ctx, tx).await?) };
        let mut is_changed = false;
        for member in &change.remove {
            is_changed |= member::take_out(tx, group.id, *member).await?;
        }
        for member in &change.add {
            is_changed |= member::put_in(ctx, tx, group.id, *member).await?;
        }
        if is_changed {
            tx.group_touch(group.id, ctx.now).await?;
        }
        match guard {
            Some(guard) => guard.after(ctx, tx).await,
            None => Ok(()),
        }
    }

    /// Renames a group.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn group_rename(&self, ctx: &Ctx, id: GroupId, name: &str) -> Result<(), AdminError> {
        self.early(ctx, Action::Administer)?;
        let change = GroupChange { name: Some(name.to_owned()), ..GroupChange::default() };
        self.group_change(ctx, id, &change).await
    }

    /// Removes a group. Its members stay.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn group_delete(&self, ctx: &Ctx, id: GroupId) -> Result<(), AdminError> {
        self.early(ctx, Action::Administer)?;
        let mut tx = self.change_begin().await?;
        self.group_delete_apply(ctx, &mut tx, id).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "group deleted", id);
        Ok(())
    }

    /// [`App::group_delete`] within `tx`, which was begun with [`App::change_begin`].
    ///
    /// # Errors
    /// [`AdminError`]. `tx` must not be committed then.
    pub(crate) async fn group_delete_apply(&self, ctx: &Ctx, tx: &mut Tx, id: GroupId) -> Result<(), AdminError> {
        self.allowed(ctx, tx, Action::Administer).await?;
        if group_at(tx, id).await?.is_built_in() {
            return Err(BUILT_IN);
        }
        let guard = Guard::before(ctx, tx).await?;
        tx.group_delete(id).await?;
        guard.after(ctx, tx).await
    }
}

/// The group with this id.
pub(super) async fn group_at(tx: &mut Tx, id: GroupId) -> Result<Group, AdminError> {
    tx.group_by_id(id).await?.ok_or_else(|| no_such_group(id))
}

pub(super) fn no_such_group(id: GroupId) -> AdminError {
    AdminError::NoSuchGroup(id.to_string())
}

/// The group with this name in any spelling.
pub(crate) async fn group_named(tx: &mut Tx, name: &str) -> Result<Group, AdminError> {
    let unknown = || AdminError::NoSuchGroup(name.to_owned());
    if name.contains('\0') {
        // PostgreSQL has no text with a zero byte, and so cannot be asked for one.
        return Err(unknown());
    }
    tx.group_by_name(ostiary_model::Folded::new(name).as_str()).await?.ok_or_else(unknown)
}

/// What managers of a group may ask for.
fn is_of_people_only(change: &GroupChange) -> bool {
    let GroupChange { name, gid_number, values, add, remove, managers } = change;
    let is_person = |member: &Member| matches!(member, Member::User(_));
    name.is_none()
        && gid_number.is_none()
        && values.is_empty()
        && managers.is_none()
        && add.iter().chain(remove).all(is_person)
}

async fn name_write(ctx: &Ctx, tx: &mut Tx, group: &Group, name: Option<&str>) -> Result<(), AdminError> {
    let Some(name) = name.map(GroupName::parse).transpose()? else { return Ok(()) };
    if group.is_built_in() {
        return if name == group.name { Ok(()) } else { Err(BUILT_IN) };
    }
    if name != group.name {
        tx.group_rename(group.id, &name, ctx.now).await?;
    }
    Ok(())
}

/// Makes `managers` all who manage a group.
async fn managers_write(ctx: &Ctx, tx: &mut Tx, entry: &GroupEntry, managers: &[UserId]) -> Result<(), AdminError> {
    let group = &entry.group;
    if group.is_built_in() && !managers.is_empty() {
        return Err(BUILT_IN_MANAGED);
    }
    for user in entry.managers.iter().filter(|user| !managers.contains(user)) {
        tx.manager_delete(group.id, *user).await?;
    }
    for user in managers.iter().filter(|user| !entry.managers.contains(user)) {
        tx.user_by_id(*user).await?.ok_or(AdminError::NoSuchPerson)?;
        tx.manager_insert(group.id, *user, ctx.now).await?;
    }
    Ok(())
}
