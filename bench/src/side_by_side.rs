//! The whole run: fills and starts both servers, measures them in turn, then Ostiary alone at
//! three sizes and under pressure, and writes the report. Whatever cannot be measured is an error,
//! and so is a wrong answer; a goal that is missed is not.

use std::fs::create_dir_all;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::SideBySide;
use crate::compare::{Comparison, compare};
use crate::ostiary::Ostiary;
use crate::population::{Population, READER, WRITER};
use crate::pressure;
use crate::probe::Target;
use crate::process::{busy_share, resident_mb};
use crate::report::{Goal, Report, Section, Table};
use crate::scaling::{Size, scaling};
use crate::slapd::{self, Slapd};

const BASE: &str = "dc=localhost";
const FEW: u32 = 1000;
const USUAL: u32 = 10_000;

/// Does all of it.
pub(crate) fn run(settings: &SideBySide) -> anyhow::Result<()> {
    let begun = Instant::now();
    let step = |what: &str| eprintln!("\n== {what} ({:.0} s)", begun.elapsed().as_secs_f64());
    create_dir_all(&settings.work)?;
    let work = settings.work.canonicalize()?;
    let binary = settings.ostiary.canonicalize().context("the Ostiary to measure")?;
    let others = busy_share(3.0)?;
    if others > 0.05 {
        eprintln!("other programs use {:.0} % of the processors: the figures will be worth little", others * 100.0);
    }
    let mut sizes = Vec::new();
    for people in [FEW, USUAL, settings.most] {
        step(&format!("filling Ostiary with {people} people"));
        let population = Population::new(BASE, people);
        let ostiary = Ostiary::filled(&binary, &work, &population)?;
        sizes.push(Size { population, ostiary });
    }
    let usual = sizes.get(1).context("the usual size")?;
    let mut report = Report {
        section: Section { name: "side-by-side", title: "LDAP, beside slapd", command: "bash bench/side-by-side" },
        versions: vec![
            format!("{}; slapd {}", usual.ostiary.version()?, slapd::version()?),
            format!("Other programs used {:.0} % of the processors before the run.", others * 100.0),
        ],
        goals: Vec::new(),
        tables: Vec::new(),
    };

    step("10,000 idle connections and garbage");
    let (rows, idle_goal) = pressure::idle(&usual.ostiary, &usual.population)?;
    let (garbage_rows, garbage_goal) = garbage(usual)?;
    let press = Table {
        title: "Idle connections and garbage",
        head: vec!["", "user searches a second", "p99", ""],
        rows: [rows, garbage_rows].concat(),
        notes: vec![
            "Each idle connection has been asked one request before. Garbage comes from 64 connections at once, as fast as they are closed: \
             HTTP, TLS, lengths of gigabytes, noise, a request that never ends, nothing at all. It has its share of the two cores."
                .to_owned(),
        ],
    };

    // The comparison ends with adds, which the sizes do not mind: their searches find by name.
    step("Ostiary beside slapd");
    let compared = beside(usual, settings.slapd_threads, &work)?;

    step("Ostiary with 1,000, 10,000 and 100,000 people");
    let (scaled, scaled_goals) = scaling(&sizes)?;
    report.goals.extend(compared.goals);
    report.goals.extend(scaled_goals);
    report.goals.extend([idle_goal, garbage_goal]);
    report.tables.extend(compared.tables);
    report.tables.extend([scaled, press]);
    ensure!(report.goals.len() == 12, "{} goals were looked at instead of 12", report.goals.len());
    report.write(&settings.out)?;
    step("done");
    println!("{}", report.goals());
    Ok(())
}

/// Ostiary and a fresh slapd.
fn beside(size: &Size, threads: usize, work: &Path) -> anyhow::Result<Comparison> {
    let serving = size.ostiary.start()?;
    let slapd = Slapd::start(&size.population, work, threads)?;
    eprintln!("slapd was filled in {:.1} s", slapd.filled_in.as_secs_f64());
    thread::sleep(Duration::from_secs(5));
    let idle = [resident_mb(serving.pid())?, resident_mb(slapd.pid())?];
    let population = &size.population;
    let (address, pid) = (serving.address, serving.pid());
    let ours = Target { name: "Ostiary", address, pid, writer: WRITER, population };
    let (address, pid) = (slapd.address, slapd.pid());
    let theirs = Target { name: "slapd", address, pid, writer: READER, population };
    let found = compare(ours, theirs, idle)?;
    slapd.stop()?;
    serving.stop()?;
    Ok(found)
}

fn garbage(size: &Size) -> anyhow::Result<(Vec<Vec<String>>, Goal)> {
    let serving = size.ostiary.start()?;
    let (address, pid, population) = (serving.address, serving.pid(), &size.population);
    let found = pressure::garbage(Target { name: "Ostiary", address, pid, writer: WRITER, population })?;
    serving.stop()?;
    Ok(found)
}
