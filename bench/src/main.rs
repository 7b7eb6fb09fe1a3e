//! Measures LDAP servers on this machine: load of many kinds, and Ostiary side by side with
//! OpenLDAP's slapd.
//!
//! `seed` fills a database, `run` loads a running server that holds the population. Build it in
//! release; a figure from a debug build says nothing.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a tool that measures time, counts and prints"
)]

mod argon;
mod kinds;
mod ldif;
mod load;
mod population;
mod proof;
mod request;
mod scan;
mod seed;
mod slapd;
mod stats;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use ldap3_proto::proto::{LdapBindCred, LdapBindRequest, LdapOp};

use crate::kinds::Kind;
use crate::population::{PASSWORD, Population, READER, WRITER};
use crate::request::Request;

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
    /// Starts slapd with the population and keeps it until the end of input.
    Slapd {
        /// How many people.
        #[arg(long, default_value_t = 1000)]
        people: u32,
        /// Its worker threads.
        #[arg(long, default_value_t = 4)]
        threads: usize,
        /// The base DN.
        #[arg(long, default_value = "dc=localhost")]
        base: String,
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
    /// Prints JSON instead of lines.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match Arguments::parse().command {
        Command::Seed { database, people } => {
            runtime.block_on(seed::seed(&database, &Population::new("dc=localhost", people)))
        }
        Command::Run(run) => measure(&run),
        Command::Slapd { people, threads, base } => runtime.block_on(async {
            let slapd = slapd::Slapd::start(&Population::new(&base, people), threads).await?;
            println!("{} {} filled in {:.1} s", slapd.address, slapd.pid()?, slapd.filled_in.as_secs_f64());
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
            slapd.stop().await
        }),
        Command::Argon2 { seconds } => {
            println!("{:.1} hashes a second", argon::rate(Duration::from_secs_f64(seconds))?);
            Ok(())
        }
    }
}

fn measure(run: &Run) -> anyhow::Result<()> {
    wire::on_loopback(run.address)?;
    let population = Population::new(&run.base, run.people);
    let mut rows = Vec::new();
    for kind in &run.kind {
        let name =
            clap::ValueEnum::to_possible_value(kind).map_or_else(String::new, |value| value.get_name().to_owned());
        let figures = measure_kind(run, *kind, &population)?;
        if run.json {
            rows.push(figures.to_json(&name));
        } else {
            println!("{}", figures.to_line(&name));
        }
    }
    if run.json {
        println!("{}", serde_json::Value::from(rows));
    }
    Ok(())
}

fn measure_kind(run: &Run, kind: Kind, population: &Population) -> anyhow::Result<stats::Figures> {
    let nonce = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let requests = Arc::new(kind.requests(population, nonce)?);
    let who = population.person_dn(if kind.is_once() { WRITER } else { READER });
    let cred = LdapBindCred::Simple(PASSWORD.to_owned());
    let login = LdapOp::BindRequest(LdapBindRequest { version: 3, dn: who.clone(), cred });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(proof::prove(run.address, &login, &requests, population))?;
    let login = if kind.is_as_reader() { Some(Arc::new(Request::bind(&who, PASSWORD)?)) } else { None };
    let plan = load::Plan {
        address: run.address,
        login,
        connections: run.connections,
        threads: run.threads,
        warm_up: Duration::from_secs_f64(run.warm_up),
        duration: Duration::from_secs_f64(run.seconds),
        rate: run.rate,
        once: kind.is_once(),
        new_connections: kind.is_new_connection(),
    };
    Ok(load::run(&plan, requests)?.figures())
}
