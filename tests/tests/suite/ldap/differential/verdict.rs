//! What is made of the two answers to a write, and of the two trees after it.

use std::collections::{BTreeMap, BTreeSet};

use ldap3_proto::proto::LdapModifyType;
use ldap3_proto::proto::LdapResultCode as Code;

use super::compare::{Entries, Plain, Values};
use super::dn;
use super::peer::Answer;
use super::rules::Met;
use super::schema::Schema;
use super::world::World;
use super::writes::Write;

/// Two answers that differ as they are meant to.
struct Meant {
    rule: &'static str,
    ours: Code,
    /// Any of these; any at all when there are none.
    slapd: &'static [Code],
    applies: fn(&Asked<'_>) -> bool,
}

/// What was asked for.
pub(super) struct Asked<'a> {
    pub(super) write: &'a Write,
    pub(super) schema: &'a Schema,
    pub(super) world: &'a World,
    pub(super) is_conditional: bool,
}

impl Asked<'_> {
    /// Names of the attributes that are written, in lower case, with the values.
    fn attributes(&self) -> Vec<(String, &[Vec<u8>])> {
        let list = match self.write {
            Write::Add(request) => request.attributes.iter().collect(),
            Write::Modify(request) => request.changes.iter().map(|change| &change.modification).collect(),
            Write::Delete(_) | Write::Rename(_) => Vec::new(),
        };
        let name =
            |name: &str| self.schema.get(name).map_or_else(|| name.to_lowercase(), |one| one.name().to_lowercase());
        list.into_iter().map(|one| (name(&one.atype), one.vals.as_slice())).collect()
    }

    fn touches(&self, names: &[&str]) -> bool {
        self.attributes().iter().any(|(name, _)| names.contains(&name.as_str()))
    }

    fn is_person(&self) -> bool {
        dn::folded(self.write.dn()).ends_with(&self.world.people_base())
    }

    /// How deep below the base the entry stands.
    fn depth(&self) -> usize {
        let base = dn::parts(&self.world.base).map_or(0, |parts| parts.len());
        dn::parts(self.write.dn()).map_or(0, |parts| parts.len().saturating_sub(base))
    }
    /// Whether an attribute is to lose values that entries of this kind never have.
    fn takes_away(&self) -> bool {
        let Write::Modify(request) = self.write else { return false };
        let never: &[&str] = if self.is_person() { &["member", "memberuid", "uniquemember"] } else { &["sn"] };
        request.changes.iter().any(|change| {
            let empties = change.operation == LdapModifyType::Delete || change.modification.vals.is_empty();
            empties && never.contains(&change.modification.atype.to_lowercase().as_str())
        })
    }

    fn operations(&self) -> Vec<LdapModifyType> {
        match self.write {
            Write::Modify(request) => request.changes.iter().map(|change| change.operation.clone()).collect(),
            _ => Vec::new(),
        }
    }
}

