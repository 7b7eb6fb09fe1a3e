//! Values to ask for: some that are there, some that almost are, and some that are none.

use std::collections::HashMap;

use super::dice::Dice;
use super::dn;
use super::schema::{Kind, Schema};
use super::world::{Item, World};

/// Texts with everything in them that needs an escape somewhere, or that is compared in a way of its
/// own.
pub(super) const ODD: &[&str] = &[
    "a,b",
    "a+b",
    "a\"b\"",
    "a\\b",
    "<a>;b",
    "#a",
    "a#b",
    "a=b",
    "a*b",
    "(a)",
    "*",
    "\\2a",
    "Åse Ødegård",
    "김서연",
    "Zoë",
    "ΑΘΗΝΑ",
    "straße",
    "a  b",
    "x&y|z!",
    "a/b",
    "100%_",
    "o'neil",
    "日本 語",
    "😀 smile",
];

/// Whoever makes cases.
pub(super) struct Maker<'a> {
    pub(super) dice: &'a mut Dice,
    pub(super) schema: &'a Schema,
    pub(super) world: &'a World,
    /// The entry that is to be found.
    pub(super) aim: Option<Item>,
}

impl Maker<'_> {
    /// A name of an attribute: mostly one that entries have.
    pub(super) fn attribute(&mut self) -> String {
        match self.dice.below(100) {
            0..70 => {
                let names = match &self.aim {
                    Some(item) => self.names(item),
                    None => {
                        let item = self.dice.pick(&self.world.items);
                        self.names(item)
                    }
                };
                let name = self.dice.pick(&names).clone();
                self.schema.get(&name).map_or(name, |one| one.name().to_owned())
            }
            70..90 => {
                let types: Vec<_> = self
                    .schema
                    .types()
                    .iter()
                    .filter(|one| one.kind != Kind::Bytes && one.name() != "subschemaSubentry")
                    .collect();
                let one = *self.dice.pick(&types);
                match self.dice.below(4) {
                    0 => one.oid.clone(),
                    1 => self.dice.pick(&one.names).clone(),
                    2 => one.name().to_uppercase(),
                    _ => one.name().to_owned(),
                }
            }
            90..93 => {
                let aliases = ["user_id", "first_name", "last_name", "display_name", "creation_date", "group_id"];
                (*self.dice.pick(&aliases)).to_owned()
            }
            93..95 => format!("{};lang-en", self.dice.pick(&["cn", "uid", "mail"])),
            _ => (*self.dice.pick(&["nonsense", "x-unknown", "1.2.3.4.5", "userCertificate"])).to_owned(),
        }
    }

    /// The attributes of an entry that can be asked for: not what slapd adds as it sends it, and not the
    /// password.
    pub(super) fn names(&self, item: &Item) -> Vec<String> {
        let is_hidden = |name: &String| name == "subschemasubentry" || name == "userpassword";
        let is_asked = |name: &&String| !is_hidden(name) && self.schema.get(name).is_some();
        item.values.keys().filter(is_asked).cloned().collect()
    }

    /// A value to ask an attribute for.
    pub(super) fn assertion(&mut self, name: &str) -> String {
        let Some((kind, known)) = self.schema.get(name).map(|one| (one.kind, one.name().to_lowercase())) else {
            return (*self.dice.pick(&["x", "", "a b"])).to_owned();
        };
        let there = self.there(&known);
        match kind {
            Kind::Text | Kind::Exact | Kind::Bytes => self.text(there),
            Kind::Integer => self.integer(there),
            Kind::Boolean => (*self.dice.pick(&["TRUE", "FALSE", "true", "yes", ""])).to_owned(),
            Kind::Time => self.time(there),
            Kind::Uuid => self.uuid(there),
            Kind::Dn => self.reference(there),
            Kind::Class => self.class(there),
        }
    }

    /// A value that some entry has.
    pub(super) fn there(&mut self, name: &str) -> Option<String> {
        let own = self.aim.as_ref().map_or(&[][..], |item| item.get(name));
        if !own.is_empty() {
            return Some(self.dice.pick(own).clone());
        }
        let have: Vec<_> = self.world.items.iter().filter(|item| !item.get(name).is_empty()).collect();
        if have.is_empty() {
            return None;
        }
        let item = *self.dice.pick(&have);
        Some(self.dice.pick(item.get(name)).clone())
    }

    fn text(&mut self, there: Option<String>) -> String {
        if self.dice.percent(12) {
            return (*self.dice.pick(ODD)).to_owned();
        }
        let text = there.unwrap_or_else(|| "nobody".to_owned());
        match self.dice.below(8) {
            0 => text.to_uppercase(),
            1 => text.to_lowercase(),
            2 => format!("  {text} "),
            3 => text.replace(' ', "   "),
            4 => {
                let count = text.chars().count();
                let end = self.dice.below(count + 1);
                text.chars().take(end).collect()
            }
            5 => format!("{text}x"),
            _ => text,
        }
    }

    fn integer(&mut self, there: Option<String>) -> String {
        let number: i64 = there.and_then(|text| text.parse().ok()).unwrap_or(7);
        match self.dice.below(12) {
            0 => number.saturating_add(1).to_string(),
            1 => number.saturating_sub(1).to_string(),
            2 => "0".to_owned(),
            3 => "-1".to_owned(),
            4 => i64::MAX.to_string(),
            5 => (*self.dice.pick(&["", "x", "1.5", "0x10", "--1"])).to_owned(),
            _ => number.to_string(),
        }
    }

    fn time(&mut self, there: Option<String>) -> String {
        let time = there.unwrap_or_else(|| "20260101000000Z".to_owned());
        let digits: String = time.chars().take_while(char::is_ascii_digit).collect();
        match self.dice.below(10) {
            0 => "20200101000000Z".to_owned(),
            1 => "21000101000000Z".to_owned(),
            2 => format!("{digits}.5Z"),
            3 => format!("{digits}+0000"),
            4 => (*self.dice.pick(&["", "yesterday", "20261301000000Z", "20260101"])).to_owned(),
            5 => "2026010100Z".to_owned(),
            _ => time,
        }
    }

    fn uuid(&mut self, there: Option<String>) -> String {
        let uuid = there.unwrap_or_default();
        match self.dice.below(6) {
            0 => uuid.to_uppercase(),
            1 => "00000000-0000-0000-0000-000000000000".to_owned(),
            2 => (*self.dice.pick(&["", "x", "0000"])).to_owned(),
            _ => uuid,
        }
    }

    fn class(&mut self, there: Option<String>) -> String {
        match self.dice.below(8) {
            0 => "2.5.6.6".to_owned(),
            1 => "INETORGPERSON".to_owned(),
            2 => "device".to_owned(),
            3 => (*self.dice.pick(&["", "nonsense", "1.2.3"])).to_owned(),
            _ => there.unwrap_or_default(),
        }
    }

    /// Attributes to sort by, and whether backwards.
    pub(super) fn order(&mut self) -> Vec<(String, bool)> {
        let names = ["uid", "cn", "sn", "mail", "uidNumber", "createTimestamp", "x-badge", "givenName"];
        let count = self.dice.weighted(&[(5, 1), (2, 2)]);
        (0..count).map(|_| ((*self.dice.pick(&names)).to_owned(), self.dice.percent(40))).collect()
    }

    /// A name and a password to bind with, mostly right.
    pub(super) fn credentials(&mut self, passwords: &HashMap<String, String>) -> (String, String) {
        let known = |item: &&Item| Some((item.dn.clone(), passwords.get(&dn::folded(&item.dn))?.clone()));
        let known: Vec<_> = self.world.people().iter().filter_map(known).collect();
        let right = (!known.is_empty()).then(|| self.dice.pick(&known).clone());
        let (name, password) = right.unwrap_or_else(|| (self.world.base.clone(), "x".to_owned()));
        match self.dice.below(10) {
            0 => (name, "not the password".to_owned()),
            1 => (name, String::new()),
            2 => (String::new(), String::new()),
            3 => (format!("uid=nobody,{}", self.world.people_base()), password),
            4 => ((*self.dice.pick(&["nonsense", "=x", "uid"])).to_owned(), password),
            5 => (self.dice.pick(&self.world.items).dn.clone(), "not the password".to_owned()),
            _ => (self.spelled(&name), password),
        }
    }

    /// The name of an entry, in some spelling.
    pub(super) fn reference(&mut self, there: Option<String>) -> String {
        let name = match self.dice.below(12) {
            0..3 => there.unwrap_or_else(|| self.world.base.clone()),
            3..8 => self.dice.pick(&self.world.items).dn.clone(),
            8 => format!("uid=nobody,{}", self.world.people_base()),
            9 => return (*self.dice.pick(&["uid", "cn=a=b=c,", "=x", "cn=\\zz"])).to_owned(),
            10 => {
                // The bare name, as LLDAP takes it.
                let item = self.dice.pick(&self.world.items);
                let value = dn::parts(&item.dn).map(|parts| parts[0][0].1.clone()).unwrap_or_default();
                if !value.is_empty() && !value.contains('=') {
                    return value;
                }
                item.dn.clone()
            }
            _ => "dc=elsewhere".to_owned(),
        };
        self.spelled(&name)
    }

    /// `name` as it is or in another spelling, sometimes by the RDN that is not its own.
    pub(super) fn spelled(&mut self, name: &str) -> String {
        let Some(mut parts) = dn::parts(name) else { return name.to_owned() };
        if self.dice.percent(5)
            && let Some((kind, _)) = parts.first_mut().and_then(|rdn| rdn.first_mut())
        {
            match kind.as_str() {
                "uid" => *kind = "cn".to_owned(),
                "cn" => *kind = "uid".to_owned(),
                _ => {}
            }
        }
        if self.dice.percent(50) { dn::oddly(&parts, self.dice) } else { dn::written(&parts) }
    }
}
