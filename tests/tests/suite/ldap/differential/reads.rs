//! Searches and compares.

use ldap3_proto::proto::{LdapCompareRequest, LdapDerefAliases, LdapFilter, LdapSearchRequest, LdapSearchScope};

use super::dn;
use super::values::Maker;

impl Maker<'_> {
    pub(super) fn search(&mut self) -> LdapSearchRequest {
        let scope = self.dice.weighted(&[
            (50, LdapSearchScope::Subtree),
            (20, LdapSearchScope::OneLevel),
            (20, LdapSearchScope::Base),
            (10, LdapSearchScope::Children),
        ]);
        self.aim = self.dice.percent(90).then(|| self.dice.pick(&self.world.items).clone());
        let filter = if self.dice.percent(15) {
            LdapFilter::Present("objectClass".to_owned())
        } else {
            let levels = self.dice.weighted(&[(10, 1), (4, 2), (2, 3), (1, 5)]);
            self.filter(levels)
        };
        LdapSearchRequest {
            base: self.base(&scope),
            scope,
            // There are none.
            aliases: self.dice.weighted(&[
                (7, LdapDerefAliases::Never),
                (1, LdapDerefAliases::InSearching),
                (1, LdapDerefAliases::FindingBaseObj),
                (1, LdapDerefAliases::Always),
            ]),
            sizelimit: if self.dice.percent(12) { self.dice.weighted(&[(3, 1), (2, 2), (2, 5), (1, 40)]) } else { 0 },
            timelimit: 0,
            typesonly: self.dice.percent(6),
            filter,
            attrs: self.selection(),
        }
    }

    pub(super) fn compare(&mut self) -> LdapCompareRequest {
        let item = self.dice.pick(&self.world.items);
        let dn = if self.dice.percent(90) { item.dn.clone() } else { self.place() };
        let atype = if self.dice.percent(75) { self.dice.pick(&self.names(item)).clone() } else { self.attribute() };
        // slapd compares nothing that it computes.
        let is_computed = |name: &str| matches!(name, "entrydn" | "hassubordinates");
        let is_computed = self.schema.get(&atype).is_some_and(|one| is_computed(&one.name().to_lowercase()));
        let atype = if is_computed { "cn".to_owned() } else { atype };
        let own = self.schema.get(&atype).map(|one| item.get(&one.name().to_lowercase()).to_vec()).unwrap_or_default();
        let value = match own.first() {
            Some(_) if self.dice.percent(50) => self.dice.pick(&own).clone(),
            _ => self.assertion(&atype),
        };
        LdapCompareRequest { dn: self.spelled(&dn), atype, val: value.into_bytes() }
    }

    /// The base of a search: mostly one from where the scope reaches what is to be found.
    fn base(&mut self, scope: &LdapSearchScope) -> String {
        let Some(item) = self.aim.clone().filter(|_| self.dice.percent(88)) else { return self.place() };
        let above = |name: &str| dn::parts(name).map(|parts| dn::written(&parts[1..].to_vec()));
        let parent = above(&item.dn).filter(|_| item.dn != self.world.base);
        let name = match (scope, parent) {
            (LdapSearchScope::Base, _) | (_, None) => item.dn,
            (LdapSearchScope::OneLevel, Some(parent)) => parent,
            (LdapSearchScope::Subtree, Some(parent)) => {
                self.dice.pick(&[item.dn, parent, self.world.base.clone()]).clone()
            }
            (LdapSearchScope::Children, Some(parent)) => self.dice.pick(&[parent, self.world.base.clone()]).clone(),
        };
        self.spelled(&name)
    }

    /// Any name: mostly one that is there.
    fn place(&mut self) -> String {
        let name = match self.dice.below(100) {
            0..30 => self.world.base.clone(),
            30..48 => self.world.people_base(),
            48..66 => self.world.groups_base(),
            66..88 => self.dice.pick(&self.world.items).dn.clone(),
            88..91 => format!("uid=nobody,{}", self.world.people_base()),
            91..93 => format!("ou=devices,{}", self.world.base),
            93..95 => format!("cn=below,{}", self.dice.pick(&self.world.items).dn),
            95..97 => (*self.dice.pick(&["dc=elsewhere", "dc=com", "ou=people"])).to_owned(),
            97 => {
                return (*self.dice.pick(&["people", "=x", "ou=people,,dc=localhost", "cn=\\zz", "dc=localhost,"]))
                    .to_owned();
            }
            _ => {
                // One that is not there for a letter.
                let name = self.dice.pick(&self.world.items).dn.clone();
                dn::parts(&name).map_or(name, |mut parts| {
                    parts[0][0].1.push('x');
                    dn::written(&parts)
                })
            }
        };
        self.spelled(&name)
    }

    fn selection(&mut self) -> Vec<String> {
        match self.dice.below(10) {
            0..2 => Vec::new(),
            2 => vec!["*".to_owned()],
            3 => vec!["+".to_owned()],
            4 => vec!["*".to_owned(), "+".to_owned()],
            5 => vec!["1.1".to_owned()],
            _ => {
                let mut names = Vec::new();
                for _ in 0..=self.dice.below(4) {
                    let name = match self.dice.below(12) {
                        0 => "*".to_owned(),
                        1 => "1.1".to_owned(),
                        2 => "+".to_owned(),
                        _ => self.attribute(),
                    };
                    names.push(name);
                }
                names
            }
        }
    }
}
