//! Which attributes of an entry a search returns, and under which names.

use std::collections::HashSet;

use ldap3_proto::proto::{LdapPartialAttribute, LdapSearchResultEntry};
use ostiary_app::directory::View;
use ostiary_model::{Attribute, Usage};

/// The attributes that were asked for (RFC 4511 section 4.5.1.8).
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// `*`, or nothing at all.
    pub(crate) user: bool,
    /// `+` (RFC 3673).
    pub(crate) operational: bool,
    /// By name; names are sent back as they came.
    pub(crate) named: Vec<String>,
    /// Those of them that entries can have. There are few, however many were asked for.
    known: Vec<(String, Attribute)>,
}

impl Wanted {
    pub(crate) fn new(attributes: Vec<String>) -> Self {
        let mut wanted = Self { user: attributes.is_empty(), ..Self::default() };
        let mut seen = HashSet::new();
        for name in attributes {
            match name.as_str() {
                "*" => wanted.user = true,
                "+" => wanted.operational = true,
                // `1.1` is no attribute: alone it asks for none.
                _ if !seen.insert(name.to_ascii_lowercase()) => {}
                _ => wanted.named.push(name),
            }
        }
        // The name of the entry is not an attribute of that name, though some ask for it.
        let attributes = wanted.named.iter().filter(|name| !name.eq_ignore_ascii_case("dn"));
        wanted.known = attributes.filter_map(|name| Some((name.clone(), Attribute::from_name(name)?))).collect();
        wanted
    }
}

/// Collects attributes with their values, without the values when only types are asked for.
#[derive(Debug, Default)]
pub(crate) struct Attributes {
    types_only: bool,
    list: Vec<LdapPartialAttribute>,
}

impl Attributes {
    pub(crate) fn new(types_only: bool) -> Self {
        Self { types_only, list: Vec::new() }
    }

    /// Adds an attribute, unless it has no values.
    pub(crate) fn add(&mut self, name: &str, mut values: Vec<Vec<u8>>) {
        if values.is_empty() {
            return;
        }
        if self.types_only {
            values.clear();
        }
        self.list.push(LdapPartialAttribute { atype: name.to_owned(), vals: values });
    }

    pub(crate) fn into_entry(self, dn: String) -> LdapSearchResultEntry {
        LdapSearchResultEntry { dn, attributes: self.list }
    }
}

/// Writes the entry that `view` shows.
pub(crate) fn entry(view: &View<'_>, wanted: &Wanted, types_only: bool) -> LdapSearchResultEntry {
    let mut attributes = Attributes::new(types_only);
    let mut sent = Vec::new();
    for (name, attribute) in &wanted.known {
        attributes.add(name, values(view, *attribute));
        sent.push(*attribute);
    }
    for attribute in Attribute::ALL.iter().copied().filter(|attribute| !sent.contains(attribute)) {
        let is_wanted = match attribute.usage() {
            Usage::User => wanted.user && view.is_own(attribute),
            Usage::Operational => wanted.operational,
        };
        if is_wanted {
            attributes.add(attribute.name(), values(view, attribute));
        }
    }
    attributes.into_entry(view.dn())
}

fn values(view: &View<'_>, attribute: Attribute) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    view.values(attribute, &mut |value| values.push(value.as_bytes().to_vec()));
    values
}
