//! An entry as one reader sees it. Filters are evaluated on this view and values are taken from
//! it, so what a reader may not see can neither be read nor guessed by asking.

use ostiary_model::{
    Action, Attribute, Entry, Folded, Group, GroupId, Reference, Role, Timestamp, User, UserId, Value, may,
};
use uuid::Uuid;

use super::state::{Person, State, Target, Unit};
use super::tree::{Found, Tree};

const PERSON_CLASSES: &[&str] =
    &["inetOrgPerson", "organizationalPerson", "person", "posixAccount", "mailAccount", "top"];
const GROUP_CLASSES: &[&str] = &["groupOfUniqueNames", "groupOfNames", "top"];
const BRANCH_CLASSES: &[&str] = &["organizationalUnit", "top"];
const SUBSCHEMA: &str = "cn=Subschema";

/// `userAccountControl` of an open account (NORMAL_ACCOUNT).
const OPEN: i64 = 512;
/// `userAccountControl` of a closed account (NORMAL_ACCOUNT and ACCOUNTDISABLE).
const CLOSED: i64 = 514;

/// Who reads.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// The account.
    pub user: UserId,
    /// What it may do now.
    pub role: Role,
}

impl Reader {
    /// Nobody's account, with the right to see everything: for lists that the server makes itself.
    pub(super) fn everything() -> Self {
        Self { user: Uuid::nil().into(), role: Role::StrictReadonly }
    }

    fn may(self, action: Action) -> bool {
        may(self.user, self.role, action).is_ok()
    }

    /// Whether every entry may be seen.
    pub(super) fn sees_all(self) -> bool {
        self.may(Action::ReadDirectory)
    }

    fn sees(self, state: &State, target: Target) -> bool {
        match target {
            Target::Base | Target::People | Target::Groups => true,
            Target::Person(id) => self.may(Action::ReadUser(id)),
            // Everybody sees the groups that they are in, and there only themselves as member.
            Target::Group(id) => {
                self.sees_all() || state.unit(id).is_some_and(|unit| unit.members.contains(&self.user))
            }
        }
    }
}

