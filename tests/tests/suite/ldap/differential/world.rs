//! What both servers hold at the moment, as slapd tells it: where cases take their names and values
//! from.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use ldap3_proto::proto::{
    LdapDerefAliases, LdapFilter, LdapOp, LdapSearchRequest, LdapSearchResultEntry, LdapSearchScope,
};

use super::dn;
use super::peer::{Answer, Peer};

/// An entry.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) dn: String,
    /// The same in any case.
    pub(super) folded: String,
    /// Its members, likewise.
    pub(super) members: BTreeSet<String>,
    /// Values by name in lower case, those that are text.
    pub(super) values: BTreeMap<String, Vec<String>>,
}

impl Item {
    pub(super) fn of(entry: &LdapSearchResultEntry) -> Self {
        let text = |values: &Vec<Vec<u8>>| {
            values.iter().filter_map(|value| String::from_utf8(value.clone()).ok()).collect::<Vec<_>>()
        };
        let values = entry.attributes.iter().map(|one| (one.atype.to_lowercase(), text(&one.vals)));
        let values: BTreeMap<_, Vec<String>> = values.collect();
        let members = values.get("member").into_iter().flatten().map(|member| dn::folded(member)).collect();
        let dn = dn::plain(&entry.dn);
        Self { folded: dn.to_lowercase(), dn, members, values }
    }

    pub(super) fn get(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The tree.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) base: String,
    pub(super) items: Vec<Item>,
    /// The groups that an entry is in directly, by its folded name.
    parents: BTreeMap<String, Vec<String>>,
}

impl World {
    pub(super) fn read(slapd: &mut Peer, base: &str) -> Result<Self> {
        let answer = slapd.ask(LdapOp::SearchRequest(everything(base)))?;
        ensure!(answer.is_success(), "{answer:?}");
        Ok(Self::of(&answer, base))
    }

    /// What was answered to [`everything`].
    pub(super) fn of(answer: &Answer, base: &str) -> Self {
        let items: Vec<_> = answer.entries.iter().map(Item::of).collect();
        let mut parents = BTreeMap::<_, Vec<_>>::new();
        for group in &items {
            for member in &group.members {
                parents.entry(member.clone()).or_default().push(group.dn.clone());
            }
        }
        Self { base: base.to_owned(), items, parents }
    }

    pub(super) fn people_base(&self) -> String {
        format!("ou=people,{}", self.base)
    }

    pub(super) fn groups_base(&self) -> String {
        format!("ou=groups,{}", self.base)
    }

    fn below(&self, branch: &str) -> Vec<&Item> {
        let branch = format!(",{branch}");
        self.items.iter().filter(|item| item.dn.ends_with(&branch)).collect()
    }

    pub(super) fn people(&self) -> Vec<&Item> {
        self.below(&self.people_base())
    }

    pub(super) fn groups(&self) -> Vec<&Item> {
        self.below(&self.groups_base())
    }

    pub(super) fn find(&self, name: &str) -> Option<&Item> {
        let name = dn::folded(name);
        self.items.iter().find(|item| item.folded == name)
    }

    /// Whether some group is a member of another one.
    pub(super) fn is_nested(&self) -> bool {
        self.groups().iter().any(|group| self.parents.contains_key(&group.folded))
    }

    /// Every group that an entry is in, through others as well.
    pub(super) fn groups_of(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut left = vec![dn::folded(name)];
        while let Some(name) = left.pop() {
            for parent in self.parents.get(&name).into_iter().flatten() {
                if found.insert(parent.clone()) {
                    left.push(parent.to_lowercase());
                }
            }
        }
        found
    }

    /// The groups that lead to the group `name`: members of it and of those.
    pub(super) fn groups_in(&self, name: &str) -> Vec<String> {
        let name = dn::folded(name);
        let leads = |group: &&Item| self.groups_of(&group.dn).iter().any(|parent| parent.to_lowercase() == name);
        self.groups().into_iter().filter(leads).map(|group| group.dn.clone()).collect()
    }
}

/// Everything from `base` on, with every attribute.
pub(super) fn everything(base: &str) -> LdapSearchRequest {
    LdapSearchRequest {
        base: base.to_owned(),
        scope: LdapSearchScope::Subtree,
        aliases: LdapDerefAliases::Never,
        sizelimit: 0,
        timelimit: 0,
        typesonly: false,
        filter: LdapFilter::Present("objectClass".to_owned()),
        attrs: vec!["*".to_owned(), "+".to_owned()],
    }
}
