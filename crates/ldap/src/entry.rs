//! Which attributes of an entry a search returns, under which names, and the entry as it is sent.

use std::collections::HashSet;

use bytes::BytesMut;
use ldap3_proto::proto::{LdapPartialAttribute, LdapSearchResultEntry};
use ostiary_app::directory::View;
use ostiary_model::{Attribute, Schema, Usage};

use crate::ber::{SEQUENCE, SET};
use crate::encode::Encoder;

/// The tag of SearchResultEntry (RFC 4511 section 4.5.2).
const SEARCH_RESULT_ENTRY: u8 = 0x64;
/// From so many names on they are looked up, not gone through.
const MANY: usize = 16;

/// The attributes that were asked for (RFC 4511 section 4.5.1.8).
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// `*`, or nothing at all.
    pub(crate) user: bool,
    /// `+` (RFC 3673).
    pub(crate) operational: bool,
    /// By name; names are sent back as they came, identifiers as the usual name (RFC 4512 section
    /// 2.5).
    pub(crate) named: Vec<String>,
    /// Those of them that entries can have, by their place in `named`.
    known: Vec<(usize, Attribute)>,
}

impl Wanted {
    pub(crate) fn new<'a>(attributes: impl IntoIterator<Item = &'a str>, schema: &Schema) -> Self {
        let mut wanted = Self::default();
        let mut seen = HashSet::new();
        let mut is_empty = true;
        for name in attributes {
            is_empty = false;
            let by_identifier = schema.attribute(name).filter(|_| name.contains('.'));
            let name = by_identifier.map_or(name, |attribute| schema.name(attribute));
            match name {
                "*" => wanted.user = true,
                "+" => wanted.operational = true,
                // `1.1` is no attribute: alone it asks for none.
                _ if wanted.begins_with(name) => {}
                _ if wanted.named.len() >= MANY && !seen.insert(name.to_ascii_lowercase()) => {}
                _ => wanted.named.push(name.to_owned()),
            }
        }
        wanted.user |= is_empty;
        // The name of the entry is not an attribute of that name, though some ask for it.
        let attributes = wanted.named.iter().enumerate().filter(|(_, name)| !name.eq_ignore_ascii_case("dn"));
        wanted.known = attributes.filter_map(|(at, name)| Some((at, schema.attribute(name)?))).collect();
        wanted
    }

    /// Whether a name is among those that are gone through.
    fn begins_with(&self, name: &str) -> bool {
        self.named.iter().take(MANY).any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Hands the attributes that were asked for of this entry, with the names that they are sent
    /// under, to `each`; whether the entry has them is another matter.
    fn of<'a>(&'a self, view: &'a View<'_>, mut each: impl FnMut(&'a str, Attribute)) {
        for (at, attribute) in &self.known {
            each(self.named.get(*at).map_or("", String::as_str), *attribute);
        }
        let is_known = |attribute: Attribute| self.known.iter().any(|(_, known)| *known == attribute);
        if self.user || self.operational {
            for attribute in Attribute::ALL.iter().copied().filter(|attribute| !is_known(*attribute)) {
                let is_wanted = match attribute.usage() {
                    Usage::User => self.user && view.is_own(attribute),
                    Usage::Operational => self.operational,
                };
                if is_wanted {
                    each(attribute.name(), attribute);
                }
            }
        }
        if self.user {
            view.custom().filter(|(_, attribute)| !is_known(*attribute)).for_each(|(name, custom)| each(name, custom));
        }
    }

    /// The attributes whose values have to be fetched before `view` can be sent.
    pub(crate) fn pictures(&self, view: &View<'_>) -> Vec<Attribute> {
        let mut pictures = Vec::new();
        self.of(view, |_, attribute| {
            if view.has_picture(attribute) {
                pictures.push(attribute);
            }
        });
        pictures
    }
}

/// Pictures that were fetched for an entry.
pub(crate) type Pictures = Vec<(Attribute, Vec<Vec<u8>>)>;

/// How an entry is to be sent.
pub(crate) struct Shape<'a> {
    pub(crate) wanted: &'a Wanted,
    pub(crate) types_only: bool,
    /// What was fetched for it.
    pub(crate) pictures: &'a [(Attribute, Vec<Vec<u8>>)],
}

/// Writes the entry that `view` shows, as the message `id`.
pub(crate) fn write(out: &mut BytesMut, id: i32, view: &View<'_>, shape: &Shape<'_>) {
    Encoder::new(out).message(id, |out| write_operation(out, view, shape));
}

/// The entry that `view` shows, as a SearchResultEntry alone.
pub(crate) fn operation(view: &View<'_>, shape: &Shape<'_>) -> Vec<u8> {
    let mut out = BytesMut::new();
    write_operation(&mut Encoder::new(&mut out), view, shape);
    out.to_vec()
}

fn write_operation(out: &mut Encoder<'_>, view: &View<'_>, shape: &Shape<'_>) {
    let entry = out.open(SEARCH_RESULT_ENTRY);
    let mut dn = String::new();
    view.dn_into(&mut dn);
    out.octets(dn.as_bytes());
    let list = out.open(SEQUENCE);
    shape.wanted.of(view, |name, attribute| write_attribute(out, view, shape, (name, attribute)));
    out.close(list);
    out.close(entry);
}

/// Writes an attribute, unless it has no values.
fn write_attribute(out: &mut Encoder<'_>, view: &View<'_>, shape: &Shape<'_>, (name, attribute): (&str, Attribute)) {
    let start = out.len();
    let partial = out.open(SEQUENCE);
    out.octets(name.as_bytes());
    let values = out.open(SET);
    let empty = out.len();
    view.values(attribute, &mut |value| out.octets(value.as_bytes()));
    for (_, pictures) in shape.pictures.iter().filter(|(fetched, _)| *fetched == attribute) {
        pictures.iter().for_each(|picture| out.octets(picture));
    }
    let has_values = out.len() > empty || (shape.types_only && view.has_picture(attribute));
    if !has_values {
        return out.take_back(start);
    }
    if shape.types_only {
        out.take_back(empty);
    }
    out.close(values);
    out.close(partial);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_again_is_sent_once() {
        let many: Vec<_> = (0..40).map(|number| format!("x{number}")).collect();
        let again = ["CN", "mail", "X3", "x30", "2.5.4.3"];
        let names = ["cn", "Mail"].into_iter().chain(many.iter().map(String::as_str)).chain(again);
        let wanted = Wanted::new(names, &Schema::default());
        assert_eq!(wanted.named.len(), 2 + many.len());
        assert_eq!(wanted.known, [(0, Attribute::Cn), (1, Attribute::Mail)]);
    }
}
