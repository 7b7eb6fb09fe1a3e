//! The schema as data (RFC 4512 section 4.1): enough for programs that read it to know every
//! attribute and class that entries here have. Attributes that no entry has are left out, of
//! standard classes too.

use std::fmt::Write as _;

use ostiary_model::{Attribute, AttributeDef, OBJECT_CLASSES, ObjectClass, Rule, Schema, Usage};

/// Where the schema is.
pub(crate) const DN: &str = "cn=Subschema";

const SYNTAX_TEXT: &str = "1.3.6.1.4.1.1466.115.121.1.15";
const SYNTAX_OID: &str = "1.3.6.1.4.1.1466.115.121.1.38";
const SYNTAX_DN: &str = "1.3.6.1.4.1.1466.115.121.1.12";
const SYNTAX_UUID: &str = "1.3.6.1.1.16.1";
const SYNTAX_TIME: &str = "1.3.6.1.4.1.1466.115.121.1.24";
const SYNTAX_BOOLEAN: &str = "1.3.6.1.4.1.1466.115.121.1.7";
const SYNTAX_JPEG: &str = "1.3.6.1.4.1.1466.115.121.1.28";
const SYNTAX_INTEGER: &str = "1.3.6.1.4.1.1466.115.121.1.27";
const SYNTAX_OCTETS: &str = "1.3.6.1.4.1.1466.115.121.1.40";
const SYNTAX_PARTS: &str = "1.3.6.1.4.1.1466.115.121.1.58";

/// Attributes of the root and of the schema itself (RFC 4512 sections 4.2 and 5.1), and the one that
/// is written and never read: identifier, name, and what they are. The identifier of the one that
/// has no registered one is of the UUID arc (X.667).
const FIXED: &[(&str, &str, &str)] = &[
    ("2.5.4.35", "userPassword", "EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40"),
    (
        "2.5.21.5",
        "attributeTypes",
        "EQUALITY objectIdentifierFirstComponentMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.3 USAGE directoryOperation",
    ),
    (
        "2.5.21.6",
        "objectClasses",
        "EQUALITY objectIdentifierFirstComponentMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.37 USAGE directoryOperation",
    ),
    (
        "2.5.21.4",
        "matchingRules",
        "EQUALITY objectIdentifierFirstComponentMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.30 USAGE directoryOperation",
    ),
    (
        "2.5.21.8",
        "matchingRuleUse",
        "EQUALITY objectIdentifierFirstComponentMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.31 USAGE directoryOperation",
    ),
    (
        "1.3.6.1.4.1.1466.101.120.16",
        "ldapSyntaxes",
        "EQUALITY objectIdentifierFirstComponentMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.54 USAGE directoryOperation",
    ),
    ("1.3.6.1.4.1.1466.101.120.5", "namingContexts", "SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 USAGE dSAOperation"),
    (
        "2.25.162703904883605479332048166146444292632",
        "defaultNamingContext",
        "SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 SINGLE-VALUE USAGE dSAOperation",
    ),
    ("1.3.6.1.4.1.1466.101.120.13", "supportedControl", "SYNTAX 1.3.6.1.4.1.1466.115.121.1.38 USAGE dSAOperation"),
    ("1.3.6.1.4.1.1466.101.120.7", "supportedExtension", "SYNTAX 1.3.6.1.4.1.1466.115.121.1.38 USAGE dSAOperation"),
    (
        "1.3.6.1.4.1.4203.1.3.5",
        "supportedFeatures",
        "EQUALITY objectIdentifierMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.38 USAGE dSAOperation",
    ),
    ("1.3.6.1.4.1.1466.101.120.15", "supportedLDAPVersion", "SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 USAGE dSAOperation"),
    (
        "1.3.6.1.1.4",
        "vendorName",
        "EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE NO-USER-MODIFICATION USAGE dSAOperation",
    ),
    (
        "1.3.6.1.1.5",
        "vendorVersion",
        "EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE NO-USER-MODIFICATION USAGE dSAOperation",
    ),
];

/// Where the attributes go that administrators have defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    No,
    Users,
    Groups,
}

