//! An entry while it is being changed: attributes with their values, to which modifications are
//! applied one after another (RFC 4511 section 4.6). Knows no database and no rights.

use std::collections::{HashMap, HashSet};

use ostiary_model::{Assertion, Attribute, Entry, Folded, Reference, Rule, Value};

use super::EntryError;
use super::step::{Kind, Step};

/// More values are not compared with each other. What is kept is far less.
const MAX_VALUES: usize = 1000;

/// The attributes of an entry with their values, as LDAP writes them.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft(HashMap<Attribute, Slot>);

/// The values of one attribute.
#[derive(Debug, Clone, Default)]
struct Slot {
    values: Vec<Vec<u8>>,
    /// What counts of each value when it is compared with another, in the same order: worked out
    /// once, since texts are long to fold.
    keys: Vec<Vec<u8>>,
}

impl Slot {
    fn push(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.keys.push(key);
        self.values.push(value);
    }

    fn remove(&mut self, key: &[u8]) -> bool {
        let Some(at) = self.keys.iter().position(|own| own == key) else { return false };
        self.keys.remove(at);
        self.values.remove(at);
        true
    }
}

impl Draft {
    /// Sets an attribute to what it is before any change.
    pub(super) fn begin(&mut self, attribute: Attribute, values: Vec<Vec<u8>>) {
        let slot = self.0.entry(attribute).or_default();
        for value in values {
            slot.push(key(attribute, &value), value);
        }
    }

    /// Sets an attribute that has one value or none.
    pub(super) fn begin_text(&mut self, attribute: Attribute, text: &str) {
        if !text.is_empty() {
            self.begin(attribute, vec![text.as_bytes().to_vec()]);
        }
    }

    /// The values of an attribute; none when it has none.
    pub(super) fn values(&self, attribute: Attribute) -> &[Vec<u8>] {
        self.0.get(&attribute).map_or(&[], |slot| &slot.values)
    }

    /// The attributes that have been mentioned.
    pub(super) fn attributes(&self) -> impl Iterator<Item = Attribute> {
        self.0.keys().copied()
    }

    /// Applies one modification.
    pub(super) fn apply(&mut self, step: &Step) -> Result<(), EntryError> {
        let slot = self.0.entry(step.attribute).or_default();
        let exists = || EntryError::ValueExists(step.name.clone());
        let missing = || EntryError::NoSuchValue(step.name.clone());
        let keys: Vec<_> = step.values.iter().map(|value| key(step.attribute, value)).collect();
        if keys.iter().collect::<HashSet<_>>().len() < keys.len() {
            return Err(exists());
        }
        let most = MAX_VALUES.saturating_sub(if step.kind == Kind::Add { slot.values.len() } else { 0 });
        if keys.len() > most {
            return Err(EntryError::Constraint(format!("{} has {MAX_VALUES} values at most", step.name)));
        }
        match step.kind {
            Kind::Add if keys.iter().any(|key| slot.keys.contains(key)) => return Err(exists()),
            Kind::Delete if keys.is_empty() && slot.values.is_empty() => return Err(missing()),
            Kind::Delete if keys.is_empty() => *slot = Slot::default(),
            Kind::Delete => {
                if !keys.iter().all(|key| slot.remove(key)) {
                    return Err(missing());
                }
            }
            Kind::Add => step.values.iter().zip(keys).for_each(|(value, key)| slot.push(key, value.clone())),
            Kind::Replace => *slot = Slot { values: step.values.clone(), keys },
            Kind::Increment => increment(slot, step)?,
        }
        Ok(())
    }
}

/// RFC 4525: each value grows by the one that was given.
fn increment(slot: &mut Slot, step: &Step) -> Result<(), EntryError> {
    if step.attribute.rule() != Rule::Integer {
        return Err(EntryError::Matching(step.name.clone()));
    }
    let [by] = step.values.as_slice() else {
        return Err(EntryError::Syntax("an increment has one value".to_owned()));
    };
    if slot.values.is_empty() {
        return Err(EntryError::NoSuchValue(step.name.clone()));
    }
    for value in &mut slot.values {
        let sum = number(value).zip(number(by)).and_then(|(own, by)| own.checked_add(by));
        let sum = sum.ok_or_else(|| EntryError::Constraint(format!("{} cannot be incremented so", step.name)))?;
        *value = sum.to_string().into_bytes();
    }
    slot.keys = slot.values.iter().map(|value| key(step.attribute, value)).collect();
    Ok(())
}

fn number(bytes: &[u8]) -> Option<i64> {
    str::from_utf8(bytes).ok()?.trim().parse().ok()
}

/// Whether two values are one by the rule of their attribute.
pub(super) fn same(attribute: Attribute, left: &[u8], right: &[u8]) -> bool {
    left == right || key(attribute, left) == key(attribute, right)
}

