//! Answers brought into one form, and what is different about two of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ldap3_proto::proto::{LdapResultCode, LdapSearchRequest};

use super::dn;
use super::known::Known;
use super::peer::Answer;
use super::schema::Kind;

pub(super) type Values = BTreeSet<Vec<u8>>;
pub(super) type Entries = BTreeMap<String, BTreeMap<String, Values>>;

/// Lines that are shown of a difference.
const LINES: usize = 8;
/// Attributes that only slapd has.
pub(super) const OWN: &[&str] = &["entrycsn", "creatorsname", "modifiersname", "contextcsn"];

/// Result code, name that matched, and entries by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) code: LdapResultCode,
    pub(super) matched: String,
    pub(super) entries: Entries,
}

impl Known {
    fn values(&self, name: &str, values: &[Vec<u8>]) -> Values {
        let is_name = self.schema.get(name).is_some_and(|one| one.kind == Kind::Dn);
        let value = |value: &Vec<u8>| match str::from_utf8(value) {
            Ok(text) if is_name => dn::plain(text).into_bytes(),
            _ => value.clone(),
        };
        values.iter().map(value).collect()
    }

    fn name(&self, name: &str) -> String {
        self.schema.get(name).map_or_else(|| name.to_lowercase(), |one| one.name().to_lowercase())
    }

    /// Our answer.
    pub(super) fn ours(&mut self, answer: &Answer) -> Plain {
        let mut entries = Entries::new();
        for entry in &answer.entries {
            let attributes = entries.entry(dn::plain(&entry.dn)).or_default();
            for one in &entry.attributes {
                let name = self.name(&one.atype);
                if self.schema.get(&name).is_some_and(|known| !known.name().eq_ignore_ascii_case(&one.atype)) {
                    self.met.note("as asked");
                }
                let values = self.values(&name, &one.vals);
                attributes.entry(name).or_default().extend(values);
            }
        }
        Plain { code: answer.code.clone(), matched: dn::folded(&answer.matched), entries }
    }

    /// The answer of slapd to `request`, without what is its own way ([`super::rules`]).
    pub(super) fn slapd(&mut self, answer: &Answer, request: Option<&LdapSearchRequest>) -> Plain {
        let asked: Vec<String> = request.map_or_else(Vec::new, |request| request.attrs.clone());
        let all_operational = asked.iter().any(|name| name == "+");
        let asked: BTreeSet<String> = asked.iter().map(|name| self.name(name)).collect();
        let groups = format!(",{}", self.world.groups_base());
        let mut entries = Entries::new();
        for entry in &answer.entries {
            let name_of_entry = dn::plain(&entry.dn);
            let attributes = entries.entry(name_of_entry.clone()).or_default();
            for one in &entry.attributes {
                let name = self.name(&one.atype);
                if OWN.contains(&name.as_str()) {
                    self.met.note("slapd's own");
                    continue;
                }
                if name.starts_with("ordered-") {
                    continue;
                }
                if name == "userpassword" {
                    self.met.note("password");
                    continue;
                }
                let is_named = asked.contains(&name);
                if self.operational.contains(&name) && !is_named && !all_operational {
                    self.met.note("operational");
                    continue;
                }
                if ["uid", "displayname"].contains(&name.as_str()) && !is_named && name_of_entry.ends_with(&groups) {
                    self.met.note("group alias");
                    continue;
                }
                if name != "memberof" {
                    attributes.entry(name.clone()).or_default().extend(self.values(&name, &one.vals));
                }
            }
            let asks = all_operational || asked.contains("memberof");
            if asks {
                self.member_of(&entry.dn, request.is_some_and(|request| request.typesonly), attributes);
            }
        }
        Plain { code: answer.code.clone(), matched: dn::folded(&answer.matched), entries }
    }
}

impl Known {
    /// Puts in the groups that an entry is in, through others as well.
    fn member_of(&mut self, name: &str, types_only: bool, attributes: &mut BTreeMap<String, Values>) {
        let groups = self.world.groups_of(name);
        if groups.is_empty() {
            return;
        }
        if self.world.is_nested() {
            self.met.note("effective");
        }
        let values = groups.into_iter().map(|group| dn::plain(&group).into_bytes());
        attributes.insert("memberof".to_owned(), if types_only { Values::new() } else { values.collect() });
    }
}

/// What is different; `None` when nothing is.
pub(super) fn difference(ours: &Plain, slapd: &Plain) -> Option<String> {
    let mut text = String::new();
    if ours.code != slapd.code {
        let _ = writeln!(text, "result code: ours {:?}, slapd {:?}", ours.code, slapd.code);
    } else if ours.matched != slapd.matched {
        let _ = writeln!(text, "matched: ours {:?}, slapd {:?}", ours.matched, slapd.matched);
    }
    entries(&ours.entries, &slapd.entries, &mut text);
    told(text)
}

#[expect(clippy::needless_pass_by_value, reason = "callers are done with it")]
/// The first lines of a text; `None` when there is none.
fn told(text: String) -> Option<String> {
    let count = text.lines().count();
    let mut first: String = text.split_inclusive('\n').take(LINES).collect();
    if count > LINES {
        let _ = writeln!(first, "and {} lines more", count - LINES);
    }
    (!first.is_empty()).then_some(first)
}

/// What is different about the entries.
fn entries(ours: &Entries, slapd: &Entries, text: &mut String) {
    for name in slapd.keys().filter(|name| !ours.contains_key(*name)) {
        let _ = writeln!(text, "only slapd found {name}");
    }
    for (name, ours) in ours {
        let Some(slapd) = slapd.get(name) else {
            let _ = writeln!(text, "only we found {name}");
            continue;
        };
        for attribute in ours.keys().chain(slapd.keys()).collect::<BTreeSet<_>>() {
            let (ours, slapd) = (ours.get(attribute), slapd.get(attribute));
            if ours != slapd {
                let _ = writeln!(text, "{name}: {attribute}: ours {}, slapd {}", shown(ours), shown(slapd));
            }
        }
    }
}

fn shown(values: Option<&Values>) -> String {
    values.map_or_else(
        || "nothing".to_owned(),
        |values| format!("{:?}", values.iter().map(|value| String::from_utf8_lossy(value)).collect::<Vec<_>>()),
    )
}

/// Whether `ours` is a part of what `whole` holds that a limit allows.
pub(super) fn limited(ours: &Plain, whole: &Plain, limit: usize) -> Option<String> {
    let is_over = whole.entries.len() > limit;
    let code = if is_over { LdapResultCode::SizeLimitExceeded } else { whole.code.clone() };
    let mut text = String::new();
    if ours.code != code {
        let _ = writeln!(text, "result code: ours {:?}, expected {code:?}", ours.code);
    }
    let count = if is_over { limit } else { whole.entries.len() };
    if ours.entries.len() != count {
        let _ = writeln!(text, "{} entries, {count} expected", ours.entries.len());
    }
    let kept = whole.entries.iter().filter(|(name, _)| ours.entries.contains_key(*name));
    let kept: Entries = kept.map(|(name, values)| (name.clone(), values.clone())).collect();
    entries(&ours.entries, &kept, &mut text);
    told(text)
}
