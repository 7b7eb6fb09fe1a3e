//! Measures Ostiary side by side with a peer, in one run on one machine.
//!
//! `seed` fills a database, `ldap` measures searches on a kept connection of a running server,
//! `peer` starts OpenLDAP's slapd with the same people and measures both, as a ratio. Build it in
//! release; a figure from a debug build says nothing.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a tool that measures time and prints")]

mod client;
mod population;
mod searches;
mod slapd;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

/// Measures Ostiary side by side with a peer.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes people and groups into an Ostiary database that nobody else writes to.
    Seed {
        /// The SQLite file, made when it is not there.
        #[arg(long)]
        database: PathBuf,
        /// How many people.
        #[arg(long, default_value_t = 1000)]
        people: u32,
    },
    /// Measures searches at a running Ostiary that was filled with `seed`.
    Ldap {
        #[command(flatten)]
        target: Target,
        /// Prints JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Binds again and again on some connections at once, as busy applications do.
    Binds {
        #[command(flatten)]
        target: Target,
        /// How many binds on each of four connections.
        #[arg(long, default_value_t = 25)]
        count: u32,
    },
    /// As `ldap`, and slapd with the same people beside it.
    Peer {
        #[command(flatten)]
        target: Target,
    },
}

/// Where to search and as whom.
#[derive(Args)]
struct Target {
    /// The server.
    #[arg(long, default_value = "127.0.0.1:3890")]
    address: SocketAddr,
    /// The account that reads.
    #[arg(long)]
    bind_dn: String,
    /// A file with its password.
    #[arg(long)]
    password_file: PathBuf,
    /// The base DN.
    #[arg(long, default_value = "dc=localhost")]
    base: String,
    /// How many people `seed` wrote.
    #[arg(long, default_value_t = 1000)]
    people: u32,
    /// Seconds for each kind of search.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Seed { database, people } => population::seed(&database, people).await,
        Command::Ldap { target, json } => {
            let figures = measure(&target).await?;
            if json {
                print_json(&figures)
            } else {
                print_table(&figures)
            }
            Ok(())
        }
        Command::Binds { target, count } => binds(&target, count).await,
        Command::Peer { target } => peer(&target).await,
    }
}

async fn measure(target: &Target) -> anyhow::Result<Vec<searches::Figure>> {
    let mut client = client::Client::connect(target.address).await?;
    client.bind(&target.bind_dn, &password(target)?).await?;
    searches::measure(&mut client, &target.base, target.people, Duration::from_secs(target.seconds)).await
}

async fn binds(target: &Target, count: u32) -> anyhow::Result<()> {
    let password = password(target)?;
    let one = async || -> anyhow::Result<()> {
        let mut client = client::Client::connect(target.address).await?;
        for _ in 0..count {
            client.bind(&target.bind_dn, &password).await?;
        }
        Ok(())
    };
    tokio::try_join!(one(), one(), one(), one())?;
    Ok(())
}

fn password(target: &Target) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(&target.password_file)
        .with_context(|| format!("{} cannot be read", target.password_file.display()))?;
    Ok(text.trim_end().to_owned())
}

async fn peer(target: &Target) -> anyhow::Result<()> {
    let slapd = slapd::Slapd::start(&target.base, target.people).await?;
    let ours = measure(target).await?;
    let mut client = client::Client::connect(slapd.address()).await?;
    client.bind(&slapd.root_dn(), slapd::PASSWORD).await?;
    let theirs =
        searches::measure(&mut client, &target.base, target.people, Duration::from_secs(target.seconds)).await?;
    println!("{:<28} {:>12} {:>12} {:>8}", "median, one connection", "Ostiary", "slapd", "ratio");
    for (our, their) in ours.iter().zip(&theirs) {
        let ratio = our.median.as_secs_f64() / their.median.as_secs_f64();
        println!("{:<28} {:>9.0} µs {:>9.0} µs {:>8.2}", our.name, micros(our.median), micros(their.median), ratio);
    }
    Ok(())
}

fn print_table(figures: &[searches::Figure]) {
    println!("{:<28} {:>12} {:>12} {:>10}", "one connection", "median", "99 %", "searches");
    for figure in figures {
        println!(
            "{:<28} {:>9.0} µs {:>9.0} µs {:>10}",
            figure.name,
            micros(figure.median),
            micros(figure.p99),
            figure.count
        );
    }
}

fn print_json(figures: &[searches::Figure]) {
    let rows: Vec<serde_json::Value> = figures
        .iter()
        .map(|figure| {
            serde_json::json!({
                "name": figure.name, "count": figure.count,
                "median_us": micros(figure.median), "p99_us": micros(figure.p99),
            })
        })
        .collect();
    println!("{}", serde_json::Value::from(rows));
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
