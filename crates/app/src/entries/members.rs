//! Who comes into a group and who goes out of it. Only they are looked at: one more member of a
//! group of thousands costs what it costs in a small one.

use std::collections::HashSet;

use ostiary_model::{Attribute, Dn, Folded, GroupId, Member};

use super::EntryError;
use super::step::{Kind, MemberStep};
use crate::directory::{Directory, Reader, Target};

/// What groups are said to hold by programs that think that a group may not be empty.
const PLACEHOLDERS: &[&str] = &["", "cn=empty-membership-placeholder"];

/// The members of a group while they are being changed.
pub(super) struct Members<'a> {
    directory: &'a Directory,
    reader: Reader,
    /// `None` for a group that is not there yet.
    group: Option<GroupId>,
    added: HashSet<Member>,
    removed: HashSet<Member>,
}

impl<'a> Members<'a> {
    pub(super) fn of(directory: &'a Directory, reader: Reader, group: Option<GroupId>) -> Self {
        Self { directory, reader, group, added: HashSet::new(), removed: HashSet::new() }
    }

    /// Who comes in and who goes out.
    pub(super) fn into_lists(self) -> (Vec<Member>, Vec<Member>) {
        (self.added.into_iter().collect(), self.removed.into_iter().collect())
    }

    /// Applies one modification.
    pub(super) fn apply(&mut self, step: &MemberStep) -> Result<(), EntryError> {
        let mut members = Vec::with_capacity(step.values.len());
        let mut seen = HashSet::with_capacity(step.values.len());
        for value in &step.values {
            let Some(member) = self.named(step, value)? else { continue };
            if !seen.insert(member) {
                return Err(EntryError::ValueExists(step.name.clone()));
            }
            members.push(member);
        }
        match step.kind {
            Kind::Increment => return Err(EntryError::Matching(step.name.clone())),
            Kind::Delete if step.values.is_empty() => {
                let all = self.all(step.attribute);
                if all.is_empty() {
                    return Err(EntryError::NoSuchValue(step.name.clone()));
                }
                all.into_iter().for_each(|member| self.take_out(member));
            }
            Kind::Delete => {
                for member in members {
                    if !self.contains(member) {
                        return Err(EntryError::NoSuchValue(step.name.clone()));
                    }
                    self.take_out(member);
                }
            }
            Kind::Replace => {
                self.all(step.attribute).into_iter().for_each(|member| self.take_out(member));
                members.into_iter().for_each(|member| self.put_in(member));
            }
            Kind::Add => {
                for member in members {
                    if self.contains(member) {
                        return Err(EntryError::ValueExists(step.name.clone()));
                    }
                    self.put_in(member);
                }
            }
        }
        Ok(())
    }

    /// The member that a value names; none for what stands for nobody.
    fn named(&self, step: &MemberStep, value: &[u8]) -> Result<Option<Member>, EntryError> {
        let syntax = || EntryError::Syntax(format!("a value of {} is none of its kind", step.name));
        let text = str::from_utf8(value).map_err(|_| syntax())?;
        let unknown = || match step.kind {
            Kind::Delete => EntryError::NoSuchValue(step.name.clone()),
            _ => EntryError::Constraint(format!("{}: there is no such person or group", step.name)),
        };
        if step.attribute == Attribute::MemberUid {
            let user = self.directory.user_by_name(&Folded::new(text)).ok_or_else(unknown)?;
            return Ok(Some(Member::User(user.id)));
        }
        if PLACEHOLDERS.contains(&text) {
            return Ok(None);
        }
        let dn = Dn::parse(text).map_err(|_| syntax())?;
        // Managers put people into their groups whose entries they do not see.
        if let Ok(user) = self.directory.account(&dn) {
            return Ok(Some(Member::User(user)));
        }
        match self.directory.find(self.reader, &dn) {
            Ok(Target::Group(group)) => Ok(Some(Member::Group(group))),
            _ => Err(unknown()),
        }
    }

    fn contains(&self, member: Member) -> bool {
        self.added.contains(&member) || (!self.removed.contains(&member) && self.was_in(member))
    }

    /// Looked up from the member's side: few are in many groups.
    fn was_in(&self, member: Member) -> bool {
        let Some(own) = self.group else { return false };
        let groups = match member {
            Member::User(user) => self.directory.direct_groups_of(user),
            Member::Group(group) => self.directory.parents_of(group),
        };
        groups.iter().any(|group| group.id == own)
    }

    /// Everybody of the kind that the attribute names.
    fn all(&self, attribute: Attribute) -> Vec<Member> {
        let is_named = |member: &Member| attribute != Attribute::MemberUid || matches!(member, Member::User(_));
        let mut all: Vec<_> = self.added.iter().copied().filter(is_named).collect();
        if let Some(group) = self.group {
            let people = self.directory.members_of(group).into_iter().map(|user| Member::User(user.id));
            let groups = self.directory.subgroups_of(group).into_iter().map(|group| Member::Group(group.id));
            all.extend(people.chain(groups).filter(is_named).filter(|member| !self.removed.contains(member)));
        }
        all
    }

    fn put_in(&mut self, member: Member) {
        if !self.removed.remove(&member) {
            self.added.insert(member);
        }
    }

    fn take_out(&mut self, member: Member) {
        if !self.added.remove(&member) {
            self.removed.insert(member);
        }
    }
}
