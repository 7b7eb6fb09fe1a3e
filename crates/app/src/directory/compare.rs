//! What filters are told of an entry: its values as they are compared, and whether it refers to
//! others. Nothing that its reader may not see.

use ostiary_model::{Attribute, Custom, Entry, Folded, HOME_DIRECTORY, LOGIN_SHELL, Reference, Value};

use super::state::{Person, State, Target, Unit};
use super::tree::{Found, Tree};
use super::values::Values;
use super::view::{Kind, SUBSCHEMA, View, unit_time};

impl View<'_> {
    fn person_any(&self, person: &Person, attribute: Attribute, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        let user = &*person.user;
        let text = match attribute {
            Attribute::Uid => &person.name,
            Attribute::Cn | Attribute::DisplayName => &person.full_name_folded,
            Attribute::Mail => return person.emails.iter().any(|email| matches(Value::Text(email.as_str()))),
            Attribute::GivenName => &person.given_name,
            Attribute::Sn => &person.family_name,
            Attribute::MemberOf => return !person.groups.is_empty() && matches(Value::Reference),
            Attribute::EntryUuid => return matches(Value::Uuid(user.id.uuid())),
            Attribute::UserAccountControl => return matches(Value::Integer(self.account_control(user))),
            Attribute::UidNumber => return user.uid_number.is_some_and(|number| matches(Value::Integer(number))),
            Attribute::GidNumber => return user.primary_group().is_some_and(|number| matches(Value::Integer(number))),
            Attribute::JpegPhoto => return user.has_avatar && matches(Value::Opaque),
            Attribute::Custom(custom) => return self.custom_any(person, custom, matches),
            _ => return self.person_time(user, attribute).is_some_and(|at| matches(Value::Time(at))),
        };
        !text.as_str().is_empty() && matches(Value::Text(text.as_str()))
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
                let (mut some, members) = (false, !unit.members.is_empty() || !unit.children.is_empty());
                if members {
                    self.members(unit, &mut |_| some = true);
                }
                some && matches(Value::Reference)
            }
            // Names in plain letters are folded as they stand; there may be very many.
            Attribute::MemberUid => self.member_uids(unit, &mut |name| match name.is_ascii() {
                true => matches(Value::Text(name)),
                false => matches(Value::Text(Folded::exact(name).as_str())),
            }),
            Attribute::MemberOf => !unit.above.is_empty() && matches(Value::Reference),
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
                self.base_value(attribute).is_some_and(|value| matches(Value::Text(Folded::new(value).as_str())))
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
            (Attribute::EntryDn, _, whom) => whom == self.target(),
            (Attribute::MemberOf, Kind::Person(person), Target::Group(group)) => {
                self.state.unit_place(group).is_some_and(|place| self.state.is_in(person, place))
            }
            (Attribute::MemberOf, Kind::Unit(unit), Target::Group(group)) => {
                self.state.unit_place(group).is_some_and(|place| unit.above.contains(&place))
            }
            (Attribute::Member | Attribute::UniqueMember, Kind::Unit(unit), Target::Person(id)) => {
                let is_direct = || {
                    let place = self.state.unit_place(unit.group.id);
                    self.state
                        .person(id)
                        .is_some_and(|person| place.is_some_and(|place| person.groups.contains(&place)))
                };
                (self.sees_members(unit) || id == self.reader.user) && is_direct()
            }
            (Attribute::Member | Attribute::UniqueMember, Kind::Unit(unit), Target::Group(group)) => {
                let place = self.state.unit_place(group);
                self.sees_members(unit) && place.is_some_and(|place| unit.children.contains(&place))
            }
            _ => false,
        }
    }

    fn reaches(&self, attribute: Attribute, reference: &Reference) -> bool {
        let Kind::Unit(unit) = self.kind else { return self.refers(attribute, reference) };
        if !matches!(attribute, Attribute::Member | Attribute::UniqueMember) {
            return self.refers(attribute, reference);
        }
        let (Some(whom), Some(place)) =
            (refers_to(self.state, self.tree, attribute, reference), self.state.unit_place(unit.group.id))
        else {
            return false;
        };
        match whom {
            Target::Person(id) => {
                (self.sees_members(unit) || id == self.reader.user)
                    && self.state.person(id).is_some_and(|person| self.state.is_in(person, place))
            }
            Target::Group(id) => {
                self.sees_members(unit) && self.state.unit(id).is_some_and(|inner| inner.above.contains(&place))
            }
            _ => false,
        }
    }

    fn is_named(&self, attribute: Attribute, value: &Folded) -> bool {
        let own = match self.kind {
            Kind::Person(person) => attribute == Attribute::Uid && person.name == *value,
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

/// The entry that a reference in a filter names, by the kind of entry that the attribute holds.
pub(super) fn refers_to(state: &State, tree: &Tree, attribute: Attribute, reference: &Reference) -> Option<Target> {
    match (attribute, reference) {
        (_, Reference::Dn(dn)) => match tree.resolve(state, dn) {
            Found::Entry(target) => Some(target),
            Found::Nearest(_) => None,
        },
        (Attribute::MemberOf, Reference::Name(name)) => {
            state.unit_by_name(name.as_str()).map(|unit| Target::Group(unit.group.id))
        }
        (_, Reference::Name(name)) => state.person_by_name(name.as_str()).map(|person| Target::Person(person.user.id)),
    }
}

fn is_subschema(reference: &Reference) -> bool {
    matches!(reference, Reference::Dn(dn) if dn.folded() == Folded::new(SUBSCHEMA))
}

fn any_of(values: &Values, custom: Custom, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
    values.of(custom.number).iter().any(|value| matches(value.compared()))
}
