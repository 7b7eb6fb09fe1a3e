//! The attributes that directory entries have: names, aliases, object identifiers, and the rule
//! by which values are compared. Names are those of the standard schema (RFC 4519, RFC 4524,
//! RFC 2798, RFC 4530) with LLDAP's aliases beside them.
//!
//! Says nothing about which entry has which attribute; that is the directory's.

/// How values of an attribute are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// As folded text (caseIgnoreMatch, RFC 4517 section 4.2.11), also in order and by parts.
    Text,
    /// As text in which case counts (caseExactMatch, RFC 4517 section 4.2.4), also in order and by
    /// parts.
    Exact,
    /// As the name of an object class, in any spelling, or its object identifier.
    ObjectClass,
    /// As a distinguished name (RFC 4517 section 4.2.15).
    Dn,
    /// As a UUID (RFC 4530 section 2.2), also in order.
    Uuid,
    /// As a point in time (RFC 4517 section 4.2.16), also in order.
    Time,
    /// As a whole number (RFC 4517 section 4.2.19), also in order.
    Integer,
    /// As true or false (RFC 4517 section 4.2.2).
    Boolean,
    /// Not at all: a picture is there or it is not.
    Picture,
}

impl Rule {
    /// Whether values are texts, which have parts.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Exact)
    }
}

/// Who gives an attribute its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// People: `*` asks for these (RFC 4511 section 4.5.1.8).
    User,
    /// The server: `+` asks for these (RFC 3673).
    Operational,
}

struct Row {
    oid: &'static str,
    names: &'static [&'static str],
    rule: Rule,
    usage: Usage,
    single: bool,
}

/// An attribute that the schema defines; its name stands there ([`crate::Schema::name`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Custom {
    /// Its number in the schema.
    pub number: u32,
    /// How its values are compared.
    pub rule: Rule,
    /// Whether an entry has one value at most.
    pub single: bool,
    /// Whether everybody who sees an entry sees it.
    pub is_visible: bool,
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $attribute:ident $oid:literal $rule:ident $usage:ident $single:literal [$($name:literal)+])*) => {
        /// An attribute that this directory knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Attribute {
            $($(#[$doc])* $attribute,)*
            /// One that the schema defines.
            Custom(Custom),
        }

        impl Attribute {
            /// Every built-in attribute, in the order in which entries show them.
            pub const ALL: &[Self] = &[$(Self::$attribute),*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$attribute => Row {
                        oid: $oid,
                        names: &[$($name),+],
                        rule: Rule::$rule,
                        usage: Usage::$usage,
                        single: $single,
                    },)*
                    Self::Custom(custom) => Row {
                        oid: "",
                        names: &[],
                        rule: custom.rule,
                        usage: Usage::User,
                        single: custom.single,
                    },
                }
            }
        }
    };
}

