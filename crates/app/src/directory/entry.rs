//! People and groups as they are held: their texts folded once, and references to each other by
//! place.

use std::sync::Arc;

use ostiary_model::{Attribute, Email, Folded, Group, GroupEntry, Schema, User, UserEntry, UserId, Value};

use super::index::Term;
use super::values::Values;

/// A value that an entry is found by.
pub(super) type Indexed<'a> = (Attribute, Term<'a>);

/// The texts that everybody has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Text {
    Username,
    FullName,
    GivenName,
    FamilyName,
    Mail,
}

/// The texts of a person, each as it is shown and as it is compared, in one piece of memory: with
/// many people each piece that a search touches has to be fetched from far away.
struct Texts {
    all: Box<str>,
    ends: [u32; 10],
}

impl Texts {
    fn new(user: &User) -> Self {
        let profile = &user.profile;
        let full_name = profile.full_name();
        // In the order of `Text`.
        let texts =
            [profile.username.as_str(), &full_name, &profile.given_name, &profile.family_name, profile.email.as_str()];
        let mut all = String::with_capacity(texts.iter().map(|text| 2 * text.len()).sum());
        let mut ends = [0; 10];
        for (pair, text) in ends.chunks_exact_mut(2).zip(texts) {
            for (end, text) in pair.iter_mut().zip([text, Folded::new(text).as_str()]) {
                all.push_str(text);
                *end = u32::try_from(all.len()).unwrap_or(u32::MAX);
            }
        }
        Self { all: all.into(), ends }
    }

    fn get(&self, at: usize) -> &str {
        let end = |at: usize| self.ends.get(at).map_or(0, |end| *end as usize);
        self.all.get(at.checked_sub(1).map_or(0, end)..end(at)).unwrap_or_default()
    }
}

/// An account.
pub(super) struct Person {
    pub(super) id: UserId,
    pub(super) user: Arc<User>,
    texts: Texts,
    /// Further addresses, each as it was given and as it is compared.
    pub(super) further: Box<[(Email, Folded)]>,
    pub(super) values: Values,
    /// The groups that they are in directly, by place.
    pub(super) groups: Vec<u32>,
}

impl Person {
    pub(super) fn new(schema: &Schema, entry: UserEntry, groups: Vec<u32>) -> Self {
        let UserEntry { user, addresses, values } = entry;
        let both = |address: Email| {
            let folded = address.folded();
            (address, folded)
        };
        Self {
            id: user.id,
            texts: Texts::new(&user),
            further: addresses.into_iter().map(both).collect(),
            values: Values::new(schema, values),
            groups,
            user: Arc::new(user),
        }
    }

    /// A text as it is shown.
    pub(super) fn shown(&self, text: Text) -> &str {
        self.texts.get(2 * text as usize)
    }

    /// A text as it is compared.
    pub(super) fn folded(&self, text: Text) -> &str {
        self.texts.get(2 * text as usize + 1)
    }

    /// All addresses as they are compared, the primary one first.
    pub(super) fn mails(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.folded(Text::Mail)).chain(self.further.iter().map(|(_, folded)| folded.as_str()))
    }

    /// What the index holds of it.
    pub(super) fn terms(&self, schema: &Schema) -> Vec<Indexed<'_>> {
        let names = [
            (Attribute::Uid, Text::Username),
            (Attribute::Cn, Text::FullName),
            (Attribute::GivenName, Text::GivenName),
            (Attribute::Sn, Text::FamilyName),
        ];
        let names = names.map(|(attribute, text)| (attribute, self.folded(text)));
        let mails = self.mails().map(|mail| (Attribute::Mail, mail));
        let texts = names.into_iter().filter(|(_, text)| !text.is_empty()).chain(mails);
        let numbers = [(Attribute::UidNumber, self.user.uid_number), (Attribute::GidNumber, self.user.primary_group())];
        let numbers = numbers.into_iter().filter_map(|(attribute, number)| Some((attribute, Term::Number(number?))));
        texts
            .map(|(attribute, text)| (attribute, Term::Text(text)))
            .chain(numbers)
            .chain(terms(schema, &self.values))
            .collect()
    }
}

/// A group and who is in it.
pub(super) struct Unit {
    pub(super) group: Arc<Group>,
    pub(super) name: Folded,
    pub(super) values: Values,
    pub(super) managers: Vec<UserId>,
    /// People who are in it directly, by place, in order.
    pub(super) members: Vec<u32>,
    /// Groups that are in it directly, by place.
    pub(super) children: Vec<u32>,
    /// Groups that it is in directly, by place.
    pub(super) parents: Vec<u32>,
    /// All groups that it is in, over as many steps as it takes.
    pub(super) above: Vec<u32>,
}

impl Unit {
    /// With nobody in it.
    pub(super) fn new(schema: &Schema, entry: GroupEntry) -> Self {
        let GroupEntry { group, values, managers } = entry;
        Self {
            name: group.name.folded(),
            group: Arc::new(group),
            values: Values::new(schema, values),
            managers,
            members: Vec::new(),
            children: Vec::new(),
            parents: Vec::new(),
            above: Vec::new(),
        }
    }

    /// Puts the person at `place` into it, or takes them out.
    pub(super) fn member_set(&mut self, place: u32, there: bool) {
        match (self.members.binary_search(&place), there) {
            (Err(at), true) => self.members.insert(at, place),
            (Ok(at), false) => {
                self.members.remove(at);
            }
            _ => {}
        }
    }

    /// What the index holds of it. A group has its name under LLDAP's alias, too.
    pub(super) fn terms(&self, schema: &Schema) -> Vec<Indexed<'_>> {
        let name = Term::Text(self.name.as_str());
        let fixed = [
            Some((Attribute::Cn, name)),
            Some((Attribute::Uid, name)),
            Some((Attribute::GroupNumber, Term::Number(self.group.number))),
            self.group.gid_number.map(|number| (Attribute::GidNumber, Term::Number(number))),
        ];
        fixed.into_iter().flatten().chain(terms(schema, &self.values)).collect()
    }
}

fn terms<'a>(schema: &Schema, values: &'a Values) -> impl Iterator<Item = Indexed<'a>> {
    values.all().filter_map(|(number, value)| {
        let term = match value.compared() {
            Value::Text(text) => Term::Text(text),
            Value::Integer(number) => Term::Number(number),
            _ => return None,
        };
        Some((schema.attribute_by_number(number)?, term))
    })
}
