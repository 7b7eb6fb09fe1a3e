//! Reading answers whole before they are measured: a wrong answer must not count as a fast one.
//!
//! Under load the generator checks count, names and result code; here every attribute and value of
//! some answers is compared with the population.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{LdapMsg, LdapOp, LdapResultCode, LdapSearchRequest, LdapSearchResultEntry};
use tokio_util::codec::Framed;

use crate::population::{Population, group_name};
use crate::request::{Expected, Key, Request};
use crate::wire::{connect, key};

/// So many of the requests are proved.
const PROVED: usize = 16;

/// Sends some of `requests` as `login` and compares everything that comes with `population`.
pub(crate) async fn prove(
    address: SocketAddr,
    login: &LdapOp,
    requests: &[Request],
    population: &Population,
) -> anyhow::Result<()> {
    let mut framed = Framed::new(connect(address, None).await?, LdapCodec::new(Some(1 << 26), None));
    framed.send(LdapMsg::new(1, login.clone())).await?;
    match framed.next().await.context("the server hung up")??.op {
        LdapOp::BindResponse(response) if response.res.code == LdapResultCode::Success => {}
        other => bail!("the bind was answered with {other:?}"),
    }
    let every = (requests.len() / PROVED).max(1);
    for request in requests.iter().step_by(every).take(PROVED) {
        let Some(search) = &request.search else { continue };
        framed.send(LdapMsg::new(2, LdapOp::SearchRequest(search.clone()))).await?;
        let mut entries = Vec::new();
        loop {
            match framed.next().await.context("the server hung up")??.op {
                LdapOp::SearchResultEntry(entry) => entries.push(entry),
                LdapOp::SearchResultDone(result) if result.code == LdapResultCode::Success => break,
                other => bail!("{:?} was answered with {other:?}", search.filter),
            }
        }
        check(&entries, search, &request.expected, population).with_context(|| format!("{:?}", search.filter))?;
    }
    Ok(())
}

fn check(
    entries: &[LdapSearchResultEntry],
    search: &LdapSearchRequest,
    expected: &Expected,
    population: &Population,
) -> anyhow::Result<()> {
    ensure!(entries.len() == expected.count(), "{} entries instead of {}", entries.len(), expected.count());
    if let Expected::Keys(keys) = expected {
        let mut found: Vec<_> = entries.iter().filter_map(|entry| key(entry.dn.as_bytes())).collect();
        found.sort_unstable();
        ensure!(found == *keys, "other entries than expected");
    }
    for entry in entries {
        let Some(key) = key(entry.dn.as_bytes()) else { continue };
        let all = search.attrs.is_empty() || search.attrs.iter().any(|name| name == "*");
        for (name, values) in facts(key, population)? {
            let is_asked = search.attrs.iter().any(|asked| asked.eq_ignore_ascii_case(name));
            if is_asked || (all && name != "memberOf") {
                ensure!(shown(entry, name) == values, "{name} of {} is {:?}", entry.dn, shown(entry, name));
            }
        }
    }
    Ok(())
}

/// The values of an attribute, without regard to case and order.
fn shown(entry: &LdapSearchResultEntry, name: &str) -> BTreeSet<String> {
    let attributes = entry.attributes.iter().filter(|attribute| attribute.atype.eq_ignore_ascii_case(name));
    attributes
        .flat_map(|attribute| &attribute.vals)
        .map(|value| String::from_utf8_lossy(value).to_lowercase())
        .collect()
}

type Facts = Vec<(&'static str, BTreeSet<String>)>;

/// What an entry must show.
fn facts(key: Key, population: &Population) -> anyhow::Result<Facts> {
    let one = |text: &str| BTreeSet::from([text.to_lowercase()]);
    Ok(match key {
        Key::Group(number) => vec![("cn", one(&group_name(number)))],
        Key::Person(number) => {
            let person = population.people.get(number as usize).context("nobody of that number")?;
            vec![
                ("uid", one(&person.uid)),
                ("mail", one(&person.mail)),
                ("cn", one(&person.name())),
                ("displayName", one(&person.name())),
                ("givenName", one(person.given)),
                ("sn", one(&person.family)),
                ("memberOf", person.groups.iter().map(|group| population.group_dn(*group).to_lowercase()).collect()),
            ]
        }
    })
}
