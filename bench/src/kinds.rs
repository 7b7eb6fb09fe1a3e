//! What is asked: single kinds of requests, and the mixes that applications send, with the answer
//! that each must get from any server that holds the population.
//!
//! Authelia's and Nextcloud's searches are those of their sources (`implementation: lldap`;
//! `user_ldap`), Directus's those that its LDAP driver was seen to send.

use clap::ValueEnum;
use ldap3_proto::LdapFilter;
use ldap3_proto::proto::{LdapSearchScope, LdapSubstringFilter};

use crate::population::{GROUPS, PASSWORD, Person, Population, READER, SIGNING_IN};
use crate::request::{Expected, Key, Request, Search};

/// Distinct requests of one kind: enough that no server answers from the caches of the processor
/// alone, few enough that the generator does.
const MOST: u32 = 4096;
/// Shares no factor with the usual counts of people: they come in no order that helps anybody.
const STEP: u32 = 7919;

/// What can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Authelia: a person by uid or mail, with memberOf.
    User,
    /// Authelia: groups by member.
    Group,
    /// A person by uid, with memberOf.
    Uid,
    /// A person by mail.
    Mail,
    /// A person by DN.
    Base,
    /// The people in a group, by memberOf.
    MemberOf,
    /// Nextcloud: people by a part of name or mail.
    Substring,
    /// People by family name, an attribute without an index.
    Further,
    /// One entry with all user attributes.
    Read,
    /// The root DSE.
    RootDse,
    /// All people with memberOf.
    Listing,
    /// All people in pages of 500.
    Pages,
    /// Authelia's searches in turn.
    Authelia,
    /// Directus's searches in turn.
    Directus,
    /// Nextcloud's searches: many sign-ins, some searches in the user list, a page now and then.
    Nextcloud,
    /// Binds on kept connections, each as another person.
    Bind,
    /// Binds on new connections.
    BindNew,
    /// Adds of people.
    Add,
}

impl Kind {
    /// The requests of this kind, over all of the population. Adds are different in each run,
    /// which has `run` in their names.
    pub(crate) fn requests(self, population: &Population, run: u64) -> anyhow::Result<Vec<Request>> {
        let of = Of(population);
        match self {
            Self::User => of.people(|number, person| of.user(number, person)),
            Self::Group => of.people(|_, person| of.groups(person)),
            Self::Uid => of.people(|number, person| of.uid(number, person)),
            Self::Mail => of.people(|number, person| of.mail(number, person)),
            Self::Base => of.people(|number, person| of.base(number, person, &["uid", "cn", "mail", "memberOf"])),
            Self::Read => of.people(|number, person| of.base(number, person, &["*"])),
            Self::MemberOf => (0..GROUPS).map(|group| of.member_of(group)).collect(),
            Self::Substring => of.some_names(|person| of.substring(person)),
            Self::Further => of.some_names(|person| of.further(person)),
            Self::RootDse => Ok(vec![of.root_dse()?]),
            Self::Listing => Ok(vec![of.listing(None)?]),
            Self::Pages => Ok(vec![of.listing(Some(500))?]),
            Self::Authelia => {
                in_turn(of.people(|number, person| of.user(number, person))?, of.people(|_, person| of.groups(person))?)
            }
            Self::Directus => of.directus(),
            Self::Nextcloud => of.nextcloud(),
            Self::Bind | Self::BindNew => of.0.people.iter().take(SIGNING_IN).map(|person| of.bind(person)).collect(),
            Self::Add => (0..4 * MOST).map(|number| of.add(run, number)).collect(),
        }
    }

    /// Whether each request may be sent once only.
    pub(crate) const fn is_once(self) -> bool {
        matches!(self, Self::Add)
    }

    /// Whether each request needs a connection of its own.
    pub(crate) const fn is_new_connection(self) -> bool {
        matches!(self, Self::BindNew)
    }

    /// Whether the connections bind as the reader first.
    pub(crate) const fn is_as_reader(self) -> bool {
        !matches!(self, Self::Bind | Self::BindNew | Self::RootDse)
    }
}

fn in_turn(left: Vec<Request>, right: Vec<Request>) -> anyhow::Result<Vec<Request>> {
    Ok(left.into_iter().zip(right).flat_map(|(left, right)| [left, right]).collect())
}

/// The requests about a population.
struct Of<'a>(&'a Population);

