//! Where entries stand: the base, `ou=people` and `ou=groups` below it, people and groups below
//! those, and nothing deeper (LLDAP's tree).

use ostiary_model::{Dn, DnValue, Folded, Rdn};

use super::state::{State, Target};

/// The names that the tree is made of.
pub(super) struct Tree {
    pub(super) base: Dn,
    pub(super) base_text: String,
    pub(super) people_text: String,
    pub(super) groups_text: String,
}

/// What a name leads to, or how far it leads.
pub(super) enum Found {
    Entry(Target),
    /// No entry has the name; this is the deepest one on the way (RFC 4511 section 4.1.9).
    Nearest(Option<Target>),
}

impl Tree {
    pub(super) fn new(base: &Dn) -> Self {
        Self {
            base_text: base.to_string(),
            people_text: below("ou", "people", &base.to_string()),
            groups_text: below("ou", "groups", &base.to_string()),
            base: base.clone(),
        }
    }

    /// The entry that `dn` names. People and groups are found by `uid=` and `cn=` alike, since
    /// programs that were set up for LLDAP use either.
    pub(super) fn resolve(&self, state: &State, dn: &Dn) -> Found {
        let Some(path) = dn.below(&self.base) else { return Found::Nearest(None) };
        let Some((branch, path)) = path.split_last() else { return Found::Entry(Target::Base) };
        let branch = match branch.single() {
            Some(("ou", name)) if name.as_str() == "people" => Target::People,
            Some(("ou", name)) if name.as_str() == "groups" => Target::Groups,
            _ => return Found::Nearest(Some(Target::Base)),
        };
        let Some((rdn, deeper)) = path.split_last() else { return Found::Entry(branch) };
        let entry = named(rdn).and_then(|name| match branch {
            Target::People => state.person_by_name(name.as_str()).map(Target::Person),
            _ => state.unit_by_name(name.as_str()).map(Target::Group),
        });
        match entry {
            Some(entry) if deeper.is_empty() => Found::Entry(entry),
            Some(entry) => Found::Nearest(Some(entry)),
            None => Found::Nearest(Some(branch)),
        }
    }

    /// The user name in `dn`, if it is a name of the form that people here have, known or not.
    pub(super) fn user_name(&self, dn: &Dn) -> Option<Folded> {
        match dn.below(&self.base)? {
            [rdn, branch] => match branch.single()? {
                ("ou", name) if name.as_str() == "people" => named(rdn).cloned(),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn person(&self, username: &str) -> String {
        below("uid", username, &self.people_text)
    }

    pub(super) fn group(&self, name: &str) -> String {
        below("cn", name, &self.groups_text)
    }

    /// The name of an entry; `None` when it is gone.
    pub(super) fn name_of(&self, state: &State, target: Target) -> Option<String> {
        Some(match target {
            Target::Base => self.base_text.clone(),
            Target::People => self.people_text.clone(),
            Target::Groups => self.groups_text.clone(),
            Target::Person(id) => self.person(state.person(id)?.user.profile.username.as_str()),
            Target::Group(id) => self.group(state.unit(id)?.group.name.as_str()),
        })
    }
}

fn below(kind: &str, value: &str, parent: &str) -> String {
    format!("{kind}={},{parent}", DnValue(value))
}

fn named(rdn: &Rdn) -> Option<&Folded> {
    rdn.single().filter(|(kind, _)| matches!(*kind, "uid" | "cn")).map(|(_, name)| name)
}
