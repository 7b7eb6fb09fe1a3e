//! The first administrator: made by whoever holds a one-time link that the server prints when
//! there is none. Never a default password.

use ostiary_model::{ADMIN_GROUP, AuthMethod, AuthMethods, Ctx, Membership, Secret, Span};
use ostiary_store::InvitationKind;

use crate::changes::{AdminError, NewPerson, administrator_lasts, group_named, profile_of};
use crate::sessions::Opening;
use crate::sign_in::SignedIn;
use crate::tokens::{new_token, token_hash};
use crate::{App, Trouble};

const LINK_TTL: Span = Span::from_hours(24);
const KIND: InvitationKind = InvitationKind::FirstAdministrator;

impl App {
    /// A fresh link when no open account is an administrator; `None` when one is. Earlier links
    /// end.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn first_administrator_link(&self, ctx: &Ctx) -> Result<Option<Secret>, Trouble> {
        let mut tx = self.store().begin().await?;
        if administrator_lasts(ctx, &mut tx).await? {
            tx.invitations_withdraw(KIND).await?;
            self.commit(ctx, tx).await?;
            return Ok(None);
        }
        let token = new_token(ctx, "");
        tx.invitation_replace(&token_hash(token.expose()), KIND, ctx.now, ctx.now + LINK_TTL).await?;
        self.commit(ctx, tx).await?;
        Ok(Some(token))
    }

    /// Whether the link may be used now.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn first_administrator_valid(&self, ctx: &Ctx, token: &Secret) -> Result<bool, Trouble> {
        Ok(self.store().invitation_valid(&token_hash(token.expose()), KIND, ctx.now).await?)
    }

    /// Makes the first administrator and signs them in. Of all who use the link at the same time
    /// one succeeds; a name that cannot be taken leaves the link in force.
    ///
    /// # Errors
    /// [`AdminError::Denied`] when the link is not in force, otherwise what is wrong with the
    /// names or the password.
    pub async fn first_administrator_create(
        &self,
        ctx: &Ctx,
        token: &Secret,
        new: &NewPerson,
        password: &Secret,
    ) -> Result<SignedIn, AdminError> {
        if !self.first_administrator_valid(ctx, token).await? {
            return Err(AdminError::Denied);
        }
        let profile = profile_of(new)?;
        let phc = self.new_password(ctx, password, &profile).await?;
        let mut tx = self.store().begin().await?;
        tx.directory_lock().await?;
        let taken = tx.invitation_take(&token_hash(token.expose()), KIND, ctx.now).await?;
        if !taken || administrator_lasts(ctx, &mut tx).await? {
            return Err(AdminError::Denied);
        }
        let user = self.person_insert(ctx, &mut tx, new).await?;
        tx.password_set(user.id, &phc, ctx.now).await?;
        let group = group_named(&mut tx, ADMIN_GROUP).await?.id;
        tx.membership_insert(Membership { user: user.id, group }, ctx.now).await?;
        let opening = Opening {
            methods: AuthMethods::default().with(AuthMethod::Password),
            authenticated_at: ctx.now,
            remembered: false,
            replaces: Vec::new(),
        };
        let opened = self.session_open(ctx, &mut tx, &user, opening).await?;
        let signed_in = self.session_opened(ctx, tx, opened).await?;
        self.audit(ctx, "first administrator made", user.id);
        Ok(signed_in)
    }
}
