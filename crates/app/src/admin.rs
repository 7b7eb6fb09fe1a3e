//! Administration: people, groups, memberships. One set of verbs for the panel and the command
//! line.
//!
//! Each verb asks who acts, inside its own transaction, with other writers of the directory
//! waiting: an administrator whose rights end at this moment changes nothing more, and one
//! administrator always remains.

use ostiary_model::{
    ADMIN_GROUP, Action, Actor, Ctx, Generation, Group, GroupId, GroupName, InvalidName, Level, Membership, Profile,
    Role, Secret, Session, Subject, User, UserId, UserState, may,
};
use ostiary_store::{Conflict, Error as StoreError, InvitationKind, Tx};
use thiserror::Error;

use crate::access::standing;
use crate::people::{WeakPassword, password_fits, profile_after, profile_of};
use crate::{App, Trouble};

/// A person to be added, as typed.
#[derive(Debug, Clone, Default)]
pub struct NewPerson {
    /// Sign-in name.
    pub username: String,
    /// Address.
    pub email: String,
    /// Full name; may be empty.
    pub display_name: String,
    /// Given name; may be empty.
    pub given_name: String,
    /// Family name; may be empty.
    pub family_name: String,
    /// Names of groups to be in from the start.
    pub groups: Vec<String>,
}

/// What a profile is to be, as typed.
#[derive(Debug, Clone, Default)]
pub struct PersonEdit {
    /// Sign-in name.
    pub username: String,
    /// Address.
    pub email: String,
    /// Full name; may be empty.
    pub display_name: String,
    /// Given name; may be empty.
    pub given_name: String,
    /// Family name; may be empty.
    pub family_name: String,
}

/// Why something was not done. Nothing was changed then.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Whoever asks may not.
    #[error("You may not do that. Sign in as an administrator, with two steps")]
    Denied,
    /// There is no such person.
    #[error("There is no such person")]
    NoSuchPerson,
    /// There is no such group.
    #[error("There is no group named {0:?}")]
    NoSuchGroup(String),
    /// A name is not well formed.
    #[error("{0}")]
    Name(#[from] InvalidName),
    /// A name is taken.
    #[error("{}", conflict_words(*.0))]
    Conflict(Conflict),
    /// The password cannot be taken.
    #[error("{0}")]
    Password(#[from] WeakPassword),
    /// Something that must not happen to this one. The text says why and what to do.
    #[error("{0}")]
    Guard(&'static str),
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(conflict) if conflict != Conflict::Other => Self::Conflict(conflict),
            // The account was deleted at this moment.
            StoreError::Orphan => Self::NoSuchPerson,
            other => Self::Trouble(other.into()),
        }
    }
}

const fn conflict_words(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::Username => "Somebody has this user name already. Choose another one",
        Conflict::Email => "Somebody has this e-mail address already. Each person needs their own",
        Conflict::GroupName => "A group has this name already. Choose another one",
        Conflict::ClientId => "An application has this client id already. Choose another one",
        Conflict::AttributeName => "An attribute has this name already. Choose another one",
        Conflict::ObjectClass => "An object class has this name already. Choose another one",
        Conflict::PosixNumber => "This number belongs to somebody else or to a group already. Choose another one",
        Conflict::Other => "This is there already",
    }
}

const LAST_ADMINISTRATOR: AdminError =
    AdminError::Guard("This is the last administrator. Put somebody else into lldap_admin first");
const OWN_ACCOUNT: AdminError =
    AdminError::Guard("This is your own account. Ask another administrator, so that nobody locks themselves out");
const BUILT_IN: AdminError = AdminError::Guard("Rights hang from this group, so it can be neither renamed nor deleted");

