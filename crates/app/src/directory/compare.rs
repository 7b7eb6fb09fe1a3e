//! What filters are told of an entry: its values as they are compared, and whether it refers to
//! others. Nothing that its reader may not see.

use ostiary_model::{Assertion, Attribute, Custom, Entry, Folded, HOME_DIRECTORY, LOGIN_SHELL, Reference, Value};

use super::entry::{Person, Text, Unit};
use super::index::Place;
use super::state::State;
use super::tree::{Found, Tree};
use super::values::Values;
use super::view::{Kind, SUBSCHEMA, View, unit_time};

impl View<'_> {
    fn person_any(&self, person: &Person, attribute: Attribute, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        let user = &*person.user;
        let text = match attribute {
            Attribute::Uid => Text::Username,
            Attribute::Cn | Attribute::DisplayName => Text::FullName,
            Attribute::Mail => return person.mails().any(|mail| matches(Value::Text(mail))),
            Attribute::GivenName => Text::GivenName,
            Attribute::Sn => Text::FamilyName,
            Attribute::MemberOf => return !person.groups.is_empty() && matches(Value::Reference),
            Attribute::EntryUuid => return matches(Value::Uuid(person.id.uuid())),
            Attribute::UserAccountControl => return matches(Value::Integer(self.account_control(user))),
            Attribute::UidNumber => return user.uid_number.is_some_and(|number| matches(Value::Integer(number))),
            Attribute::GidNumber => return user.primary_group().is_some_and(|number| matches(Value::Integer(number))),
            Attribute::JpegPhoto => return user.has_avatar && matches(Value::Opaque),
            Attribute::Custom(custom) => return self.custom_any(person, custom, matches),
            _ => return self.person_time(user, attribute).is_some_and(|at| matches(Value::Time(at))),
        };
        let text = person.folded(text);
        !text.is_empty() && matches(Value::Text(text))
    }

    fn custom_any(&self, person: &Person, custom: Custom, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        let values = person.values.of(custom.number);
        match custom.number {
            LOGIN_SHELL if values.is_empty() => matches(Value::Text(&self.tree.posix.shell)),
            HOME_DIRECTORY if values.is_empty() => matches(Value::Text(&self.tree.posix.home_of(&person.user))),
            _ => any_of(&person.values, custom, matches),
        }
    }

    fn unit_any(&self, unit: &Unit, attribute: Attribute, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        match attribute {
            Attribute::Cn | Attribute::DisplayName | Attribute::Uid => matches(Value::Text(unit.name.as_str())),
            Attribute::Member | Attribute::UniqueMember => {
                let is_there = self.persons_in(unit).next().is_some() || self.units_in(unit).next().is_some();
                is_there && matches(Value::Reference)
            }
            // Names in plain letters are folded as they stand; there may be very many.
            Attribute::MemberUid => {
                let mut persons = self.everybody_in(unit).into_iter().filter_map(|place| self.state.person_at(place));
                persons.any(|person| match person.shown(Text::Username) {
                    name if name.is_ascii() => matches(Value::Text(name)),
                    name => matches(Value::Text(Folded::exact(name).as_str())),
                })
            }
            Attribute::MemberOf => {
                let mut above = unit.above.iter();
                above.any(|group| self.reader.sees_unit(self.state, *group)) && matches(Value::Reference)
            }
            Attribute::EntryUuid => matches(Value::Uuid(unit.group.id.uuid())),
            Attribute::GroupNumber => matches(Value::Integer(unit.group.number)),
            Attribute::GidNumber => unit.group.gid_number.is_some_and(|number| matches(Value::Integer(number))),
            Attribute::Custom(custom) => any_of(&unit.values, custom, matches),
            _ => unit_time(unit, attribute).is_some_and(|at| matches(Value::Time(at))),
        }
    }
}

