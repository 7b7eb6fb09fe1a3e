//! Ostiary while others press: sign-ins on every core, thousands of idle connections, a flood of
//! garbage from another address.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::kinds::Kind;
use crate::load;
use crate::ostiary::Ostiary;
use crate::population::Population;
use crate::probe::{CONNECTIONS, Effort, Measured, Target, measure, nonce};
use crate::process::resident_mb;
use crate::report::{Goal, Table, count, time};
use crate::stats::{Figures, median};
use crate::wire::{connect, on_loopback};

/// People who sign in at once.
const SIGNING_IN: usize = 8;
/// Searches a second of applications that are busy but not at the limit.
const STEADY: f64 = 2000.0;
/// Connections that say nothing.
pub(crate) const IDLE: usize = 10_000;
/// Connections that send garbage, at once.
const GARBAGE: usize = 64;
/// Where it comes from.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// User searches while sign-ins keep every core busy: as many as go, and at a steady rate.
pub(crate) fn sign_ins(target: Target<'_>) -> anyhow::Result<(Table, Goal)> {
    let binds = Arc::new(Kind::Bind.requests(target.population, nonce()?)?);
    let searches = Arc::new(Kind::User.requests(target.population, nonce()?)?);
    let mut rows = Vec::new();
    let mut worst: f64 = 0.0;
    for (text, rate) in [("as many searches as go", None), ("2,000 searches a second", Some(STEADY))] {
        let (mut found, mut signed_in) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let busy = load::Plan { warm_up: Duration::ZERO, ..target.plan(Kind::Bind, SIGNING_IN, 4.0)? };
            let plan =
                load::Plan { rate, warm_up: Duration::from_millis(500), ..target.plan(Kind::User, CONNECTIONS, 3.0)? };
            let (figures, binds) = thread::scope(|scope| -> anyhow::Result<_> {
                let busy = scope.spawn(|| load::run(&busy, Arc::clone(&binds)));
                let (figures, _) = target.round(&plan, &searches)?;
                let binds = busy.join().map_err(|_| anyhow!("a thread panicked"))??.figures();
                Ok((figures, binds))
            })?;
            ensure!(binds.errors == 0, "a bind failed: {:?}", binds.first_error);
            found.push(figures);
            signed_in.push(binds.rate);
        }
        let of = |which: fn(&Figures) -> f64| median(found.iter().map(which));
        worst = worst.max(of(|figures| figures.p99));
        rows.push(vec![
            text.to_owned(),
            count(of(|figures| figures.rate)),
            time(of(|figures| figures.p50)),
            time(of(|figures| figures.p99)),
            count(median(signed_in.into_iter())),
        ]);
    }
    let table = Table {
        title: "User searches while sign-ins use every core",
        head: vec!["", "searches a second", "p50", "p99", "binds a second beside them"],
        rows,
        notes: vec![format!(
            "{CONNECTIONS} connections search, {SIGNING_IN} bind without a pause, each time as another person. The generator needs its \
             share of the same cores."
        )],
    };
    let text = "search p99 below 10 ms while sign-ins use every core";
    Ok((table, Goal { text, figure: time(worst), reached: worst < 10_000.0 }))
}

/// Memory and searches with 10,000 connections that were asked something once and say nothing.
pub(crate) fn idle(ostiary: &Ostiary, population: &Population) -> anyhow::Result<(Vec<Vec<String>>, Goal)> {
    let raised = vec![
        ("OSTIARY_LDAP__MAX_CONNECTIONS", (IDLE + 1000).to_string()),
        ("OSTIARY_LDAP__MAX_CONNECTIONS_PER_ADDRESS", (IDLE + 1000).to_string()),
        ("OSTIARY_LDAP__IDLE_TIMEOUT_UNBOUND", "10m".to_owned()),
    ];
    let server = Ostiary { settings: raised, ..ostiary.clone() }.start()?;
    let (address, pid) = (server.address, server.pid());
    let target = Target { name: "Ostiary", address, pid, writer: crate::population::WRITER, population };
    let search =
        || Ok::<_, anyhow::Error>(Measured::of(&measure(&[target], Kind::User, Effort::of(CONNECTIONS, 1, 2.0))?));
    let (mut without, mut with, mut cost) = (vec![search()?], Vec::new(), 0.0_f64);
    // In turn, so that whatever else the machine does meets both.
    for _ in 0..3 {
        thread::sleep(Duration::from_secs(1));
        let before = resident_mb(pid)?;
        let held = hold(address).context("10,000 connections cannot be held; ulimit -n must allow 12,000 files")?;
        thread::sleep(Duration::from_secs(1));
        cost = cost.max(resident_mb(pid)? - before);
        with.push(search()?);
        ensure!(held.len() == IDLE, "only {} connections were taken", held.len());
        check(&held)?;
        drop(held);
        thread::sleep(Duration::from_secs(1));
        without.push(search()?);
    }
    server.stop()?;
    // Each beside those before and after it.
    let around = without.windows(2).map(|pair| pair.iter().map(|one| one.rate).sum::<f64>() / 2.0);
    let share = median(with.iter().zip(around).map(|(with, without)| with.rate / without));
    let (with, alone) = (Measured::of(&with), Measured::of(&without));
    let row = |text: &str, one: &Measured, rest: String| vec![text.to_owned(), count(one.rate), time(one.p99), rest];
    let rows = vec![
        row("nothing else", &alone, format!("{:.1} µs of processor time", alone.processor)),
        row(
            "10,000 idle connections",
            &with,
            format!("{:.1} µs of processor time; {cost:.0} MB more resident memory", with.processor),
        ),
    ];
    let text = "10,000 idle connections cost less than 100 MB and do not slow a search (by a tenth at most)";
    let figure = format!("{cost:.0} MB, {:.0} % of the searches", share * 100.0);
    Ok((rows, Goal { text, figure, reached: cost < 100.0 && share >= 0.9 }))
}

