//! The two entries that stand outside the tree: the root, which says what this server can do (RFC
//! 4512 section 5.1), and the schema (section 4.2). Both may be read without a bind.
//!
//! Their attributes are no part of the directory, so filters on them are decided here, as RFC 4511
//! section 4.5.1.7 says.

use std::cell::OnceCell;
use std::iter;

use ldap3_proto::proto::LdapSearchResultEntry;
use ostiary_model::{Attribute, Folded, MAX_DEPTH, Schema};

use crate::ber::Reader;
use crate::controls;
use crate::entry::{Attributes, Wanted};
use crate::filter::Term;
use crate::schema;

/// "Who am I?" (RFC 4532).
pub(crate) const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
/// Password Modify (RFC 3062).
pub(crate) const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";
/// StartTLS (RFC 4511 section 4.14).
pub(crate) const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// What is done beyond RFC 4511 without being asked for by a control.
const FEATURES: &[&str] = &[
    // `+` for all operational attributes (RFC 3673).
    "1.3.6.1.4.1.4203.1.5.1",
    // `(&)` and `(|)` (RFC 4526).
    "1.3.6.1.4.1.4203.1.5.3",
    // Increment (RFC 4525).
    "1.3.6.1.1.14",
];

/// An entry of fixed content. What is not named in `user` is operational.
pub(crate) struct Fixed {
    dn: &'static str,
    user: &'static [&'static str],
    attributes: Vec<Own>,
}

/// An attribute of such an entry.
struct Own {
    name: &'static str,
    oid: Option<&'static str>,
    /// Where entries of the tree have it, too.
    known: Option<Attribute>,
    values: Vec<String>,
    /// What is compared of the values. Made once, and only when it is asked for: anybody may ask,
    /// with hundreds of terms in one filter.
    compared: OnceCell<Vec<Folded>>,
}