impl Of<'_> {
    /// One request for each of many people, in no order.
    fn people(&self, make: impl Fn(u32, &Person) -> anyhow::Result<Request>) -> anyhow::Result<Vec<Request>> {
        let people = &self.0.people;
        let count = u32::try_from(people.len())?;
        let numbers = (0..count.min(MOST)).map(|round| round.wrapping_mul(STEP) % count);
        numbers.filter_map(|number| Some(make(number, people.get(number as usize)?))).collect()
    }

    /// For searches that look at everybody and whose answers are counted at everybody.
    fn some_names(&self, make: impl Fn(&Person) -> anyhow::Result<Request>) -> anyhow::Result<Vec<Request>> {
        self.0.people.iter().step_by((self.0.people.len() / 64).max(1)).take(64).map(make).collect()
    }

    fn below(&self, branch: &str) -> String {
        format!("ou={branch},{}", self.0.base)
    }

    fn subtree(
        &self,
        branch: &str,
        filter: LdapFilter,
        attributes: &[&str],
        expected: Expected,
    ) -> anyhow::Result<Request> {
        let base = self.below(branch);
        let search = Search { base: &base, scope: LdapSearchScope::Subtree, filter, attributes, most: 0 };
        Request::search(&search, expected)
    }

    /// Half of the people type their address.
    fn user(&self, number: u32, person: &Person) -> anyhow::Result<Request> {
        let typed = if number.is_multiple_of(2) { &person.uid } else { &person.mail };
        let filter = person_and(LdapFilter::Or(vec![equal("uid", typed), equal("mail", typed)]));
        let base = self.below("people");
        let attributes = &["uid", "mail", "cn", "memberOf"];
        let search = Search { base: &base, scope: LdapSearchScope::Subtree, filter, attributes, most: 1 };
        Request::search(&search, Expected::Keys(vec![Key::Person(number)]))
    }

    fn groups(&self, person: &Person) -> anyhow::Result<Request> {
        let member = equal("member", &self.0.person_dn(&person.uid));
        let filter = LdapFilter::And(vec![member, equal("objectClass", "groupOfNames")]);
        self.subtree("groups", filter, &["cn"], Expected::Keys(groups_of(person)))
    }

    fn uid(&self, number: u32, person: &Person) -> anyhow::Result<Request> {
        let expected = Expected::Keys(vec![Key::Person(number)]);
        self.subtree("people", equal("uid", &person.uid), &["uid", "cn", "mail", "memberOf"], expected)
    }

    fn mail(&self, number: u32, person: &Person) -> anyhow::Result<Request> {
        let expected = Expected::Keys(vec![Key::Person(number)]);
        self.subtree("people", equal("mail", &person.mail), &["uid", "mail"], expected)
    }

    fn base(&self, number: u32, person: &Person, attributes: &[&str]) -> anyhow::Result<Request> {
        let base = self.0.person_dn(&person.uid);
        let search = Search { base: &base, scope: LdapSearchScope::Base, filter: anything(), attributes, most: 0 };
        Request::search(&search, Expected::Keys(vec![Key::Person(number)]))
    }

    fn member_of(&self, group: u32) -> anyhow::Result<Request> {
        let filter = person_and(equal("memberOf", &self.0.group_dn(group)));
        let members = self.0.members.get(group as usize).into_iter().flatten();
        self.subtree("people", filter, &["uid"], Expected::Keys(members.copied().map(Key::Person).collect()))
    }

    /// Six letters out of the middle of a family name.
    fn substring(&self, person: &Person) -> anyhow::Result<Request> {
        let part = middle(&person.family);
        let is_in = |other: &Person| {
            other.name().to_lowercase().contains(part.as_str()) || other.mail.to_lowercase().contains(part.as_str())
        };
        let filter = person_and(LdapFilter::Or(vec![contains("displayName", &part), contains("mail", &part)]));
        self.subtree("people", filter, &["uid", "displayName", "mail"], self.all_who(is_in))
    }

    fn further(&self, person: &Person) -> anyhow::Result<Request> {
        let expected = self.all_who(|other| other.family == person.family);
        self.subtree("people", equal("sn", &person.family), &["uid", "sn"], expected)
    }

    fn all_who(&self, is_one: impl Fn(&Person) -> bool) -> Expected {
        let numbers = (0..).zip(&self.0.people).filter(|(_, person)| is_one(person)).map(|(number, _)| number);
        Expected::Keys(numbers.map(Key::Person).collect())
    }

    fn root_dse(&self) -> anyhow::Result<Request> {
        let attributes = &["namingContexts", "supportedControl", "supportedExtension", "supportedLDAPVersion"];
        let search = Search { base: "", scope: LdapSearchScope::Base, filter: anything(), attributes, most: 0 };
        Request::search(&search, Expected::Name(String::new()))
    }

    fn listing(&self, page: Option<i64>) -> anyhow::Result<Request> {
        let base = self.below("people");
        let attributes = &["uid", "cn", "mail", "memberOf"];
        let filter = equal("objectClass", "person");
        let search = Search { base: &base, scope: LdapSearchScope::Subtree, filter, attributes, most: 0 };
        Request::paged(&search, Expected::Count(self.0.persons()), page)
    }

    /// A sign-in: its own entry, the person, the groups; and the person again for a refresh.
    fn directus(&self) -> anyhow::Result<Vec<Request>> {
        const FIELDS: &[&str] = &["uid", "givenName", "sn", "mail", "userAccountControl"];
        let mut requests = Vec::new();
        let (people, groups) = (self.below("people"), self.below("groups"));
        let level = |base: &str, filter: LdapFilter, attributes: &[&str], expected| {
            let search = Search { base, scope: LdapSearchScope::OneLevel, filter, attributes, most: 0 };
            Request::search(&search, expected)
        };
        let reader = self.0.person_dn(READER);
        let users = self.people(|number, person| {
            level(&people, equal("uid", &person.uid), FIELDS, Expected::Keys(vec![Key::Person(number)]))
        })?;
        let members = self.people(|_, person| {
            let filter = equal("member", &self.0.person_dn(&person.uid));
            level(&groups, filter, &["cn"], Expected::Keys(groups_of(person)))
        })?;
        let again = self.people(|number, person| self.base(number, person, FIELDS))?;
        for ((user, member), again) in users.into_iter().zip(members).zip(again) {
            let own =
                Search { base: &reader, scope: LdapSearchScope::Base, filter: anything(), attributes: &[], most: 0 };
            requests.extend([Request::search(&own, Expected::Name(reader.clone()))?, user, member, again]);
        }
        Ok(requests)
    }

    /// Of 64 requests 42 are sign-ins, 20 ask for groups, one searches in the user list and one
    /// lists the members of a group in pages.
    fn nextcloud(&self) -> anyhow::Result<Vec<Request>> {
        const FIELDS: &[&str] = &["entryUUID", "uid", "displayName", "mail"];
        let sign_ins = self.people(|number, person| {
            let filter = person_and(equal("uid", &person.uid));
            self.subtree("people", filter, FIELDS, Expected::Keys(vec![Key::Person(number)]))
        })?;
        let mut groups = self.people(|_, person| self.groups(person))?.into_iter();
        let mut parts = self.some_names(|person| self.substring(person))?.into_iter();
        let mut requests = Vec::new();
        for (at, sign_in) in (0_u32..).zip(sign_ins) {
            requests.push(sign_in);
            if at % 2 == 1 {
                requests.extend(groups.next());
            }
            if at % 42 == 41 {
                requests.extend(parts.next());
                requests.push(self.page_of_group(at % GROUPS)?);
            }
        }
        Ok(requests)
    }

    fn page_of_group(&self, group: u32) -> anyhow::Result<Request> {
        let filter = person_and(equal("memberOf", &self.0.group_dn(group)));
        let members = self.0.members.get(group as usize).map_or(0, Vec::len);
        let base = self.below("people");
        let attributes = &["entryUUID", "uid", "displayName", "mail"];
        let search = Search { base: &base, scope: LdapSearchScope::Subtree, filter, attributes, most: 0 };
        Request::paged(&search, Expected::Count(members), Some(500))
    }

    fn bind(&self, person: &Person) -> anyhow::Result<Request> {
        Request::bind(&self.0.person_dn(&person.uid), PASSWORD)
    }

    fn add(&self, run: u64, number: u32) -> anyhow::Result<Request> {
        let uid = format!("added{run:x}-{number}");
        let mail = format!("{uid}@example.org");
        Request::add(
            &self.0.person_dn(&uid),
            &[
                ("objectClass", &["inetOrgPerson"]),
                ("uid", &[&uid]),
                ("cn", &[&format!("Added {number}")]),
                ("givenName", &["Added"]),
                ("sn", &[&format!("Person {number}")]),
                ("mail", &[&mail]),
            ],
        )
    }
}

fn equal(attribute: &str, value: &str) -> LdapFilter {
    LdapFilter::Equality(attribute.to_owned(), value.to_owned())
}

fn contains(attribute: &str, part: &str) -> LdapFilter {
    let parts = LdapSubstringFilter { initial: None, any: vec![part.to_owned()], final_: None };
    LdapFilter::Substring(attribute.to_owned(), parts)
}

fn person_and(other: LdapFilter) -> LdapFilter {
    LdapFilter::And(vec![equal("objectClass", "person"), other])
}

fn anything() -> LdapFilter {
    LdapFilter::Present("objectClass".to_owned())
}

fn groups_of(person: &Person) -> Vec<Key> {
    person.groups.iter().copied().map(Key::Group).collect()
}

fn middle(family: &str) -> String {
    let small = family.to_lowercase();
    let from = (small.len().saturating_sub(6)) / 2;
    small.chars().skip(from).take(6).collect()
}
