//! Whether whoever acts may do what they ask for. `model::may` decides; here it is found out who
//! acts, first from memory, before any work is done for them, then in the transaction.
//!
//! In a browser, whatever reaches others takes two factors. An account bound over LDAP with its
//! own password may write the directory as its role allows, and nothing beside it; that of a person
//! with an authenticator app writes nothing, as one proof of two.

use ostiary_model::{Action, Actor, Ctx, GroupId, Level, Member, Role, Session, User, UserId, may};
use ostiary_store::Tx;

use super::{AdminError, GroupChange};
use crate::access::standing;
use crate::{App, Trouble};

/// Who acts, as it stands in a transaction.
pub(super) enum Acting {
    /// The command line or the server.
    Program,
    /// An account.
    Account {
        /// Which.
        user: UserId,
        /// What it may do.
        role: Role,
        /// Whether all that it can prove is proved.
        is_proved: bool,
        /// Whether that is enough to act on others.
        reaches_others: bool,
    },
}

impl Acting {
    fn account(actor: &Actor, user: &User, role: Role) -> Self {
        let level = match actor {
            Actor::Person(session) => session.methods.level(),
            // Over LDAP there is one proof, the account's own password: all that an account without
            // an app can give, and not enough of somebody who has one, wherever it lets them in.
            Actor::Bound { .. } if user.has_totp && !user.is_service => Level::OneFactor,
            _ => Level::TwoFactor,
        };
        let reaches_others = level == Level::TwoFactor;
        Self::Account { user: user.id, role, is_proved: reaches_others || !user.has_totp, reaches_others }
    }

    /// The account, if it is one.
    pub(super) const fn user(&self) -> Option<UserId> {
        match self {
            Self::Program => None,
            Self::Account { user, .. } => Some(*user),
        }
    }

    /// Whether they may do `action`.
    ///
    /// # Errors
    /// [`AdminError::Denied`].
    pub(super) fn may(&self, action: Action) -> Result<(), AdminError> {
        let Self::Account { user, role, is_proved, reaches_others } = self else { return Ok(()) };
        let is_own_names = action == Action::EditUser(*user);
        let enough = if is_own_names { *is_proved } else { *reaches_others };
        if enough && may(*user, *role, action).is_ok() { Ok(()) } else { Err(AdminError::Denied) }
    }
}

/// What `user` may do, as it stands in the transaction.
pub(crate) async fn role_in(tx: &mut Tx, user: UserId) -> Result<Role, AdminError> {
    let groups = tx.group_names_of(user).await?;
    Ok(Role::of_groups(groups.iter().map(String::as_str)))
}

impl App {
    /// A transaction that changes the directory; other writers of it wait.
    pub(crate) async fn change_begin(&self) -> Result<Tx, Trouble> {
        let mut tx = self.store().begin().await?;
        tx.directory_lock().await?;
        Ok(tx)
    }

    /// Turns away who is no administrator before any work is done for them. The transaction asks
    /// again.
    pub(crate) fn admin_early(&self, ctx: &Ctx) -> Result<(), AdminError> {
        match &ctx.actor {
            Actor::Bound { .. } => Err(AdminError::Denied),
            _ => self.early(ctx, Action::Administer),
        }
    }

    /// A transaction of an administrator for what is not the directory's: nobody who is bound
    /// over LDAP gets one.
    pub(crate) async fn admin_begin(&self, ctx: &Ctx) -> Result<Tx, AdminError> {
        self.admin_early(ctx)?;
        let mut tx = self.change_begin().await?;
        self.allowed(ctx, &mut tx, Action::Administer).await?;
        Ok(tx)
    }

    /// A transaction of an administrator for what the directory says, from whichever door.
    pub(super) async fn directory_begin(&self, ctx: &Ctx) -> Result<Tx, AdminError> {
        self.early(ctx, Action::Administer)?;
        let mut tx = self.change_begin().await?;
        self.allowed(ctx, &mut tx, Action::Administer).await?;
        Ok(tx)
    }

    /// Turns away who may not do `action`, by what is in memory.
    pub(crate) fn early(&self, ctx: &Ctx, action: Action) -> Result<(), AdminError> {
        let known = match &ctx.actor {
            Actor::CommandLine | Actor::Server => return Ok(()),
            Actor::Anonymous => None,
            Actor::Person(Session { user, generation, .. }) | Actor::Bound { user, generation } => {
                self.bound(*user, *generation)
            }
        };
        let (user, role) = known.ok_or(AdminError::Denied)?;
        Acting::account(&ctx.actor, &user, role).may(action)
    }

    /// Who acts, as it stands in the transaction.
    pub(super) async fn acting(&self, ctx: &Ctx, tx: &mut Tx) -> Result<Acting, AdminError> {
        let user = match &ctx.actor {
            Actor::CommandLine | Actor::Server => return Ok(Acting::Program),
            Actor::Anonymous => None,
            Actor::Bound { user, generation } => standing(ctx, tx, *user, *generation).await?,
            Actor::Person(session) => {
                let user = standing(ctx, tx, session.user, session.generation).await?;
                if tx.session_exists(session.id).await? { user } else { None }
            }
        };
        let user = user.ok_or(AdminError::Denied)?;
        let role = role_in(tx, user.id).await?;
        Ok(Acting::account(&ctx.actor, &user, role))
    }

    /// Whether whoever acts may do `action`, asked in the transaction.
    ///
    /// # Errors
    /// [`AdminError::Denied`].
    pub(crate) async fn allowed(&self, ctx: &Ctx, tx: &mut Tx, action: Action) -> Result<(), AdminError> {
        self.acting(ctx, tx).await?.may(action)
    }

    /// Says who came into a group and who went out, and that others manage it: rights may hang
    /// from that.
    pub(crate) fn audit_group(&self, ctx: &Ctx, group: GroupId, change: &GroupChange) {
        let GroupChange { name: _, gid_number: _, values: _, add, remove, managers } = change;
        for (what, members) in [("member removed", remove), ("member added", add)] {
            members.iter().for_each(|member| self.audit_member(ctx, what, *member, group));
        }
        if let Some(managers) = managers {
            let all: Vec<String> = managers.iter().map(UserId::to_string).collect();
            self.audit(ctx, "managers set", format_args!("{group}: {}", all.join(" ")));
        }
    }

    pub(crate) fn audit_member(&self, ctx: &Ctx, what: &'static str, member: Member, group: GroupId) {
        match member {
            Member::User(user) => self.audit(ctx, what, format_args!("{user} of {group}")),
            Member::Group(child) => self.audit(ctx, what, format_args!("group {child} of {group}")),
        }
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
