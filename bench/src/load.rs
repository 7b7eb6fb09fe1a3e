//! Many connections that each send a request, wait for its answer and send the next one, for a
//! fixed time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::request::Request;
use crate::stats::Samples;
use crate::wire::Wire;

/// No request takes as long: a server that stands still is an error and not a pause.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to load a server.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    /// Sent first on every connection.
    pub(crate) login: Option<Arc<Request>>,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// Requests a second over all connections; as many as there is time for without one.
    pub(crate) rate: Option<f64>,
    /// Each request is sent once.
    pub(crate) once: bool,
    /// Each request is sent on a new connection.
    pub(crate) new_connections: bool,
}

/// The requests and who is next. All connections take from one list.
struct Source {
    requests: Arc<Vec<Request>>,
    next: AtomicUsize,
    once: bool,
}

impl Source {
    fn next(&self) -> Option<&Request> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let place = if self.once { number } else { number % self.requests.len().max(1) };
        self.requests.get(place)
    }
}

/// Sends `requests` as `plan` says and measures the answers.
pub(crate) fn run(plan: &Plan, requests: Arc<Vec<Request>>) -> anyhow::Result<Samples> {
    let source = Arc::new(Source { requests, next: AtomicUsize::new(0), once: plan.once });
    let threads = plan.threads.clamp(1, plan.connections.max(1));
    thread::scope(|scope| {
        let share = |number: usize| plan.connections / threads + usize::from(number < plan.connections % threads);
        let running: Vec<_> = (0..threads)
            .map(|number| {
                let (plan, source) = (plan.clone(), Arc::clone(&source));
                scope.spawn(move || thread_of(&plan, &source, share(number)))
            })
            .collect();
        let mut all = Samples::new(plan.duration);
        for thread in running {
            all.append(thread.join().map_err(|_| anyhow!("a thread of the generator panicked"))??);
        }
        Ok(all)
    })
}

fn thread_of(plan: &Plan, source: &Arc<Source>, connections: usize) -> anyhow::Result<Samples> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut wires = Vec::new();
        for _ in 0..connections {
            wires.push(open(plan).await?);
        }
        let begin = Instant::now();
        let mut running = JoinSet::new();
        for (number, wire) in wires.into_iter().enumerate() {
            let lane = Lane { plan: plan.clone(), source: Arc::clone(source), begin, number };
            running.spawn(lane.run(wire));
        }
        let mut all = Samples::new(plan.duration);
        while let Some(lane) = running.join_next().await {
            all.append(lane?);
        }
        Ok(all)
    })
}

async fn open(plan: &Plan) -> anyhow::Result<Wire> {
    let mut wire = Wire::connect(plan.address).await?;
    if let Some(login) = &plan.login {
        timeout(PATIENCE, wire.ask(login)).await.context("no answer to the bind")?.context("the first bind")?;
    }
    Ok(wire)
}

/// One connection.
struct Lane {
    plan: Plan,
    source: Arc<Source>,
    begin: Instant,
    number: usize,
}

impl Lane {
    async fn run(self, wire: Wire) -> Samples {
        let mut samples = Samples::new(self.plan.duration);
        let (from, until) = (self.begin + self.plan.warm_up, self.begin + self.plan.warm_up + self.plan.duration);
        let mut wire = Some(wire);
        let mut due = self.plan.rate.map(|_| self.first_due());
        loop {
            let mut sent = Instant::now();
            if let Some(due) = &mut due {
                // Late because of the answer before is the server's time, late by the timer is not.
                if *due > sent {
                    sleep_until((*due).into()).await;
                    sent = Instant::now();
                } else {
                    sent = *due;
                }
                *due += self.pause();
            }
            if sent >= until {
                break;
            }
            let Some(request) = self.source.next() else { break };
            let outcome = self.one(&mut wire, request).await;
            let done = Instant::now();
            match outcome {
                Ok(entries) if done >= from && done < until => samples.add(done.duration_since(sent), entries),
                Ok(_) => {}
                Err(error) => {
                    samples.fail(&error);
                    wire = None;
                    // A server that refuses is not asked as fast as it can refuse.
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
        samples
    }

    async fn one(&self, kept: &mut Option<Wire>, request: &Request) -> anyhow::Result<usize> {
        let work = async {
            if self.plan.new_connections {
                let mut wire = Wire::connect(self.plan.address).await?;
                let entries = wire.ask(request).await?;
                wire.unbind().await?;
                return Ok(entries);
            }
            if kept.is_none() {
                *kept = Some(open(&self.plan).await?);
            }
            kept.as_mut().context("a connection")?.ask(request).await
        };
        timeout(PATIENCE, work).await.context("no answer in time")?
    }

    /// The time from one request of this connection to the next.
    fn pause(&self) -> Duration {
        let rate = self.plan.rate.unwrap_or(1.0).max(0.001);
        Duration::from_secs_f64(self.plan.connections as f64 / rate)
    }

    /// Connections begin one after the other.
    fn first_due(&self) -> Instant {
        self.begin + self.pause().mul_f64(self.number as f64 / self.plan.connections.max(1) as f64)
    }
}