impl App {
    /// Adds a person, with a password or without one yet.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_add(&self, ctx: &Ctx, new: &NewPerson, password: Option<&Secret>) -> Result<User, AdminError> {
        self.admin_early(ctx)?;
        let profile = profile_of(new)?;
        let phc = match password {
            Some(password) => Some(self.new_password(ctx, password, &profile).await?),
            None => None,
        };
        let mut tx = self.admin_begin(ctx).await?;
        let user = person_insert(ctx, &mut tx, profile).await?;
        if let Some(phc) = phc {
            tx.password_set(user.id, &phc, ctx.now).await?;
        }
        for name in &new.groups {
            let group = group_named(&mut tx, name).await?;
            tx.membership_insert(Membership { user: user.id, group: group.id }, ctx.now).await?;
        }
        withdraw_link(ctx, &mut tx).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "person added", user.id);
        self.directory().user(user.id).map(|user| (*user).clone()).ok_or(AdminError::NoSuchPerson)
    }

    /// Changes names and address.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_edit(&self, ctx: &Ctx, id: UserId, edit: &PersonEdit) -> Result<(), AdminError> {
        let profile = profile_after(edit)?;
        let mut tx = self.admin_begin(ctx).await?;
        if !tx.user_update_profile(id, &profile, ctx.now).await? {
            return Err(AdminError::NoSuchPerson);
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "person changed", id);
        Ok(())
    }

    /// Sets a password. Ends every session and token of the person.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_set_password(&self, ctx: &Ctx, id: UserId, password: &Secret) -> Result<(), AdminError> {
        self.password_early(ctx, id)?;
        let user = self.store().user_by_id(id).await?.ok_or(AdminError::NoSuchPerson)?;
        let phc = self.new_password(ctx, password, &user.profile).await?;
        let mut tx = self.password_begin(ctx, id).await?;
        tx.password_set(id, &phc, ctx.now).await?;
        tx.user_raise_generation(id, ctx.now).await?.ok_or(AdminError::NoSuchPerson)?;
        self.notice_password_set(ctx, &mut tx, &user).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "password set", id);
        Ok(())
    }

    /// Closes an account: at once no page, no token, no bind.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_disable(&self, ctx: &Ctx, id: UserId) -> Result<(), AdminError> {
        not_oneself(ctx, id)?;
        let mut tx = self.admin_begin(ctx).await?;
        if !tx.user_set_disabled(id, true, ctx.now).await? {
            return self.unchanged(&mut tx, id).await;
        }
        admin_remains(ctx, &mut tx).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "account disabled", id);
        Ok(())
    }

    /// Opens a closed account again. What it held before stays dead.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_enable(&self, ctx: &Ctx, id: UserId) -> Result<(), AdminError> {
        let mut tx = self.admin_begin(ctx).await?;
        if !tx.user_set_disabled(id, false, ctx.now).await? {
            return self.unchanged(&mut tx, id).await;
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "account enabled", id);
        Ok(())
    }

    /// Removes an account and all that belongs to it, for good.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_delete(&self, ctx: &Ctx, id: UserId) -> Result<(), AdminError> {
        not_oneself(ctx, id)?;
        let mut tx = self.admin_begin(ctx).await?;
        if !tx.user_delete(id).await? {
            return Err(AdminError::NoSuchPerson);
        }
        admin_remains(ctx, &mut tx).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "account deleted", id);
        Ok(())
    }

    /// Takes away every second factor, so that the person can set one up anew. Ends every
    /// session and token of the person.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_reset_factors(&self, ctx: &Ctx, id: UserId) -> Result<(), AdminError> {
        let mut tx = self.admin_begin(ctx).await?;
        tx.totp_delete(id).await?;
        tx.user_raise_generation(id, ctx.now).await?.ok_or(AdminError::NoSuchPerson)?;
        let user = tx.user_by_id(id).await?.ok_or(AdminError::NoSuchPerson)?;
        self.notice_factors_reset(ctx, &mut tx, &user).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "second factors reset", id);
        Ok(())
    }

    /// Ends every session and token of a person.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_sign_out(&self, ctx: &Ctx, id: UserId) -> Result<(), AdminError> {
        let mut tx = self.admin_begin(ctx).await?;
        tx.user_raise_generation(id, ctx.now).await?.ok_or(AdminError::NoSuchPerson)?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "signed out everywhere", id);
        Ok(())
    }

    /// How many browsers of a person are signed in now.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn person_session_count(&self, ctx: &Ctx, user: &User) -> Result<usize, Trouble> {
        let sessions = self.store().sessions_of(user.id, ctx.now).await?;
        let is_open = |session: &&Session| session.generation == user.generation && !self.is_idle(session, ctx.now);
        Ok(sessions.iter().filter(is_open).count())
    }

    /// Adds a group.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn group_add(&self, ctx: &Ctx, name: &str) -> Result<Group, AdminError> {
        let name = GroupName::parse(name)?;
        let mut tx = self.admin_begin(ctx).await?;
        let group = tx.group_insert(ctx.id(), &name, None, ctx.now).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "group added", group.id);
        Ok(group)
    }

    /// Renames a group.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn group_rename(&self, ctx: &Ctx, id: GroupId, name: &str) -> Result<(), AdminError> {
        let name = GroupName::parse(name)?;
        let mut tx = self.admin_begin(ctx).await?;
        changeable_group(&mut tx, id).await?;
        if !tx.group_rename(id, &name, ctx.now).await? {
            return Err(AdminError::NoSuchGroup(id.to_string()));
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "group renamed", id);
        Ok(())
    }

    /// Removes a group. Its members stay.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn group_delete(&self, ctx: &Ctx, id: GroupId) -> Result<(), AdminError> {
        let mut tx = self.admin_begin(ctx).await?;
        changeable_group(&mut tx, id).await?;
        if !tx.group_delete(id).await? {
            return Err(AdminError::NoSuchGroup(id.to_string()));
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "group deleted", id);
        Ok(())
    }

    /// Puts a person into a group. False when they were in it already.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn member_add(&self, ctx: &Ctx, user: UserId, group: GroupId) -> Result<bool, AdminError> {
        let mut tx = self.admin_begin(ctx).await?;
        tx.user_by_id(user).await?.ok_or(AdminError::NoSuchPerson)?;
        tx.group_by_id(group).await?.ok_or_else(|| AdminError::NoSuchGroup(group.to_string()))?;
        let added = tx.membership_insert(Membership { user, group }, ctx.now).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "member added", user);
        Ok(added)
    }

    /// Takes a person out of a group. False when they were not in it.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn member_remove(&self, ctx: &Ctx, user: UserId, group: GroupId) -> Result<bool, AdminError> {
        let mut tx = self.admin_begin(ctx).await?;
        let admins = group_named(&mut tx, ADMIN_GROUP).await?;
        if group == admins.id {
            not_oneself(ctx, user)?;
        }
        let removed = tx.membership_delete(Membership { user, group }).await?;
        if removed && group == admins.id {
            admin_remains(ctx, &mut tx).await?;
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "member removed", user);
        Ok(removed)
    }

    /// Makes the groups that rights hang from, where they are missing.
    pub(crate) async fn ensure_built_in_groups(&self, ctx: &Ctx) -> Result<(), Trouble> {
        let mut tx = self.store().begin().await?;
        tx.directory_lock().await?;
        for name in [ADMIN_GROUP, ostiary_model::PASSWORD_MANAGER_GROUP, ostiary_model::STRICT_READONLY_GROUP] {
            if tx.group_by_name(name).await?.is_none() {
                tx.group_insert(ctx.id(), &GroupName::from_stored(name.to_owned()), None, ctx.now).await?;
            }
        }
        self.commit(ctx, tx).await
    }

    /// A hash of `password`, when it may be the password of `profile`.
    pub(crate) async fn new_password(
        &self,
        ctx: &Ctx,
        password: &Secret,
        profile: &Profile,
    ) -> Result<String, AdminError> {
        password_fits(password, profile, self.settings().password_policy)?;
        Ok(self.hasher.hash(ctx, password).await?)
    }

    /// Turns away who is no administrator before any work is done for them. The transaction asks
    /// again.
    pub(crate) fn admin_early(&self, ctx: &Ctx) -> Result<(), AdminError> {
        self.early(ctx, Action::Administer)
    }

    fn early(&self, ctx: &Ctx, action: Action) -> Result<(), AdminError> {
        let allowed = match &ctx.actor {
            Actor::CommandLine | Actor::Server => true,
            Actor::Person(session) => {
                session.methods.level() == Level::TwoFactor
                    && self
                        .bound(session.user, session.generation)
                        .is_some_and(|(user, role)| may(user.id, role, action).is_ok())
            }
            Actor::Anonymous | Actor::Bound { .. } => false,
        };
        if allowed { Ok(()) } else { Err(AdminError::Denied) }
    }

    /// A transaction of an administrator.
    pub(crate) async fn admin_begin(&self, ctx: &Ctx) -> Result<Tx, AdminError> {
        self.admin_early(ctx)?;
        let mut tx = self.store().begin().await?;
        tx.directory_lock().await?;
        self.allowed(ctx, &mut tx, Action::Administer).await?;
        Ok(tx)
    }

    fn password_early(&self, ctx: &Ctx, whom: UserId) -> Result<(), AdminError> {
        self.early(ctx, Action::SetPassword(whom, self.directory().role(whom)))
    }

    async fn password_begin(&self, ctx: &Ctx, whom: UserId) -> Result<Tx, AdminError> {
        let mut tx = self.store().begin().await?;
        tx.directory_lock().await?;
        let role = role_in(&mut tx, whom).await?;
        self.allowed(ctx, &mut tx, Action::SetPassword(whom, role)).await?;
        Ok(tx)
    }

    async fn allowed(&self, ctx: &Ctx, tx: &mut Tx, action: Action) -> Result<(), AdminError> {
        self.early(ctx, action)?;
        let Actor::Person(session) = &ctx.actor else { return Ok(()) };
        let user = standing(tx, session.user, session.generation).await?.ok_or(AdminError::Denied)?;
        if !tx.session_exists(session.id).await? {
            return Err(AdminError::Denied);
        }
        let role = role_in(tx, user.id).await?;
        may(user.id, role, action).map_err(|_| AdminError::Denied)
    }

    /// Nothing was changed because it was so already; or because there is no such person.
    async fn unchanged(&self, tx: &mut Tx, id: UserId) -> Result<(), AdminError> {
        tx.user_by_id(id).await?.map(drop).ok_or(AdminError::NoSuchPerson)
    }

    pub(crate) fn audit(&self, ctx: &Ctx, what: &'static str, whom: impl std::fmt::Display) {
        let actor = match &ctx.actor {
            Actor::Person(session) => session.user.to_string(),
            Actor::Bound { user, .. } => user.to_string(),
            Actor::CommandLine => "command line".to_owned(),
            Actor::Server => "server".to_owned(),
            Actor::Anonymous => "nobody".to_owned(),
        };
        tracing::info!(target: "audit", request = %ctx.request, actor, whom = %whom, address = ?ctx.address, "{what}");
    }
}

