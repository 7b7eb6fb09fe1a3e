//! What administrators do with accounts as a whole: passwords, closing and opening, deleting,
//! second factors. What an entry says is in `changes`.
//!
//! Each verb asks who acts, inside its own transaction, with other writers of the directory
//! waiting. What ends in `_apply` works in a transaction that the caller has begun with
//! [`App::change_begin`]; it asks for the rights too, and leaves the commit.

use ostiary_model::{Action, Ctx, Profile, Secret, Session, User, UserId};
use ostiary_store::Tx;

use crate::changes::{AdminError, Guard, not_oneself, role_in};
use crate::people::password_fits;
use crate::{App, Trouble};

impl App {
    /// Sets a password. Ends every session and token of the person.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_set_password(&self, ctx: &Ctx, id: UserId, password: &Secret) -> Result<(), AdminError> {
        self.early(ctx, Action::SetPassword(id, self.directory().role(id)))?;
        let user = self.store().user_by_id(id).await?.ok_or(AdminError::NoSuchPerson)?;
        let phc = self.new_password(ctx, password, &user.profile).await?;
        let mut tx = self.change_begin().await?;
        self.password_apply(ctx, &mut tx, id, &phc).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "password set", id);
        Ok(())
    }

    /// [`App::person_set_password`] within `tx`. `phc` is a hash by [`App::new_password`].
    ///
    /// # Errors
    /// [`AdminError`]. `tx` must not be committed then.
    pub(crate) async fn password_apply(&self, ctx: &Ctx, tx: &mut Tx, id: UserId, phc: &str) -> Result<(), AdminError> {
        let role = role_in(tx, id).await?;
        self.allowed(ctx, tx, Action::SetPassword(id, role)).await?;
        let user = tx.user_by_id(id).await?.ok_or(AdminError::NoSuchPerson)?;
        tx.password_set(id, phc, ctx.now).await?;
        tx.user_raise_generation(id, ctx.now).await?;
        self.notice_password_set(ctx, tx, &user).await?;
        Ok(())
    }

    /// Closes an account: at once no page, no token, no bind.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_disable(&self, ctx: &Ctx, id: UserId) -> Result<(), AdminError> {
        self.person_set_disabled(ctx, id, true).await
    }

    /// Opens a closed account again. What it held before stays dead.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_enable(&self, ctx: &Ctx, id: UserId) -> Result<(), AdminError> {
        self.person_set_disabled(ctx, id, false).await
    }

    async fn person_set_disabled(&self, ctx: &Ctx, id: UserId, disabled: bool) -> Result<(), AdminError> {
        self.early(ctx, Action::Administer)?;
        let mut tx = self.change_begin().await?;
        self.disabled_apply(ctx, &mut tx, id, disabled).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, if disabled { "account disabled" } else { "account enabled" }, id);
        Ok(())
    }

    /// [`App::person_disable`] or [`App::person_enable`] within `tx`.
    ///
    /// # Errors
    /// [`AdminError`]. `tx` must not be committed then.
    pub(crate) async fn disabled_apply(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        id: UserId,
        disabled: bool,
    ) -> Result<(), AdminError> {
        self.allowed(ctx, tx, Action::Administer).await?;
        if disabled {
            not_oneself(ctx, id)?;
        }
        let guard = Guard::before(ctx, tx).await?;
        if !tx.user_set_disabled(id, disabled, ctx.now).await? {
            // It was so already; or there is no such person.
            return tx.user_by_id(id).await?.map(drop).ok_or(AdminError::NoSuchPerson);
        }
        guard.after(ctx, tx).await
    }

    /// Removes an account and all that belongs to it, for good.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_delete(&self, ctx: &Ctx, id: UserId) -> Result<(), AdminError> {
        self.early(ctx, Action::Administer)?;
        let mut tx = self.change_begin().await?;
        self.person_delete_apply(ctx, &mut tx, id).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "account deleted", id);
        Ok(())
    }

    /// [`App::person_delete`] within `tx`.
    ///
    /// # Errors
    /// [`AdminError`]. `tx` must not be committed then.
    pub(crate) async fn person_delete_apply(&self, ctx: &Ctx, tx: &mut Tx, id: UserId) -> Result<(), AdminError> {
        self.allowed(ctx, tx, Action::Administer).await?;
        not_oneself(ctx, id)?;
        let guard = Guard::before(ctx, tx).await?;
        if !tx.user_delete(id).await? {
            return Err(AdminError::NoSuchPerson);
        }
        guard.after(ctx, tx).await
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
}