/// Connections that have asked for the root DSE once.
fn hold(address: SocketAddr) -> anyhow::Result<Vec<TcpStream>> {
    on_loopback(address)?;
    let population = Population::new("dc=localhost", 0);
    let request = Kind::RootDse.requests(&population, 0)?.pop().context("a request")?;
    let mut bytes = Vec::new();
    request.write(crate::request::FIRST_ID, &mut bytes);
    let mut held = Vec::with_capacity(IDLE);
    let mut answer = [0; 4096];
    for _ in 0..IDLE {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&bytes)?;
        ensure!(stream.read(&mut answer)? > 0, "connection {} was closed", held.len());
        held.push(stream);
    }
    Ok(held)
}

/// Sees that they are all still open.
fn check(held: &[TcpStream]) -> anyhow::Result<()> {
    for (number, stream) in held.iter().enumerate() {
        stream.set_nonblocking(true)?;
        let closed = stream.peek(&mut [0]).is_ok_and(|bytes| bytes == 0);
        ensure!(!closed, "the server closed connection {number} in the meantime");
    }
    Ok(())
}

/// Searches and new connections from 127.0.0.1 while 127.0.0.2 sends garbage as fast as it can,
/// under the server's usual limits.
pub(crate) fn garbage(target: Target<'_>) -> anyhow::Result<(Vec<Vec<String>>, Goal)> {
    let searches = Arc::new(Kind::User.requests(target.population, nonce()?)?);
    let greetings = Arc::new(Kind::RootDse.requests(target.population, nonce()?)?);
    let plan = target.plan(Kind::User, CONNECTIONS, 3.0)?;
    let newcomers = load::Plan { new_connections: true, rate: Some(100.0), ..target.plan(Kind::RootDse, 4, 3.0)? };
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicUsize::new(0));
    let (figures, newcomers) = thread::scope(|scope| -> anyhow::Result<_> {
        let (stop_flood, sent) = (Arc::clone(&stop), Arc::clone(&sent));
        let flood = scope.spawn(move || flood(target.address, &stop_flood, &sent));
        thread::sleep(Duration::from_millis(500));
        let coming = scope.spawn(|| load::run(&newcomers, Arc::clone(&greetings)));
        let outcome = target.round(&plan, &searches);
        let coming = coming.join().map_err(|_| anyhow!("a thread panicked"))?;
        stop.store(true, Ordering::Relaxed);
        flood.join().map_err(|_| anyhow!("a thread panicked"))??;
        Ok((outcome?.0, coming?.figures()))
    })?;
    let floods = sent.load(Ordering::Relaxed) as f64 / 3.8;
    let share = newcomers.operations as f64 / (newcomers.operations + newcomers.errors).max(1) as f64;
    let rows = vec![vec![
        "garbage from 127.0.0.2".to_owned(),
        count(figures.rate),
        time(figures.p99),
        format!(
            "{} garbage connections a second; {:.1} % of 100 new connections a second from 127.0.0.1 were answered, p99 {}",
            count(floods),
            share * 100.0,
            time(newcomers.p99)
        ),
    ]];
    let text = "a flood of garbage from one address does not lock out another";
    let figure = format!(
        "no search lost, {} a second, p99 {}; {:.1} % of new connections answered",
        count(figures.rate),
        time(figures.p99),
        share * 100.0
    );
    Ok((rows, Goal { text, figure, reached: newcomers.errors == 0 && figures.p99 < 50_000.0 }))
}

/// Garbage until `stop`: HTTP, TLS, lengths of gigabytes, noise, a request that never ends, and
/// nothing at all.
fn flood(address: SocketAddr, stop: &Arc<AtomicBool>, sent: &Arc<AtomicUsize>) -> anyhow::Result<()> {
    const GARBAGE_BYTES: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01\x63\x84\x7f\xff\xff\xf0",
        b"\x30\x0c\x02\x01\x01\x63\x07\x30\x80\xff\x00\xff\x00\xff",
        b"\x30\x50\x02\x01\x01\x60\x4b\x02\x01\x03",
        b"",
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for number in 0..GARBAGE {
            let (stop, sent) = (Arc::clone(stop), Arc::clone(sent));
            running.spawn(async move {
                let mut round = number;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    // Refused or cut off is what it deserves.
                    let bytes = GARBAGE_BYTES.get(round % GARBAGE_BYTES.len()).copied().unwrap_or_default();
                    let _ = garbage_once(address, bytes).await;
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while running.join_next().await.is_some() {}
    });
    Ok(())
}

async fn garbage_once(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<()> {
    let mut stream = connect(address, Some(STRANGER)).await?;
    stream.set_zero_linger()?;
    stream.write_all(bytes).await?;
    // Waits for the server to close, a little.
    let mut room = [0; 512];
    while timeout(Duration::from_millis(100), stream.read(&mut room))
        .await
        .is_ok_and(|read| read.is_ok_and(|read| read > 0))
    {}
    Ok(())
}