/// Answers to writes that differ as they are meant to; the reasons stand in [`super::rules`].
const MEANT: &[Meant] = &[
    Meant {
        rule: "fixed tree",
        ours: Code::UnwillingToPerform,
        slapd: &[],
        applies: |asked| matches!(asked.write, Write::Add(_)) && asked.depth() != 2,
    },
    Meant {
        rule: "fixed tree",
        ours: Code::UnwillingToPerform,
        slapd: &[Code::Success],
        applies: |asked| matches!(asked.write, Write::Rename(request) if request.new_superior.is_some()),
    },
    Meant {
        rule: "fixed tree",
        ours: Code::NotAllowedOnNonLeaf,
        slapd: &[],
        applies: |asked| matches!(asked.write, Write::Rename(_)) && asked.depth() < 2,
    },
    Meant {
        rule: "one name",
        ours: Code::UnwillingToPerform,
        slapd: &[],
        applies: |asked| matches!(asked.write, Write::Rename(request) if !request.deleteoldrdn),
    },
    Meant {
        rule: "one name",
        ours: Code::NamingViolation,
        slapd: &[],
        applies: |asked| matches!(asked.write, Write::Rename(_) | Write::Add(_)),
    },
    Meant {
        rule: "one name",
        ours: Code::NotALlowedOnRDN,
        slapd: &[Code::Success, Code::ConstraintViolation, Code::NamingViolation],
        applies: |asked| asked.touches(if asked.is_person() { &["uid"] } else { &["cn"] }),
    },
    Meant {
        rule: "one value",
        ours: Code::ConstraintViolation,
        slapd: &[Code::Success],
        applies: |asked| asked.touches(&["cn", "sn", "givenname", "displayname"]),
    },
    Meant {
        rule: "unique",
        ours: Code::ConstraintViolation,
        slapd: &[Code::Success],
        applies: |asked| asked.touches(&["mail", "uidnumber", "gidnumber"]),
    },
    Meant {
        rule: "names",
        ours: Code::ConstraintViolation,
        slapd: &[Code::Success],
        applies: |asked| match asked.write {
            Write::Add(_) => asked.is_person() && !is_username(asked.write.dn()),
            Write::Rename(request) => asked.is_person() && !is_username(&request.newrdn),
            _ => false,
        },
    },
    Meant {
        rule: "no circles",
        ours: Code::UnwillingToPerform,
        slapd: &[Code::Success],
        applies: |asked| !asked.is_person() && asked.touches(&["member", "uniquemember"]),
    },
    Meant {
        rule: "two kinds",
        ours: Code::ObjectClassViolation,
        slapd: &[Code::Success],
        applies: |asked| asked.touches(&["objectclass"]),
    },
    Meant {
        rule: "blank",
        ours: Code::InvalidAttributeSyntax,
        slapd: &[Code::Success, Code::ConstraintViolation, Code::NoSuchAttribute],
        applies: |asked| asked.attributes().iter().any(|(_, values)| values.iter().any(|value| value == b" ")),
    },
    Meant {
        rule: "increment",
        ours: Code::InvalidAttributeSyntax,
        slapd: &[Code::ConstraintViolation],
        applies: |asked| asked.operations().contains(&LdapModifyType::Increment),
    },
    Meant {
        rule: "never there",
        ours: Code::ObjectClassViolation,
        slapd: &[Code::NoSuchAttribute, Code::Success],
        applies: |asked| asked.takes_away(),
    },
    Meant {
        rule: "several faults",
        ours: Code::ObjectClassViolation,
        slapd: &[Code::InvalidAttributeSyntax],
        applies: |asked| asked.attributes().iter().any(|(_, values)| values.iter().any(|value| value.is_empty())),
    },
    Meant {
        rule: "increment",
        ours: Code::ObjectClassViolation,
        slapd: &[Code::ConstraintViolation],
        applies: |asked| asked.operations().contains(&LdapModifyType::Increment),
    },
    Meant {
        rule: "several faults",
        ours: Code::AttributeOrValueExists,
        slapd: &[Code::ConstraintViolation],
        applies: |asked| asked.attributes().iter().any(|(_, values)| values.len() > 1),
    },
    Meant {
        rule: "increment",
        ours: Code::InappropriateMatching,
        slapd: &[Code::ConstraintViolation],
        applies: |asked| asked.operations().contains(&LdapModifyType::Increment),
    },
    Meant {
        rule: "elsewhere",
        ours: Code::NoSuchObject,
        slapd: &[Code::UnwillingToPerform],
        applies: |asked| !dn::folded(asked.write.dn()).ends_with(&asked.world.base),
    },
    Meant {
        rule: "operational",
        ours: Code::ConstraintViolation,
        slapd: &[Code::Success, Code::NoSuchAttribute],
        applies: |asked| asked.touches(&["useraccountcontrol", "groupid"]),
    },
    Meant {
        rule: "several faults",
        ours: Code::EntryAlreadyExists,
        slapd: &[],
        applies: |asked| matches!(asked.write, Write::Add(request) if asked.world.find(&request.dn).is_some()),
    },
    Meant {
        rule: "two kinds",
        ours: Code::ObjectClassViolation,
        slapd: &[Code::ObjectClassModsProhibited],
        applies: |asked| asked.touches(&["objectclass"]),
    },
    Meant {
        rule: "kept by the server",
        ours: Code::ConstraintViolation,
        slapd: &[Code::AttributeOrValueExists, Code::InvalidAttributeSyntax, Code::NoSuchAttribute],
        applies: |asked| asked.touches(&["memberof", "entryuuid", "useraccountcontrol"]),
    },
    Meant {
        rule: "unknown class",
        ours: Code::NoSuchAttribute,
        slapd: &[Code::InvalidAttributeSyntax],
        applies: |asked| asked.operations() == [LdapModifyType::Delete] && asked.touches(&["objectclass"]),
    },
    Meant {
        rule: "unknown class",
        ours: Code::ObjectClassViolation,
        slapd: &[Code::InvalidAttributeSyntax],
        applies: |asked| asked.touches(&["objectclass"]),
    },
];

/// Two refusals of a request with more than one thing in it, each for another thing.
fn is_of_several(asked: &Asked<'_>, ours: &Code, slapd: &Code) -> bool {
    (asked.operations().len() > 1 || asked.is_conditional) && *ours != Code::Success && *slapd != Code::Success
}

/// Whether the first part of a name is one that people may have.
fn is_username(name: &str) -> bool {
    let first = dn::parts(name).and_then(|parts| Some(parts.first()?.first()?.1.clone())).unwrap_or_default();
    first.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c))
}