impl Own {
    fn new((name, values): (&'static str, Vec<String>)) -> Self {
        let (oid, known) = (schema::identifier(name), Attribute::from_name(name));
        Self { name, oid, known, values, compared: OnceCell::new() }
    }

    /// Whether `asked`, which is `known` in the tree, is one of its names or its identifier.
    fn is_called(&self, asked: &str, known: Option<Attribute>) -> bool {
        let is_known = known.is_some() && known == self.known;
        is_known || asked.eq_ignore_ascii_case(self.name) || self.oid == Some(asked)
    }

    /// Of a description that is its identifier (RFC 4517 section 4.2.26), else all of it.
    fn compared(&self) -> &[Folded] {
        self.compared.get_or_init(|| {
            let first = |value: &str| value.strip_prefix("( ").and_then(|rest| rest.split(' ').next()).map(Folded::new);
            self.values.iter().map(|value| first(value).unwrap_or_else(|| Folded::new(value))).collect()
        })
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

/// The root, on a connection that may be turned into an encrypted one or not.
pub(crate) fn root(base: &str, offers_tls: bool) -> Fixed {
    let mut extensions = texts(&[PASSWORD_MODIFY, WHO_AM_I]);
    if offers_tls {
        extensions.push(START_TLS.to_owned());
    }
    Fixed {
        dn: "",
        user: &["objectClass"],
        attributes: [
            ("objectClass", texts(&["top"])),
            ("namingContexts", texts(&[base])),
            ("defaultNamingContext", texts(&[base])),
            ("subschemaSubentry", texts(&[schema::DN])),
            ("supportedLDAPVersion", texts(&["3"])),
            ("supportedExtension", extensions),
            ("supportedControl", texts(controls::SUPPORTED)),
            ("supportedFeatures", texts(FEATURES)),
            ("vendorName", texts(&["Ostiary"])),
            ("vendorVersion", texts(&[env!("CARGO_PKG_VERSION")])),
            ("entryDN", texts(&[""])),
        ]
        .map(Own::new)
        .into(),
    }
}

/// The schema.
pub(crate) fn subschema(known: &Schema) -> Fixed {
    Fixed {
        dn: schema::DN,
        user: &["objectClass", "cn"],
        attributes: [
            ("objectClass", texts(&["top", "subentry", "subschema"])),
            ("cn", texts(&["Subschema"])),
            ("structuralObjectClass", texts(&["subentry"])),
            ("objectClasses", schema::object_classes(known)),
            ("attributeTypes", schema::attribute_types(known)),
            ("matchingRules", schema::matching_rules()),
            ("matchingRuleUse", schema::matching_rule_use(known)),
            ("ldapSyntaxes", schema::syntaxes()),
            ("subschemaSubentry", texts(&[schema::DN])),
            ("entryDN", texts(&[schema::DN])),
        ]
        .map(Own::new)
        .into(),
    }
}

impl Fixed {
    /// The entry with the attributes that are wanted.
    pub(crate) fn entry(&self, wanted: &Wanted, types_only: bool) -> LdapSearchResultEntry {
        let mut attributes = Attributes::new(types_only);
        let named: Vec<_> = wanted.named.iter().map(|name| (name.as_str(), Attribute::from_name(name))).collect();
        for own in &self.attributes {
            let asked = named.iter().find(|(asked, known)| own.is_called(asked, *known));
            let is_wanted = if self.user.contains(&own.name) { wanted.user } else { wanted.operational };
            let asked = match asked {
                Some((asked, _)) if own.oid == Some(*asked) => Some(own.name),
                Some((asked, _)) => Some(*asked),
                None => is_wanted.then_some(own.name),
            };
            if let Some(name) = asked {
                attributes.add(name, own.values.iter().map(|value| value.as_bytes().to_vec()).collect());
            }
        }
        attributes.into_entry(self.dn.to_owned())
    }

    /// Whether `filter`, as it came, is true of it.
    pub(crate) fn matches(&self, filter: &[u8]) -> bool {
        self.truth(Reader::new(filter), MAX_DEPTH) == Some(true)
    }

    /// True, false, or nobody can tell, of the first one of `filters`.
    fn truth(&self, mut filters: Reader<'_>, depth: usize) -> Option<bool> {
        let depth = depth.checked_sub(1)?;
        match Term::read(&mut filters)? {
            Term::And(terms) => all(self.truths(terms, depth)),
            Term::Or(terms) => all(self.truths(terms, depth).map(|truth| truth.map(|truth| !truth))).map(|none| !none),
            Term::Not(term) => self.truth(term, depth).map(|truth| !truth),
            Term::Present(name) => Some(self.own(name)?.is_some()),
            Term::Equal(name, asked) => {
                Some(self.own(name)?.is_some_and(|own| own.compared().contains(&Folded::new(asked))))
            }
            Term::Parts(..) | Term::AtLeast(..) | Term::AtMost(..) | Term::Rule(_) | Term::Nobodys => None,
        }
    }

    /// The truth of each. What is no element is the last one: nothing can be read behind it.
    fn truths<'a>(&'a self, mut terms: Reader<'a>, depth: usize) -> impl Iterator<Item = Option<bool>> + 'a {
        iter::from_fn(move || {
            if terms.is_empty() {
                return None;
            }
            let term = terms.element();
            if term.is_none() {
                terms = Reader::new(&[]);
            }
            Some(term.and_then(|term| self.truth(Reader::new(term), depth)))
        })
    }

    /// The attribute of this name, if the entry has it; `None` where nothing has one.
    fn own(&self, name: &str) -> Option<Option<&Own>> {
        let known = Attribute::from_name(name);
        let own = self.attributes.iter().find(|own| own.is_called(name, known));
        (own.is_some() || known.is_some()).then_some(own)
    }
}

/// And, three-valued: one false term decides, whatever the others are.
fn all(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for truth in truths {
        match truth {
            Some(false) => return Some(false),
            None => all = None,
            Some(true) => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::encoded;

    #[test]
    fn filters_on_the_root_are_decided() {
        let root = root("dc=x", true);
        for (filter, truth) in [
            ("(objectClass=*)", true),
            ("(OBJECTCLASS=TOP)", true),
            ("(objectClass=person)", false),
            ("(!(objectClass=person))", true),
            ("(supportedExtension=1.3.6.1.4.1.1466.20037)", true),
            ("(&(supportedLDAPVersion=3)(!(cn=*)))", true),
            ("(!(shoeSize=*))", false),
            ("(|(shoeSize=*)(vendorName=ostiary))", true),
            ("(vendorName=o*)", false),
        ] {
            assert_eq!(root.matches(&encoded(filter)), truth, "{filter}");
        }
        assert!(root.matches(b"\xa3\x22\x04\x1a1.3.6.1.4.1.1466.101.120.5\x04\x04DC=x"));
        assert!(root.matches(b"\xa0\x00") && !root.matches(b"\xa1\x00"));
    }

    /// Whoever has not bound may send them: each must be decided, none may go on for ever.
    #[test]
    fn filters_that_cannot_be_read_come_to_an_end() {
        let root = root("dc=x", true);
        let put = |tag, inner: &[u8]| crate::ber::Writer::default().put(tag, inner).into_bytes();
        let nested = |levels: usize, tag| (0..levels).fold(encoded("(objectClass=*)"), |inner, _| put(tag, &inner));
        assert!(root.matches(&nested(MAX_DEPTH - 1, 0xa0)));
        for tag in [0xa0, 0xa1] {
            for levels in [MAX_DEPTH, MAX_DEPTH + 1, 2 * MAX_DEPTH] {
                assert!(!root.matches(&nested(levels, tag)), "{levels} levels of {tag:02x}");
            }
            for broken in [&b"\x04"[..], b"\x87\x05cn", b"\xa0\x80", b"\x04\x00"] {
                let whole = encoded("(objectClass=*)");
                assert!(!root.matches(&put(tag, broken)), "{tag:02x} {broken:02x?}");
                assert!(!root.matches(&put(0xa0, &[&whole, broken].concat())), "{broken:02x?} behind what is true");
            }
        }
    }

    #[test]
    fn descriptions_are_asked_for_by_their_identifier() {
        let entry = subschema(&Schema::default());
        for (filter, truth) in [
            ("(attributeTypes=2.5.4.3)", true),
            ("(objectClasses=2.5.6.6)", true),
            ("(objectClasses=2.5.4.3)", false),
            ("(ldapSyntaxes=1.3.6.1.1.16.1)", true),
            ("(!(matchingRules=1.2.3))", true),
            ("(cn=SUBSCHEMA)", true),
        ] {
            assert_eq!(entry.matches(&encoded(filter)), truth, "{filter}");
        }
    }

    /// As many terms as fit into a message of somebody who is not bound.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "what anybody may ask for must not take long")]
    fn many_terms_cost_little() {
        let entry = subschema(&Schema::default());
        let terms = encoded("(attributeTypes=x)").repeat(500);
        let filter = crate::ber::Writer::default().put(0xa1, &terms).into_bytes();
        let begun = std::time::Instant::now();
        assert!(!entry.matches(&filter));
        let names: Vec<_> = (0..2_000).map(|number| format!("x{number}")).collect();
        let wanted = Wanted::new(names.iter().map(String::as_str), &Schema::default());
        entry.entry(&wanted, false);
        assert!(begun.elapsed().as_millis() < 500, "{:?}", begun.elapsed());
    }

    #[test]
    fn only_what_is_wanted_is_sent() {
        let root = root("dc=x", false);
        let names = |wanted: &[&str]| {
            let wanted = Wanted::new(wanted.iter().copied(), &Schema::default());
            root.entry(&wanted, false).attributes.into_iter().map(|attribute| attribute.atype).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["objectClass"]);
        assert_eq!(names(&["1.1"]), [""; 0]);
        assert_eq!(
            names(&["NAMINGCONTEXTS", "1.3.6.1.4.1.1466.101.120.15"]),
            ["NAMINGCONTEXTS", "supportedLDAPVersion"]
        );
        assert!(names(&["+"]).len() == root.attributes.len() - 1);
        assert!(names(&["*", "+"]).len() == root.attributes.len());
    }
}
