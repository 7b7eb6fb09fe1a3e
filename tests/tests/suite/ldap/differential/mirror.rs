//! Bringing to slapd what Ostiary makes by itself: ids, times, numbers, and the entries that are
//! there from the start. After each write both trees are compared, then slapd's is made ours.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result, ensure};
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapAddRequest, LdapModify, LdapModifyRequest, LdapModifyType, LdapOp, LdapPartialAttribute, LdapSearchResultEntry,
};

use super::compare::OWN;
use super::dn;
use super::peer::{Answer, Peer};
use super::schema::{Kind, Schema};
use super::world::{World, everything};
use super::writes::attribute;

/// OpenLDAP's own way to let its administrator write what a server writes.
const RELAX: &str = "1.3.6.1.4.1.4203.666.5.12";
/// What slapd computes too.
const COMPUTED: &[&str] = &["memberof", "hassubordinates", "entrydn", "subschemasubentry", "structuralobjectclass"];
/// Attributes that have no order with slapd: copies of them have one.
const ORDERED: &[&str] = &["cn", "uid"];

/// The types of the copies, in the words of `slapd.conf`.
pub(super) fn ordered_types() -> String {
    let one = |(at, name): (usize, &&str)| {
        format!(
            "attributetype ( 2.25.1.{at} NAME 'ordered-{name}' EQUALITY caseIgnoreMatch ORDERING caseIgnoreOrderingMatch \
             SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n"
        )
    };
    ORDERED.iter().enumerate().map(one).collect()
}

fn relax() -> Vec<LdapControl> {
    vec![LdapControl::Unknown { oid: RELAX.to_owned(), criticality: true, value: None }]
}

/// Attributes of an entry, by name.
type Attributes = BTreeMap<String, BTreeSet<Vec<u8>>>;
/// Entries by name.
type Tree = BTreeMap<String, Attributes>;

/// Makes the tree of slapd the one of ours, with these passwords by the folded names of entries. Both
/// trees are what the servers answered to [`everything`]. Whether anything was not the same.
pub(super) fn align(
    slapd: &mut Peer,
    schema: &Schema,
    passwords: &HashMap<String, String>,
    (ours, theirs): (&Answer, &Answer),
) -> Result<bool> {
    let mut is_changed = false;
    let mut wanted: Tree = ours.entries.iter().map(|entry| wanted(schema, entry)).collect::<Result<_>>()?;
    for (name, attributes) in &mut wanted {
        if let Some(password) = passwords.get(&dn::folded(name)) {
            attributes.insert("userpassword".to_owned(), BTreeSet::from([password.as_bytes().to_vec()]));
        }
    }
    let held: Tree = theirs.entries.iter().map(|entry| held(schema, entry)).collect();
    for name in held.keys().rev().filter(|name| !wanted.contains_key(*name)) {
        done(name, slapd.ask(LdapOp::DelRequest(name.clone()))?)?;
        is_changed = true;
    }
    // Members may be named before they are there, so they come last.
    for entry in &ours.entries {
        let name = dn::plain(&entry.dn);
        let Some(attributes) = wanted.get(&name).filter(|_| !held.contains_key(&name)) else { continue };
        let attributes = attributes.iter().filter(|(name, _)| !is_member(name)).map(list).collect();
        is_changed = true;
        done(&name, slapd.ask_with(LdapOp::AddRequest(LdapAddRequest { dn: entry.dn.clone(), attributes }), relax())?)?;
    }
    for (name, attributes) in &wanted {
        let empty = Attributes::new();
        let before = held.get(name).unwrap_or(&empty);
        let is_new = before.is_empty();
        let differs = |attribute: &&String| match (attributes.get(*attribute), before.get(*attribute)) {
            (wanted, _) if is_new => wanted.is_some() && is_member(attribute),
            (wanted, held) => wanted != held,
        };
        let names: BTreeSet<&String> = attributes.keys().chain(before.keys()).collect();
        let changes: Vec<_> =
            names.into_iter().filter(differs).map(|name| replaced(name, attributes.get(name))).collect();
        if !changes.is_empty() {
            is_changed = true;
            let request = LdapModifyRequest { dn: name.clone(), changes };
            done(name, slapd.ask_with(LdapOp::ModifyRequest(request.clone()), relax())?)
                .with_context(|| format!("{request:?}"))?;
        }
    }
    Ok(is_changed)
}

