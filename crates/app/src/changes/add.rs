//! New people and new groups, with all that they have from the start.

use std::borrow::Cow;

use ostiary_model::{
    ADMIN_GROUP, Action, Ctx, Generation, Group, GroupEntry, GroupName, Member, Membership, PASSWORD_MANAGER_GROUP,
    Profile, STRICT_READONLY_GROUP, Secret, Subject, User, UserState, Validity,
};
use ostiary_store::Tx;

use super::group::{group_at, group_named};
use super::guards::withdraw_link;
use super::person::{further_addresses, validity_after};
use super::values::{self, Bearer};
use super::{AdminError, GroupChange, NewGroup, NewPerson, PersonChange, posix};
use crate::people::{self, TypedProfile};
use crate::{App, Trouble};

impl App {
    /// Adds a person, with a password or without one yet.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_add(&self, ctx: &Ctx, new: &NewPerson, password: Option<&Secret>) -> Result<User, AdminError> {
        self.early(ctx, Action::Administer)?;
        let phc = match password {
            Some(password) => Some(self.new_password(ctx, password, &profile_of(new)?).await?),
            None => None,
        };
        let mut new = Cow::Borrowed(new);
        if let Some(values) = self.pictures_checked(&new.change.values).await? {
            new.to_mut().change.values = values;
        }
        let mut tx = self.change_begin().await?;
        let user = self.person_add_apply(ctx, &mut tx, &new, phc.as_deref()).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "person added", user.id);
        for group in self.directory().direct_groups_of(user.id) {
            self.audit_member(ctx, "member added", Member::User(user.id), group.id);
        }
        self.directory().user(user.id).map(|user| (*user).clone()).ok_or(AdminError::NoSuchPerson)
    }

    /// [`App::person_add`] within `tx`, which was begun with [`App::change_begin`]. `phc` is a
    /// hash by [`App::new_password`].
    ///
    /// # Errors
    /// [`AdminError`]. `tx` must not be committed then.
    pub(crate) async fn person_add_apply(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        new: &NewPerson,
        phc: Option<&str>,
    ) -> Result<User, AdminError> {
        self.allowed(ctx, tx, Action::Administer).await?;
        let user = self.person_insert(ctx, tx, new).await?;
        if let Some(phc) = phc {
            tx.password_set(user.id, phc, ctx.now).await?;
        }
        for name in &new.groups {
            let group = group_named(tx, name).await?;
            tx.membership_insert(Membership { user: user.id, group: group.id }, ctx.now).await?;
            tx.group_touch(group.id, ctx.now).await?;
        }
        withdraw_link(ctx, tx).await?;
        Ok(user)
    }

    /// Writes a new account, without password or groups, for somebody who may.
    pub(crate) async fn person_insert(&self, ctx: &Ctx, tx: &mut Tx, new: &NewPerson) -> Result<User, AdminError> {
        let change = &new.change;
        let user = self.new_user(ctx, tx, profile_of(new)?, change).await?;
        let addresses = further_addresses(&user.profile.email, change.addresses.as_deref().unwrap_or_default())?;
        tx.user_insert(&user).await?;
        if !addresses.is_empty() {
            tx.user_addresses_set(user.id, &addresses, ctx.now).await?;
        }
        if !change.values.is_empty() {
            let schema = tx.schema().await?;
            for (number, list) in values::checked(&schema, Bearer::Person, &change.values)? {
                tx.user_values_set(user.id, number, &list, ctx.now).await?;
            }
        }
        Ok(user)
    }

    async fn new_user(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        profile: Profile,
        change: &PersonChange,
    ) -> Result<User, AdminError> {
        let validity = validity_after(Validity::default(), change)?;
        let gid_number =
            change.gid_number.flatten().map(|number| posix::number_checked("gidNumber", number)).transpose()?;
        let uid_number = match change.uid_number {
            Some(number) => Some(posix::number_checked("uidNumber", number)?),
            None => self.posix_next(tx).await?,
        };
        Ok(User {
            id: ctx.id(),
            subject: ctx.random_id::<Subject>(),
            profile,
            state: UserState::Active,
            validity,
            is_service: change.is_service.unwrap_or(false),
            uid_number,
            gid_number,
            has_avatar: false,
            generation: Generation(1),
            has_totp: false,
            created_at: ctx.now,
            modified_at: ctx.now,
            password_changed_at: None,
            last_sign_in_at: None,
        })
    }

    /// Adds a group without anybody in it.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn group_add(&self, ctx: &Ctx, name: &str) -> Result<Group, AdminError> {
        let new = NewGroup { name: name.to_owned(), change: GroupChange::default() };
        self.group_add_with(ctx, &new).await
    }

    /// Adds a group with all that it has from the start.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn group_add_with(&self, ctx: &Ctx, new: &NewGroup) -> Result<Group, AdminError> {
        self.early(ctx, Action::Administer)?;
        let mut new = Cow::Borrowed(new);
        if let Some(values) = self.pictures_checked(&new.change.values).await? {
            new.to_mut().change.values = values;
        }
        let mut tx = self.change_begin().await?;
        let group = self.group_add_apply(ctx, &mut tx, &new).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "group added", group.id);
        self.audit_group(ctx, group.id, &new.change);
        Ok(group)
    }

    /// [`App::group_add_with`] within `tx`, which was begun with [`App::change_begin`].
    ///
    /// # Errors
    /// [`AdminError`]. `tx` must not be committed then.
    pub(crate) async fn group_add_apply(&self, ctx: &Ctx, tx: &mut Tx, new: &NewGroup) -> Result<Group, AdminError> {
        self.allowed(ctx, tx, Action::Administer).await?;
        let change = &new.change;
        let name = GroupName::parse(change.name.as_deref().unwrap_or(&new.name))?;
        let gid = match change.gid_number {
            Some(number) => Some(posix::number_checked("gidNumber", number)?),
            None => self.posix_next(tx).await?,
        };
        let group = tx.group_insert(ctx.id(), &name, gid, ctx.now).await?;
        let entry = GroupEntry { group, values: Vec::new(), managers: Vec::new() };
        let rest = GroupChange { name: None, gid_number: None, ..change.clone() };
        self.group_write(ctx, tx, &entry, &rest).await?;
        group_at(tx, entry.group.id).await
    }

    /// Makes the groups that rights hang from, where they are missing.
    pub(crate) async fn ensure_built_in_groups(&self, ctx: &Ctx) -> Result<(), Trouble> {
        let mut tx = self.change_begin().await?;
        for name in [ADMIN_GROUP, PASSWORD_MANAGER_GROUP, STRICT_READONLY_GROUP] {
            if tx.group_by_name(name).await?.is_none() {
                let gid = self.posix_next(&mut tx).await?;
                tx.group_insert(ctx.id(), &GroupName::from_stored(name.to_owned()), gid, ctx.now).await?;
            }
        }
        self.commit(ctx, tx).await
    }
}

/// The checked profile of a new person. An address that an administrator typed counts as theirs.
pub(crate) fn profile_of(new: &NewPerson) -> Result<Profile, AdminError> {
    let NewPerson { username, email, display_name, given_name, family_name, groups: _, change } = new;
    Ok(people::profile(&TypedProfile {
        username: change.username.as_deref().unwrap_or(username),
        email: change.email.as_deref().unwrap_or(email),
        display_name: change.display_name.as_deref().unwrap_or(display_name),
        given_name: change.given_name.as_deref().unwrap_or(given_name),
        family_name: change.family_name.as_deref().unwrap_or(family_name),
    })?)
}