attributes! {
    /// What kinds of object an entry is.
    ObjectClass "2.5.4.0" ObjectClass User false ["objectClass"]
    /// A person's user name; a group's name under LLDAP's alias.
    Uid "0.9.2342.19200300.100.1.1" Text User false ["uid" "userid" "user_id" "id"]
    /// Full name of a person, name of a group.
    Cn "2.5.4.3" Text User false ["cn" "commonName"]
    /// The same as `cn`, under the name that many programs ask for.
    DisplayName "2.16.840.1.113730.3.1.241" Text User true ["displayName" "display_name"]
    /// E-mail address.
    Mail "0.9.2342.19200300.100.1.3" Text User false ["mail" "rfc822Mailbox" "email"]
    /// Given name.
    GivenName "2.5.4.42" Text User false ["givenName" "gn" "firstName" "first_name"]
    /// Family name.
    Sn "2.5.4.4" Text User false ["sn" "surname" "lastName" "last_name"]
    /// Who is in a group.
    Member "2.5.4.31" Dn User false ["member"]
    /// Who is in a group, as groupOfUniqueNames has it.
    UniqueMember "2.5.4.50" Dn User false ["uniqueMember"]
    /// Number of an account in POSIX systems.
    UidNumber "1.3.6.1.1.1.1.0" Integer User true ["uidNumber"]
    /// Number of a group in POSIX systems; for a person that of their primary group.
    GidNumber "1.3.6.1.1.1.1.1" Integer User true ["gidNumber"]
    /// User names of all who are in a group, directly or through another.
    MemberUid "1.3.6.1.1.1.1.12" Exact User false ["memberUid"]
    /// Picture.
    JpegPhoto "0.9.2342.19200300.100.1.60" Picture User false ["jpegPhoto" "avatar"]
    /// Name of a branch of the tree.
    Ou "2.5.4.11" Text User false ["ou" "organizationalUnitName"]
    /// A label of the domain that the base is named by.
    Dc "0.9.2342.19200300.100.1.25" Text User true ["dc" "domainComponent"]
    /// The organisation that the base is named by.
    O "2.5.4.10" Text User false ["o" "organizationName"]
    /// The groups that a person is in.
    MemberOf "1.2.840.113556.1.2.102" Dn Operational false ["memberOf" "isMemberOf"]
    /// The id that never changes.
    EntryUuid "1.3.6.1.1.16.4" Uuid Operational true ["entryUUID" "uuid"]
    /// The entry's own name (RFC 5020).
    EntryDn "1.3.6.1.1.20" Dn Operational true ["entryDN" "distinguishedName" "dn"]
    /// When the entry was made.
    CreateTimestamp "2.5.18.1" Time Operational true ["createTimestamp" "creationDate" "creation_date"]
    /// When the entry was last changed.
    ModifyTimestamp "2.5.18.2" Time Operational true ["modifyTimestamp" "modifyDate" "modified_date"]
    /// When the password was last set.
    PwdChangedTime "1.3.6.1.4.1.42.2.27.8.1.16" Time Operational true
        ["pwdChangedTime" "passwordModifyDate" "password_modified_date"]
    /// `000001010000Z` while the account cannot be used (draft-behera-ldap-password-policy).
    PwdAccountLockedTime "1.3.6.1.4.1.42.2.27.8.1.17" Time Operational true ["pwdAccountLockedTime"]
    /// 512 for an open account, 514 for a closed one, as Active Directory has it.
    UserAccountControl "1.2.840.113556.1.4.8" Integer Operational true ["userAccountControl"]
    /// LLDAP's number of a group. The identifier is one of the UUID arc (X.667), which needs no
    /// registration.
    GroupNumber "2.25.35563398505072470128220735201235704503" Integer Operational true ["groupid" "group_id"]
    /// The object class that says what an entry is (RFC 4512 section 3.4.3).
    StructuralObjectClass "2.5.21.9" ObjectClass Operational true ["structuralObjectClass"]
    /// Whether something stands below an entry (X.501).
    HasSubordinates "2.5.18.9" Boolean Operational true ["hasSubordinates"]
    /// How many entries stand directly below one.
    NumSubordinates "1.3.6.1.4.1.453.16.2.103" Integer Operational true ["numSubordinates"]
    /// Where the schema is.
    SubschemaSubentry "2.5.18.10" Dn Operational true ["subschemaSubentry"]
}

/// The object classes that entries have: identifier and name. The one without an identifier of
/// its own has one of the UUID arc (X.667).
pub const OBJECT_CLASSES: &[(&str, &str)] = &[
    ("2.5.6.0", "top"),
    ("2.5.6.6", "person"),
    ("2.5.6.7", "organizationalPerson"),
    ("2.16.840.1.113730.3.2.2", "inetOrgPerson"),
    ("1.3.6.1.1.1.2.0", "posixAccount"),
    ("1.3.6.1.1.1.2.2", "posixGroup"),
    ("1.3.6.1.4.1.24552.500.1.1.2.0", "ldapPublicKey"),
    ("2.25.12483794608081813227533863342927471331", "mailAccount"),
    ("2.5.6.9", "groupOfNames"),
    ("2.5.6.17", "groupOfUniqueNames"),
    ("2.5.6.5", "organizationalUnit"),
    ("2.5.6.4", "organization"),
    ("0.9.2342.19200300.100.4.13", "domain"),
];

impl Attribute {
    /// The attribute that `name` describes, by any of its names, in any case, or by its object
    /// identifier (RFC 4512 section 2.5). `None` for unknown ones and for those with options: no
    /// value here has an option.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let is_called = |attribute: &&Self| {
            attribute.oid() == name || attribute.names().iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        Self::ALL.iter().find(is_called).copied()
    }

    /// The name under which it is shown when nobody asked for another.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.names().first().copied().unwrap_or_default()
    }

    /// All its names, the usual one first.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        self.row().names
    }

    /// Its object identifier.
    #[must_use]
    pub const fn oid(self) -> &'static str {
        self.row().oid
    }

    /// How its values are compared.
    #[must_use]
    pub const fn rule(self) -> Rule {
        self.row().rule
    }

    /// Who gives it its values.
    #[must_use]
    pub const fn usage(self) -> Usage {
        self.row().usage
    }

    /// Whether an entry has one value of it at most.
    #[must_use]
    pub const fn is_single(self) -> bool {
        self.row().single
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case_and_identifiers_lead_to_the_attribute() {
        for &attribute in Attribute::ALL {
            assert_eq!(Attribute::from_name(attribute.oid()), Some(attribute));
            for name in attribute.names() {
                assert_eq!(Attribute::from_name(&name.to_uppercase()), Some(attribute), "{name}");
            }
        }
        for unknown in ["", "userPassword", "cn;lang-en", "uid ", "2.5.4.35"] {
            assert_eq!(Attribute::from_name(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn no_name_has_two_meanings() {
        let mut names: Vec<_> =
            Attribute::ALL.iter().flat_map(|attribute| attribute.names()).map(|name| name.to_lowercase()).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
