//! Measures servers on this machine: LDAP under load of many kinds, and Ostiary side by side with
//! OpenLDAP's slapd and, in front of HTTPS, with Caddy.
//!
//! `seed` fills a database, `run` loads a running server that holds the population,
//! `side-by-side` and `front` do everything and write their part of the report. Build it in release;
//! a figure from a debug build says nothing.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a tool that measures time, counts and prints"
)]

mod argon;
mod caddy;
mod compare;
mod front;
mod front_load;
mod front_report;
mod handshakes;
mod kinds;
mod ldif;
mod load;
mod ostiary;
mod population;
mod pressure;
mod probe;
mod process;
mod proof;
mod report;
mod request;
mod scaling;
mod scan;
mod seed;
mod side_by_side;
mod slapd;
mod stats;
mod upstream;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::handshakes::Exchange;
use crate::kinds::Kind;
use crate::population::{Population, WRITER};
use crate::probe::{Target, name_of, nonce};
use crate::process::processor_seconds;

/// Measures LDAP servers on this machine.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the population into an Ostiary database that nobody else writes to.
    Seed {
        /// The SQLite file of an Ostiary that was started once.
        #[arg(long)]
        database: PathBuf,
        /// How many people.
        #[arg(long, default_value_t = 1000)]
        people: u32,
    },
    /// Loads a running server that holds the population.
    Run(Run),
    /// Measures Ostiary beside slapd, at three sizes and under pressure, and writes the report.
    SideBySide(SideBySide),
    /// Measures Ostiary beside Caddy, in front of HTTPS, and writes the report.
    Front(Front),
    /// Asks an HTTPS server, each time on a new connection with a whole handshake.
    Handshakes(Handshakes),
    /// Serves one page over plain HTTP, for proxies to stand before.
    Upstream {
        /// Bytes of the page.
        #[arg(long, default_value_t = 1024)]
        length: usize,
    },
    /// Hashes with Argon2id on all cores, as Ostiary does by default.
    Argon2 {
        /// For so many seconds.
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
    },
}

/// What to send, to whom and for how long.
#[derive(Args)]
struct Run {
    /// What to send, one after the other.
    #[arg(long, value_enum, num_args = 1.., default_values_t = [Kind::User])]
    kind: Vec<Kind>,
    /// The server; a loopback address.
    #[arg(long, default_value = "127.0.0.1:3890")]
    address: SocketAddr,
    /// The base DN.
    #[arg(long, default_value = "dc=localhost")]
    base: String,
    /// How many people the server holds.
    #[arg(long, default_value_t = 1000)]
    people: u32,
    /// Connections at once.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Threads of the generator.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Seconds before anything counts.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Seconds that count.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Requests a second in all; as many as go without it.
    #[arg(long)]
    rate: Option<f64>,
    /// The server's process, to show what an operation costs it.
    #[arg(long)]
    pid: Option<u32>,
    /// Prints JSON instead of lines.
    #[arg(long)]
    json: bool,
}

/// What is measured side by side.
#[derive(Args)]
struct SideBySide {
    /// The release binary of Ostiary.
    #[arg(long)]
    ostiary: PathBuf,
    /// An empty folder for data of the servers. Pids of what was started are noted in its file `pids`.
    #[arg(long)]
    work: PathBuf,
    /// The report.
    #[arg(long)]
    out: PathBuf,
    /// Worker threads of slapd.
    #[arg(long, default_value_t = 2)]
    slapd_threads: usize,
    /// People in the largest directory.
    #[arg(long, default_value_t = 100_000)]
    most: u32,
}

/// What is measured in front of HTTPS.
#[derive(Args)]
struct Front {
    /// The release binary of Ostiary.
    #[arg(long)]
    ostiary: PathBuf,
    /// Caddy.
    #[arg(long)]
    caddy: PathBuf,
    /// An empty folder for data of the servers. Pids of what was started are noted in its file `pids`.
    #[arg(long)]
    work: PathBuf,
    /// The report.
    #[arg(long)]
    out: PathBuf,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// How often each is made, after once to warm up.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Which handshakes, and with whom.
#[derive(Args)]
struct Handshakes {
    /// The server; a loopback address.
    #[arg(long)]
    address: SocketAddr,
    /// What it is called.
    #[arg(long)]
    name: String,
    /// What it is asked for.
    #[arg(long)]
    path: String,
    /// Bytes of what it answers with.
    #[arg(long)]
    length: usize,
    /// How the key is agreed on.
    #[arg(long, value_enum, default_value_t = Exchange::Classic)]
    exchange: Exchange,
    /// Connections at once.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// For so many seconds.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Seed { database, people } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(seed::seed(&database, &Population::new("dc=localhost", people)))
        }
        Command::Run(run) => measure(&run),
        Command::SideBySide(settings) => side_by_side::run(&settings),
        Command::Front(settings) => front::run(&settings),
        Command::Handshakes(settings) => {
            wire::on_loopback(settings.address)?;
            println!("{}", handshakes::run(&settings)?);
            Ok(())
        }
        Command::Upstream { length } => upstream::run(length),
        Command::Argon2 { seconds } => {
            let (rate, processor) = argon::rate(Duration::from_secs_f64(seconds))?;
            println!("{rate:.1} hashes a second, {:.1} ms of processor time each", processor / 1000.0);
            Ok(())
        }
    }
}

fn measure(run: &Run) -> anyhow::Result<()> {
    wire::on_loopback(run.address)?;
    let population = Population::new(&run.base, run.people);
    let pid = run.pid.unwrap_or_else(std::process::id);
    let target = Target { name: "the server", address: run.address, pid, writer: WRITER, population: &population };
    let mut rows = Vec::new();
    let mut failed = false;
    for kind in &run.kind {
        let requests = Arc::new(kind.requests(&population, nonce()?)?);
        target.prove(&requests)?;
        let plan = load::Plan {
            threads: run.threads,
            warm_up: Duration::from_secs_f64(run.warm_up),
            rate: run.rate,
            ..target.plan(*kind, run.connections, run.seconds)?
        };
        let before = processor_seconds(pid)?;
        let figures = load::run(&plan, requests)?.figures();
        let used = processor_seconds(pid)? - before;
        failed |= figures.errors > 0;
        let name = name_of(*kind);
        if run.json {
            rows.push(figures.to_json(&name));
            continue;
        }
        let share = run.seconds / (run.seconds + run.warm_up) / figures.operations.max(1) as f64 * 1e6;
        let processor = run.pid.map_or_else(String::new, |_| format!("  {:.1} µs of processor time", used * share));
        println!("{}{processor}", figures.to_line(&name));
    }
    if run.json {
        println!("{}", serde_json::Value::from(rows));
    }
    anyhow::ensure!(!failed, "some answers were errors");
    Ok(())
}