impl Entry for View<'_> {
    fn any(&self, attribute: Attribute, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        if !self.reader.sees_attribute(attribute) {
            return false;
        }
        match (attribute, self.kind) {
            (Attribute::ObjectClass, _) => {
                let mut found = false;
                self.classes(&mut |name| found = found || matches(Value::Class(name)));
                found
            }
            (Attribute::StructuralObjectClass, _) => matches(Value::Class(self.structural_class())),
            (Attribute::EntryDn | Attribute::SubschemaSubentry, _) => matches(Value::Reference),
            (Attribute::HasSubordinates, _) => matches(Value::Boolean(self.subordinates() > 0)),
            (Attribute::NumSubordinates, _) => {
                matches(Value::Integer(i64::try_from(self.subordinates()).unwrap_or(i64::MAX)))
            }
            (_, Kind::Base) => {
                self.tree.base_value(attribute).is_some_and(|value| matches(Value::Text(Folded::new(value).as_str())))
            }
            (Attribute::Ou, Kind::People) => matches(Value::Text("people")),
            (Attribute::Ou, Kind::Groups) => matches(Value::Text("groups")),
            (_, Kind::People | Kind::Groups) => false,
            (_, Kind::Person(person)) => self.person_any(person, attribute, matches),
            (_, Kind::Unit(unit)) => self.unit_any(unit, attribute, matches),
        }
    }

    fn refers(&self, attribute: Attribute, reference: &Reference) -> bool {
        let Some(whom) = refers_to(self.state, self.tree, attribute, reference) else {
            return attribute == Attribute::SubschemaSubentry && is_subschema(reference);
        };
        match (attribute, self.kind, whom) {
            (Attribute::EntryDn, _, whom) => whom == self.place,
            (Attribute::MemberOf, Kind::Person(person), Place::Unit(group)) => self.state.is_in(person, group),
            (Attribute::MemberOf, Kind::Unit(unit), Place::Unit(group)) => {
                unit.above.contains(&group) && self.reader.sees_unit(self.state, group)
            }
            (Attribute::Member | Attribute::UniqueMember, Kind::Unit(unit), Place::Person(at)) => {
                let groups = self.state.person_at(at).map_or(&[][..], |person| &person.groups);
                self.sees_member(unit, at) && groups.iter().any(|group| Place::Unit(*group) == self.place)
            }
            (Attribute::Member | Attribute::UniqueMember, Kind::Unit(unit), Place::Unit(child)) => {
                unit.children.contains(&child) && self.sees_child(unit, child)
            }
            _ => false,
        }
    }

    fn reaches(&self, attribute: Attribute, reference: &Reference) -> bool {
        let (Attribute::Member | Attribute::UniqueMember, Kind::Unit(unit), Place::Unit(place)) =
            (attribute, self.kind, self.place)
        else {
            return self.refers(attribute, reference);
        };
        match refers_to(self.state, self.tree, attribute, reference) {
            Some(Place::Person(at)) => {
                self.sees_member(unit, at)
                    && self.state.person_at(at).is_some_and(|person| self.state.is_in(person, place))
            }
            Some(Place::Unit(at)) => {
                self.sees_child(unit, at) && self.state.unit_at(at).is_some_and(|inner| inner.above.contains(&place))
            }
            _ => false,
        }
    }

    /// The many members of a group are not gone through for one of them.
    fn has_equal(&self, attribute: Attribute, asked: &Assertion) -> Option<bool> {
        let (Attribute::MemberUid, Kind::Unit(unit), Place::Unit(place), Assertion::Text(name)) =
            (attribute, self.kind, self.place, asked)
        else {
            return None;
        };
        let found = self.state.person_named(Folded::new(name.as_str()).as_str());
        Some(found.is_some_and(|at| {
            let is_it = |person: &Person| Folded::exact(person.shown(Text::Username)) == *name;
            let person = self.state.person_at(at).filter(|person| is_it(person));
            self.sees_member(unit, at) && person.is_some_and(|person| self.state.is_in(person, place))
        }))
    }

    fn is_named(&self, attribute: Attribute, value: &Folded) -> bool {
        let own = match self.kind {
            Kind::Person(person) => attribute == Attribute::Uid && person.folded(Text::Username) == value.as_str(),
            Kind::Unit(unit) => attribute == Attribute::Cn && unit.name == *value,
            Kind::Base | Kind::People | Kind::Groups => false,
        };
        let branch = match self.kind {
            Kind::People | Kind::Person(_) => Some("people"),
            Kind::Groups | Kind::Unit(_) => Some("groups"),
            Kind::Base => None,
        };
        let in_base = |(kind, name): (&str, &Folded)| attribute.name() == kind && name == value;
        own || (attribute == Attribute::Ou && branch == Some(value.as_str()))
            || self.tree.base.rdns().iter().filter_map(|rdn| rdn.single()).any(in_base)
    }
}

/// The place of the entry that a reference in a filter names, by the kind of entry that the
/// attribute holds.
pub(super) fn refers_to(state: &State, tree: &Tree, attribute: Attribute, reference: &Reference) -> Option<Place> {
    match (attribute, reference) {
        (_, Reference::Dn(dn)) => match tree.resolve(state, dn) {
            Found::Entry(place) => Some(place),
            Found::Nearest(_) => None,
        },
        (Attribute::MemberOf, Reference::Name(name)) => state.unit_named(name.as_str()).map(Place::Unit),
        (_, Reference::Name(name)) => state.person_named(name.as_str()).map(Place::Person),
    }
}

fn is_subschema(reference: &Reference) -> bool {
    matches!(reference, Reference::Dn(dn) if dn.folded() == Folded::new(SUBSCHEMA))
}

fn any_of(values: &Values, custom: Custom, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
    values.of(custom.number).iter().any(|value| matches(value.compared()))
}
