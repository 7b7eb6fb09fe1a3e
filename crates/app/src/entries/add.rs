//! Add (RFC 4511 section 4.7): people below `ou=people`, groups below `ou=groups`, nothing deeper.

use std::collections::HashMap;

use ostiary_model::{Action, Attribute, Ctx, Dn, Filter, Rdn, Truth};

use super::draft::{Draft, key, same};
use super::members::Members;
use super::step::{Bearer, Kind, Modification, Steps};
use super::{EntryError, group, person};
use crate::App;
use crate::changes::{NewGroup, NewPerson, profile_of};
use crate::directory::{Reader, Target};

impl App {
    /// Adds the entry `dn`, if `condition` is true of what it is to be.
    ///
    /// # Errors
    /// [`EntryError`].
    pub async fn entry_add(
        &self,
        ctx: &Ctx,
        dn: &Dn,
        attributes: Vec<(String, Vec<Vec<u8>>)>,
        condition: Option<&Filter>,
    ) -> Result<Target, EntryError> {
        let reader = self.entry_reader(ctx)?;
        self.directory().catch_up(self.store()).await?;
        let (bearer, name) = self.place_for(reader, dn)?;
        self.early(ctx, Action::Administer)?;
        let schema = self.directory().schema();
        let add = |(attribute, values)| Modification { kind: Kind::Add, attribute, values };
        let mut steps = Steps::read(&schema, bearer, attributes.into_iter().map(add).collect())?;
        say_once(&mut steps);
        self.pictures_prepare(&mut steps.own).await?;
        let draft = draft_of(bearer, &name, &steps)?;
        if condition.is_some_and(|condition| condition.evaluate(&draft) != Truth::True) {
            return Err(EntryError::Asserted);
        }
        match bearer {
            Bearer::Person => self.add_person(ctx, name, &draft, steps).await,
            Bearer::Group => self.add_group(ctx, reader, name, &draft, &steps).await,
        }
    }

    /// What an entry named `dn` would be, and its own name.
    fn place_for(&self, reader: Reader, dn: &Dn) -> Result<(Bearer, String), EntryError> {
        if self.directory().find(reader, dn).is_ok() {
            return Err(EntryError::Exists("an entry has this name already".to_owned()));
        }
        let (Some(rdn), Some(parent)) = (dn.rdns().first(), dn.parent()) else {
            return Err(EntryError::Naming("the root has a name already"));
        };
        let bearer = match self.directory().find(reader, &parent)? {
            Target::People => Bearer::Person,
            Target::Groups => Bearer::Group,
            Target::Base => {
                return Err(EntryError::Unwilling("only people and groups are added, in their branches".to_owned()));
            }
            Target::Person(_) | Target::Group(_) => {
                return Err(EntryError::Unwilling("nothing stands below people and groups".to_owned()));
            }
        };
        Ok((bearer, own_name(rdn)?))
    }

    async fn add_person(&self, ctx: &Ctx, username: String, draft: &Draft, steps: Steps) -> Result<Target, EntryError> {
        let diff = person::diff(&Draft::default(), draft, &steps.own)?;
        if diff.change.email.is_none() {
            return Err(person::needed("mail"));
        }
        let new = NewPerson { username, change: diff.change, ..NewPerson::default() };
        let phc = match steps.password.and_then(|step| step.new) {
            Some(password) => Some(self.new_password(ctx, &password, &profile_of(&new)?).await?),
            None => None,
        };
        let mut tx = self.change_begin().await?;
        let user = self.person_add_apply(ctx, &mut tx, &new, phc.as_deref()).await?;
        if let Some(Some(picture)) = diff.picture {
            tx.avatar_set(user.id, Some(&picture), ctx.now).await?;
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "person added", user.id);
        Ok(Target::Person(user.id))
    }

    async fn add_group(
        &self,
        ctx: &Ctx,
        reader: Reader,
        name: String,
        draft: &Draft,
        steps: &Steps,
    ) -> Result<Target, EntryError> {
        let mut change = group::diff(&Draft::default(), draft)?;
        let mut members = Members::of(self.directory(), reader, None);
        steps.members.iter().try_for_each(|step| members.apply(step))?;
        (change.add, _) = members.into_lists();
        let mut tx = self.change_begin().await?;
        let new = NewGroup { name, change };
        let group = self.group_add_apply(ctx, &mut tx, &new).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "group added", group.id);
        self.audit_group(ctx, group.id, &new.change);
        Ok(Target::Group(group.id))
    }
}

/// What is given under two of its names, such as `cn` and `displayName`, is given once.
fn say_once(steps: &mut Steps) {
    let mut said = HashMap::new();
    let mut once = |thing: Attribute, named: Attribute, values: &mut Vec<Vec<u8>>| {
        values.retain(|value| *said.entry((thing, key(thing, value))).or_insert(named) == named);
    };
    steps.own.iter_mut().for_each(|step| once(step.attribute, step.named, &mut step.values));
    steps.members.iter_mut().for_each(|step| once(Attribute::Member, step.attribute, &mut step.values));
}

/// The value of the name of an entry's own. Either attribute names people and groups, since programs
/// that were set up for LLDAP use either.
fn own_name(rdn: &Rdn) -> Result<String, EntryError> {
    let kind = rdn.single().map(|(kind, _)| kind);
    match (kind, rdn.value()) {
        (Some("uid" | "cn"), Some(name)) => Ok(name.to_owned()),
        _ => Err(EntryError::Naming("people are named by uid, groups by cn, and by nothing beside")),
    }
}

/// The entry that is to be: what was named, and the name itself.
fn draft_of(bearer: Bearer, name: &str, steps: &Steps) -> Result<Draft, EntryError> {
    let mut draft = Draft::default();
    steps.own.iter().try_for_each(|step| draft.apply(step))?;
    for step in &steps.members {
        draft.begin(step.attribute, step.values.clone());
    }
    let naming = match bearer {
        Bearer::Person => Attribute::Uid,
        Bearer::Group => Attribute::Cn,
    };
    match draft.values(naming) {
        [] => draft.begin_text(naming, name),
        [value] if same(naming, value, name.as_bytes()) => {}
        _ => return Err(EntryError::Naming("the attribute that names the entry has the value in the name alone")),
    }
    Ok(draft)
}
