//! What was found in front of HTTPS, as tables and goals.

use std::fs::read_to_string;

use anyhow::Context as _;

use crate::Front;
use crate::front_load::Counted;
use crate::report::{Goal, Report, Section, Table, count};
use crate::stats::median;

const SECTION: Section = Section { name: "front", title: "HTTPS, beside Caddy", command: "bash bench/front" };

/// The rounds of one server under one load.
#[derive(Default)]
pub(crate) struct Cell {
    /// Answers a second, of each round.
    rates: Vec<f64>,
    /// Microseconds of the server's processor time for each answer, of each round.
    times: Vec<f64>,
}

impl Cell {
    /// Adds a round in which the server used so many seconds of processor time.
    pub(crate) fn add(&mut self, counted: Counted, processor: f64) {
        self.rates.push(counted.answers / counted.seconds);
        self.times.push(processor / counted.answers * 1e6);
    }

    fn rate(&self) -> f64 {
        median(self.rates.iter().copied())
    }

    fn told(&self) -> String {
        let least = self.rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.rates.iter().copied().fold(0.0, f64::max);
        let time = median(self.times.iter().copied());
        format!("{} ({} – {}), {time:.0} µs", count(self.rate()), count(least), count(most))
    }

    /// How many times the answers of `other`: the median of the rounds.
    fn times(&self, other: &Self) -> f64 {
        median(self.rates.iter().zip(&other.rates).map(|(ours, theirs)| ours / theirs))
    }
}

/// One load: Ostiary, Ostiary without access log, Caddy, and perhaps Caddy's `respond`.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) cells: Vec<Cell>,
}

/// Resident memory in megabytes, of Ostiary, of Ostiary with people, and of Caddy.
type Megabytes = [f64; 3];

/// What it was when.
pub(crate) struct Memory {
    pids: [u32; 3],
    idle: Megabytes,
    loaded: Megabytes,
    rested: Megabytes,
    peak: Megabytes,
}

impl Memory {
    /// Before anything was asked.
    pub(crate) fn idle(pids: [u32; 3]) -> anyhow::Result<Self> {
        let idle = resident(pids, "VmRSS:")?;
        Ok(Self { pids, idle, loaded: idle, rested: idle, peak: idle })
    }

    /// Right after all of it.
    pub(crate) fn after_load(&mut self) -> anyhow::Result<()> {
        self.loaded = resident(self.pids, "VmRSS:")?;
        self.peak = resident(self.pids, "VmHWM:")?;
        Ok(())
    }

    /// A while later.
    pub(crate) fn rested(&mut self) -> anyhow::Result<()> {
        self.rested = resident(self.pids, "VmRSS:")?;
        Ok(())
    }
}

fn resident(pids: [u32; 3], line: &str) -> anyhow::Result<Megabytes> {
    let of = |pid: u32| {
        let status = read_to_string(format!("/proc/{pid}/status"))?;
        let found = status.lines().find_map(|found| found.strip_prefix(line)).with_context(|| line.to_owned())?;
        let kib: f64 = found.trim().trim_end_matches(" kB").parse()?;
        anyhow::Ok(kib * 1024.0 / 1e6)
    };
    let [ours, filled, theirs] = pids;
    Ok([of(ours)?, of(filled)?, of(theirs)?])
}

/// All of it.
pub(crate) fn report(versions: Vec<String>, rows: &[Row], memory: &Memory, settings: &Front, page: usize) -> Report {
    let mut goals: Vec<Goal> = rows.iter().filter_map(goal).collect();
    let half = |text, [ours, filled, theirs]: Megabytes| Goal {
        text,
        figure: format!(
            "{ours:.1} MB (Caddy {theirs:.1} MB): {:.2} times; {:.2} times with 1,000 people",
            ours / theirs,
            filled / theirs
        ),
        reached: ours <= theirs / 2.0,
    };
    goals.push(half("memory when idle: at most half of Caddy's", memory.idle));
    goals.push(half("memory at its highest under load: at most half of Caddy's", memory.peak));
    Report { section: SECTION, versions, goals, tables: vec![requests(rows, settings, page), resident_table(memory)] }
}

fn goal(row: &Row) -> Option<Goal> {
    let [ours, quiet, theirs, ..] = row.cells.as_slice() else { return None };
    let (usual, alike) = (ours.times(theirs), quiet.times(theirs));
    let (ours, theirs) = (count(ours.rate()), count(theirs.rate()));
    Some(Goal {
        text: row.title,
        figure: format!(
            "{usual:.2} times Caddy's: {ours} a second (Caddy {theirs}); {alike:.2} times without access log"
        ),
        reached: usual >= 1.0,
    })
}

fn requests(rows: &[Row], settings: &Front, page: usize) -> Table {
    let told = |row: &Row| {
        let mut cells = vec![row.title.to_owned()];
        cells.extend(row.cells.iter().map(Cell::told));
        cells.resize(5, String::new());
        cells
    };
    let Front { rounds, seconds, .. } = settings;
    Table {
        title: "Answers a second",
        head: vec!["", "Ostiary", "Ostiary, no access log", "Caddy", "Caddy, `respond`"],
        rows: rows.iter().map(told).collect(),
        notes: vec![
            format!(
                "Median (least – most) of {rounds} rounds of {seconds} s, everybody in turn in each, and the server's processor time \
                 for each answer. Servers on one core; load, and the service behind, on the other. TLS 1.3, AES-128-GCM, X25519 where \
                 nothing else is said, ECDSA P-256, the same certificate. HTTP/1.1: wrk, 32 connections. HTTP/2: h2load, 8 connections with 16 \
                 requests each. Handshakes: 16 at once, nothing is resumed, one request on each connection. Each answer is 200 and as long as it should be."
            ),
            format!(
                "The page is Ostiary's discovery document ({page} bytes): its handler makes it, and it carries all headers. Caddy has the same \
                 bytes under the same headers as a file (`file_server`), or in its settings (`respond`). By default Ostiary writes a line for each request \
                 and Caddy none: the second column is Ostiary with [log] level = \"warn\". The service behind answers 1,024 bytes and is the same for both; \
                 Caddy may keep more connections to it than it does by default (256 instead of 32), Ostiary keeps 128."
            ),
        ],
    }
}

fn resident_table(memory: &Memory) -> Table {
    let told = |what: &str, [ours, filled, theirs]: Megabytes| {
        let megabytes = [ours, filled, theirs].map(|each| format!("{each:.1} MB"));
        [&[what.to_owned()], &megabytes[..], &[format!("{:.2}", ours / theirs)]].concat()
    };
    Table {
        title: "Resident memory",
        head: vec!["", "Ostiary", "Ostiary, 1,000 people", "Caddy", "the first, times Caddy's"],
        rows: vec![
            told("idle, before anything was asked", memory.idle),
            told("right after all of the load", memory.loaded),
            told("a while later", memory.rested),
            told("at its highest", memory.peak),
        ],
        notes: vec![
            "The first Ostiary was set up and started again, and knows nobody, as Caddy does; the second is the one without access log. \
             Both serve LDAP as well. Caddy is without its interface for administration and HTTP/3. Resident memory counts the parts of the \
             program's file that were used: they are shared and can be dropped at any time."
                .to_owned(),
        ],
    }
}
