//! Modify DN (RFC 4511 section 4.9): another name in the same place. Ids stay, so applications know
//! people as before.

use ostiary_model::{Action, Ctx, Dn, Filter};

use super::EntryError;
use crate::App;
use crate::changes::{GroupChange, PersonChange};
use crate::directory::{Reader, Target};

/// What an entry is to be called.
#[derive(Debug, Clone)]
pub struct Rename {
    /// Its own name, of one part.
    pub name: Dn,
    /// Whether the old name is no value of the entry any more.
    pub delete_old: bool,
    /// The entry above, when it is to be another one.
    pub parent: Option<Dn>,
}

impl App {
    /// Renames the entry `dn`, if `condition` is true of it.
    ///
    /// # Errors
    /// [`EntryError`].
    pub async fn entry_rename(
        &self,
        ctx: &Ctx,
        dn: &Dn,
        rename: &Rename,
        condition: Option<&Filter>,
    ) -> Result<Target, EntryError> {
        let reader = self.entry_reader(ctx)?;
        self.directory().catch_up(self.store()).await?;
        let target = self.directory().find(reader, dn)?;
        self.early(ctx, Action::Administer)?;
        let name = self.new_name(reader, target, rename)?;
        let mut tx = self.change_begin_if(reader, target, condition).await?;
        match target {
            Target::Person(user) => {
                let change = PersonChange { username: Some(name), ..PersonChange::default() };
                self.person_apply(ctx, &mut tx, user, &change).await?;
                self.commit(ctx, tx).await?;
                self.audit(ctx, "person renamed", user);
            }
            Target::Group(group) => {
                let change = GroupChange { name: Some(name), ..GroupChange::default() };
                self.group_apply(ctx, &mut tx, group, &change).await?;
                self.commit(ctx, tx).await?;
                self.audit(ctx, "group renamed", group);
            }
            Target::Base | Target::People | Target::Groups => {}
        }
        Ok(target)
    }

    fn new_name(&self, reader: Reader, target: Target, rename: &Rename) -> Result<String, EntryError> {
        let (naming, branch) = match target {
            Target::Base | Target::People | Target::Groups => return Err(EntryError::NotLeaf),
            Target::Person(_) => ("uid", Target::People),
            Target::Group(_) => ("cn", Target::Groups),
        };
        if let Some(parent) = &rename.parent
            && self.directory().find(reader, parent)? != branch
        {
            return Err(EntryError::Unwilling("people and groups stay in their branches".to_owned()));
        }
        let [rdn] = rename.name.rdns() else {
            return Err(EntryError::Naming("the new name has one part"));
        };
        let name = match (rdn.single(), rdn.value()) {
            (Some((kind, _)), Some(name)) if kind == naming => name.to_owned(),
            _ => return Err(EntryError::Naming("people are named by uid, groups by cn, and by nothing beside")),
        };
        if !rename.delete_old {
            let message = "an entry has one name here, so the old one goes: ask for that (deleteoldrdn, ldapmodrdn -r)";
            return Err(EntryError::Unwilling(message.to_owned()));
        }
        Ok(name)
    }
}
