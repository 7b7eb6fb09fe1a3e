//! Pictures of entries: their bytes are not held in memory and are fetched when they are sent.

use ostiary_model::Attribute;

use super::Target;
use crate::{App, Trouble};

impl App {
    /// The pictures that the entry `target` has as values of `attribute`, as JPEG. Who may see them
    /// was asked before: a [`super::View`] named them.
    ///
    /// # Errors
    /// [`Trouble`] when the store does not answer.
    pub async fn pictures(&self, target: Target, attribute: Attribute) -> Result<Vec<Vec<u8>>, Trouble> {
        Ok(match (target, attribute) {
            (Target::Person(user), Attribute::JpegPhoto) => {
                self.store().avatar(user).await?.into_iter().map(|avatar| avatar.jpeg).collect()
            }
            (Target::Person(user), Attribute::Custom(custom)) => {
                self.store().user_value_bytes(user, custom.number).await?
            }
            (Target::Group(group), Attribute::Custom(custom)) => {
                self.store().group_value_bytes(group, custom.number).await?
            }
            _ => Vec::new(),
        })
    }
}
