//! One kind of request at one server, in several rounds: what the tables show.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum as _;
use ldap3_proto::proto::{LdapBindCred, LdapBindRequest, LdapOp};

use crate::kinds::Kind;
use crate::load::{self, Plan};
use crate::population::{PASSWORD, Population, READER};
use crate::process::processor_seconds;
use crate::proof;
use crate::request::Request;
use crate::stats::{Figures, median};

/// Connections of a load, where nothing else is said.
pub(crate) const CONNECTIONS: usize = 16;
const WARM_UP: Duration = Duration::from_millis(300);

/// A server that holds the population.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    /// Who may add entries.
    pub(crate) writer: &'static str,
    pub(crate) population: &'a Population,
}

/// How hard a server is loaded, and how often.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) connections: usize,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
}

impl Effort {
    pub(crate) const fn of(connections: usize, rounds: usize, seconds: f64) -> Self {
        Self { connections, rounds, seconds }
    }
}

/// Medians of the rounds; times in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) rate: f64,
    /// The rate of each round.
    rates: Vec<f64>,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    /// Processor time of the server for one operation.
    pub(crate) processor: f64,
}

impl Measured {
    /// How many times the rate of `other` this one is: the median of the rounds, each of which the
    /// machine did alike.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        median(self.rates.iter().zip(&other.rates).map(|(own, other)| own / other))
    }

    /// All of them as one.
    pub(crate) fn of(parts: &[Self]) -> Self {
        let of = |which: fn(&Self) -> f64| median(parts.iter().map(which));
        Self {
            rate: of(|one| one.rate),
            rates: parts.iter().flat_map(|one| one.rates.iter().copied()).collect(),
            p50: of(|one| one.p50),
            p95: of(|one| one.p95),
            p99: of(|one| one.p99),
            processor: of(|one| one.processor),
        }
    }
}

impl Target<'_> {
    fn account(&self, kind: Kind) -> &'static str {
        if kind.is_once() { self.writer } else { READER }
    }

    /// The plan of a load of `kind`.
    pub(crate) fn plan(&self, kind: Kind, connections: usize, seconds: f64) -> anyhow::Result<Plan> {
        let login = Request::bind(&self.population.person_dn(self.account(kind)), PASSWORD)?;
        Ok(Plan {
            address: self.address,
            login: kind.is_as_reader().then(|| Arc::new(login)),
            connections,
            threads: 1,
            warm_up: WARM_UP,
            duration: Duration::from_secs_f64(seconds),
            rate: None,
            once: kind.is_once(),
            new_connections: kind.is_new_connection(),
        })
    }

    /// Reads some of the answers whole.
    pub(crate) fn prove(&self, requests: &[Request]) -> anyhow::Result<()> {
        let cred = LdapBindCred::Simple(PASSWORD.to_owned());
        let login = LdapBindRequest { version: 3, dn: self.population.person_dn(READER), cred };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime
            .block_on(proof::prove(self.address, &LdapOp::BindRequest(login), requests, self.population))
            .with_context(|| format!("a wrong answer of {}", self.name))
    }

    /// One round. An error among the answers is an error.
    pub(crate) fn round(&self, plan: &Plan, requests: &Arc<Vec<Request>>) -> anyhow::Result<(Figures, f64)> {
        let before = processor_seconds(self.pid)?;
        let figures = load::run(plan, Arc::clone(requests))?.figures();
        let used = processor_seconds(self.pid)? - before;
        if let Some(error) = &figures.first_error {
            bail!("{} errors, the first: {error}", figures.errors);
        }
        ensure!(figures.operations > 0, "nothing was answered in time");
        // The warm-up costs as well, and an answer that came after the end.
        let share = plan.duration.as_secs_f64() / (plan.duration + plan.warm_up).as_secs_f64();
        Ok((figures.clone(), used * share / figures.operations as f64 * 1e6))
    }
}

/// The name of a kind, as it is given on the command line.
pub(crate) fn name_of(kind: Kind) -> String {
    kind.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Measures `kind` at all `targets`, in turn in each round, so that whatever else the machine does
/// meets them alike.
pub(crate) fn measure(targets: &[Target<'_>], kind: Kind, effort: Effort) -> anyhow::Result<Vec<Measured>> {
    let doing = |target: &Target<'_>| format!("{} at {}", name_of(kind), target.name);
    let mut sets = Vec::new();
    for target in targets {
        let requests = Arc::new(kind.requests(target.population, nonce()?)?);
        target.prove(&requests).with_context(|| doing(target))?;
        sets.push((requests, Vec::new()));
    }
    for _ in 0..effort.rounds {
        for (target, (requests, rounds)) in targets.iter().zip(&mut sets) {
            if kind.is_once() {
                *requests = Arc::new(kind.requests(target.population, nonce()?)?);
            }
            let plan = target.plan(kind, effort.connections, effort.seconds)?;
            rounds.push(target.round(&plan, requests).with_context(|| doing(target))?);
        }
    }
    let of = |rounds: &[(Figures, f64)], which: fn(&(Figures, f64)) -> f64| median(rounds.iter().map(which));
    let all = sets.iter().map(|(_, rounds)| Measured {
        rate: of(rounds, |round| round.0.rate),
        rates: rounds.iter().map(|round| round.0.rate).collect(),
        p50: of(rounds, |round| round.0.p50),
        p95: of(rounds, |round| round.0.p95),
        p99: of(rounds, |round| round.0.p99),
        processor: of(rounds, |round| round.1),
    });
    let all: Vec<_> = all.collect();
    for (target, measured) in targets.iter().zip(&all) {
        eprintln!(
            "{:<28} {:>9.0} /s  p50 {:>7.0} µs  p99 {:>7.0} µs  {:>7.1} µs of processor time",
            doing(target),
            measured.rate,
            measured.p50,
            measured.p99,
            measured.processor
        );
    }
    Ok(all)
}

/// Different in every run, for names of entries that are added.
pub(crate) fn nonce() -> anyhow::Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}