/// An object class. Its identifier stands in [`OBJECT_CLASSES`].
#[derive(Clone, Copy)]
struct Class {
    name: &'static str,
    /// What it builds on, and how.
    kind: &'static str,
    must: &'static [&'static str],
    may: &'static [&'static str],
    /// Whose attributes may be there as well.
    own: Own,
}

const fn class(
    name: &'static str,
    kind: &'static str,
    must: &'static [&'static str],
    may: &'static [&'static str],
) -> Class {
    Class { name, kind, must, may, own: Own::No }
}

const fn with(own: Own, class: Class) -> Class {
    Class { own, ..class }
}

const STRUCTURAL: &str = "SUP top STRUCTURAL";
const AUXILIARY: &str = "SUP top AUXILIARY";

const CLASSES: &[Class] = &[
    class("top", "ABSTRACT", &["objectClass"], &[]),
    class("person", STRUCTURAL, &["cn"], &["sn", "userPassword"]),
    class("organizationalPerson", "SUP person STRUCTURAL", &[], &["ou"]),
    with(
        Own::Users,
        class(
            "inetOrgPerson",
            "SUP organizationalPerson STRUCTURAL",
            &[],
            &["displayName", "givenName", "jpegPhoto", "mail", "o", "uid"],
        ),
    ),
    class(
        "posixAccount",
        AUXILIARY,
        &["cn", "uid", "uidNumber", "gidNumber", "homeDirectory"],
        &["loginShell", "userPassword"],
    ),
    class("posixGroup", AUXILIARY, &["cn", "gidNumber"], &["memberUid"]),
    class("ldapPublicKey", AUXILIARY, &[], &["sshPublicKey", "uid"]),
    class("mailAccount", AUXILIARY, &["mail"], &[]),
    class("groupOfNames", STRUCTURAL, &["cn"], &["member", "o", "ou"]),
    with(Own::Groups, class("groupOfUniqueNames", STRUCTURAL, &["cn"], &["uniqueMember", "o", "ou"])),
    class("organizationalUnit", STRUCTURAL, &["ou"], &[]),
    class("organization", STRUCTURAL, &["o"], &[]),
    class("domain", STRUCTURAL, &["dc"], &["o", "ou"]),
];

const SUBSCHEMA_CLASSES: &[&str] = &[
    "( 2.5.17.0 NAME 'subentry' SUP top STRUCTURAL MUST cn )",
    "( 2.5.20.1 NAME 'subschema' AUXILIARY MAY ( attributeTypes $ objectClasses $ matchingRules $ matchingRuleUse ) )",
];

const MATCHING_RULES: &[(&str, &str, &str)] = &[
    ("2.5.13.0", "objectIdentifierMatch", SYNTAX_OID),
    ("2.5.13.30", "objectIdentifierFirstComponentMatch", SYNTAX_OID),
    ("2.5.13.1", "distinguishedNameMatch", SYNTAX_DN),
    ("2.5.13.2", "caseIgnoreMatch", SYNTAX_TEXT),
    ("2.5.13.3", "caseIgnoreOrderingMatch", SYNTAX_TEXT),
    ("2.5.13.4", "caseIgnoreSubstringsMatch", SYNTAX_PARTS),
    ("2.5.13.5", "caseExactMatch", SYNTAX_TEXT),
    ("2.5.13.6", "caseExactOrderingMatch", SYNTAX_TEXT),
    ("2.5.13.7", "caseExactSubstringsMatch", SYNTAX_PARTS),
    ("2.5.13.13", "booleanMatch", SYNTAX_BOOLEAN),
    ("2.5.13.14", "integerMatch", SYNTAX_INTEGER),
    ("2.5.13.15", "integerOrderingMatch", SYNTAX_INTEGER),
    ("2.5.13.17", "octetStringMatch", SYNTAX_OCTETS),
    ("2.5.13.27", "generalizedTimeMatch", SYNTAX_TIME),
    ("2.5.13.28", "generalizedTimeOrderingMatch", SYNTAX_TIME),
    ("1.3.6.1.1.16.2", "UUIDMatch", SYNTAX_UUID),
    ("1.3.6.1.1.16.3", "UUIDOrderingMatch", SYNTAX_UUID),
    (BIT_AND, "integerBitAndMatch", SYNTAX_INTEGER),
    (BIT_OR, "integerBitOrMatch", SYNTAX_INTEGER),
    (IN_CHAIN, "distinguishedNameInChainMatch", SYNTAX_DN),
];