/// An entry as a reader sees it, while the directory stands still.
pub struct View<'a> {
    state: &'a State,
    tree: &'a Tree,
    reader: Reader,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Base,
    Branch(Target),
    Person(UserId, &'a Person),
    Group(GroupId, &'a Unit),
}

impl<'a> View<'a> {
    /// The entry, if it is there and `reader` may see it.
    pub(super) fn new(state: &'a State, tree: &'a Tree, reader: Reader, target: Target) -> Option<Self> {
        let kind = match target {
            Target::Base => Kind::Base,
            Target::People | Target::Groups => Kind::Branch(target),
            Target::Person(id) => Kind::Person(id, state.person(id)?),
            Target::Group(id) => Kind::Group(id, state.unit(id)?),
        };
        reader.sees(state, target).then_some(Self { state, tree, reader, kind })
    }

    /// Its distinguished name (RFC 4514).
    #[must_use]
    pub fn dn(&self) -> String {
        match &self.kind {
            Kind::Base => self.tree.base_text.clone(),
            Kind::Branch(Target::People) => self.tree.people_text.clone(),
            Kind::Branch(_) => self.tree.groups_text.clone(),
            Kind::Person(_, person) => self.tree.person(person.user.profile.username.as_str()),
            Kind::Group(_, unit) => self.tree.group(unit.group.name.as_str()),
        }
    }

    /// Whether `*` means `attribute` here: not where it is there under an alias alone.
    #[must_use]
    pub fn is_own(&self, attribute: Attribute) -> bool {
        !matches!((&self.kind, attribute), (Kind::Group(..), Attribute::Uid | Attribute::DisplayName))
    }

    /// Hands each value of `attribute`, as LDAP writes it, to `take`.
    pub fn values(&self, attribute: Attribute, take: &mut dyn FnMut(&str)) {
        match attribute {
            Attribute::ObjectClass => self.classes().for_each(take),
            Attribute::EntryDn => take(&self.dn()),
            Attribute::SubschemaSubentry => take(SUBSCHEMA),
            _ => match &self.kind {
                Kind::Base => self.base_value(attribute).into_iter().for_each(take),
                Kind::Branch(Target::People) if attribute == Attribute::Ou => take("people"),
                Kind::Branch(_) if attribute == Attribute::Ou => take("groups"),
                Kind::Branch(_) => {}
                Kind::Person(id, person) => self.person_values(*id, &person.user, attribute, take),
                Kind::Group(id, unit) => self.group_values(*id, &unit.group, attribute, take),
            },
        }
    }

    fn classes(&self) -> impl Iterator<Item = &'static str> {
        let own = match &self.kind {
            Kind::Base => match self.base_kind() {
                "dc" => &["domain", "top"],
                "o" => &["organization", "top"],
                _ => BRANCH_CLASSES,
            },
            Kind::Branch(_) => BRANCH_CLASSES,
            Kind::Person(..) => PERSON_CLASSES,
            Kind::Group(..) => GROUP_CLASSES,
        };
        own.iter().copied()
    }

    fn base_kind(&self) -> &str {
        self.tree.base.rdns().first().and_then(|rdn| rdn.single()).map_or("", |(kind, _)| kind)
    }

    /// The base has the attribute that it is named by.
    fn base_value(&self, attribute: Attribute) -> Option<&str> {
        let is_naming = attribute.name() == self.base_kind();
        self.tree.base.rdns().first().and_then(|rdn| rdn.value()).filter(|_| is_naming)
    }

    fn person_values(&self, id: UserId, user: &User, attribute: Attribute, take: &mut dyn FnMut(&str)) {
        let profile = &user.profile;
        match attribute {
            Attribute::Uid => take(profile.username.as_str()),
            Attribute::Cn | Attribute::DisplayName => take(&profile.full_name()),
            Attribute::Mail => take(profile.email.as_str()),
            Attribute::GivenName => present(&profile.given_name, take),
            Attribute::Sn => present(&profile.family_name, take),
            Attribute::MemberOf => {
                self.state.units_of(id).iter().for_each(|unit| take(&self.tree.group(unit.group.name.as_str())));
            }
            Attribute::EntryUuid => take(&id.to_string()),
            Attribute::UserAccountControl => take(&account_control(user).to_string()),
            _ => person_time(user, attribute).into_iter().for_each(|at| take(&at.to_generalized_time())),
        }
    }

    fn group_values(&self, id: GroupId, group: &Group, attribute: Attribute, take: &mut dyn FnMut(&str)) {
        match attribute {
            Attribute::Cn | Attribute::DisplayName | Attribute::Uid => take(group.name.as_str()),
            Attribute::Member | Attribute::UniqueMember => {
                let mut member = |person: &Person| take(&self.tree.person(person.user.profile.username.as_str()));
                if self.reader.sees_all() {
                    self.state.persons_in(id).into_iter().for_each(member);
                } else {
                    // The view exists, so the reader is a member.
                    self.state.person(self.reader.user).into_iter().for_each(&mut member);
                }
            }
            Attribute::EntryUuid => take(&id.to_string()),
            Attribute::GroupNumber => take(&group.number.to_string()),
            _ => group_time(group, attribute).into_iter().for_each(|at| take(&at.to_generalized_time())),
        }
    }

    fn target(&self) -> Target {
        match &self.kind {
            Kind::Base => Target::Base,
            Kind::Branch(target) => *target,
            Kind::Person(id, _) => Target::Person(*id),
            Kind::Group(id, _) => Target::Group(*id),
        }
    }
}

