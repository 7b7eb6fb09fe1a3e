//! The two entries that stand outside the tree: the root, which says what this server can do (RFC
//! 4512 section 5.1), and the schema (section 4.2). Both may be read without a bind.

use ldap3_proto::proto::LdapSearchResultEntry;
use ostiary_model::{Attribute, Entry, Filter, Folded, Reference, Truth, Value};

use crate::controls::{MANAGE_DSA_IT, PAGED_RESULTS};
use crate::entry::{Attributes, Wanted};
use crate::schema;

/// "Who am I?" (RFC 4532).
pub(crate) const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
/// StartTLS (RFC 4511 section 4.14).
pub(crate) const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// `+` for all operational attributes (RFC 3673).
const ALL_OPERATIONAL: &str = "1.3.6.1.4.1.4203.1.5.1";
/// `(&)` and `(|)` (RFC 4526).
const TRUE_FALSE_FILTERS: &str = "1.3.6.1.4.1.4203.1.5.3";

/// An entry of fixed content. All but the object class is operational.
pub(crate) struct Fixed {
    dn: &'static str,
    classes: &'static [&'static str],
    attributes: Vec<(&'static str, Vec<String>)>,
}

/// The root, on a connection that may be turned into an encrypted one or not.
pub(crate) fn root(base: &str, offers_tls: bool) -> Fixed {
    let one = |value: &str| vec![value.to_owned()];
    let mut extensions = one(WHO_AM_I);
    if offers_tls {
        extensions.push(START_TLS.to_owned());
    }
    Fixed {
        dn: "",
        classes: &["top"],
        attributes: vec![
            ("namingContexts", one(base)),
            ("defaultNamingContext", one(base)),
            ("subschemaSubentry", one(schema::DN)),
            ("supportedLDAPVersion", one("3")),
            ("supportedExtension", extensions),
            ("supportedControl", vec![PAGED_RESULTS.to_owned(), MANAGE_DSA_IT.to_owned()]),
            ("supportedFeatures", vec![ALL_OPERATIONAL.to_owned(), TRUE_FALSE_FILTERS.to_owned()]),
            ("vendorName", one("Ostiary")),
            ("vendorVersion", one(env!("CARGO_PKG_VERSION"))),
        ],
    }
}

/// The schema.
pub(crate) fn subschema() -> Fixed {
    Fixed {
        dn: schema::DN,
        classes: &["top", "subentry", "subschema"],
        attributes: vec![
            ("cn", vec!["Subschema".to_owned()]),
            ("objectClasses", schema::object_classes()),
            ("attributeTypes", schema::attribute_types()),
            ("matchingRules", schema::matching_rules()),
            ("ldapSyntaxes", schema::syntaxes()),
        ],
    }
}

impl Fixed {
    /// The entry with the attributes that are wanted, if `filter` matches it.
    pub(crate) fn answer(&self, filter: &Filter, wanted: &Wanted, types_only: bool) -> Option<LdapSearchResultEntry> {
        if filter.evaluate(self) != Truth::True {
            return None;
        }
        let mut attributes = Attributes::new(types_only);
        let classes = || self.classes.iter().map(|name| name.as_bytes().to_vec()).collect();
        match wanted.named.iter().find(|name| name.eq_ignore_ascii_case("objectClass")) {
            Some(name) => attributes.add(name, classes()),
            None if wanted.user => attributes.add("objectClass", classes()),
            None => {}
        }
        for (name, values) in &self.attributes {
            let asked = wanted.named.iter().find(|asked| asked.eq_ignore_ascii_case(name));
            // The schema's own name is a user attribute.
            let is_wanted = wanted.operational || (wanted.user && *name == "cn");
            let Some(name) = asked.map(String::as_str).or(is_wanted.then_some(*name)) else { continue };
            attributes.add(name, values.iter().map(|value| value.as_bytes().to_vec()).collect());
        }
        Some(attributes.into_entry(self.dn.to_owned()))
    }
}

impl Entry for Fixed {
    fn reaches(&self, _: Attribute, _: &Reference) -> bool {
        false
    }

    fn is_named(&self, _: Attribute, _: &Folded) -> bool {
        false
    }

    fn any(&self, attribute: Attribute, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        match attribute {
            Attribute::ObjectClass => self.classes.iter().any(|name| matches(Value::Class(name))),
            Attribute::Cn => self.dn == schema::DN && matches(Value::Text("subschema")),
            _ => false,
        }
    }

    fn refers(&self, _: Attribute, _: &Reference) -> bool {
        false
    }
}
