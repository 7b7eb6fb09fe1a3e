//! An entry while it is being changed: attributes with their values, to which modifications are
//! applied one after another (RFC 4511 section 4.6). Knows no database and no rights.

use std::collections::HashMap;

use ostiary_model::{Assertion, Attribute, Entry, Folded, Reference, Rule, Value};

use super::EntryError;
use super::step::{Kind, Step};

/// More values are not compared with each other. What is kept is far less.
const MAX_VALUES: usize = 1000;

/// The attributes of an entry with their values, as LDAP writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Draft(HashMap<Attribute, Vec<Vec<u8>>>);

impl Draft {
    /// Sets an attribute to what it is before any change.
    pub(super) fn begin(&mut self, attribute: Attribute, values: Vec<Vec<u8>>) {
        self.values_mut(attribute).extend(values);
    }

    /// Sets an attribute that has one value or none.
    pub(super) fn begin_text(&mut self, attribute: Attribute, text: &str) {
        if !text.is_empty() {
            self.begin(attribute, vec![text.as_bytes().to_vec()]);
        }
    }

    /// The values of an attribute; none when it has none.
    pub(super) fn values(&self, attribute: Attribute) -> &[Vec<u8>] {
        self.0.get(&attribute).map_or(&[], Vec::as_slice)
    }

    /// The attributes that have been mentioned.
    pub(super) fn attributes(&self) -> impl Iterator<Item = Attribute> {
        self.0.keys().copied()
    }

    fn values_mut(&mut self, attribute: Attribute) -> &mut Vec<Vec<u8>> {
        self.0.entry(attribute).or_default()
    }

    /// Applies one modification.
    pub(super) fn apply(&mut self, step: &Step) -> Result<(), EntryError> {
        let name = || step.name.clone();
        if step.values.len() > MAX_VALUES {
            return Err(EntryError::Constraint(format!("{} has {MAX_VALUES} values at most", step.name)));
        }
        for (at, value) in step.values.iter().enumerate() {
            if step.values.iter().take(at).any(|other| same(step.attribute, other, value)) {
                return Err(EntryError::ValueExists(name()));
            }
        }
        let values = self.values_mut(step.attribute);
        match step.kind {
            Kind::Add => {
                for value in &step.values {
                    if values.iter().any(|own| same(step.attribute, own, value)) {
                        return Err(EntryError::ValueExists(name()));
                    }
                    values.push(value.clone());
                }
                if values.len() > MAX_VALUES {
                    return Err(EntryError::Constraint(format!("{} has {MAX_VALUES} values at most", step.name)));
                }
            }
            Kind::Delete if step.values.is_empty() => {
                if values.is_empty() {
                    return Err(EntryError::NoSuchValue(name()));
                }
                values.clear();
            }
            Kind::Delete => {
                for value in &step.values {
                    let at = values.iter().position(|own| same(step.attribute, own, value));
                    values.remove(at.ok_or_else(|| EntryError::NoSuchValue(name()))?);
                }
            }
            Kind::Replace => values.clone_from(&step.values),
            Kind::Increment => increment(values, step)?,
        }
        Ok(())
    }
}

/// RFC 4525: each value grows by the one that was given.
fn increment(values: &mut [Vec<u8>], step: &Step) -> Result<(), EntryError> {
    if step.attribute.rule() != Rule::Integer {
        return Err(EntryError::Matching(step.name.clone()));
    }
    let [by] = step.values.as_slice() else {
        return Err(EntryError::Syntax("an increment has one value".to_owned()));
    };
    if values.is_empty() {
        return Err(EntryError::NoSuchValue(step.name.clone()));
    }
    for value in values {
        let sum = number(value).zip(number(by)).and_then(|(own, by)| own.checked_add(by));
        let sum = sum.ok_or_else(|| EntryError::Constraint(format!("{} cannot be incremented so", step.name)))?;
        *value = sum.to_string().into_bytes();
    }
    Ok(())
}

fn number(bytes: &[u8]) -> Option<i64> {
    str::from_utf8(bytes).ok()?.trim().parse().ok()
}

/// Whether two values are one by the rule of their attribute.
pub(super) fn same(attribute: Attribute, left: &[u8], right: &[u8]) -> bool {
    left == right || read(attribute, left).zip(read(attribute, right)).is_some_and(|(left, right)| left == right)
}

/// A value by the rule of its attribute; `None` when it is none, or has nothing to compare.
pub(super) fn read(attribute: Attribute, value: &[u8]) -> Option<Assertion> {
    Assertion::read(attribute, str::from_utf8(value).ok()?)
}

/// Filters on an entry that is not there yet (RFC 4528 section 3).
impl Entry for Draft {
    fn any(&self, attribute: Attribute, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        self.values(attribute).iter().any(|value| match (attribute.rule(), read(attribute, value)) {
            (Rule::ObjectClass, _) => matches(Value::Class(str::from_utf8(value).unwrap_or_default())),
            (_, Some(Assertion::Text(text))) => matches(Value::Text(text.as_str())),
            (_, Some(Assertion::Uuid(uuid))) => matches(Value::Uuid(uuid)),
            (_, Some(Assertion::Time(at))) => matches(Value::Time(at)),
            (_, Some(Assertion::Integer(number))) => matches(Value::Integer(number)),
            (_, Some(Assertion::Boolean(truth))) => matches(Value::Boolean(truth)),
            (_, Some(Assertion::Reference(_))) => matches(Value::Reference),
            (_, None) => matches(Value::Opaque),
        })
    }

    fn refers(&self, attribute: Attribute, reference: &Reference) -> bool {
        let asked = Assertion::Reference(reference.clone());
        self.values(attribute).iter().any(|value| read(attribute, value).is_some_and(|own| own == asked))
    }

    fn reaches(&self, attribute: Attribute, reference: &Reference) -> bool {
        self.refers(attribute, reference)
    }

    fn is_named(&self, attribute: Attribute, value: &Folded) -> bool {
        matches!(attribute, Attribute::Uid | Attribute::Cn)
            && self.values(attribute).iter().any(|own| str::from_utf8(own).is_ok_and(|own| Folded::new(own) == *value))
    }
}
