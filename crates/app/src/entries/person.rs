//! A person's entry as attributes, and what is to be different as a change of a person.

use ostiary_model::{Attribute, AttributeKind, HOME_DIRECTORY, LOGIN_SHELL, SSH_PUBLIC_KEY, Schema, UserEntry};

use super::EntryError;
use super::draft::{Draft, same};
use super::step::Step;
use crate::changes::PersonChange;
use crate::directory::PosixDefaults;

/// What is to be different about a person.
#[derive(Debug, Default)]
pub(super) struct PersonDiff {
    pub(super) change: PersonChange,
    /// The picture: another one, or none any more.
    pub(super) picture: Option<Option<Vec<u8>>>,
}

/// The attributes that a person's entry shows. Pictures are added by whoever needs them.
pub(super) fn draft(schema: &Schema, entry: &UserEntry, defaults: &PosixDefaults) -> Draft {
    let mut draft = Draft::default();
    let user = &entry.user;
    let profile = &user.profile;
    draft.begin_text(Attribute::Uid, profile.username.as_str());
    draft.begin_text(Attribute::Cn, &profile.full_name());
    draft.begin_text(Attribute::GivenName, &profile.given_name);
    draft.begin_text(Attribute::Sn, &profile.family_name);
    draft.begin_text(Attribute::Mail, profile.email.as_str());
    entry.addresses.iter().for_each(|address| draft.begin_text(Attribute::Mail, address.as_str()));
    for (attribute, number) in [(Attribute::UidNumber, user.uid_number), (Attribute::GidNumber, user.primary_group())] {
        if let Some(number) = number {
            draft.begin_text(attribute, &number.to_string());
        }
    }
    for (number, default) in [(LOGIN_SHELL, defaults.shell.clone()), (HOME_DIRECTORY, defaults.home_of(user))] {
        let is_stored = entry.values.iter().any(|(stored, values)| *stored == number && !values.is_empty());
        if let Some(attribute) = schema.attribute_by_number(number).filter(|_| !is_stored) {
            draft.begin_text(attribute, &default);
        }
    }
    stored(schema, &mut draft, &entry.values);
    draft
}

/// The values of defined attributes, pictures left out.
pub(super) fn stored(schema: &Schema, draft: &mut Draft, values: &[(u32, Vec<Vec<u8>>)]) {
    for (number, values) in values {
        let is_picture = schema.def(*number).is_some_and(|def| def.kind == AttributeKind::Jpeg);
        if let Some(attribute) = schema.attribute_by_number(*number).filter(|_| !is_picture) {
            draft.begin(attribute, values.clone());
        }
    }
}

/// What is to be different, when an entry that was `before` is to be `after`.
pub(super) fn diff(before: &Draft, after: &Draft, steps: &[Step]) -> Result<PersonDiff, EntryError> {
    let mut diff = PersonDiff::default();
    let is_key =
        |attribute: &Attribute| matches!(attribute, Attribute::Custom(custom) if custom.number == SSH_PUBLIC_KEY);
    let has_key = after.attributes().filter(is_key).any(|attribute| !after.values(attribute).is_empty());
    classes_stay(before, after, has_key)?;
    for attribute in after.attributes().filter(|attribute| before.values(*attribute) != after.values(*attribute)) {
        diff.take(attribute, before.values(attribute), after.values(attribute), steps)?;
    }
    let change = &mut diff.change;
    // A group of one's own has the number of the account: that is how it is asked for.
    let uid = number(after.values(Attribute::UidNumber), "uidNumber")?;
    if change.gid_number.is_some_and(|gid| gid == uid) {
        change.gid_number = Some(None);
    }
    Ok(diff)
}

impl PersonDiff {
    fn take(
        &mut self,
        attribute: Attribute,
        before: &[Vec<u8>],
        after: &[Vec<u8>],
        steps: &[Step],
    ) -> Result<(), EntryError> {
        let change = &mut self.change;
        match attribute {
            Attribute::Uid => {
                let is_same = matches!((before, after), ([old], [new]) if same(Attribute::Uid, old, new));
                if !is_same && !before.is_empty() {
                    return Err(EntryError::Named("uid".to_owned()));
                }
                change.username = text(after, "uid")?;
            }
            Attribute::Cn => {
                let is_asked = |step: &Step| step.attribute == Attribute::Cn && step.named == Attribute::Cn;
                if after.is_empty() && steps.iter().any(is_asked) {
                    return Err(needed("cn"));
                }
                change.display_name = Some(text(after, "cn")?.unwrap_or_default());
            }
            Attribute::GivenName => change.given_name = Some(text(after, "givenName")?.unwrap_or_default()),
            Attribute::Sn => change.family_name = Some(text(after, "sn")?.unwrap_or_default()),
            Attribute::Mail => {
                let (first, rest) = after.split_first().ok_or_else(|| needed("mail"))?;
                if before.first() != Some(first) {
                    change.email = Some(utf8(first));
                }
                change.addresses = Some(rest.iter().map(|address| utf8(address)).collect());
            }
            Attribute::UidNumber => {
                change.uid_number = Some(number(after, "uidNumber")?.ok_or_else(|| needed("uidNumber"))?);
            }
            Attribute::GidNumber => {
                change.gid_number = Some(Some(number(after, "gidNumber")?.ok_or_else(|| needed("gidNumber"))?));
            }
            Attribute::JpegPhoto => match after {
                [] => self.picture = Some(None),
                [picture] => self.picture = Some(Some(picture.clone())),
                _ => return Err(single("jpegPhoto")),
            },
            Attribute::Custom(custom) => change.values.push((custom.number, after.to_vec())),
            _ => {}
        }
        Ok(())
    }
}

/// The class of those who have an SSH key comes and goes with it; the others stay.
pub(super) fn classes_stay(before: &Draft, after: &Draft, has_key: bool) -> Result<(), EntryError> {
    let (before, after) = (before.values(Attribute::ObjectClass), after.values(Attribute::ObjectClass));
    let is_optional = |class: &[u8]| !has_key && class.eq_ignore_ascii_case(b"ldapPublicKey");
    let stays = |class: &Vec<u8>| after.iter().any(|other| same(Attribute::ObjectClass, class, other));
    match before.iter().find(|class| !stays(class) && !is_optional(class)) {
        Some(class) => Err(EntryError::Class(format!("the object class {} stays", utf8(class)))),
        None => Ok(()),
    }
}

/// The one value, or none.
pub(super) fn text(values: &[Vec<u8>], name: &str) -> Result<Option<String>, EntryError> {
    match values {
        [] => Ok(None),
        [value] => Ok(Some(utf8(value))),
        _ => Err(single(name)),
    }
}

/// The one value as a number, or none.
pub(super) fn number(values: &[Vec<u8>], name: &str) -> Result<Option<i64>, EntryError> {
    let Some(text) = text(values, name)? else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| EntryError::Syntax(format!("{name} is no number")))
}

pub(super) fn needed(name: &str) -> EntryError {
    EntryError::Class(format!("{name} must have a value"))
}

fn single(name: &str) -> EntryError {
    EntryError::Constraint(format!("{name} has one value here"))
}

/// Values of texts were checked when they came in.
fn utf8(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}
