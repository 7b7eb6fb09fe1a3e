//! Pictures of people: set and taken away by themselves or an administrator, shown to whoever may
//! read their entry. What is stored was made here, see [`crate::picture`].

use ostiary_model::{Action, AttributeKind, Ctx, Level, StoredValues, UserId, may};
use ostiary_store::Avatar;

use crate::picture::{MAX_PICTURES, Shape};
use crate::{AdminError, App, PictureError, Trouble, Visitor};

impl App {
    /// A JPEG, PNG or WebP file as the picture of a person: the square in its middle, 512 pixels
    /// on a side at most, upright, without any metadata, as JPEG. To be called before a
    /// transaction begins.
    ///
    /// # Errors
    /// [`PictureError`].
    pub async fn picture_prepare(&self, file: &[u8]) -> Result<Vec<u8>, PictureError> {
        self.darkroom.develop(file, Shape::Avatar).await
    }

    /// A JPEG file as the value of an attribute: whole, 1024 pixels on its longer side at most,
    /// upright, without any metadata. What is read back later is this and not what was sent. To be
    /// called before a transaction begins.
    ///
    /// # Errors
    /// [`PictureError`].
    pub async fn picture_check(&self, file: &[u8]) -> Result<Vec<u8>, PictureError> {
        self.darkroom.develop(file, Shape::Whole).await
    }

    /// `values` with each picture among them made anew by [`App::picture_check`]; `None` when there
    /// is no picture.
    ///
    /// # Errors
    /// [`AdminError::Picture`].
    pub(crate) async fn pictures_checked(&self, values: &StoredValues) -> Result<Option<StoredValues>, AdminError> {
        if values.iter().any(|(number, _)| self.directory().schema().def(*number).is_none()) {
            // Another process may have defined it a moment ago, as one of pictures.
            self.directory().catch_up(self.store()).await.map_err(Trouble::from)?;
        }
        let schema = self.directory().schema();
        let is_picture = |number| schema.def(number).is_some_and(|def| def.kind == AttributeKind::Jpeg);
        if !values.iter().any(|(number, _)| is_picture(*number)) {
            return Ok(None);
        }
        let mut values = values.clone();
        for (_, list) in values.iter_mut().filter(|(number, _)| is_picture(*number)) {
            if list.len() > MAX_PICTURES {
                return Err(PictureError::TooMany.into());
            }
            for value in list {
                *value = self.picture_check(value).await?;
            }
        }
        Ok(Some(values))
    }

    /// Makes `file` (JPEG, PNG or WebP) the picture of a person, or takes the picture away. False
    /// when there was none to take.
    ///
    /// # Errors
    /// [`AdminError`], with [`AdminError::Picture`] for what is not a picture that can be used.
    pub async fn avatar_set(&self, ctx: &Ctx, whose: UserId, file: Option<&[u8]>) -> Result<bool, AdminError> {
        self.early(ctx, Action::EditUser(whose))?;
        let jpeg = match file {
            Some(file) => Some(self.picture_prepare(file).await?),
            None => None,
        };
        let mut tx = self.change_begin().await?;
        self.allowed(ctx, &mut tx, Action::EditUser(whose)).await?;
        tx.user_by_id(whose).await?.ok_or(AdminError::NoSuchPerson)?;
        let is_changed = tx.avatar_set(whose, jpeg.as_deref(), ctx.now).await?;
        self.commit(ctx, tx).await?;
        if is_changed {
            self.audit(ctx, if jpeg.is_some() { "picture set" } else { "picture removed" }, whose);
        }
        Ok(is_changed)
    }

    /// The picture of a person. Who asks was asked before.
    ///
    /// # Errors
    /// [`Trouble`] when the store does not answer.
    pub async fn avatar(&self, whose: UserId) -> Result<Option<Avatar>, Trouble> {
        Ok(self.store().avatar(whose).await?)
    }
}

impl Visitor {
    /// Whether this visitor may see the picture of `whose`: their own as they see their account,
    /// that of others when they may read the entry, with two steps as everywhere on pages.
    #[must_use]
    pub fn sees_picture(&self, whose: UserId) -> bool {
        let is_proved = match whose == self.user.id {
            true => !self.owes_second_factor(),
            false => self.session.methods.level() == Level::TwoFactor,
        };
        is_proved && may(self.user.id, self.role, Action::ReadUser(whose)).is_ok()
    }
}