/// What counts of a value when it is compared with another one of its attribute.
pub(super) fn key(attribute: Attribute, value: &[u8]) -> Vec<u8> {
    match read(attribute, value) {
        Some(Assertion::Text(text)) => text.into_string().into_bytes(),
        Some(Assertion::Reference(Reference::Dn(dn))) => dn.folded().into_string().into_bytes(),
        Some(Assertion::Reference(Reference::Name(name))) => name.into_string().into_bytes(),
        Some(Assertion::Uuid(uuid)) => uuid.as_bytes().to_vec(),
        Some(Assertion::Time(at)) => at.as_micros().to_be_bytes().to_vec(),
        Some(Assertion::Integer(number)) => number.to_be_bytes().to_vec(),
        Some(Assertion::Boolean(truth)) => vec![u8::from(truth)],
        // A picture is itself.
        None => value.to_vec(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: Kind, attribute: Attribute, values: &[&str]) -> Step {
        let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        Step { kind, attribute, named: attribute, name: attribute.name().to_owned(), values }
    }

    /// What a list of steps makes of `ada` and `BOB`.
    fn made(steps: &[(Kind, &[&str])]) -> Result<Vec<String>, EntryError> {
        let mut draft = Draft::default();
        draft.begin(Attribute::Mail, vec![b"ada".to_vec(), b"BOB".to_vec()]);
        for (kind, values) in steps {
            draft.apply(&step(*kind, Attribute::Mail, values))?;
        }
        Ok(draft.values(Attribute::Mail).iter().map(|value| String::from_utf8(value.clone()).unwrap()).collect())
    }

    #[test]
    fn steps_are_applied_in_their_order() {
        use Kind::{Add, Delete, Replace};
        for (steps, left) in [
            (&[(Add, &["eve"][..])][..], &["ada", "BOB", "eve"][..]),
            (&[(Delete, &["bob"])], &["ada"]),
            (&[(Delete, &[]), (Add, &["ada"])], &["ada"]),
            (&[(Delete, &["Ada"]), (Add, &["ADA"])], &["BOB", "ADA"]),
            (&[(Replace, &["x", "y"]), (Delete, &["X"])], &["y"]),
            (&[(Replace, &[]), (Replace, &[])], &[]),
        ] {
            assert_eq!(made(steps).unwrap(), left, "{steps:?}");
        }
        for steps in [
            &[(Add, &["Bob"][..])][..],
            &[(Add, &["x", "X"])],
            &[(Replace, &["x", " x "])],
            &[(Add, &["eve"]), (Add, &["EVE"])],
        ] {
            assert!(matches!(made(steps), Err(EntryError::ValueExists(_))), "{steps:?}");
        }
        for steps in [&[(Delete, &["eve"][..])][..], &[(Delete, &["ada", "eve"])], &[(Replace, &[]), (Delete, &[])]] {
            assert!(matches!(made(steps), Err(EntryError::NoSuchValue(_))), "{steps:?}");
        }
    }

    #[test]
    fn numbers_grow_within_their_range() {
        let mut draft = Draft::default();
        draft.begin_text(Attribute::UidNumber, "007");
        let grow = |draft: &mut Draft, by: &str| draft.apply(&step(Kind::Increment, Attribute::UidNumber, &[by]));
        assert!(grow(&mut draft, "-9").is_ok());
        assert_eq!(draft.values(Attribute::UidNumber), [b"-2".to_vec()]);
        assert!(matches!(grow(&mut draft, "-9223372036854775807"), Err(EntryError::Constraint(_))));
        let missing = Draft::default().apply(&step(Kind::Increment, Attribute::GidNumber, &["1"]));
        assert!(matches!(missing, Err(EntryError::NoSuchValue(_))));
        let text = draft.apply(&step(Kind::Increment, Attribute::Sn, &["1"]));
        assert!(matches!(text, Err(EntryError::Matching(_))));
    }

    #[test]
    fn only_so_many_values_are_compared() {
        let many: Vec<_> = (0..=MAX_VALUES).map(|number| number.to_string()).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(matches!(made(&[(Kind::Replace, &many)]), Err(EntryError::Constraint(_))));
        assert!(made(&[(Kind::Replace, &many[1..]), (Kind::Delete, &["7"]), (Kind::Add, &["x"])]).is_ok());
        assert!(made(&[(Kind::Replace, &many[1..]), (Kind::Add, &["x"])]).is_err());
    }

    #[test]
    fn a_draft_answers_filters() {
        let mut draft = Draft::default();
        draft.begin_text(Attribute::Uid, "Ada");
        draft.begin(Attribute::ObjectClass, vec![b"inetOrgPerson".to_vec()]);
        draft.begin(Attribute::Member, vec![b"uid=ada,dc=x".to_vec()]);
        let schema = ostiary_model::Schema::default();
        for (filter, truth) in [
            ("(uid=ADA)", true),
            ("(uid=a*)", true),
            ("(objectClass=INETORGPERSON)", true),
            ("(member=UID=ada, dc=x)", true),
            ("(member=*)", true),
            ("(uid:dn:=ada)", true),
            ("(sn=*)", false),
            ("(!(shoeSize=*))", false),
        ] {
            let filter_ = ostiary_model::Filter::parse(filter, &schema).unwrap();
            assert_eq!(filter_.evaluate(&draft) == ostiary_model::Truth::True, truth, "{filter}");
        }
    }
}
