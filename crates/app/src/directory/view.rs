//! An entry as one reader sees it. Filters are evaluated on this view and values are taken from
//! it, so what a reader may not see can neither be read nor guessed by asking.

use ostiary_model::{
    Action, Attribute, Custom, Entry, HOME_DIRECTORY, LOGIN_SHELL, Role, SSH_PUBLIC_KEY, Schema, Timestamp, User,
    UserId, may,
};
use uuid::Uuid;

use super::entry::{Person, Text, Unit};
use super::index::Place;
use super::state::{State, Target};
use super::tree::Tree;
use super::values::is_picture;

const PERSON_CLASSES: &[&str] =
    &["inetOrgPerson", "organizationalPerson", "person", "posixAccount", "mailAccount", "top"];
const GROUP_CLASSES: &[&str] = &["groupOfUniqueNames", "groupOfNames", "posixGroup", "top"];
const BRANCH_CLASSES: &[&str] = &["organizationalUnit", "top"];
/// The class of those who have an SSH key.
const KEY_CLASS: &str = "ldapPublicKey";
pub(super) const SUBSCHEMA: &str = "cn=Subschema";

/// `userAccountControl` of an open account (NORMAL_ACCOUNT).
const OPEN: i64 = 512;
/// `userAccountControl` of a closed account (NORMAL_ACCOUNT and ACCOUNTDISABLE).
const CLOSED: i64 = 514;
/// `pwdAccountLockedTime` of an account that only an administrator can open
/// (draft-behera-ldap-password-policy section 5.3.3), to the letter: SSSD looks for just that.
const LOCKED: &str = "000001010000Z";
/// The same moment, the first second of year 0, in Unix time.
const LOCKED_FOR_GOOD: Timestamp = Timestamp::from_secs(-62_167_219_200);

/// Who reads, and when.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// The account.
    pub user: UserId,
    /// What it may do now.
    pub role: Role,
    /// Now.
    pub now: Timestamp,
}

impl Reader {
    /// Nobody's account, with the right to see everything: for lists that the server makes itself.
    pub(super) fn everything(now: Timestamp) -> Self {
        Self { user: Uuid::nil().into(), role: Role::StrictReadonly, now }
    }

    fn may(self, action: Action) -> bool {
        may(self.user, self.role, action).is_ok()
    }

    /// Whether every entry may be seen.
    pub(super) fn sees_all(self) -> bool {
        self.may(Action::ReadDirectory)
    }

    fn sees_person(self, person: &Person) -> bool {
        self.may(Action::ReadUser(person.id))
    }

    /// Everybody sees the groups that they are in, and those that they manage.
    pub(super) fn sees_unit(self, state: &State, place: u32) -> bool {
        self.sees_all() || state.unit_at(place).is_some_and(|unit| self.manages(unit)) || self.is_in(state, place)
    }

    fn is_in(self, state: &State, place: u32) -> bool {
        state.person(self.user).is_some_and(|person| state.is_in(person, place))
    }

    /// Managers see who is in their group.
    fn manages(self, unit: &Unit) -> bool {
        unit.managers.contains(&self.user)
    }

    /// Whether values of `attribute` are shown at all.
    pub(super) fn sees_attribute(self, attribute: Attribute) -> bool {
        match attribute {
            Attribute::Custom(Custom { is_visible: false, .. }) => self.sees_all(),
            _ => true,
        }
    }
}

