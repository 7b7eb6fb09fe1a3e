//! An entry as one reader sees it. Filters are evaluated on this view and values are taken from
//! it, so what a reader may not see can neither be read nor guessed by asking.

use ostiary_model::{
    Action, Attribute, Custom, Entry, HOME_DIRECTORY, LOGIN_SHELL, Role, SSH_PUBLIC_KEY, Schema, Timestamp, User,
    UserId, may,
};
use uuid::Uuid;

use super::state::{Person, State, Target, Unit};
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
/// `pwdAccountLockedTime` of an account that only an administrator can open: the first second of
/// year 0, in Unix time.
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
        self.may(Action::ReadUser(person.user.id))
    }

    /// Everybody sees the groups that they are in, and those that they manage.
    fn sees_unit(self, state: &State, unit: &Unit) -> bool {
        self.sees_all() || self.manages(unit) || self.is_in(state, unit)
    }

    fn is_in(self, state: &State, unit: &Unit) -> bool {
        let place = state.unit_place(unit.group.id);
        state.person(self.user).zip(place).is_some_and(|(person, place)| state.is_in(person, place))
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
        match target {
            Target::Base => Some(Self { state, tree, reader, kind: Kind::Base }),
            Target::People => Some(Self { state, tree, reader, kind: Kind::People }),
            Target::Groups => Some(Self { state, tree, reader, kind: Kind::Groups }),
            Target::Person(id) => Self::person(state, tree, reader, state.person(id)?),
            Target::Group(id) => Self::unit(state, tree, reader, state.unit(id)?),
        }
    }

    pub(super) fn person(state: &'a State, tree: &'a Tree, reader: Reader, person: &'a Person) -> Option<Self> {
        reader.sees_person(person).then_some(Self { state, tree, reader, kind: Kind::Person(person) })
    }

    pub(super) fn unit(state: &'a State, tree: &'a Tree, reader: Reader, unit: &'a Unit) -> Option<Self> {
        reader.sees_unit(state, unit).then_some(Self { state, tree, reader, kind: Kind::Unit(unit) })
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
            Kind::Person(person) => self.tree.person_into(&person.user, text),
            Kind::Unit(unit) => self.tree.group_into(&unit.group, text),
        }
    }

    /// Which entry it is.
    #[must_use]
    pub fn target(&self) -> Target {
        match self.kind {
            Kind::Base => Target::Base,
            Kind::People => Target::People,
            Kind::Groups => Target::Groups,
            Kind::Person(person) => Target::Person(person.user.id),
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
                Kind::Base => self.base_value(attribute).into_iter().for_each(take),
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
            Kind::Base => match self.base_kind() {
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
            Kind::Base => match self.base_kind() {
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
            Kind::Groups => self.state.units().filter(|unit| self.reader.sees_unit(self.state, unit)).count(),
            Kind::Person(_) | Kind::Unit(_) => 0,
        }
    }

    fn base_kind(&self) -> &str {
        self.tree.base.rdns().first().and_then(|rdn| rdn.single()).map_or("", |(kind, _)| kind)
    }

    /// The base has the attribute that it is named by.
    pub(super) fn base_value(&self, attribute: Attribute) -> Option<&str> {
        let is_naming = attribute.name() == self.base_kind();
        self.tree.base.rdns().first().and_then(|rdn| rdn.value()).filter(|_| is_naming)
    }

    fn person_values(&self, person: &Person, attribute: Attribute, take: &mut dyn FnMut(&str)) {
        let user = &*person.user;
        let profile = &user.profile;
        match attribute {
            Attribute::Uid => take(profile.username.as_str()),
            Attribute::Cn | Attribute::DisplayName => take(&person.full_name),
            Attribute::Mail => {
                take(profile.email.as_str());
                person.addresses.iter().for_each(|address| take(address.as_str()));
            }
            Attribute::GivenName => present(&profile.given_name, take),
            Attribute::Sn => present(&profile.family_name, take),
            Attribute::MemberOf => self.name_units(self.state.groups_of(person).into_iter(), take),
            Attribute::EntryUuid => uuid(user.id.uuid(), take),
            Attribute::UidNumber => user.uid_number.into_iter().for_each(|number| take(&number.to_string())),
            Attribute::GidNumber => user.primary_group().into_iter().for_each(|number| take(&number.to_string())),
            Attribute::UserAccountControl => take(&self.account_control(user).to_string()),
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
                self.member_uids(unit, &mut |name| {
                    take(name);
                    false
                });
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
        for unit in places.filter_map(|place| self.state.unit_at(place)) {
            if self.reader.sees_unit(self.state, unit) {
                dn.clear();
                self.tree.group_into(&unit.group, &mut dn);
                take(&dn);
            }
        }
    }

    /// Whether the reader sees everybody in a group, or themselves alone.
    pub(super) fn sees_members(&self, unit: &Unit) -> bool {
        self.reader.sees_all() || self.reader.manages(unit)
    }

    pub(super) fn members(&self, unit: &Unit, take: &mut dyn FnMut(&str)) {
        let sees_members = self.sees_members(unit);
        let mut dn = String::new();
        let persons = unit.members.iter().filter_map(|place| self.state.person_at(*place));
        for person in persons.filter(|person| sees_members || person.user.id == self.reader.user) {
            dn.clear();
            self.tree.person_into(&person.user, &mut dn);
            take(&dn);
        }
        if sees_members {
            self.name_units(unit.children.iter().copied(), take);
        } else {
            // The way from themselves to here.
            let children = unit.children.iter().copied();
            let own = children
                .filter(|place| self.state.unit_at(*place).is_some_and(|child| self.reader.is_in(self.state, child)));
            self.name_units(own, take);
        }
    }

    /// Hands user names to `is_last` until it says so, and says whether it did.
    pub(super) fn member_uids(&self, unit: &Unit, is_last: &mut dyn FnMut(&str) -> bool) -> bool {
        let Some(place) = self.state.unit_place(unit.group.id) else { return false };
        if !self.sees_members(unit) {
            let own = self.state.person(self.reader.user).filter(|own| self.state.is_in(own, place));
            return own.is_some_and(|own| is_last(own.user.profile.username.as_str()));
        }
        let members = self.state.everybody_in(place).into_iter();
        members.filter_map(|place| self.state.person_at(place)).any(|one| is_last(one.user.profile.username.as_str()))
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
