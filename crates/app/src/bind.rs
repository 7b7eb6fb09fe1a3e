//! The LDAP bind: whose password it brings, and whether what it proved still holds.
//!
//! A bind takes an account's own password or one of its app passwords. Whoever has a second factor
//! binds with app passwords alone, or the directory would be a way around it. Every refusal costs
//! one hash, whatever the account has; the right app password costs none and is not held back. Who
//! is bound is asked for again at each operation.

use std::sync::Arc;

use ostiary_model::{AppPasswordId, Ctx, Folded, Generation, Role, Secret, Span, User, UserId};

use crate::settings::BindPassword;
use crate::sign_in::{SignInError, askable};
use crate::{App, Trouble};

/// How long a program that bound as its service account may bind as people over connections of
/// their own, from the same address.
const VOUCHED: Span = Span::from_hours(24);

/// Whose password a bind brings.
#[derive(Debug, Clone)]
pub enum BindName {
    /// An account's.
    User(UserId),
    /// Nobody's: a name that leads to no account. Checked all the same, for the same time.
    Unknown(Folded),
}

/// What is known of a connection that a bind comes over, beside its address.
#[derive(Debug, Clone, Copy, Default)]
pub struct BindFrom<'a> {
    /// What it was bound as before, as far as those are service accounts.
    pub services: &'a [Binding],
}

/// What a bind was proved with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundWith {
    /// The account's own password.
    Password,
    /// An app password: it reads as somebody in none of the three groups that give rights, and
    /// writes nothing. Programs that write have accounts of their own.
    AppPassword(AppPasswordId),
}

/// A proved LDAP identity.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The account.
    pub user: Arc<User>,
    /// What it may do.
    pub role: Role,
    /// What proved it.
    pub with: BoundWith,
}

impl Bound {
    /// What a connection keeps of it.
    #[must_use]
    pub fn binding(&self) -> Binding {
        Binding { user: self.user.id, generation: self.user.generation, with: self.with }
    }
}

/// What a connection keeps of a bind. Ask [`App::bound_still`] at each operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The account.
    pub user: UserId,
    /// The generation that it was bound under.
    pub generation: Generation,
    /// What proved it.
    pub with: BoundWith,
}

