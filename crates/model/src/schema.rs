//! The attributes that administrators add to people and groups, and the object classes that they
//! add: definitions alone. One definition is one LDAP attribute type, whatever entries have it.
//!
//! Three definitions are always there, because systems that log in over LDAP ask for them; in all
//! else they are like the others. Values are in `value`.

use std::collections::{BTreeMap, HashMap};

use thiserror::Error;

use crate::attribute::{Attribute, Custom, Rule};
use crate::names::InvalidName;

/// Number of `sshPublicKey`, which is always defined.
pub const SSH_PUBLIC_KEY: u32 = 1;
/// Number of `loginShell`, which is always defined.
pub const LOGIN_SHELL: u32 = 2;
/// Number of `homeDirectory`, which is always defined.
pub const HOME_DIRECTORY: u32 = 3;
/// The first number that an administrator's attribute gets. Numbers are never used again.
pub const FIRST_CUSTOM: u32 = 1001;

/// What values of an attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttributeKind {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// True or false.
    Boolean,
    /// A point in time, to the second.
    DateTime,
    /// A JPEG picture.
    Jpeg,
}

/// The word names no kind of attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("use string, integer, boolean, date_time or jpeg")]
pub struct InvalidKind;

impl AttributeKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::String, Self::Integer, Self::Boolean, Self::DateTime, Self::Jpeg];

    /// The word for it, in the database and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::DateTime => "date_time",
            Self::Jpeg => "jpeg",
        }
    }

    /// The kind that `word` names.
    ///
    /// # Errors
    /// [`InvalidKind`] for another word.
    pub fn parse(word: &str) -> Result<Self, InvalidKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(InvalidKind)
    }
}

/// The name of an attribute or object class: a letter, then letters, digits and hyphens (RFC 4512
/// section 1.4), up to 64. Compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttributeName(String);

impl AttributeName {
    /// Checks `raw`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, InvalidName> {
        const NAME: &str = "The attribute's name";
        let text = raw.trim();
        if text.is_empty() {
            return Err(InvalidName::Empty(NAME));
        }
        if text.len() > 64 {
            return Err(InvalidName::TooLong(NAME, 64));
        }
        let allowed = "use letters from a to z, digits and hyphens, and begin with a letter";
        let is_wrong = |(at, c): &(usize, char)| match at {
            0 => !c.is_ascii_alphabetic(),
            _ => !(c.is_ascii_alphanumeric() || *c == '-'),
        };
        match text.char_indices().find(is_wrong) {
            Some((_, found)) => Err(InvalidName::Character { name: NAME, found, allowed }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Takes back a name that was checked before it was stored.
    #[must_use]
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The name as it was chosen.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which it is unique.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// The definition of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeDef {
    /// Never used again once it is gone.
    pub number: u32,
    /// What it is called.
    pub name: AttributeName,
    /// What its values are.
    pub kind: AttributeKind,
    /// Whether an entry may have several.
    pub is_list: bool,
    /// Whether people have it.
    pub on_users: bool,
    /// Whether groups have it.
    pub on_groups: bool,
    /// Whether somebody who is neither administrator nor reader of everything sees it.
    pub is_visible: bool,
    /// Whether people may change it on their own entry.
    pub is_editable: bool,
}

impl AttributeDef {
    /// Whether it is one of those that are always there.
    #[must_use]
    pub const fn is_built_in(&self) -> bool {
        self.number < FIRST_CUSTOM
    }

    fn attribute(&self) -> Attribute {
        let exact = matches!(self.number, SSH_PUBLIC_KEY | LOGIN_SHELL | HOME_DIRECTORY);
        let rule = match self.kind {
            AttributeKind::String if exact => Rule::Exact,
            AttributeKind::String => Rule::Text,
            AttributeKind::Integer => Rule::Integer,
            AttributeKind::Boolean => Rule::Boolean,
            AttributeKind::DateTime => Rule::Time,
            AttributeKind::Jpeg => Rule::Picture,
        };
        Attribute::Custom(Custom { number: self.number, rule, single: !self.is_list, is_visible: self.is_visible })
    }
}

/// An object class that administrators have added to all people or all groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectClass {
    /// What it is called.
    pub name: AttributeName,
    /// Whether all people have it.
    pub on_users: bool,
    /// Whether all groups have it.
    pub on_groups: bool,
}

impl ObjectClass {
    /// Its object identifier, which is made of its name: the length of it and its letters, folded.
    #[must_use]
    pub fn oid(&self) -> String {
        let name = self.name.folded();
        let letters: String = name.bytes().map(|letter| format!(".{letter}")).collect();
        format!("{ARC}.2.{}{letters}", name.len())
    }
}

/// All definitions. Names of built-in attributes win over those of administrators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    defs: BTreeMap<u32, AttributeDef>,
    /// By name and by identifier. No name has a dot, so the two do not meet.
    by_name: HashMap<String, u32>,
    classes: Vec<ObjectClass>,
}

impl Schema {
    /// Takes the definitions together.
    #[must_use]
    pub fn new(defs: Vec<AttributeDef>, mut classes: Vec<ObjectClass>) -> Self {
        let names = |def: &AttributeDef| [def.oid(), def.name.folded()].map(|name| (name, def.number));
        let by_name = defs.iter().flat_map(names).collect();
        classes.sort_by_key(|class| class.name.folded());
        Self { defs: defs.into_iter().map(|def| (def.number, def)).collect(), by_name, classes }
    }

