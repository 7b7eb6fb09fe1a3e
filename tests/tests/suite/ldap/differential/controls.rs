//! Questions with controls: under a condition (RFC 4528), in pages (RFC 2696) and in order (RFC 2891).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::{LdapControl, ServerSortRequet};
use ldap3_proto::proto::{LdapFilter, LdapMsg, LdapOp, LdapSearchRequest};
use tokio_util::codec::Encoder as _;

use super::both::{Both, told};
use super::compare::difference;
use super::peer::Answer;
use super::world::everything;

/// RFC 4528.
const ASSERTION: &str = "1.3.6.1.1.12";

/// A condition that an entry has to fulfil.
#[derive(Debug, Clone)]
pub(super) struct Assertion(pub(super) LdapFilter);

impl Assertion {
    pub(super) fn control(&self) -> Result<LdapControl> {
        let value = Some(encoded(self.0.clone())?);
        Ok(LdapControl::Unknown { oid: ASSERTION.to_owned(), criticality: true, value })
    }
}

/// A filter as it is encoded in a search.
fn encoded(filter: LdapFilter) -> Result<Vec<u8>> {
    let request = LdapSearchRequest { filter, attrs: Vec::new(), ..everything("") };
    let mut bytes = BytesMut::new();
    LdapCodec::default()
        .encode(LdapMsg { msgid: 1, op: LdapOp::SearchRequest(request), ctrl: Vec::new() }, &mut bytes)?;
    // Message, its id, the operation; and of it base, scope, aliases, two limits, types only.
    let (message, _) = element(&bytes)?;
    let (_, rest) = element(message)?;
    let (mut fields, _) = element(rest)?;
    for _ in 0..6 {
        (_, fields) = element(fields)?;
    }
    let (_, after) = element(fields)?;
    Ok(fields[..fields.len() - after.len()].to_vec())
}

/// The content of the element at the front, and what comes after it.
fn element(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let first = usize::from(*bytes.get(1).context("no length")?);
    let (start, length) = match first {
        0..=0x7f => (2, first),
        _ => {
            let count = first & 0x7f;
            let digits = bytes.get(2..2 + count).context("no length")?;
            (2 + count, digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
        }
    };
    Ok((bytes.get(start..start + length).context("cut off")?, &bytes[start + length..]))
}

impl Both {
    /// What is different about all pages together.
    pub(super) fn paged(&mut self, request: &LdapSearchRequest, size: i64) -> Result<Option<String>> {
        let (mut entries, mut cookie, mut count) = (Vec::new(), Vec::new(), 0);
        let last = loop {
            let control = LdapControl::SimplePagedResults { size, cookie: std::mem::take(&mut cookie) };
            let page = self.ours.ask_with(LdapOp::SearchRequest(request.clone()), vec![control])?;
            entries.extend(page.entries.iter().cloned());
            count += 1;
            ensure!(count < 1000, "pages without end: {request:?}");
            match page.controls.first() {
                Some(LdapControl::SimplePagedResults { cookie: next, .. }) if !next.is_empty() => {
                    if i64::try_from(page.entries.len())? != size {
                        return Ok(Some(format!("a page of {} entries has {}\n", size, page.entries.len())));
                    }
                    cookie.clone_from(next);
                }
                _ => break page,
            }
        };
        let found = entries.len();
        let ours = Answer { entries, ..last };
        let theirs = LdapOp::SearchRequest(self.known.search(request));
        let slapd = self.slapd.ask(theirs.clone())?;
        self.shares.search("pages", &slapd);
        let (plain, other) = (self.known.ours(&ours), self.known.slapd(&slapd, Some(request)));
        let twice = plain.entries.len() != found;
        let wrong = if twice { Some("an entry came twice\n".to_owned()) } else { difference(&plain, &other) };
        Ok(wrong.map(|wrong| told(wrong, &ours, &slapd, &format!("{theirs:?}"))))
    }

    /// What is different about the order of the answers, as far as the keys say it.
    pub(super) fn sorted(&mut self, request: &LdapSearchRequest, keys: &[(String, bool)]) -> Result<Option<String>> {
        let theirs = LdapOp::SearchRequest(self.known.search(request));
        let key =
            |name: String, reverse_order| ServerSortRequet { attribute_name: name, ordering_rule: None, reverse_order };
        let own = keys.iter().map(|(name, reverse)| key(name.clone(), *reverse)).collect();
        let other = keys.iter().map(|(name, reverse)| key(self.known.ordered(name), *reverse)).collect();
        let control = |sort_requests| vec![LdapControl::ServerSort { sort_requests }];
        let ours = self.ours.ask_with(LdapOp::SearchRequest(request.clone()), control(own))?;
        let slapd = self.slapd.ask_with(theirs.clone(), control(other))?;
        self.shares.search("sorted", &slapd);
        let (plain, other) = (self.known.ours(&ours), self.known.slapd(&slapd, Some(request)));
        let wrong = difference(&plain, &other).or_else(|| {
            let (ours, slapd) = (self.keys_of(&ours, keys), self.keys_of(&slapd, keys));
            let at = ours.iter().zip(&slapd).position(|(ours, slapd)| ours != slapd)?;
            Some(format!("at {at}: ours {:?}, slapd {:?}\n", ours[at], slapd[at]))
        });
        Ok(wrong.map(|wrong| told(wrong, &ours, &slapd, &format!("{theirs:?}"))))
    }

    /// The values of the keys of each entry, in the order in which they came.
    fn keys_of(&self, answer: &Answer, keys: &[(String, bool)]) -> Vec<Vec<Option<String>>> {
        let world: BTreeMap<_, _> = self.known.world.items.iter().map(|item| (item.dn.clone(), item)).collect();
        let key = |name: &str, entry: &str| {
            let item = world.get(&super::dn::plain(entry))?;
            item.get(&name.to_lowercase()).iter().map(|value| value.to_lowercase()).min()
        };
        let of = |entry: &str| keys.iter().map(|(name, _)| key(name, entry)).collect();
        answer.entries.iter().map(|entry| of(&entry.dn)).collect()
    }
}