const BIT_AND: &str = "1.2.840.113556.1.4.803";
const BIT_OR: &str = "1.2.840.113556.1.4.804";
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

const SYNTAXES: &[(&str, &str)] = &[
    (SYNTAX_TEXT, "Directory String"),
    (SYNTAX_OID, "OID"),
    (SYNTAX_DN, "DN"),
    (SYNTAX_UUID, "UUID"),
    (SYNTAX_TIME, "Generalized Time"),
    (SYNTAX_INTEGER, "INTEGER"),
    (SYNTAX_BOOLEAN, "Boolean"),
    (SYNTAX_JPEG, "JPEG"),
    (SYNTAX_OCTETS, "Octet String"),
    (SYNTAX_PARTS, "Substring Assertion"),
    ("1.3.6.1.4.1.1466.115.121.1.3", "Attribute Type Description"),
    ("1.3.6.1.4.1.1466.115.121.1.30", "Matching Rule Description"),
    ("1.3.6.1.4.1.1466.115.121.1.31", "Matching Rule Use Description"),
    ("1.3.6.1.4.1.1466.115.121.1.37", "Object Class Description"),
    ("1.3.6.1.4.1.1466.115.121.1.54", "LDAP Syntax Description"),
];

/// The identifier of an attribute of the root or of the schema.
pub(crate) fn identifier(name: &str) -> Option<&'static str> {
    FIXED.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name)).map(|(oid, _, _)| *oid)
}

/// Attribute types (RFC 4512 section 4.1.2).
pub(crate) fn attribute_types(schema: &Schema) -> Vec<String> {
    let built_in =
        Attribute::ALL.iter().map(|attribute| attribute_type(attribute.oid(), &names(*attribute), *attribute));
    let custom = schema
        .attributes()
        .map(|(def, attribute)| attribute_type(&def.oid(), &format!("'{}'", def.name.as_str()), attribute));
    let fixed = FIXED.iter().map(|(oid, name, rest)| format!("( {oid} NAME '{name}' {rest} )"));
    built_in.chain(custom).chain(fixed).collect()
}

fn attribute_type(oid: &str, names: &str, attribute: Attribute) -> String {
    let (rules, syntax) = match attribute.rule() {
        Rule::Text => {
            ("EQUALITY caseIgnoreMatch ORDERING caseIgnoreOrderingMatch SUBSTR caseIgnoreSubstringsMatch ", SYNTAX_TEXT)
        }
        Rule::Exact => {
            ("EQUALITY caseExactMatch ORDERING caseExactOrderingMatch SUBSTR caseExactSubstringsMatch ", SYNTAX_TEXT)
        }
        Rule::Boolean => ("EQUALITY booleanMatch ", SYNTAX_BOOLEAN),
        Rule::Picture => ("", SYNTAX_JPEG),
        Rule::ObjectClass => ("EQUALITY objectIdentifierMatch ", SYNTAX_OID),
        Rule::Dn => ("EQUALITY distinguishedNameMatch ", SYNTAX_DN),
        Rule::Uuid => ("EQUALITY UUIDMatch ORDERING UUIDOrderingMatch ", SYNTAX_UUID),
        Rule::Time => ("EQUALITY generalizedTimeMatch ORDERING generalizedTimeOrderingMatch ", SYNTAX_TIME),
        Rule::Integer => ("EQUALITY integerMatch ORDERING integerOrderingMatch ", SYNTAX_INTEGER),
    };
    let mut text = format!("( {oid} NAME {names} {rules}SYNTAX {syntax}");
    if attribute.is_single() {
        text.push_str(" SINGLE-VALUE");
    }
    if attribute.usage() == Usage::Operational {
        text.push_str(" NO-USER-MODIFICATION USAGE directoryOperation");
    }
    text.push_str(" )");
    text
}

