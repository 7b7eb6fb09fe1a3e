//! Where entries stand: the base, `ou=people` and `ou=groups` below it, people and groups below
//! those, and nothing deeper (LLDAP's tree).

use std::fmt::Write as _;

use ostiary_model::{Attribute, Dn, DnValue, Folded, Rdn, User};

use super::entry::Text;
use super::index::Place;
use super::state::State;

/// What people have in POSIX systems who have nothing of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PosixDefaults {
    /// `loginShell`.
    pub shell: String,
    /// `homeDirectory`, with `{username}` for the user name.
    pub home: String,
}

impl PosixDefaults {
    pub(crate) fn home_of(&self, user: &User) -> String {
        self.home.replace("{username}", user.profile.username.as_str())
    }
}

/// The names that the tree is made of.
pub(super) struct Tree {
    pub(super) posix: PosixDefaults,
    pub(super) base: Dn,
    pub(super) base_text: String,
    pub(super) people_text: String,
    pub(super) groups_text: String,
}

/// What a name leads to, or how far it leads.
pub(super) enum Found {
    Entry(Place),
    /// No entry has the name; this is the deepest one on the way (RFC 4511 section 4.1.9).
    Nearest(Option<Place>),
}

impl Tree {
    pub(super) fn new(base: &Dn, posix: PosixDefaults) -> Self {
        Self {
            posix,
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
        let Some((branch, path)) = path.split_last() else { return Found::Entry(Place::Base) };
        let branch = match branch.single() {
            Some(("ou", name)) if name.as_str() == "people" => Place::People,
            Some(("ou", name)) if name.as_str() == "groups" => Place::Groups,
            _ => return Found::Nearest(Some(Place::Base)),
        };
        let Some((rdn, deeper)) = path.split_last() else { return Found::Entry(branch) };
        let entry = named(rdn).and_then(|name| match branch {
            Place::People => state.person_named(name.as_str()).map(Place::Person),
            _ => state.unit_named(name.as_str()).map(Place::Unit),
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

    /// Appends the name of the entry of the person with this user name.
    pub(super) fn person_into(&self, username: &str, text: &mut String) {
        below_into("uid", username, &self.people_text, text);
    }

    /// Appends the name of the entry of the group with this name.
    pub(super) fn group_into(&self, name: &str, text: &mut String) {
        below_into("cn", name, &self.groups_text, text);
    }

    /// The name of the entry at `place`; `None` when it is gone.
    pub(super) fn name_of(&self, state: &State, place: Place) -> Option<String> {
        let mut text = String::new();
        match place {
            Place::Base => text.push_str(&self.base_text),
            Place::People => text.push_str(&self.people_text),
            Place::Groups => text.push_str(&self.groups_text),
            Place::Person(place) => self.person_into(state.person_at(place)?.shown(Text::Username), &mut text),
            Place::Unit(place) => self.group_into(state.unit_at(place)?.group.name.as_str(), &mut text),
        }
        Some(text)
    }

    /// The attribute that the base is named by, in lower case; empty when there are several.
    pub(super) fn base_kind(&self) -> &str {
        self.base.rdns().first().and_then(|rdn| rdn.single()).map_or("", |(kind, _)| kind)
    }

    /// The base has the attribute that it is named by.
    pub(super) fn base_value(&self, attribute: Attribute) -> Option<&str> {
        let is_naming = attribute.name() == self.base_kind();
        self.base.rdns().first().and_then(|rdn| rdn.value()).filter(|_| is_naming)
    }
}

fn below(kind: &str, value: &str, parent: &str) -> String {
    let mut text = String::new();
    below_into(kind, value, parent, &mut text);
    text
}

fn below_into(kind: &str, value: &str, parent: &str, text: &mut String) {
    text.push_str(kind);
    text.push('=');
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_' || byte == b'-') {
        text.push_str(value);
    } else {
        // Writing to a String does not fail.
        let _ = write!(text, "{}", DnValue(value));
    }
    text.push(',');
    text.push_str(parent);
}

fn named(rdn: &Rdn) -> Option<&Folded> {
    rdn.single().filter(|(kind, _)| matches!(*kind, "uid" | "cn")).map(|(_, name)| name)
}
