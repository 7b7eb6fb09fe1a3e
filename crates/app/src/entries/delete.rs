//! Delete (RFC 4511 section 4.8).

use ostiary_model::{Action, Ctx, Dn, Filter};

use super::EntryError;
use crate::App;
use crate::directory::Target;

impl App {
    /// Removes the entry `dn`, if `condition` is true of it.
    ///
    /// # Errors
    /// [`EntryError`].
    pub async fn entry_delete(&self, ctx: &Ctx, dn: &Dn, condition: Option<&Filter>) -> Result<(), EntryError> {
        let reader = self.entry_reader(ctx)?;
        self.directory().catch_up(self.store()).await?;
        let target = self.directory().find(reader, dn)?;
        self.early(ctx, Action::Administer)?;
        if matches!(target, Target::Base | Target::People | Target::Groups) {
            return Err(EntryError::NotLeaf);
        }
        let mut tx = self.change_begin_if(reader, target, condition).await?;
        match target {
            Target::Person(user) => {
                self.person_delete_apply(ctx, &mut tx, user).await?;
                self.commit(ctx, tx).await?;
                self.audit(ctx, "account deleted", user);
            }
            Target::Group(group) => {
                self.group_delete_apply(ctx, &mut tx, group).await?;
                self.commit(ctx, tx).await?;
                self.audit(ctx, "group deleted", group);
            }
            Target::Base | Target::People | Target::Groups => {}
        }
        Ok(())
    }
}
