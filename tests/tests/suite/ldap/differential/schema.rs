//! The schema that Ostiary publishes, read and handed to slapd, whose parser is a strict one: so the
//! two servers speak of the same attributes, and what is published is what is meant.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result, ensure};
use ldap3_proto::proto::{LdapDerefAliases, LdapFilter, LdapOp, LdapSearchRequest, LdapSearchScope};

use super::peer::Peer;

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Text,
    Exact,
    Integer,
    Boolean,
    Time,
    Uuid,
    Dn,
    Class,
    /// Not at all.
    Bytes,
}

/// An attribute type (RFC 4512 section 4.1.2).
#[derive(Debug, Clone)]
pub(super) struct Type {
    pub(super) oid: String,
    /// The usual one first.
    pub(super) names: Vec<String>,
    pub(super) kind: Kind,
    pub(super) is_operational: bool,
    /// Whether it is one of the root or of the schema alone.
    pub(super) is_of_root: bool,
    text: String,
}

impl Type {
    pub(super) fn name(&self) -> &str {
        &self.names[0]
    }
}

/// What `cn=Subschema` says.
pub(super) struct Schema {
    types: Vec<Type>,
    by_name: HashMap<String, usize>,
    classes: Vec<String>,
}

/// Identifiers of attributeTypes, objectClasses, matchingRules and ldapSyntaxes.
const SCHEMA: &[&str] = &["2.5.21.5", "2.5.21.6", "2.5.21.4", "1.3.6.1.4.1.1466.101.120.16"];

/// LLDAP's names that the grammar of a schema does not allow, so that they are not published.
const ALIASES: &[(&str, &str)] = &[
    ("user_id", "uid"),
    ("display_name", "displayName"),
    ("first_name", "givenName"),
    ("last_name", "sn"),
    ("creation_date", "createTimestamp"),
    ("modified_date", "modifyTimestamp"),
    ("password_modified_date", "pwdChangedTime"),
    ("group_id", "groupid"),
];

impl Schema {
    /// Reads it from a server.
    pub(super) fn of(server: &mut Peer) -> Result<Self> {
        let (types, classes) = (values(server, "attributeTypes")?, values(server, "objectClasses")?);
        let types = types.iter().map(|text| read(text).with_context(|| text.clone())).collect::<Result<Vec<_>>>()?;
        let mut by_name = HashMap::new();
        for (at, one) in types.iter().enumerate() {
            for name in one.names.iter().chain([&one.oid]) {
                let before = by_name.insert(name.to_lowercase(), at);
                ensure!(before.is_none(), "{name} stands for two attributes");
            }
        }
        for (alias, name) in ALIASES {
            if let Some(at) = by_name.get(&name.to_lowercase()).copied() {
                by_name.insert((*alias).to_owned(), at);
            }
        }
        Ok(Self { types, by_name, classes })
    }

    pub(super) fn get(&self, name: &str) -> Option<&Type> {
        self.by_name.get(&name.to_lowercase()).map(|at| &self.types[*at])
    }

    /// Whether a class has this name or identifier.
    pub(super) fn has_class(&self, name: &str) -> bool {
        let is_called = |class: &String| {
            let names =
                class.split_whitespace().skip(1).take_while(|word| !["SUP", "DESC", "MUST", "MAY"].contains(word));
            names.map(|word| word.trim_matches('\'')).any(|word| word.eq_ignore_ascii_case(name))
        };
        self.classes.iter().any(is_called)
    }

    pub(super) fn types(&self) -> &[Type] {
        &self.types
    }

    /// Which attributes slapd has to be told of, in the words of `slapd.conf`; it knows `built_in`
    /// already, and what is of the root alone it need not know. What is operational with us and unknown to slapd is an ordinary attribute there.
    pub(super) fn for_slapd(&self, built_in: &Self) -> String {
        let mut text = String::new();
        let known: HashSet<_> = built_in.types.iter().map(|one| one.oid.as_str()).collect();
        for one in self.types.iter().filter(|one| !one.is_of_root && !known.contains(one.oid.as_str())) {
            let definition = one.text.replace(" NO-USER-MODIFICATION", "").replace(" USAGE directoryOperation", "");
            text.push_str(&format!("attributetype {definition}\n"));
        }
        let known: HashSet<_> = built_in.classes.iter().filter_map(|class| word(class, 1)).collect();
        for class in self.classes.iter().filter(|class| word(class, 1).is_none_or(|oid| !known.contains(&oid))) {
            text.push_str(&format!("objectclass {}\n", self.class_for_slapd(class)));
        }
        text
    }