    /// The attribute that `name` describes, in any case, by one of its names or by its object
    /// identifier (RFC 4512 section 2.5). `None` for unknown ones and for those with options.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Attribute> {
        if let Some(built_in) = Attribute::from_name(name) {
            return Some(built_in);
        }
        let by_number = || name.strip_prefix(ARC)?.strip_prefix(".1.")?.parse().ok();
        let number = self.by_name.get(&name.to_ascii_lowercase()).copied();
        self.defs.get(&number.or_else(by_number)?).map(AttributeDef::attribute)
    }

    /// The object identifier that an attribute without a registered one has; it leads to any.
    #[must_use]
    pub fn identifier(number: u32) -> String {
        format!("{ARC}.1.{number}")
    }

    /// The attribute that the definition with this number describes.
    #[must_use]
    pub fn attribute_by_number(&self, number: u32) -> Option<Attribute> {
        self.defs.get(&number).map(AttributeDef::attribute)
    }

    /// The definition with this number.
    #[must_use]
    pub fn def(&self, number: u32) -> Option<&AttributeDef> {
        self.defs.get(&number)
    }

    /// The definition with this name, in any case.
    #[must_use]
    pub fn def_by_name(&self, name: &str) -> Option<&AttributeDef> {
        self.defs.get(self.by_name.get(&name.to_ascii_lowercase())?)
    }

    /// Every definition, oldest first.
    pub fn defs(&self) -> impl Iterator<Item = &AttributeDef> {
        self.defs.values()
    }

    /// Every definition as an attribute, oldest first.
    pub fn attributes(&self) -> impl Iterator<Item = (&AttributeDef, Attribute)> {
        self.defs.values().map(|def| (def, def.attribute()))
    }

    /// The object classes that administrators have added, by name.
    #[must_use]
    pub fn classes(&self) -> &[ObjectClass] {
        &self.classes
    }

    /// The name under which `attribute` is shown when nobody asked for another.
    #[must_use]
    pub fn name(&self, attribute: Attribute) -> &str {
        match attribute {
            Attribute::Custom(custom) => self.def(custom.number).map_or("", |def| def.name.as_str()),
            _ => attribute.name(),
        }
    }
}

/// Attributes of standard schemas that administrators often add, and their identifiers (RFC 4519,
/// RFC 4524, RFC 2798, RFC 2307, and the schema of OpenSSH's LDAP patch).
const WELL_KNOWN: &[(&str, &str)] = &[
    ("sshpublickey", "1.3.6.1.4.1.24552.500.1.1.1.13"),
    ("loginshell", "1.3.6.1.1.1.1.4"),
    ("homedirectory", "1.3.6.1.1.1.1.3"),
    ("telephonenumber", "2.5.4.20"),
    ("mobile", "0.9.2342.19200300.100.1.41"),
    ("homephone", "0.9.2342.19200300.100.1.20"),
    ("facsimiletelephonenumber", "2.5.4.23"),
    ("title", "2.5.4.12"),
    ("description", "2.5.4.13"),
    ("street", "2.5.4.9"),
    ("postalcode", "2.5.4.17"),
    ("postaladdress", "2.5.4.16"),
    ("l", "2.5.4.7"),
    ("st", "2.5.4.8"),
    ("c", "2.5.4.6"),
    ("initials", "2.5.4.43"),
    ("roomnumber", "0.9.2342.19200300.100.1.6"),
    ("employeenumber", "2.16.840.1.113730.3.1.3"),
    ("employeetype", "2.16.840.1.113730.3.1.4"),
    ("departmentnumber", "2.16.840.1.113730.3.1.2"),
    ("preferredlanguage", "2.16.840.1.113730.3.1.39"),
    ("labeleduri", "1.3.6.1.4.1.250.1.57"),
    ("businesscategory", "2.5.4.15"),
    ("carlicense", "2.16.840.1.113730.3.1.1"),
];

/// The arc below which attributes without a registered identifier have theirs. A UUID arc (X.667)
/// needs no registration.
const ARC: &str = "2.25.240219563287455119284376918354917324281";

impl AttributeDef {
    /// Its object identifier: the registered one of a well-known name, else one that is made of its
    /// number.
    #[must_use]
    pub fn oid(&self) -> String {
        let name = self.name.folded();
        let known = WELL_KNOWN.iter().find(|(known, _)| *known == name);
        known.map_or_else(|| Schema::identifier(self.number), |(_, oid)| (*oid).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn def(number: u32, name: &str, kind: AttributeKind) -> AttributeDef {
        AttributeDef {
            number,
            name: AttributeName::parse(name).unwrap(),
            kind,
            is_list: false,
            on_users: true,
            on_groups: false,
            is_visible: true,
            is_editable: false,
        }
    }

    #[test]
    fn names_are_those_of_rfc_4512() {
        for good in ["a", "sshPublicKey", "x-1", "A9"] {
            assert!(AttributeName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "-a", "a_b", "a;b", "ä", "a b", &"x".repeat(65)] {
            assert!(AttributeName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_definition_is_found_by_name_and_identifier() {
        let schema = Schema::new(
            vec![def(1001, "Badge", AttributeKind::Integer), def(1002, "title", AttributeKind::String)],
            Vec::new(),
        );
        let badge = schema.attribute("bADGE").unwrap();
        assert_eq!(badge.rule(), Rule::Integer);
        assert_eq!(schema.name(badge), "Badge");
        assert_eq!(schema.attribute(&format!("{ARC}.1.1001")), Some(badge));
        assert_eq!(schema.attribute("2.5.4.12"), schema.attribute("TITLE"));
        assert_eq!(schema.attribute("uid"), Some(Attribute::Uid));
        assert_eq!(schema.attribute("badge;lang-en"), None);
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in AttributeKind::ALL {
            assert_eq!(AttributeKind::parse(kind.as_str()), Ok(kind));
        }
        assert_eq!(AttributeKind::parse("text"), Err(InvalidKind));
    }
}
