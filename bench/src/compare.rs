//! Ostiary and slapd with the same 10,000 people and 500 groups, in turn.

use std::time::Duration;

use anyhow::Context as _;

use crate::argon;
use crate::kinds::Kind;
use crate::pressure;
use crate::probe::{CONNECTIONS, Effort, Measured, Target, measure};
use crate::report::{Goal, Table, count, time};
use crate::stats::median;

/// What is measured, how many connections ask, and what the table calls it.
const ROWS: &[(Kind, usize, &str)] = &[
    (Kind::User, CONNECTIONS, "user search: by uid or mail, with memberOf (Authelia)"),
    (Kind::Group, CONNECTIONS, "group search: groups by member (Authelia)"),
    (Kind::Mail, CONNECTIONS, "person by mail"),
    (Kind::Base, CONNECTIONS, "person by DN, with memberOf"),
    (Kind::Read, CONNECTIONS, "person by DN, all attributes"),
    (Kind::MemberOf, CONNECTIONS, "people by memberOf (110 on average, 2,300 at most)"),
    (Kind::Substring, CONNECTIONS, "people by six letters inside name or mail"),
    (Kind::Further, CONNECTIONS, "people by family name"),
    (Kind::RootDse, CONNECTIONS, "root DSE"),
    (Kind::Authelia, CONNECTIONS, "mix of Authelia"),
    (Kind::Directus, CONNECTIONS, "mix of Directus"),
    (Kind::Nextcloud, CONNECTIONS, "mix of Nextcloud"),
    (Kind::Listing, 1, "listing of all 10,000 with memberOf, one connection"),
    (Kind::Pages, 1, "the same in pages of 500"),
];

/// What the comparison found.
pub(crate) struct Comparison {
    pub(crate) tables: Vec<Table>,
    pub(crate) goals: Vec<Goal>,
}

/// Measures both. Adds come last: they change what a listing shows.
pub(crate) fn compare(ostiary: Target<'_>, slapd: Target<'_>, idle: [f64; 2]) -> anyhow::Result<Comparison> {
    let targets = [ostiary, slapd];
    let mut rows = Vec::new();
    let mut goals = Vec::new();
    for (kind, connections, text) in ROWS {
        let is_promised = matches!(kind, Kind::User | Kind::Group);
        let effort = if is_promised { Effort::of(*connections, 5, 2.0) } else { Effort::of(*connections, 3, 1.5) };
        let [ours, theirs] = pair(&targets, *kind, effort)?;
        goals.extend(search_goal(*kind, &ours, &theirs));
        rows.push(row(text, &ours, &theirs));
    }
    let (binds, goal) = binds(&targets)?;
    rows.extend(binds);
    goals.push(goal);
    let [ours, theirs] = pair(&targets, Kind::Add, Effort::of(CONNECTIONS, 3, 1.5))?;
    rows.push(row("adding people", &ours, &theirs));
    rows.push(vec![
        "idle memory, 10,000 people".into(),
        format!("{:.0} MB", idle[0]),
        String::new(),
        String::new(),
        format!("{:.0} MB", idle[1]),
        String::new(),
        String::new(),
        String::new(),
    ]);
    let head = vec!["", "Ostiary, a second", "p50", "p99", "slapd, a second", "p50", "p99", "throughput"];
    let note = "16 connections where nothing else is said, each of which sends its next request when it has the answer. Medians of \
                three rounds of 1.5 s (the first two rows: five of 2 s), both servers in turn in each round; throughput is the median of the \
                ratios of the rounds. slapd: mdb; indexes \
                objectClass eq, uid, mail, cn and displayName eq and sub, member and memberOf eq; memberof overlay; two worker threads, which \
                of 2, 4, 8 and 16 had the lowest p99 here and as much throughput as any; the reader is the root DN and passes no access \
                lists. Its idle memory includes the pages of its database that it has mapped."
        .to_owned();
    let title = "10,000 people, 500 groups, each person in three to eight";
    let mut tables = vec![Table { title, head, rows, notes: vec![note] }];
    let (table, goal) = pressure::sign_ins(ostiary).context("searches beside sign-ins")?;
    tables.push(table);
    goals.push(goal);
    Ok(Comparison { tables, goals })
}