/// The names that the grammar of RFC 4512 section 1.4 allows; LLDAP's with underscores are not
/// among them, though requests may use them.
fn names(attribute: Attribute) -> String {
    let names: Vec<_> = attribute.names().iter().filter(|name| !name.contains('_')).collect();
    match names.as_slice() {
        [name] => format!("'{name}'"),
        names => {
            let mut text = String::from("(");
            for name in names {
                // Writing to a String does not fail.
                let _ = write!(text, " '{name}'");
            }
            text + " )"
        }
    }
}

/// Object classes (RFC 4512 section 4.1.1).
pub(crate) fn object_classes(schema: &Schema) -> Vec<String> {
    let known = OBJECT_CLASSES.iter().filter_map(|(oid, name)| {
        let Class { kind, must, may, own, .. } = CLASSES.iter().find(|class| class.name == *name)?;
        let mut may = may.to_vec();
        may.extend(own_attributes(schema, |def| match own {
            Own::No => false,
            Own::Users => def.on_users,
            Own::Groups => def.on_groups,
        }));
        Some(object_class(oid, name, kind, must, &may))
    });
    let added = schema.classes().iter().map(|class| added_class(schema, class));
    known.chain(added).chain(SUBSCHEMA_CLASSES.iter().map(|text| (*text).to_owned())).collect()
}

/// A class that administrators have added allows all that they have defined for the same entries.
fn added_class(schema: &Schema, class: &ObjectClass) -> String {
    let may: Vec<_> =
        own_attributes(schema, |def| (class.on_users && def.on_users) || (class.on_groups && def.on_groups)).collect();
    object_class(&class.oid(), class.name.as_str(), "SUP top AUXILIARY", &[], &may)
}

fn own_attributes(schema: &Schema, has: impl Fn(&AttributeDef) -> bool) -> impl Iterator<Item = &str> {
    schema.defs().filter(move |def| !def.is_built_in() && has(def)).map(|def| def.name.as_str())
}

fn object_class(oid: &str, name: &str, kind: &str, must: &[&str], may: &[&str]) -> String {
    let list = |word: &str, names: &[&str]| match names {
        [] => String::new(),
        [name] => format!(" {word} {name}"),
        names => format!(" {word} ( {} )", names.join(" $ ")),
    };
    format!("( {oid} NAME '{name}' {kind}{}{} )", list("MUST", must), list("MAY", may))
}

/// Matching rules (RFC 4512 section 4.1.3).
pub(crate) fn matching_rules() -> Vec<String> {
    MATCHING_RULES.iter().map(|(oid, name, syntax)| format!("( {oid} NAME '{name}' SYNTAX {syntax} )")).collect()
}

/// For which attributes the rules can be asked that are no attribute's own (RFC 4512 section 4.1.4).
pub(crate) fn matching_rule_use(schema: &Schema) -> Vec<String> {
    let of = |rule: Rule| {
        let built_in =
            Attribute::ALL.iter().filter(move |attribute| attribute.rule() == rule).map(|known| known.name());
        let custom = schema.attributes().filter(move |(_, attribute)| attribute.rule() == rule);
        built_in.chain(custom.map(|(def, _)| def.name.as_str())).collect::<Vec<_>>().join(" $ ")
    };
    [(BIT_AND, "integerBitAndMatch", Rule::Integer), (BIT_OR, "integerBitOrMatch", Rule::Integer)]
        .into_iter()
        .chain([(IN_CHAIN, "distinguishedNameInChainMatch", Rule::Dn)])
        .map(|(oid, name, rule)| format!("( {oid} NAME '{name}' APPLIES ( {} ) )", of(rule)))
        .collect()
}