/// An entry as a reader sees it, while the directory stands still.
pub struct View<'a> {
    pub(super) state: &'a State,
    pub(super) tree: &'a Tree,
    pub(super) reader: Reader,
    pub(super) place: Place,
    pub(super) kind: Kind<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Kind<'a> {
    Base,
    People,
    Groups,
    Person(&'a Person),
    Unit(&'a Unit),
}

impl<'a> View<'a> {
    /// The entry, if it is there and `reader` may see it.
    pub(super) fn new(state: &'a State, tree: &'a Tree, reader: Reader, target: Target) -> Option<Self> {
        Self::at(state, tree, reader, state.place(target)?)
    }

    /// The entry at `place`, if there is one and `reader` may see it.
    pub(super) fn at(state: &'a State, tree: &'a Tree, reader: Reader, place: Place) -> Option<Self> {
        let kind = match place {
            Place::Base => Kind::Base,
            Place::People => Kind::People,
            Place::Groups => Kind::Groups,
            Place::Person(at) => Kind::Person(state.person_at(at).filter(|person| reader.sees_person(person))?),
            Place::Unit(at) => Kind::Unit(state.unit_at(at).filter(|_| reader.sees_unit(state, at))?),
        };
        Some(Self { state, tree, reader, place, kind })
    }

    /// Its distinguished name (RFC 4514).
    #[must_use]
    pub fn dn(&self) -> String {
        let mut dn = String::new();
        self.dn_into(&mut dn);
        dn
    }

    /// Appends its distinguished name to `text`.
    pub fn dn_into(&self, text: &mut String) {
        match self.kind {
            Kind::Base => text.push_str(&self.tree.base_text),
            Kind::People => text.push_str(&self.tree.people_text),
            Kind::Groups => text.push_str(&self.tree.groups_text),
            Kind::Person(person) => self.tree.person_into(person.shown(Text::Username), text),
            Kind::Unit(unit) => self.tree.group_into(unit.group.name.as_str(), text),
        }
    }

    /// Which entry it is.
    #[must_use]
    pub fn target(&self) -> Target {
        match self.kind {
            Kind::Base => Target::Base,
            Kind::People => Target::People,
            Kind::Groups => Target::Groups,
            Kind::Person(person) => Target::Person(person.id),
            Kind::Unit(unit) => Target::Group(unit.group.id),
        }
    }

    /// The attributes that the schema defines, as of now.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.state.schema
    }

    /// Whether `*` means `attribute` here: not where it is there under an alias alone.
    #[must_use]
    pub fn is_own(&self, attribute: Attribute) -> bool {
        !matches!((self.kind, attribute), (Kind::Unit(_), Attribute::Uid | Attribute::DisplayName))
    }

    /// The attributes of administrators that it may have, with the names that they go by.
    pub fn custom(&self) -> impl Iterator<Item = (&str, Attribute)> {
        let (users, groups) = (matches!(self.kind, Kind::Person(_)), matches!(self.kind, Kind::Unit(_)));
        let attributes = self.state.schema.attributes();
        let own = attributes.filter(move |(def, _)| (users && def.on_users) || (groups && def.on_groups));
        own.map(|(def, attribute)| (def.name.as_str(), attribute))
    }

    /// Whether it has values of `attribute` that have to be fetched from the store
    /// ([`crate::App::pictures`]).
    #[must_use]
    pub fn has_picture(&self, attribute: Attribute) -> bool {
        is_picture(attribute) && self.any(attribute, &mut |_| true)
    }

    /// Hands each value of `attribute`, as LDAP writes it, to `take`; none of a picture.
    pub fn values(&self, attribute: Attribute, take: &mut dyn FnMut(&str)) {
        if !self.reader.sees_attribute(attribute) {
            return;
        }
        match attribute {
            Attribute::ObjectClass => self.classes(take),
            Attribute::StructuralObjectClass => take(self.structural_class()),
            Attribute::EntryDn => take(&self.dn()),
            Attribute::SubschemaSubentry => take(SUBSCHEMA),
            Attribute::HasSubordinates => take(if self.subordinates() > 0 { "TRUE" } else { "FALSE" }),
            Attribute::NumSubordinates => take(&self.subordinates().to_string()),
            _ => match self.kind {
                Kind::Base => self.tree.base_value(attribute).into_iter().for_each(take),
                Kind::People if attribute == Attribute::Ou => take("people"),
                Kind::Groups if attribute == Attribute::Ou => take("groups"),
                Kind::People | Kind::Groups => {}
                Kind::Person(person) => self.person_values(person, attribute, take),
                Kind::Unit(unit) => self.unit_values(unit, attribute, take),
            },
        }
    }

    pub(super) fn classes(&self, take: &mut dyn FnMut(&str)) {
        let fixed = match self.kind {
            Kind::Base => match self.tree.base_kind() {
                "dc" => &["domain", "top"],
                "o" => &["organization", "top"],
                _ => BRANCH_CLASSES,
            },
            Kind::People | Kind::Groups => BRANCH_CLASSES,
            Kind::Person(_) => PERSON_CLASSES,
            Kind::Unit(_) => GROUP_CLASSES,
        };
        fixed.iter().for_each(|name| take(name));
        if matches!(self.kind, Kind::Person(person) if !person.values.of(SSH_PUBLIC_KEY).is_empty()) {
            take(KEY_CLASS);
        }
        for class in self.state.schema.classes() {
            let has = match self.kind {
                Kind::Person(_) => class.on_users,
                Kind::Unit(_) => class.on_groups,
                _ => false,
            };
            if has {
                take(class.name.as_str());
            }
        }
    }

    pub(super) fn structural_class(&self) -> &'static str {
        match self.kind {
            Kind::Base => match self.tree.base_kind() {
                "dc" => "domain",
                "o" => "organization",
                _ => "organizationalUnit",
            },
            Kind::People | Kind::Groups => "organizationalUnit",
            Kind::Person(_) => "inetOrgPerson",
            Kind::Unit(_) => "groupOfUniqueNames",
        }
    }

    /// How many entries directly below it the reader may see.
    pub(super) fn subordinates(&self) -> usize {
        let counts = self.state.counts();
        match self.kind {
            Kind::Base => 2,
            Kind::People if self.reader.sees_all() => counts.people,
            Kind::People => usize::from(self.state.person(self.reader.user).is_some()),
            Kind::Groups if self.reader.sees_all() => counts.groups,
            Kind::Groups => {
                let own = self.state.person(self.reader.user).map(|person| self.state.groups_of(person));
                let managed = self.state.units().filter(|(_, unit)| self.reader.manages(unit));
                let beside = managed.filter(|(place, _)| !self.reader.is_in(self.state, *place)).count();
                own.map_or(0, |own| own.len()) + beside
            }
            Kind::Person(_) | Kind::Unit(_) => 0,
        }
    }

    fn person_values(&self, person: &Person, attribute: Attribute, take: &mut dyn FnMut(&str)) {
        let user = &person.user;
        match attribute {
            Attribute::Uid => take(person.shown(Text::Username)),
            Attribute::Cn | Attribute::DisplayName => take(person.shown(Text::FullName)),
            Attribute::Mail => {
                take(person.shown(Text::Mail));
                person.further.iter().for_each(|(address, _)| take(address.as_str()));
            }
            Attribute::GivenName => present(person.shown(Text::GivenName), take),
            Attribute::Sn => present(person.shown(Text::FamilyName), take),
            Attribute::MemberOf => self.name_units(self.state.groups_of(person).iter().copied(), take),
            Attribute::EntryUuid => uuid(person.id.uuid(), take),
            Attribute::UidNumber => user.uid_number.into_iter().for_each(|number| take(&number.to_string())),
            Attribute::GidNumber => user.primary_group().into_iter().for_each(|number| take(&number.to_string())),
            Attribute::UserAccountControl => take(&self.account_control(user).to_string()),
            Attribute::PwdAccountLockedTime if !user.is_open(self.reader.now) => take(LOCKED),
            Attribute::Custom(custom) => self.custom_values(person, custom, take),
            _ => self.person_time(user, attribute).into_iter().for_each(|at| take(&at.to_generalized_time())),
        }
    }

    /// What is stored, or what everybody has who has nothing of their own.
    fn custom_values(&self, person: &Person, custom: Custom, take: &mut dyn FnMut(&str)) {
        let values = person.values.of(custom.number);
        match custom.number {
            LOGIN_SHELL if values.is_empty() => take(&self.tree.posix.shell),
            HOME_DIRECTORY if values.is_empty() => take(&self.tree.posix.home_of(&person.user)),
            _ => values.iter().for_each(|value| value.write(take)),
        }
    }

    fn unit_values(&self, unit: &Unit, attribute: Attribute, take: &mut dyn FnMut(&str)) {
        let group = &*unit.group;
        match attribute {
            Attribute::Cn | Attribute::DisplayName | Attribute::Uid => take(group.name.as_str()),
            Attribute::Member | Attribute::UniqueMember => self.members(unit, take),
            Attribute::MemberUid => {
                let persons = self.everybody_in(unit).into_iter().filter_map(|place| self.state.person_at(place));
                persons.for_each(|person| take(person.shown(Text::Username)));
            }
            Attribute::MemberOf => self.name_units(unit.above.iter().copied(), take),
            Attribute::EntryUuid => uuid(group.id.uuid(), take),
            Attribute::GroupNumber => take(&group.number.to_string()),
            Attribute::GidNumber => group.gid_number.into_iter().for_each(|number| take(&number.to_string())),
            Attribute::Custom(custom) => unit.values.of(custom.number).iter().for_each(|value| value.write(take)),
            _ => unit_time(unit, attribute).into_iter().for_each(|at| take(&at.to_generalized_time())),
        }
    }

    fn name_units(&self, places: impl Iterator<Item = u32>, take: &mut dyn FnMut(&str)) {
        let mut dn = String::new();
        let places = places.filter(|place| self.reader.sees_unit(self.state, *place));
        for unit in places.filter_map(|place| self.state.unit_at(place)) {
            dn.clear();
            self.tree.group_into(unit.group.name.as_str(), &mut dn);
            take(&dn);
        }
    }

    /// Whether the reader sees everybody in a group, or themselves alone.
    pub(super) fn sees_members(&self, unit: &Unit) -> bool {
        self.reader.sees_all() || self.reader.manages(unit)
    }

    /// Whether the reader sees that a person is in a group, if they are.
    pub(super) fn sees_member(&self, unit: &Unit, person: u32) -> bool {
        self.sees_members(unit) || self.state.person_at(person).is_some_and(|person| person.id == self.reader.user)
    }

    /// Whether the reader sees that a group is in another, if it is: where they see everybody, the
    /// groups that they see, and elsewhere the way from themselves to there.
    pub(super) fn sees_child(&self, unit: &Unit, child: u32) -> bool {
        match self.sees_members(unit) {
            true => self.reader.sees_unit(self.state, child),
            false => self.reader.is_in(self.state, child),
        }
    }

    /// The places of the people in a group whom the reader sees.
    pub(super) fn persons_in(&self, unit: &Unit) -> impl Iterator<Item = u32> {
        let own = self.state.person_place(self.reader.user).filter(|own| unit.members.binary_search(own).is_ok());
        let (all, own) = if self.sees_members(unit) { (Some(&unit.members), None) } else { (None, own) };
        all.into_iter().flatten().copied().chain(own)
    }

    /// The places of the groups in a group that the reader sees.
    pub(super) fn units_in(&self, unit: &Unit) -> impl Iterator<Item = u32> {
        unit.children.iter().copied().filter(|child| self.sees_child(unit, *child))
    }

    fn members(&self, unit: &Unit, take: &mut dyn FnMut(&str)) {
        let mut dn = String::new();
        for person in self.persons_in(unit).filter_map(|place| self.state.person_at(place)) {
            dn.clear();
            self.tree.person_into(person.shown(Text::Username), &mut dn);
            take(&dn);
        }
        self.name_units(self.units_in(unit), take);
    }

    /// The places of everybody in a group, directly or through another, whom the reader sees.
    pub(super) fn everybody_in(&self, unit: &Unit) -> Vec<u32> {
        match self.place {
            Place::Unit(place) if self.sees_members(unit) => self.state.everybody_in(place),
            Place::Unit(place) if self.reader.is_in(self.state, place) => {
                self.state.person_place(self.reader.user).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// How long it may take to look at the entry; a person is 1.
    pub(super) fn weight(&self) -> usize {
        match self.kind {
            Kind::Unit(unit) => 1 + unit.members.len() / 16,
            _ => 1,
        }
    }

    pub(super) fn account_control(&self, user: &User) -> i64 {
        if user.is_open(self.reader.now) { OPEN } else { CLOSED }
    }

    pub(super) fn person_time(&self, user: &User, attribute: Attribute) -> Option<Timestamp> {
        match attribute {
            Attribute::CreateTimestamp => Some(user.created_at),
            Attribute::ModifyTimestamp => Some(user.modified_at),
            Attribute::PwdChangedTime => user.password_changed_at,
            Attribute::PwdAccountLockedTime => (!user.is_open(self.reader.now)).then_some(LOCKED_FOR_GOOD),
            _ => None,
        }
    }
}

fn present(text: &str, take: &mut dyn FnMut(&str)) {
    if !text.is_empty() {
        take(text);
    }
}

fn uuid(id: Uuid, take: &mut dyn FnMut(&str)) {
    take(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
}

pub(super) fn unit_time(unit: &Unit, attribute: Attribute) -> Option<Timestamp> {
    match attribute {
        Attribute::CreateTimestamp => Some(unit.group.created_at),
        Attribute::ModifyTimestamp => Some(unit.group.modified_at),
        _ => None,
    }
}