fn pair(targets: &[Target<'_>; 2], kind: Kind, effort: Effort) -> anyhow::Result<[Measured; 2]> {
    let measured = measure(targets, kind, effort)?;
    measured.try_into().ok().context("two servers")
}

fn row(text: &str, ours: &Measured, theirs: &Measured) -> Vec<String> {
    let mut row = vec![text.to_owned()];
    for one in [ours, theirs] {
        row.extend([count(one.rate), time(one.p50), time(one.p99)]);
    }
    row.push(format!("{:.2}", ours.ratio(theirs)));
    row
}

fn search_goal(kind: Kind, ours: &Measured, theirs: &Measured) -> Option<Goal> {
    let ratio = ours.ratio(theirs);
    let figure = format!(
        "{ratio:.2} times; p99 {} (slapd {}); {:.1} µs of processor time each (slapd {:.1})",
        time(ours.p99),
        time(theirs.p99),
        ours.processor,
        theirs.processor
    );
    let reached = ratio >= 2.5 && ours.p99 < theirs.p99;
    Some(match kind {
        Kind::User => Goal {
            text: "user search: 2.5 times slapd's throughput, lower p99 (three times is the aim)",
            figure,
            reached,
        },
        Kind::Group => Goal {
            text: "group search: 2.5 times slapd's throughput, lower p99 (three times is the aim)",
            figure,
            reached,
        },
        Kind::Listing => Goal {
            text: "listing of all 10,000 entries: faster than slapd",
            figure: format!("{} (slapd {})", time(ours.p50), time(theirs.p50)),
            reached: ours.p50 < theirs.p50,
        },
        _ => return None,
    })
}

/// Binds, and the bare Argon2 rate before, between and after, so that what else the machine does
/// meets both.
fn binds(targets: &[Target<'_>; 2]) -> anyhow::Result<(Vec<Vec<String>>, Goal)> {
    let [ostiary, _] = *targets;
    let (mut bare, mut shares, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..4 {
        bare.push(argon::rate(Duration::from_secs(3))?);
        if round < 3 {
            kept.extend(measure(&[ostiary], Kind::Bind, Effort::of(CONNECTIONS, 1, 3.0))?);
        }
    }
    for (bind, around) in kept.iter().zip(bare.windows(2)) {
        shares.push(bind.rate / (around.iter().map(|(rate, _)| rate).sum::<f64>() / 2.0));
    }
    let share = median(shares.into_iter());
    let hash = median(bare.iter().map(|(_, processor)| *processor));
    let bare = median(bare.into_iter().map(|(rate, _)| rate));
    let middle = Measured::of(&kept);
    let [_, slapd] = *targets;
    let theirs = Measured::of(&measure(&[slapd], Kind::Bind, Effort::of(CONNECTIONS, 2, 1.5))?);
    let [new, new_theirs] = pair(targets, Kind::BindNew, Effort::of(CONNECTIONS, 2, 2.0))?;
    let mut rows = Vec::new();
    for (text, ours, theirs) in [
        ("binds (Ostiary: Argon2id; slapd: SSHA, for information)", &middle, &theirs),
        ("binds, each on a new connection", &new, &new_theirs),
    ] {
        let mut row = row(text, ours, theirs);
        row.truncate(7);
        row.push(format!("{:.0} % of bare Argon2", ours.rate / bare * 100.0));
        rows.push(row);
    }
    let figure = format!(
        "{:.0} % of {bare:.1} hashes a second; processor time of a bind {}, of a bare hash {}",
        share * 100.0,
        time(middle.processor),
        time(hash)
    );
    let text = "binds: 90 % of the machine's bare Argon2 rate, both cores";
    Ok((rows, Goal { text, figure, reached: share >= 0.9 }))
}
