//! Modify (RFC 4511 section 4.6): modifications in order, on one entry, all of them or none.

use ostiary_model::{Action, Attribute, Ctx, Dn, Filter, GroupId, Rule, Schema, UserEntry, UserId};
use ostiary_store::Tx;

use super::draft::Draft;
use super::members::Members;
use super::person::PersonDiff;
use super::step::{Bearer, Kind, Modification, Step, Steps};
use super::{EntryError, Modified, group, person};
use crate::App;
use crate::changes::PersonChange;
use crate::directory::{Reader, Target};

/// What is changed, and under which condition.
struct Request<'a> {
    reader: Reader,
    target: Target,
    condition: Option<&'a Filter>,
}

impl App {
    /// Applies `modifications` to the entry `dn`, if `condition` is true of it.
    ///
    /// # Errors
    /// [`EntryError`].
    pub async fn entry_modify(
        &self,
        ctx: &Ctx,
        dn: &Dn,
        modifications: Vec<Modification>,
        condition: Option<&Filter>,
    ) -> Result<Modified, EntryError> {
        let reader = self.entry_reader(ctx)?;
        self.directory().catch_up(self.store()).await?;
        let target = self.directory().find(reader, dn)?;
        let schema = self.directory().schema();
        let request = Request { reader, target, condition };
        match target {
            Target::Base | Target::People | Target::Groups => {
                Err(EntryError::Unwilling("the branches of the tree stay as they are".to_owned()))
            }
            Target::Person(user) => {
                let steps = Steps::read(&schema, Bearer::Person, modifications)?;
                self.modify_person(ctx, &request, user, steps).await
            }
            Target::Group(group) => {
                let steps = Steps::read(&schema, Bearer::Group, modifications)?;
                self.modify_group(ctx, &request, group, &steps).await
            }
        }
    }

    async fn modify_person(
        &self,
        ctx: &Ctx,
        request: &Request<'_>,
        user: UserId,
        mut steps: Steps,
    ) -> Result<Modified, EntryError> {
        let schema = self.directory().schema();
        if !steps.own.is_empty() || steps.password.is_none() {
            self.may_touch(ctx, &schema, user, &steps.own)?;
        }
        let password = match steps.password.take() {
            Some(step) => Some(self.password_prepare(ctx, user, step).await?),
            None => None,
        };
        self.pictures_prepare(&mut steps.own).await?;
        let pictures = self.pictures_at_hand(request.target, &steps.own).await?;
        let mut tx = self.change_begin_if(request.reader, request.target, request.condition).await?;
        if !steps.own.is_empty() {
            let gone = || EntryError::NoSuchEntry { matched: String::new() };
            let entry = tx.user_entry(user).await?.ok_or_else(gone)?;
            let before = self.person_draft(&schema, request, &entry, pictures)?;
            let diff = Self::person_steps(&before, &steps.own)?;
            self.person_diff_apply(ctx, &mut tx, user, diff).await?;
        }
        let sets_password = password.is_some();
        let own_generation = match password {
            Some(work) => self.password_work_apply(ctx, &mut tx, user, work).await?,
            None => None,
        };
        self.commit(ctx, tx).await?;
        if sets_password {
            self.audit(ctx, "password set", user);
        }
        if !steps.own.is_empty() {
            self.audit(ctx, "person changed", user);
        }
        Ok(Modified { target: request.target, own_generation })
    }

    /// What others may do on an entry is not found out by trying: whoever may not change an
    /// attribute does not learn which values it has either.
    fn may_touch(&self, ctx: &Ctx, schema: &Schema, user: UserId, steps: &[Step]) -> Result<(), EntryError> {
        self.early(ctx, Action::EditUser(user))?;
        if self.early(ctx, Action::Administer).is_ok() {
            return Ok(());
        }
        let is_editable = |step: &&Step| match step.attribute {
            Attribute::Cn | Attribute::GivenName | Attribute::Sn | Attribute::JpegPhoto => true,
            Attribute::Custom(custom) => schema.def(custom.number).is_some_and(|def| def.is_editable),
            _ => false,
        };
        match steps.iter().find(|step| !is_editable(step)) {
            Some(step) => Err(EntryError::Denied(format!("you may not change {}: ask an administrator", step.name))),
            None => Ok(()),
        }
    }