impl App {
    /// Checks the password of an LDAP bind.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn bind(
        &self,
        ctx: &Ctx,
        name: &BindName,
        password: &Secret,
        from: &BindFrom<'_>,
    ) -> Result<Bound, SignInError> {
        let (user, left, with) = self.bind_proof(ctx, name, password, from).await?;
        let rejected = || SignInError::Rejected { left };
        let user = self.standing_now(ctx, user.id, user.generation).await?;
        // Hashing takes a while: a second factor may have been set up since it began.
        let user = user.filter(|user| with != BoundWith::Password || self.may_bind_with_password(user));
        let user = user.ok_or_else(rejected)?;
        let binding = Binding { user: user.id, generation: user.generation, with };
        // Another process may have changed the account a moment ago. What was proved against its
        // row must hold in memory from the first operation on.
        if self.bound_as(&binding).is_none() {
            self.directory().catch_up(self.store()).await?;
            self.bound_as(&binding).ok_or_else(rejected)?;
        }
        if user.is_service {
            self.service_bound(ctx, &user).await?;
        }
        let role = self.role_with(user.id, with);
        Ok(Bound { user: Arc::new(user), role, with })
    }

    /// The account behind a bind, if it still holds at this moment. Asks memory alone: what another
    /// process did to an app password is known after [`App::bound_still`].
    #[must_use]
    pub fn bound_as(&self, binding: &Binding) -> Option<(Arc<User>, Role)> {
        let (user, _) = self.bound(binding.user, binding.generation)?;
        let holds = match binding.with {
            // Also for a second factor that was set up since.
            BoundWith::Password => self.may_bind_with_password(&user),
            BoundWith::AppPassword(id) => self.app_passwords.is_live(id),
        };
        let role = self.role_with(user.id, binding.with);
        holds.then_some((user, role))
    }

    /// As [`App::bound_as`], after a look whether an app password is still there: for the beginning
    /// of each operation. The store is asked at most once a second; a revocation by this process
    /// is known without asking.
    pub async fn bound_still(&self, binding: &Binding) -> Option<(Arc<User>, Role)> {
        if let BoundWith::AppPassword(id) = binding.with {
            self.app_password_look(id, binding.user).await;
        }
        self.bound_as(binding)
    }

    /// The account that `name` leads to, and the name under which guesses are counted.
    async fn bind_account(&self, name: &BindName) -> Result<(Option<User>, Folded), Trouble> {
        Ok(match name {
            BindName::User(id) => {
                let user = self.store().user_by_id(*id).await?;
                // Counted as typed, like a name that leads nowhere: else the two would tell apart.
                let name =
                    user.as_ref().map_or_else(|| Folded::new(&id.to_string()), |user| user.profile.username.folded());
                (user, name)
            }
            BindName::Unknown(folded) => {
                let folded = askable(folded.as_str());
                (self.store().user_by_name(&folded).await?, folded)
            }
        })
    }

    /// The account that was tried, if one of its passwords is `password`, how many tries are left,
    /// and what proved it.
    ///
    /// An app password is looked for before anything is counted: no guess finds 160 bits, so that
    /// holding back the right one would only let strangers keep people out. Whatever else is brought
    /// is counted and costs its hash.
    async fn bind_proof(
        &self,
        ctx: &Ctx,
        name: &BindName,
        password: &Secret,
        from: &BindFrom<'_>,
    ) -> Result<(User, u32, BoundWith), SignInError> {
        let (user, folded) = self.bind_account(name).await?;
        let found = self.app_password_proof(ctx, user.as_ref(), password, from).await?;
        if let (Some(id), Some(user)) = (found, &user) {
            let left = self.settings().lockout.per_account_and_address;
            return Ok((user.clone(), left, BoundWith::AppPassword(id)));
        }
        let tried = self.password_guess(ctx, user, folded, password).await?;
        let may = |user: &User| self.may_bind_with_password(user);
        let (user, left) = self.password_check(ctx, tried, password, may).await?;
        Ok((user, left, BoundWith::Password))
    }

    /// Whether LDAP takes an account's own password; where not, app passwords alone.
    #[must_use]
    pub fn may_bind_with_password(&self, user: &User) -> bool {
        user.is_service || !user.has_totp || self.settings().ldap_bind_password == BindPassword::Any
    }

    fn role_with(&self, user: UserId, with: BoundWith) -> Role {
        match with {
            BoundWith::Password => self.directory().role(user),
            BoundWith::AppPassword(_) => Role::Regular,
        }
    }

    /// Notes that a service account bound from here, so that its program may bring app passwords
    /// that are for it alone.
    async fn service_bound(&self, ctx: &Ctx, service: &User) -> Result<(), Trouble> {
        if let Some(name) = vouched(ctx, service) {
            self.store().counter_set(&name, 1, ctx.now, VOUCHED).await?;
        }
        Ok(())
    }

    /// Whether the program at the other end is the one of `service`: it bound as it over this
    /// connection, or from the same address within the last day.
    pub(crate) async fn is_service_here(
        &self,
        ctx: &Ctx,
        service: UserId,
        from: &BindFrom<'_>,
    ) -> Result<bool, Trouble> {
        let service = self.store().user_by_id(service).await?;
        let Some(service) = service.filter(|service| service.is_service && service.is_open(ctx.now)) else {
            return Ok(false);
        };
        let is_it = |earlier: &Binding| (earlier.user, earlier.generation) == (service.id, service.generation);
        if from.services.iter().any(is_it) {
            return Ok(true);
        }
        let Some(name) = vouched(ctx, &service) else { return Ok(false) };
        Ok(self.store().counter_add(&name, 0, ctx.now, VOUCHED).await? > 0)
    }
}

/// The counter that stands while `service` has bound from here. With the generation, so that what
/// ends the account's connections ends this too.
fn vouched(ctx: &Ctx, service: &User) -> Option<String> {
    let address = ctx.address?.to_canonical();
    Some(format!("service:{}:{}@{address}", service.id, service.generation.0))
}
