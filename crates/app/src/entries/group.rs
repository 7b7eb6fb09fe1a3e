//! A group's entry as attributes, and what is to be different as a change of a group. Who is in it
//! is in `members`.

use ostiary_model::{Attribute, GroupEntry, Schema};

use super::EntryError;
use super::draft::{Draft, same};
use super::person::{classes_stay, needed, number, stored, text};
use crate::changes::GroupChange;

/// The attributes that a group's entry shows.
pub(super) fn draft(schema: &Schema, entry: &GroupEntry) -> Draft {
    let mut draft = Draft::default();
    draft.begin_text(Attribute::Cn, entry.group.name.as_str());
    if let Some(number) = entry.group.gid_number {
        draft.begin_text(Attribute::GidNumber, &number.to_string());
    }
    stored(schema, &mut draft, &entry.values);
    draft
}

/// What is to be different, when an entry that was `before` is to be `after`.
pub(super) fn diff(before: &Draft, after: &Draft) -> Result<GroupChange, EntryError> {
    let mut change = GroupChange::default();
    classes_stay(before, after, false)?;
    for attribute in after.attributes() {
        let (old, new) = (before.values(attribute), after.values(attribute));
        if old == new {
            continue;
        }
        match attribute {
            Attribute::Cn => {
                let is_same = matches!((old, new), ([old], [new]) if same(Attribute::Cn, old, new));
                if !is_same && !old.is_empty() {
                    return Err(EntryError::Named("cn".to_owned()));
                }
                change.name = text(new, "cn")?;
            }
            Attribute::GidNumber => {
                change.gid_number = Some(number(new, "gidNumber")?.ok_or_else(|| needed("gidNumber"))?);
            }
            Attribute::Custom(custom) => change.values.push((custom.number, new.to_vec())),
            _ => {}
        }
    }
    Ok(change)
}
