//! What is measured: the searches that Authelia and Directus send, one after the other on a kept
//! connection. Each answer is checked, or the figure would be one of nothing.

use std::time::{Duration, Instant};

use anyhow::ensure;
use ldap3_proto::LdapFilter;

use crate::client::Client;

/// What one kind of search took.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) count: usize,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
}

struct Kind {
    name: &'static str,
    below: &'static str,
    attrs: &'static [&'static str],
    found: usize,
    filter: fn(&str, u32) -> LdapFilter,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "person by uid or mail",
        below: "ou=people,",
        attrs: &["uid", "mail", "cn"],
        found: 1,
        filter: |_, number| {
            let uid = format!("user{number:05}");
            LdapFilter::And(vec![
                LdapFilter::Or(vec![equality("uid", uid.clone()), equality("mail", format!("{uid}@example.org"))]),
                equality("objectClass", "inetOrgPerson".into()),
            ])
        },
    },
    Kind {
        name: "groups by member",
        below: "ou=groups,",
        attrs: &["cn"],
        found: 3,
        filter: |base, number| {
            LdapFilter::And(vec![
                equality("uniqueMember", format!("uid=user{number:05},ou=people,{base}")),
                equality("objectClass", "groupOfUniqueNames".into()),
            ])
        },
    },
    Kind {
        name: "person by uid",
        below: "ou=people,",
        attrs: &["uid", "givenName", "sn", "mail", "userAccountControl"],
        found: 1,
        filter: |_, number| equality("uid", format!("user{number:05}")),
    },
    Kind {
        name: "person by mail",
        below: "",
        attrs: &["uid"],
        found: 1,
        filter: |_, number| equality("mail", format!("user{number:05}@example.org")),
    },
];

fn equality(attribute: &str, value: String) -> LdapFilter {
    LdapFilter::Equality(attribute.to_owned(), value)
}

/// Measures each kind for `time`.
pub(crate) async fn measure(
    client: &mut Client,
    base: &str,
    people: u32,
    time: Duration,
) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for kind in &KINDS {
        figures.push(measure_one(client, kind, base, people, time).await?);
    }
    Ok(figures)
}

async fn measure_one(
    client: &mut Client,
    kind: &Kind,
    base: &str,
    people: u32,
    time: Duration,
) -> anyhow::Result<Figure> {
    let below = format!("{}{base}", kind.below);
    let mut taken = Vec::new();
    let begun = Instant::now();
    for round in 0_u32.. {
        // A step that shares no factor with the usual counts: every person comes, none twice in a row.
        let filter = (kind.filter)(base, round.wrapping_mul(7919) % people);
        let sent = Instant::now();
        let found = client.search(&below, filter, kind.attrs).await?;
        taken.push(sent.elapsed());
        ensure!(found == kind.found, "{}: found {found} instead of {}", kind.name, kind.found);
        if begun.elapsed() > time {
            break;
        }
    }
    taken.sort_unstable();
    let at = |share: usize| taken.get(taken.len() * share / 100).copied().unwrap_or_default();
    Ok(Figure { name: kind.name, count: taken.len(), median: at(50), p99: at(99) })
}