impl Entry for View<'_> {
    fn any(&self, attribute: Attribute, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        match (attribute, &self.kind) {
            (Attribute::ObjectClass, _) => self.classes().any(|name| matches(Value::Class(name))),
            (Attribute::EntryDn | Attribute::SubschemaSubentry, _) => matches(Value::Reference),
            (_, Kind::Base) => {
                self.base_value(attribute).is_some_and(|value| matches(Value::Text(Folded::new(value).as_str())))
            }
            (Attribute::Ou, Kind::Branch(branch)) => {
                matches(Value::Text(if *branch == Target::People { "people" } else { "groups" }))
            }
            (_, Kind::Branch(_)) => false,
            (_, Kind::Person(id, person)) => person_any(*id, person, attribute, matches),
            (_, Kind::Group(id, unit)) => match attribute {
                Attribute::Cn | Attribute::DisplayName | Attribute::Uid => matches(Value::Text(unit.name.as_str())),
                Attribute::Member | Attribute::UniqueMember => !unit.members.is_empty() && matches(Value::Reference),
                Attribute::EntryUuid => matches(Value::Uuid(id.uuid())),
                Attribute::GroupNumber => matches(Value::Integer(unit.group.number)),
                _ => group_time(&unit.group, attribute).is_some_and(|at| matches(Value::Time(at))),
            },
        }
    }

    fn refers(&self, attribute: Attribute, reference: &Reference) -> bool {
        let Some(whom) = refers_to(self.state, self.tree, attribute, reference) else {
            return attribute == Attribute::SubschemaSubentry && is_subschema(reference);
        };
        match (attribute, &self.kind, whom) {
            (Attribute::EntryDn, _, whom) => whom == self.target(),
            (Attribute::MemberOf, Kind::Person(_, person), Target::Group(group)) => person.groups.contains(&group),
            (Attribute::Member | Attribute::UniqueMember, Kind::Group(_, unit), Target::Person(person)) => {
                unit.members.contains(&person) && (self.reader.sees_all() || person == self.reader.user)
            }
            _ => false,
        }
    }
}

/// The entry that a reference in a filter names, by the kind of entry that the attribute holds.
pub(super) fn refers_to(state: &State, tree: &Tree, attribute: Attribute, reference: &Reference) -> Option<Target> {
    match (attribute, reference) {
        (_, Reference::Dn(dn)) => match tree.resolve(state, dn) {
            Found::Entry(target) => Some(target),
            Found::Nearest(_) => None,
        },
        (Attribute::MemberOf, Reference::Name(name)) => state.unit_by_name(name.as_str()).map(Target::Group),
        (_, Reference::Name(name)) => state.person_by_name(name.as_str()).map(Target::Person),
    }
}

fn is_subschema(reference: &Reference) -> bool {
    matches!(reference, Reference::Dn(dn) if dn.folded() == Folded::new(SUBSCHEMA))
}

fn present(text: &str, take: &mut dyn FnMut(&str)) {
    if !text.is_empty() {
        take(text);
    }
}

fn person_any(id: UserId, person: &Person, attribute: Attribute, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
    let text = match attribute {
        Attribute::Uid => &person.name,
        Attribute::Cn | Attribute::DisplayName => &person.full_name,
        Attribute::Mail => &person.email,
        Attribute::GivenName => &person.given_name,
        Attribute::Sn => &person.family_name,
        Attribute::MemberOf => return !person.groups.is_empty() && matches(Value::Reference),
        Attribute::EntryUuid => return matches(Value::Uuid(id.uuid())),
        Attribute::UserAccountControl => return matches(Value::Integer(account_control(&person.user))),
        _ => return person_time(&person.user, attribute).is_some_and(|at| matches(Value::Time(at))),
    };
    !text.as_str().is_empty() && matches(Value::Text(text.as_str()))
}

const fn account_control(user: &User) -> i64 {
    if user.state.is_disabled() { CLOSED } else { OPEN }
}

const fn person_time(user: &User, attribute: Attribute) -> Option<Timestamp> {
    match attribute {
        Attribute::CreateTimestamp => Some(user.created_at),
        Attribute::ModifyTimestamp => Some(user.modified_at),
        Attribute::PwdChangedTime => user.password_changed_at,
        _ => None,
    }
}

const fn group_time(group: &Group, attribute: Attribute) -> Option<Timestamp> {
    match attribute {
        Attribute::CreateTimestamp => Some(group.created_at),
        Attribute::ModifyTimestamp => Some(group.modified_at),
        _ => None,
    }
}