/// Syntaxes (RFC 4512 section 4.1.5).
pub(crate) fn syntaxes() -> Vec<String> {
    SYNTAXES.iter().map(|(oid, name)| format!("( {oid} DESC '{name}' )")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ostiary_model::{AttributeKind, AttributeName};

    use super::*;

    /// A schema with an attribute of each kind and a class.
    fn schema() -> Schema {
        let defs = (1001..).zip(AttributeKind::ALL).map(|(number, kind)| AttributeDef {
            number,
            name: AttributeName::parse(&format!("my{number}")).unwrap(),
            kind,
            is_list: number % 2 == 0,
            on_users: true,
            on_groups: number > 1002,
            is_visible: true,
            is_editable: false,
        });
        let class =
            |name: &str| ObjectClass { name: AttributeName::parse(name).unwrap(), on_users: true, on_groups: false };
        Schema::new(defs.collect(), vec![class("myPerson"), class("sambaSamAccount")])
    }

    #[test]
    fn every_class_of_the_model_is_described() {
        assert_eq!(object_classes(&Schema::default()).len(), OBJECT_CLASSES.len() + SUBSCHEMA_CLASSES.len());
        assert_eq!(object_classes(&schema()).len(), OBJECT_CLASSES.len() + SUBSCHEMA_CLASSES.len() + 2);
    }

    #[test]
    fn what_is_referred_to_is_there() {
        let schema = schema();
        let rules: Vec<_> = MATCHING_RULES.iter().map(|(_, name, _)| *name).collect();
        let syntaxes: Vec<_> = SYNTAXES.iter().map(|(oid, _)| *oid).collect();
        for text in attribute_types(&schema).into_iter().chain(matching_rules()) {
            let words: Vec<_> = text.split_whitespace().collect();
            for pair in words.windows(2) {
                match pair[0] {
                    "EQUALITY" | "ORDERING" | "SUBSTR" => assert!(rules.contains(&pair[1]), "{text}"),
                    "SYNTAX" => assert!(syntaxes.contains(&pair[1]), "{text}"),
                    _ => {}
                }
            }
        }
        // Three are always defined, though not in a schema that is made by hand.
        let attributes = attribute_types(&schema).join(" ") + " 'sshPublicKey' 'loginShell' 'homeDirectory'";
        for class in object_classes(&schema).into_iter().chain(matching_rule_use(&schema)) {
            let fields = class.split_once("MUST").or(class.split_once("MAY")).or(class.split_once("APPLIES"));
            let fields = fields.map_or("", |(_, fields)| fields);
            for word in fields.split([' ', '$', '(', ')']).filter(|word| !matches!(*word, "" | "MAY")) {
                assert!(attributes.contains(&format!("'{word}'")), "{word} in {class}");
            }
        }
    }

    #[test]
    fn identifiers_are_unique_and_of_the_right_form() {
        let schema = schema();
        let all = [attribute_types(&schema), object_classes(&schema), matching_rules(), syntaxes()].concat();
        let mut seen = HashSet::new();
        for text in &all {
            let oid = text.split_whitespace().nth(1).unwrap();
            assert!(seen.insert(oid), "{text}");
            let is_arc =
                |arc: &str| arc == "0" || (!arc.starts_with('0') && arc.bytes().all(|byte| byte.is_ascii_digit()));
            assert!(oid.contains('.') && oid.split('.').all(|arc| !arc.is_empty() && is_arc(arc)), "{text}");
        }
    }

    #[test]
    fn an_attribute_type_reads_as_the_grammar_wants() {
        let types = attribute_types(&schema());
        let of = |name: &str| types.iter().find(|text| text.contains(name)).map(String::as_str);
        assert_eq!(
            of("'uid'"),
            Some(
                "( 0.9.2342.19200300.100.1.1 NAME ( 'uid' 'userid' 'id' ) EQUALITY caseIgnoreMatch ORDERING \
                 caseIgnoreOrderingMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
            )
        );
        let jpeg = of("'my1005'").unwrap();
        assert!(jpeg.ends_with(".1.1005 NAME 'my1005' SYNTAX 1.3.6.1.4.1.1466.115.121.1.28 SINGLE-VALUE )"), "{jpeg}");
    }
}