/// Sets right what the overlay of slapd has lost count of: it does so when one request puts a member
/// in and takes it out, or deletes or renames an entry under a condition. Whether anything was wrong.
pub(super) fn repair(slapd: &mut Peer, world: &World) -> Result<bool> {
    let mut is_wrong = false;
    for item in &world.items {
        let known: BTreeSet<String> = item.get("memberof").iter().map(|group| dn::folded(group)).collect();
        let groups: BTreeSet<&String> = world.groups().iter().map(|group| &group.folded).collect();
        if known.iter().any(|group| !groups.contains(group)) {
            // Of a group that is gone. It is made anew.
            done(&item.dn, slapd.ask(LdapOp::DelRequest(item.dn.clone()))?)?;
            is_wrong = true;
            continue;
        }
        for group in world.groups() {
            let is_member = group.members.contains(&item.folded);
            if is_member == known.contains(&group.folded) {
                continue;
            }
            is_wrong = true;
            let change = |operation| LdapModify { operation, modification: attribute("member", &[&item.dn]) };
            let (put, take) = (change(LdapModifyType::Add), change(LdapModifyType::Delete));
            for change in if is_member { [take, put] } else { [put, take] } {
                let request = LdapModifyRequest { dn: group.dn.clone(), changes: vec![change] };
                done(&group.dn, slapd.ask(LdapOp::ModifyRequest(request))?)?;
            }
        }
    }
    Ok(is_wrong)
}

/// Copies every entry of ours to slapd, which has none.
pub(super) fn copy(ours: &mut Peer, slapd: &mut Peer, schema: &Schema, base: &str) -> Result<()> {
    let ours = ours.ask(LdapOp::SearchRequest(everything(base)))?;
    ensure!(ours.is_success() && !ours.entries.is_empty(), "{ours:?}");
    let nothing = Answer { entries: Vec::new(), ..ours.clone() };
    align(slapd, schema, &HashMap::new(), (&ours, &nothing)).map(drop)
}
#[expect(clippy::needless_pass_by_value, reason = "callers are done with it")]
fn done(name: &str, answer: Answer) -> Result<()> {
    ensure!(answer.is_success(), "slapd does not take {name:?}: {answer:?}");
    Ok(())
}

fn is_member(name: &str) -> bool {
    matches!(name, "member" | "uniquemember")
}

fn list((name, values): (&String, &BTreeSet<Vec<u8>>)) -> LdapPartialAttribute {
    LdapPartialAttribute { atype: name.clone(), vals: values.iter().cloned().collect() }
}

fn replaced(name: &str, values: Option<&BTreeSet<Vec<u8>>>) -> LdapModify {
    let vals = values.into_iter().flatten().cloned().collect();
    LdapModify {
        operation: LdapModifyType::Replace,
        modification: LdapPartialAttribute { atype: name.to_owned(), vals },
    }
}

/// An entry of ours as slapd has to hold it.
fn wanted(schema: &Schema, entry: &LdapSearchResultEntry) -> Result<(String, Attributes)> {
    let mut attributes = Attributes::new();
    for one in &entry.attributes {
        let known = schema.get(&one.atype).with_context(|| format!("{} is not published", one.atype))?;
        let name = known.name().to_lowercase();
        if COMPUTED.contains(&name.as_str()) {
            continue;
        }
        let values = plain(schema, &name, &one.vals);
        if ORDERED.contains(&name.as_str()) {
            attributes.insert(format!("ordered-{name}"), values.clone());
        }
        if name == "cn" && entry.dn.starts_with("cn=") {
            for alias in ["uid", "displayname", "ordered-uid"] {
                attributes.insert(alias.to_owned(), values.clone());
            }
        }
        attributes.insert(name, values);
    }
    Ok((dn::plain(&entry.dn), attributes))
}

/// An entry as slapd holds it.
fn held(schema: &Schema, entry: &LdapSearchResultEntry) -> (String, Attributes) {
    let mut attributes = Attributes::new();
    for one in &entry.attributes {
        let name = schema.get(&one.atype).map_or_else(|| one.atype.to_lowercase(), |one| one.name().to_lowercase());
        if !OWN.contains(&name.as_str()) && !COMPUTED.contains(&name.as_str()) {
            attributes.insert(name.clone(), plain(schema, &name, &one.vals));
        }
    }
    (dn::plain(&entry.dn), attributes)
}

fn plain(schema: &Schema, name: &str, values: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
    let is_name = schema.get(name).is_some_and(|one| one.kind == Kind::Dn);
    let value = |value: &Vec<u8>| match str::from_utf8(value) {
        Ok(text) if is_name => dn::plain(text).into_bytes(),
        _ => value.clone(),
    };
    values.iter().map(value).collect()
}