/// Writes the account of `profile`, without password or groups.
pub(crate) async fn person_insert(ctx: &Ctx, tx: &mut Tx, profile: Profile) -> Result<User, AdminError> {
    let user = User {
        id: ctx.id(),
        subject: ctx.random_id::<Subject>(),
        profile,
        state: UserState::Active,
        validity: ostiary_model::Validity::default(),
        is_service: false,
        uid_number: None,
        gid_number: None,
        has_avatar: false,
        generation: Generation(1),
        has_totp: false,
        created_at: ctx.now,
        modified_at: ctx.now,
        password_changed_at: None,
        last_sign_in_at: None,
    };
    tx.user_insert(&user).await?;
    Ok(user)
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

async fn changeable_group(tx: &mut Tx, id: GroupId) -> Result<(), AdminError> {
    match tx.group_by_id(id).await? {
        None => Err(AdminError::NoSuchGroup(id.to_string())),
        Some(group) if group.is_built_in() => Err(BUILT_IN),
        Some(_) => Ok(()),
    }
}

async fn role_in(tx: &mut Tx, user: UserId) -> Result<Role, AdminError> {
    let groups = tx.group_names_of(user).await?;
    Ok(Role::of_groups(groups.iter().map(String::as_str)))
}

/// The link for a first administrator ends as soon as there is one, however they came about.
async fn withdraw_link(ctx: &Ctx, tx: &mut Tx) -> Result<(), AdminError> {
    if !tx.group_lasting_members(ADMIN_GROUP, ctx.now).await?.is_empty() {
        tx.invitations_withdraw(InvitationKind::FirstAdministrator).await?;
    }
    Ok(())
}

/// Nobody locks themselves out by a slip. The command line may: whoever has it can repair it.
fn not_oneself(ctx: &Ctx, whom: UserId) -> Result<(), AdminError> {
    if ctx.actor.user() == Some(whom) { Err(OWN_ACCOUNT) } else { Ok(()) }
}

/// Somebody must be left who can open the panel. The command line may go without: it can make
/// another administrator, and the next start prints a link for one.
async fn admin_remains(ctx: &Ctx, tx: &mut Tx) -> Result<(), AdminError> {
    if matches!(ctx.actor, Actor::CommandLine) || !tx.group_lasting_members(ADMIN_GROUP, ctx.now).await?.is_empty() {
        return Ok(());
    }
    Err(LAST_ADMINISTRATOR)
}
