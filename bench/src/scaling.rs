//! Ostiary alone with 1,000, 10,000 and 100,000 people: what must not grow with them, and what
//! may.

use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use crate::kinds::Kind;
use crate::ostiary::{Ostiary, Serving};
use crate::population::{Population, WRITER};
use crate::probe::{CONNECTIONS, Effort, Measured, Target, measure};
use crate::process::resident_mb;
use crate::report::{Goal, Table, count, time};
use crate::stats::median;

/// How often each is started.
const STARTS: usize = 3;

/// An Ostiary of one size.
pub(crate) struct Size {
    pub(crate) population: Population,
    pub(crate) ostiary: Ostiary,
}

struct Started {
    serving: Serving,
    /// Median seconds from start to ready.
    ready: f64,
    /// Megabytes after the start, before anybody asks.
    fresh: f64,
}

/// Measures all `sizes`, the smallest first.
pub(crate) fn scaling(sizes: &[Size]) -> anyhow::Result<(Table, Vec<Goal>)> {
    let mut started = Vec::new();
    for size in sizes {
        started.push(start(&size.ostiary)?);
    }
    let targets: Vec<_> = sizes
        .iter()
        .zip(&started)
        .zip(["Ostiary, small", "Ostiary, usual", "Ostiary, large"])
        .map(|((size, started), name)| Target {
            name,
            address: started.serving.address,
            pid: started.serving.pid(),
            writer: WRITER,
            population: &size.population,
        })
        .collect();
    let uid = measure(&targets, Kind::Uid, Effort::of(CONNECTIONS, 5, 1.5))?;
    let mail = measure(&targets, Kind::Mail, Effort::of(CONNECTIONS, 5, 1.5))?;
    let substring = measure(&targets, Kind::Substring, Effort::of(1, 3, 1.0))?;
    let further = measure(&targets, Kind::Further, Effort::of(1, 3, 1.0))?;
    thread::sleep(Duration::from_secs(3));
    let mut resident = Vec::new();
    for target in &targets {
        resident.push(resident_mb(target.pid)?);
    }
    let add = measure(&targets, Kind::Add, Effort::of(1, 5, 1.0))?;
    let found = Found { started: &started, uid, mail, substring, further, resident, add };
    let goals = goals(&found)?;
    let table = table(&found);
    for one in started {
        one.serving.stop()?;
    }
    Ok((table, goals))
}

fn start(ostiary: &Ostiary) -> anyhow::Result<Started> {
    let mut ready = Vec::new();
    for _ in 1..STARTS {
        let serving = ostiary.start()?;
        ready.push(serving.ready_in.as_secs_f64());
        serving.stop()?;
    }
    let serving = ostiary.start()?;
    ready.push(serving.ready_in.as_secs_f64());
    thread::sleep(Duration::from_secs(1));
    let fresh = resident_mb(serving.pid())?;
    Ok(Started { serving, ready: median(ready.into_iter()), fresh })
}

/// What was measured at each size.
struct Found<'a> {
    started: &'a [Started],
    uid: Vec<Measured>,
    mail: Vec<Measured>,
    substring: Vec<Measured>,
    further: Vec<Measured>,
    resident: Vec<f64>,
    add: Vec<Measured>,
}

fn table(found: &Found<'_>) -> Table {
    let Found { started, uid, mail, substring, further, resident, add } = found;
    let head = vec!["", "1,000 people", "10,000 people", "100,000 people"];
    let line = |text: &str, cells: Vec<String>| [vec![text.to_owned()], cells].concat();
    let rates = |measured: &[Measured]| {
        measured.iter().map(|one| format!("{} /s, {:.1} µs", count(one.rate), one.processor)).collect()
    };
    let times = |measured: &[Measured]| {
        measured.iter().map(|one| format!("{}, p99 {}", time(one.p50), time(one.p99))).collect()
    };
    let rows = vec![
        line("person by uid, 16 connections; processor time of each", rates(uid)),
        line("person by mail, 16 connections; processor time of each", rates(mail)),
        line("six letters inside name or mail, one connection", times(substring)),
        line("by family name, one connection", times(further)),
        line("adding one person over LDAP, one connection", times(add)),
        line("processor time of that", add.iter().map(|one| time(one.processor)).collect()),
        line("start to ready", started.iter().map(|one| format!("{:.2} s", one.ready)).collect()),
        line("resident memory after the start", started.iter().map(|one| format!("{:.0} MB", one.fresh)).collect()),
        line("resident memory after these searches", resident.iter().map(|mb| format!("{mb:.0} MB")).collect()),
    ];
    let note = "Always 500 groups, each person in three to eight of them. The three servers run at the same time and are asked in turn. \
                An added person is on the disk when the answer comes (SQLite, synchronous = FULL)."
        .to_owned();
    Table { title: "From 1,000 to 100,000 people", head, rows, notes: vec![note] }
}

fn ends(measured: &[Measured]) -> Option<(&Measured, &Measured)> {
    measured.first().zip(measured.last())
}

fn goals(found: &Found<'_>) -> anyhow::Result<Vec<Goal>> {
    let uid = ends(&found.uid).context("sizes")?;
    let mail = ends(&found.mail).context("sizes")?;
    let (add, (_, substring)) = (ends(&found.add).context("sizes")?, ends(&found.substring).context("sizes")?);
    let started = found.started.last().context("sizes")?;
    let resident = *found.resident.last().context("sizes")?;
    let [uid, mail] = [uid, mail].map(|(small, large)| small.ratio(large));
    let times = add.1.p50 / add.0.p50;
    Ok(vec![
        Goal {
            text: "equality search at 100,000: at most 1.2 times what it costs at 1,000",
            figure: format!("uid {uid:.2} times, mail {mail:.2} times"),
            reached: uid <= 1.2 && mail <= 1.2,
        },
        Goal {
            text: "substring search at 100,000: under 20 ms",
            figure: format!("{}, p99 {}", time(substring.p50), time(substring.p99)),
            reached: substring.p99 < 20_000.0,
        },
        Goal {
            text: "loading 100,000 at start: under 2 s",
            figure: format!("{:.2} s", started.ready),
            reached: started.ready < 2.0,
        },
        Goal {
            text: "resident memory at 100,000: under 200 MB",
            figure: format!("{:.0} MB after the start, {resident:.0} MB after searches", started.fresh),
            reached: started.fresh.max(resident) < 200.0,
        },
        Goal {
            text: "one added person costs the same at 1,000 and 100,000 (a fifth more at most)",
            figure: format!("{} and {}: {times:.2} times", time(add.0.p50), time(add.1.p50)),
            reached: times <= 1.2,
        },
    ])
}
