//! The schema as data (RFC 4512 section 4.1): enough for programs that read it to know every
//! attribute and class that entries here have. Attributes that no entry has are left out, of
//! standard classes too.

use std::fmt::Write as _;

use ostiary_model::{Attribute, Rule, Usage};

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

/// Attributes of the root and of the schema itself (RFC 4512 sections 4.2 and 5.1).
const ATTRIBUTE_TYPES: &[&str] = &[
    "( 2.5.21.5 NAME 'attributeTypes' EQUALITY objectIdentifierFirstComponentMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.3 USAGE directoryOperation )",
    "( 2.5.21.6 NAME 'objectClasses' EQUALITY objectIdentifierFirstComponentMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.37 USAGE directoryOperation )",
    "( 2.5.21.4 NAME 'matchingRules' EQUALITY objectIdentifierFirstComponentMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.30 USAGE directoryOperation )",
    "( 1.3.6.1.4.1.1466.101.120.16 NAME 'ldapSyntaxes' EQUALITY objectIdentifierFirstComponentMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.54 USAGE directoryOperation )",
    "( 1.3.6.1.4.1.1466.101.120.5 NAME 'namingContexts' SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 USAGE dSAOperation )",
    "( 1.3.6.1.4.1.1466.101.120.13 NAME 'supportedControl' SYNTAX 1.3.6.1.4.1.1466.115.121.1.38 USAGE dSAOperation )",
    "( 1.3.6.1.4.1.1466.101.120.7 NAME 'supportedExtension' SYNTAX 1.3.6.1.4.1.1466.115.121.1.38 USAGE dSAOperation )",
    "( 1.3.6.1.4.1.4203.1.3.5 NAME 'supportedFeatures' EQUALITY objectIdentifierMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.38 USAGE dSAOperation )",
    "( 1.3.6.1.4.1.1466.101.120.15 NAME 'supportedLDAPVersion' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 USAGE dSAOperation )",
    "( 1.3.6.1.1.4 NAME 'vendorName' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE NO-USER-MODIFICATION USAGE dSAOperation )",
    "( 1.3.6.1.1.5 NAME 'vendorVersion' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE NO-USER-MODIFICATION USAGE dSAOperation )",
];

/// Identifier by name stands in [`ostiary_model::OBJECT_CLASSES`]; this is the rest.
const CLASSES: &[(&str, &str)] = &[
    ("top", "ABSTRACT MUST objectClass"),
    ("person", "SUP top STRUCTURAL MUST cn MAY sn"),
    ("organizationalPerson", "SUP person STRUCTURAL MAY ou"),
    ("inetOrgPerson", "SUP organizationalPerson STRUCTURAL MAY ( displayName $ givenName $ mail $ o $ uid )"),
    ("posixAccount", "SUP top AUXILIARY MUST ( cn $ uid $ uidNumber $ gidNumber ) MAY ( homeDirectory $ loginShell )"),
    ("posixGroup", "SUP top AUXILIARY MUST ( cn $ gidNumber ) MAY memberUid"),
    ("ldapPublicKey", "SUP top AUXILIARY MAY ( sshPublicKey $ uid )"),
    ("mailAccount", "SUP top AUXILIARY MUST mail"),
    ("groupOfNames", "SUP top STRUCTURAL MUST cn MAY ( member $ o $ ou )"),
    ("groupOfUniqueNames", "SUP top STRUCTURAL MUST cn MAY ( uniqueMember $ o $ ou )"),
    ("organizationalUnit", "SUP top STRUCTURAL MUST ou"),
    ("organization", "SUP top STRUCTURAL MUST o"),
    ("domain", "SUP top STRUCTURAL MUST dc"),
];

const SUBSCHEMA_CLASSES: &[&str] = &[
    "( 2.5.17.0 NAME 'subentry' SUP top STRUCTURAL MUST cn )",
    "( 2.5.20.1 NAME 'subschema' AUXILIARY MAY ( attributeTypes $ objectClasses $ matchingRules ) )",
];

const MATCHING_RULES: &[(&str, &str, &str)] = &[
    ("2.5.13.0", "objectIdentifierMatch", SYNTAX_OID),
    ("2.5.13.30", "objectIdentifierFirstComponentMatch", SYNTAX_OID),
    ("2.5.13.1", "distinguishedNameMatch", SYNTAX_DN),
    ("2.5.13.2", "caseIgnoreMatch", SYNTAX_TEXT),
    ("2.5.13.3", "caseIgnoreOrderingMatch", SYNTAX_TEXT),
    ("2.5.13.4", "caseIgnoreSubstringsMatch", "1.3.6.1.4.1.1466.115.121.1.58"),
    ("2.5.13.5", "caseExactMatch", SYNTAX_TEXT),
    ("2.5.13.6", "caseExactOrderingMatch", SYNTAX_TEXT),
    ("2.5.13.7", "caseExactSubstringsMatch", "1.3.6.1.4.1.1466.115.121.1.58"),
    ("2.5.13.13", "booleanMatch", SYNTAX_BOOLEAN),
    ("2.5.13.14", "integerMatch", SYNTAX_INTEGER),
    ("2.5.13.15", "integerOrderingMatch", SYNTAX_INTEGER),
    ("2.5.13.27", "generalizedTimeMatch", SYNTAX_TIME),
    ("2.5.13.28", "generalizedTimeOrderingMatch", SYNTAX_TIME),
    ("1.3.6.1.1.16.2", "UUIDMatch", SYNTAX_UUID),
    ("1.3.6.1.1.16.3", "UUIDOrderingMatch", SYNTAX_UUID),
    ("1.2.840.113556.1.4.803", "integerBitAndMatch", SYNTAX_INTEGER),
    ("1.2.840.113556.1.4.804", "integerBitOrMatch", SYNTAX_INTEGER),
    ("1.2.840.113556.1.4.1941", "distinguishedNameInChainMatch", SYNTAX_DN),
];