/// Whether two result codes are as they are meant to be; what is wrong if not.
pub(super) fn codes(asked: &Asked<'_>, ours: &Answer, slapd: &Answer, met: &mut Met) -> Option<String> {
    if ours.code == slapd.code {
        return None;
    }
    let found = MEANT
        .iter()
        .find(|meant| {
            let fits = meant.slapd.is_empty() || meant.slapd.contains(&slapd.code);
            meant.ours == ours.code && fits && (meant.applies)(asked)
        })
        .map(|meant| meant.rule);
    let several = || is_of_several(asked, &ours.code, &slapd.code).then_some("several faults");
    if let Some(rule) = found.or_else(several) {
        met.note(rule);
        return None;
    }
    Some(format!("result code: ours {:?} ({}), slapd {:?} ({})\n", ours.code, ours.message, slapd.code, slapd.message))
}

/// Puts into what slapd said what it does not compute.
pub(super) fn computed(slapd: &mut Plain, world: &World) {
    let names: Vec<String> = slapd.entries.keys().cloned().collect();
    for (name, attributes) in &mut slapd.entries {
        let below = format!(",{}", name.to_lowercase());
        let is_child = |other: &&String| {
            other
                .to_lowercase()
                .strip_suffix(&below)
                .is_some_and(|rdn| dn::parts(rdn).is_some_and(|parts| parts.len() == 1))
        };
        let children = names.iter().filter(is_child).count();
        attributes.insert("numsubordinates".to_owned(), one(&children.to_string()));
        if name.ends_with(&format!(",{}", world.groups_base())) {
            if let Some(members) = attributes.get("member").cloned() {
                attributes.insert("uniquemember".to_owned(), members);
            } else {
                attributes.remove("uniquemember");
            }
            let is_in = |item: &&&super::world::Item| {
                world.groups_of(&item.dn).iter().any(|group| group.to_lowercase() == name.to_lowercase())
            };
            let people = world.people();
            let users: Values = people.iter().filter(is_in).flat_map(|item| item.get("uid")).map(bytes).collect();
            if users.is_empty() {
                attributes.remove("memberuid");
            } else {
                attributes.insert("memberuid".to_owned(), users);
            }
        }
    }
}

/// Values without regard to case.
fn lower(values: Option<&Values>) -> BTreeSet<String> {
    values.into_iter().flatten().map(|value| String::from_utf8_lossy(value).to_lowercase()).collect()
}

fn bytes(text: &String) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn one(text: &str) -> Values {
    BTreeSet::from([text.as_bytes().to_vec()])
}

/// Takes out of two trees what is meant to differ.
pub(super) fn settle(ours: &mut Entries, slapd: &mut Entries, met: &mut Met) {
    for (name, ours) in ours {
        let Some(slapd) = slapd.get_mut(name) else { continue };
        let names: BTreeSet<String> = ours.keys().chain(slapd.keys()).cloned().collect();
        let (all, others) = (ours.clone(), slapd.clone());
        for attribute in names {
            if all.get(&attribute) == others.get(&attribute) {
                continue;
            }
            if let Some(rule) = difference(name, &attribute, &all, &others) {
                met.note(rule);
                ours.remove(&attribute);
                slapd.remove(&attribute);
            }
        }
    }
}

fn difference(
    name: &str,
    attribute: &str,
    ours: &BTreeMap<String, Values>,
    slapd: &BTreeMap<String, Values>,
) -> Option<&'static str> {
    let (own, other) = (ours.get(attribute), slapd.get(attribute));
    let is_person = name.contains(",ou=people,");
    let rdn = dn::parts(name).and_then(|parts| Some(parts.first()?.first()?.1.clone())).unwrap_or_default();
    match attribute {
        "entryuuid" | "createtimestamp" | "groupid" if other.is_none() => Some("made here"),
        "modifytimestamp" | "pwdchangedtime" | "useraccountcontrol" => Some("made here"),
        "member" | "uniquemember" if lower(own) == lower(other) => Some("own spelling"),
        "gidnumber" if is_person && own == ours.get("uidnumber") => Some("made here"),
        "homedirectory" if own == Some(&one(&format!("/home/{rdn}"))) => Some("made here"),
        "loginshell" if own == Some(&one("/bin/bash")) => Some("made here"),
        "cn" | "displayname" if is_person && ours.get("cn") == ours.get("displayname") => {
            let text = |name: &str| {
                let value = ours.get(name).and_then(|values| values.first()).cloned().unwrap_or_default();
                String::from_utf8(value).unwrap_or_default()
            };
            let (given, family) = (text("givenname"), text("sn"));
            let made = match (given.as_str(), family.as_str()) {
                ("", "") => rdn,
                ("", name) | (name, "") => name.to_owned(),
                _ => format!("{given} {family}"),
            };
            (own == Some(&one(&made)) || own == slapd.get("displayname")).then_some("made here")
        }
        "objectclass" => {
            let (empty, class) = (Values::new(), b"ldapPublicKey".to_vec());
            let (own, other) = (own.unwrap_or(&empty), other.unwrap_or(&empty));
            own.symmetric_difference(other).all(|one| one.eq_ignore_ascii_case(&class)).then_some("made here")
        }
        _ => None,
    }
}