    /// The entry as it stands, with what is only known in memory: its classes and pictures.
    fn person_draft(
        &self,
        schema: &Schema,
        request: &Request<'_>,
        entry: &UserEntry,
        pictures: Vec<(Attribute, Vec<Vec<u8>>)>,
    ) -> Result<Draft, EntryError> {
        let mut draft = person::draft(schema, entry, self.directory().posix_defaults());
        draft.begin(Attribute::ObjectClass, self.classes_of(request));
        for (attribute, values) in pictures {
            draft.begin(attribute, values);
        }
        Ok(draft)
    }

    fn classes_of(&self, request: &Request<'_>) -> Vec<Vec<u8>> {
        let mut classes = Vec::new();
        self.directory().view(request.reader, request.target, |view| {
            view.values(Attribute::ObjectClass, &mut |class| classes.push(class.as_bytes().to_vec()));
        });
        classes
    }

    fn person_steps(before: &Draft, steps: &[Step]) -> Result<PersonDiff, EntryError> {
        let mut after = before.clone();
        steps.iter().try_for_each(|step| after.apply(step))?;
        person::diff(before, &after, steps)
    }

    pub(super) async fn person_diff_apply(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        user: UserId,
        diff: PersonDiff,
    ) -> Result<(), EntryError> {
        let PersonDiff { change, picture } = diff;
        if change != PersonChange::default() {
            self.person_apply(ctx, tx, user, &change).await?;
        }
        if let Some(picture) = picture {
            self.allowed(ctx, tx, Action::EditUser(user)).await?;
            tx.avatar_set(user, picture.as_deref(), ctx.now).await?;
        }
        Ok(())
    }

    /// Makes each new picture one of our own.
    pub(super) async fn pictures_prepare(&self, steps: &mut [Step]) -> Result<(), EntryError> {
        for step in steps.iter_mut().filter(|step| step.attribute.rule() == Rule::Picture && step.kind != Kind::Delete)
        {
            for value in &mut step.values {
                *value = match step.attribute {
                    Attribute::JpegPhoto => self.picture_prepare(value).await?,
                    _ => self.picture_check(value).await?,
                };
            }
        }
        Ok(())
    }

    /// The pictures that are there already, of the attributes that are to be changed.
    async fn pictures_at_hand(
        &self,
        target: Target,
        steps: &[Step],
    ) -> Result<Vec<(Attribute, Vec<Vec<u8>>)>, EntryError> {
        let mut pictures: Vec<(Attribute, Vec<Vec<u8>>)> = Vec::new();
        for step in steps.iter().filter(|step| step.attribute.rule() == Rule::Picture) {
            if pictures.iter().all(|(known, _)| *known != step.attribute) {
                pictures.push((step.attribute, self.pictures(target, step.attribute).await?));
            }
        }
        Ok(pictures)
    }

    async fn modify_group(
        &self,
        ctx: &Ctx,
        request: &Request<'_>,
        id: GroupId,
        steps: &Steps,
    ) -> Result<Modified, EntryError> {
        if steps.own.is_empty() {
            let manages = |user| self.directory().managed_by(user).iter().any(|managed| managed.id == id);
            let is_manager = ctx.actor.user().is_some_and(manages);
            self.early(ctx, Action::ChangeMembers { is_manager })?;
        } else {
            self.early(ctx, Action::Administer)?;
        }
        let schema = self.directory().schema();
        let mut own = steps.own.clone();
        self.pictures_prepare(&mut own).await?;
        let pictures = self.pictures_at_hand(request.target, &own).await?;
        let mut tx = self.change_begin_if(request.reader, request.target, request.condition).await?;
        let gone = || EntryError::NoSuchEntry { matched: String::new() };
        let entry = tx.group_entry(id).await?.ok_or_else(gone)?;
        let mut before = group::draft(&schema, &entry);
        before.begin(Attribute::ObjectClass, self.classes_of(request));
        for (attribute, values) in pictures {
            before.begin(attribute, values);
        }
        let mut after = before.clone();
        own.iter().try_for_each(|step| after.apply(step))?;
        let mut change = group::diff(&before, &after)?;
        let mut members = Members::of(self.directory(), request.reader, Some(id));
        steps.members.iter().try_for_each(|step| members.apply(step))?;
        (change.add, change.remove) = members.into_lists();
        self.group_apply(ctx, &mut tx, id, &change).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "group changed", id);
        self.audit_group(ctx, id, &change);
        Ok(Modified { target: request.target, own_generation: None })
    }
}
