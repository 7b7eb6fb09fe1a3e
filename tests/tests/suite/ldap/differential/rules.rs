//! Every difference from slapd that is meant, with its reason, and how often each was met.

use std::collections::BTreeMap;

/// The differences. What differs in another way is a mistake of one of the two.
pub(super) const RULES: &[(&str, &str)] = &[
    ("alias", "LLDAP's names of attributes (user_id, first_name, …) are understood; slapd is asked by the standard's"),
    (
        "as asked",
        "an attribute comes back under the name by which it was asked for (LLDAP's clients expect it), with slapd under its own",
    ),
    (
        "either RDN",
        "uid= and cn= both name people and groups, as with LLDAP; slapd is asked by the one that the entry has",
    ),
    (
        "plain name",
        "a filter may name a member or group by its bare name, as with LLDAP; slapd is asked by the whole name",
    ),
    (
        "group alias",
        "a group's name is found under uid and displayName as well, as with LLDAP; slapd holds them as values",
    ),
    ("slapd's own", "entryCSN, creatorsName, modifiersName and contextCSN are slapd's own"),
    (
        "operational",
        "userAccountControl, groupid and numSubordinates are operational; slapd knows no such type and holds them as ordinary ones",
    ),
    (
        "approx",
        "nothing sounds alike here: ~= is equality (RFC 4511 section 4.5.1.7.6 leaves it open); slapd is asked for equality",
    ),
    (
        "option",
        "no value here has an option, so a description with one is not recognised (RFC 4512 section 2.5.2); slapd takes lang- options for a subtype without values",
    ),
    (
        "unknown class",
        "no entry has a class that nobody defined, so asking for it is false, as with LLDAP (Active Directory's clients send (!(objectClass=computer))); slapd cannot tell",
    ),
    ("truth", "true and false are understood in any case; slapd is asked in capitals"),
    (
        "by rule",
        "slapd does not find UUIDs and what it computes by a rule that is named; it is asked for equality, which is the same rule",
    ),
    (
        "dn",
        "dn is not the name of an attribute when it is asked for, though entryDN is found by it in filters; slapd is not asked for it",
    ),
    (
        "of the root",
        "attributes of the root and of the schema are unknown to all other entries; slapd knows them everywhere",
    ),
    (
        "effective",
        "memberOf holds for members through other groups as well; slapd's overlay knows direct members, so the groups between are added",
    ),
    (
        "overlay",
        "slapd's overlay loses count of memberOf when one request puts a member in and takes it out, and of members when an entry is deleted or renamed under a condition; it is set right",
    ),
    ("superclass", "structuralObjectClass is found by the class itself; slapd finds it by classes above it too"),
    (
        "edges",
        "every text has a space at either edge when parts are looked for (RFC 4518 section 2.6.1), so one space is part of all; slapd finds it between words alone",
    ),
    ("in chain", "slapd does not know Active Directory's in-chain rule; it is asked for each group on the way"),
    ("order", "slapd's built-in cn and uid have no ordering rule; it is asked for a copy of the value that has one"),
    (
        "made here",
        "classes, numbers, home directory, shell, a full name, ids and times are made here when they are not given; slapd is told what was made",
    ),
    (
        "one thing",
        "cn and displayName of a person, cn, uid and displayName of a group, member, uniqueMember and memberUid are names for one thing each; slapd is asked to change all of them",
    ),
    ("password", "a password is never shown; slapd shows it to its administrator"),
    ("own spelling", "members are shown as their entries are named; slapd shows them as they were written"),
    (
        "fixed tree",
        "people and groups stand in their branches, nothing stands below them, and the branches stay; slapd takes any tree",
    ),
    (
        "one name",
        "people are named by uid and groups by cn, by one value and nothing beside; slapd takes any attribute and several values",
    ),
    ("one value", "full, given and family name have one value each; slapd takes several"),
    (
        "default",
        "without a value of their own, home directory and shell are those that the configuration gives; slapd holds no default, so it is asked to add it when the last home directory is taken",
    ),
    (
        "unique",
        "an e-mail address or a number is of one entry alone, and numbers are those of the configured range; slapd does not look",
    ),
    ("names", "user names have letters, digits, dots, hyphens and underscores; slapd takes any"),
    ("no circles", "no group is in itself, through others neither; slapd does not look"),
    ("anonymous", "nobody is bound without a name and a password; slapd lets strangers in"),
    (
        "no password",
        "a bind as an entry without a password is refused as one with a wrong password, so nobody learns who has none; slapd tells",
    ),
    (
        "two kinds",
        "people are people and groups are groups, and stay so, which objectClassViolation says; slapd takes an entry with classes of both, and says objectClassModsProhibited when the kind is to change",
    ),
    ("blank", "a value of white space alone is none: nobody would see it; slapd takes it"),
    (
        "never there",
        "to take away what entries of a kind never have is told as such (objectClassViolation); slapd misses the value alone",
    ),
    (
        "kept by the server",
        "what the server alone gives is refused as such (constraintViolation) before anything else is looked at; slapd looks at values first. Both refuse (RFC 4511 appendix A.1)",
    ),
    (
        "increment",
        "what is no number cannot be incremented: inappropriateMatching says it, slapd says constraintViolation (RFC 4525 section 2 leaves it open)",
    ),
    ("elsewhere", "below another base there is no entry; slapd says that it does not know whom to ask"),
    ("several faults", "which of several faults is told is open (RFC 4511 appendix A.1)"),
    (
        "any of them",
        "which entries come before the size limit is open; all that came must be among what slapd finds without one",
    ),
];

/// How often each difference was met.
#[derive(Debug, Default)]
pub(super) struct Met(BTreeMap<&'static str, usize>);

impl Met {
    /// Counts a difference.
    ///
    /// # Panics
    /// When it is not in the list.
    pub(super) fn note(&mut self, name: &'static str) {
        assert!(RULES.iter().any(|(rule, _)| *rule == name), "no rule is called {name:?}");
        *self.0.entry(name).or_default() += 1;
    }

    pub(super) fn table(&self) -> String {
        let row = |(name, reason): &(&str, &str)| {
            format!("  {:>6} × {name}: {reason}\n", self.0.get(name).copied().unwrap_or_default())
        };
        RULES.iter().map(row).collect()
    }
}