const SYNTAXES: &[(&str, &str)] = &[
    (SYNTAX_TEXT, "Directory String"),
    (SYNTAX_OID, "OID"),
    (SYNTAX_DN, "DN"),
    (SYNTAX_UUID, "UUID"),
    (SYNTAX_TIME, "Generalized Time"),
    (SYNTAX_INTEGER, "INTEGER"),
    (SYNTAX_BOOLEAN, "Boolean"),
    (SYNTAX_JPEG, "JPEG"),
    ("1.3.6.1.4.1.1466.115.121.1.58", "Substring Assertion"),
    ("1.3.6.1.4.1.1466.115.121.1.3", "Attribute Type Description"),
    ("1.3.6.1.4.1.1466.115.121.1.30", "Matching Rule Description"),
    ("1.3.6.1.4.1.1466.115.121.1.37", "Object Class Description"),
    ("1.3.6.1.4.1.1466.115.121.1.54", "LDAP Syntax Description"),
];

/// Attribute types (RFC 4512 section 4.1.2).
pub(crate) fn attribute_types() -> Vec<String> {
    let known = Attribute::ALL.iter().copied().map(attribute_type);
    known.chain(ATTRIBUTE_TYPES.iter().map(|text| (*text).to_owned())).collect()
}

fn attribute_type(attribute: Attribute) -> String {
    let rules = match attribute.rule() {
        Rule::Text => {
            ("EQUALITY caseIgnoreMatch ORDERING caseIgnoreOrderingMatch SUBSTR caseIgnoreSubstringsMatch", SYNTAX_TEXT)
        }
        Rule::Exact => {
            ("EQUALITY caseExactMatch ORDERING caseExactOrderingMatch SUBSTR caseExactSubstringsMatch", SYNTAX_TEXT)
        }
        Rule::Boolean => ("EQUALITY booleanMatch", SYNTAX_BOOLEAN),
        Rule::Picture => ("", SYNTAX_JPEG),
        Rule::ObjectClass => ("EQUALITY objectIdentifierMatch", SYNTAX_OID),
        Rule::Dn => ("EQUALITY distinguishedNameMatch", SYNTAX_DN),
        Rule::Uuid => ("EQUALITY UUIDMatch ORDERING UUIDOrderingMatch", SYNTAX_UUID),
        Rule::Time => ("EQUALITY generalizedTimeMatch ORDERING generalizedTimeOrderingMatch", SYNTAX_TIME),
        Rule::Integer => ("EQUALITY integerMatch ORDERING integerOrderingMatch", SYNTAX_INTEGER),
    };
    let mut text = format!("( {} NAME {} {} SYNTAX {}", attribute.oid(), names(attribute), rules.0, rules.1);
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
pub(crate) fn object_classes() -> Vec<String> {
    let known = ostiary_model::OBJECT_CLASSES.iter().filter_map(|(oid, name)| {
        let (_, rest) = CLASSES.iter().find(|(known, _)| known == name)?;
        Some(format!("( {oid} NAME '{name}' {rest} )"))
    });
    known.chain(SUBSCHEMA_CLASSES.iter().map(|text| (*text).to_owned())).collect()
}

/// Matching rules (RFC 4512 section 4.1.3).
pub(crate) fn matching_rules() -> Vec<String> {
    MATCHING_RULES.iter().map(|(oid, name, syntax)| format!("( {oid} NAME '{name}' SYNTAX {syntax} )")).collect()
}

/// Syntaxes (RFC 4512 section 4.1.5).
pub(crate) fn syntaxes() -> Vec<String> {
    SYNTAXES.iter().map(|(oid, name)| format!("( {oid} DESC '{name}' )")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_the_model_is_described() {
        assert_eq!(object_classes().len(), ostiary_model::OBJECT_CLASSES.len() + SUBSCHEMA_CLASSES.len());
    }

    #[test]
    fn what_is_referred_to_is_there() {
        let rules: Vec<_> = MATCHING_RULES.iter().map(|(_, name, _)| *name).collect();
        let syntaxes: Vec<_> = SYNTAXES.iter().map(|(oid, _)| *oid).collect();
        for text in attribute_types() {
            let words: Vec<_> = text.split_whitespace().collect();
            for pair in words.windows(2) {
                match pair[0] {
                    "EQUALITY" | "ORDERING" | "SUBSTR" => assert!(rules.contains(&pair[1]), "{text}"),
                    "SYNTAX" => assert!(syntaxes.contains(&pair[1]), "{text}"),
                    _ => {}
                }
            }
        }
        let attributes = attribute_types().join(" ");
        for class in object_classes() {
            let fields = class.split_once("MUST").or(class.split_once("MAY")).map_or("", |(_, fields)| fields);
            for word in fields.split([' ', '$', '(', ')']).filter(|word| !matches!(*word, "" | "MAY")) {
                assert!(attributes.contains(&format!("'{word}'")), "{word} in {class}");
            }
        }
    }

    #[test]
    fn an_attribute_type_reads_as_the_grammar_wants() {
        assert_eq!(
            attribute_type(Attribute::Uid),
            "( 0.9.2342.19200300.100.1.1 NAME ( 'uid' 'userid' 'id' ) EQUALITY caseIgnoreMatch ORDERING caseIgnoreOrderingMatch \
             SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
        );
    }
}