    /// The attributes that are operational with us and ordinary ones with slapd.
    pub(super) fn operational_here(&self, built_in: &Self) -> Vec<String> {
        let known: HashSet<_> = built_in.types.iter().map(|one| one.oid.as_str()).collect();
        let ours =
            self.types.iter().filter(|one| one.is_operational && !one.is_of_root && !known.contains(one.oid.as_str()));
        ours.map(|one| one.name().to_lowercase()).collect()
    }
}

/// Attributes that entries have which no class of theirs allows: what is operational with us, a
/// group's name under LLDAP's names, and the copies of [`super::mirror::ORDERED`].
const MORE: &[(&str, &[&str])] = &[
    ("'groupOfUniqueNames'", &["uid", "displayName", "groupid", "numSubordinates", "ordered-cn", "ordered-uid"]),
    ("'inetOrgPerson'", &["userAccountControl", "numSubordinates", "ordered-cn", "ordered-uid"]),
    ("'organizationalUnit'", &["numSubordinates"]),
    ("'organization'", &["numSubordinates"]),
    ("'domain'", &["numSubordinates"]),
];

impl Schema {
    /// A class as slapd takes it: an entry has one structural class there, and our groups are of two
    /// kinds.
    fn class_for_slapd(&self, class: &str) -> String {
        let is_second = class.contains("'groupOfNames'");
        let class = if is_second { class.replace(" STRUCTURAL ", " AUXILIARY ") } else { class.to_owned() };
        let more = MORE.iter().find(|(name, _)| class.contains(name)).map_or(&[][..], |(_, more)| more);
        let more: Vec<_> =
            more.iter().copied().filter(|name| name.starts_with("ordered-") || self.get(name).is_some()).collect();
        if more.is_empty() {
            return class;
        }
        let more = more.join(" $ ");
        let (before, after) = class.split_once(" MAY ").unwrap_or((class.trim_end_matches(')').trim_end(), ")"));
        match after.trim_start().strip_prefix('(') {
            Some(after) => format!("{before} MAY ( {more} $ {after}"),
            None if after == ")" => format!("{before} MAY ( {more} ) )"),
            None => {
                let (one, rest) = after.split_once(' ').unwrap_or((after, ")"));
                format!("{before} MAY ( {more} $ {one} ) {rest}")
            }
        }
    }
}

fn values(server: &mut Peer, attribute: &str) -> Result<Vec<String>> {
    let answer = server.ask(LdapOp::SearchRequest(LdapSearchRequest {
        base: "cn=Subschema".to_owned(),
        scope: LdapSearchScope::Base,
        aliases: LdapDerefAliases::Never,
        sizelimit: 0,
        timelimit: 0,
        typesonly: false,
        filter: LdapFilter::Present("objectClass".to_owned()),
        attrs: vec![attribute.to_owned()],
    }))?;
    let found = answer.entries.first().and_then(|entry| entry.attributes.first());
    let found = found.with_context(|| format!("no {attribute} in {answer:?}"))?;
    Ok(found.vals.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect())
}

fn word(definition: &str, at: usize) -> Option<String> {
    definition.split_whitespace().nth(at).map(str::to_owned)
}

fn read(text: &str) -> Result<Type> {
    let words: Vec<_> = text.split_whitespace().collect();
    let after = |key: &str| words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1)).copied();
    let at = words.iter().position(|word| *word == "NAME").context("no name")?;
    let mut names = words[at + 1..].iter().map(|word| word.trim_matches('\''));
    let names = match names.next() {
        Some("(") => names.take_while(|word| *word != ")").map(str::to_owned).collect(),
        Some(name) => vec![name.to_owned()],
        None => Vec::new(),
    };
    ensure!(!names.is_empty(), "no name");
    let kind = match after("EQUALITY") {
        Some("caseIgnoreMatch" | "caseIgnoreIA5Match" | "telephoneNumberMatch" | "caseIgnoreListMatch") => Kind::Text,
        Some("caseExactMatch" | "caseExactIA5Match") => Kind::Exact,
        Some("integerMatch") => Kind::Integer,
        Some("booleanMatch") => Kind::Boolean,
        Some("generalizedTimeMatch") => Kind::Time,
        Some("UUIDMatch") => Kind::Uuid,
        Some("distinguishedNameMatch" | "uniqueMemberMatch") => Kind::Dn,
        Some("objectIdentifierMatch") => Kind::Class,
        _ => Kind::Bytes,
    };
    Ok(Type {
        oid: words.get(1).context("no identifier")?.to_string(),
        names,
        kind,

        is_operational: words.contains(&"USAGE"),
        is_of_root: words.contains(&"dSAOperation") || SCHEMA.contains(&words[1]),
        text: text.to_owned(),
    })
}
