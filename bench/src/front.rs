//! Ostiary beside Caddy in front of HTTPS: the same certificate, page, headers and service behind
//! them, both on one core, the load on the other, measured in turn. A goal that is missed is a line
//! in the report; what cannot be measured is an error, and so is a wrong answer.

use std::fs::{create_dir_all, read_to_string, write};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::Front;
use crate::caddy::{Caddy, RESPOND};
use crate::front_load::{Asked, CORE, Kind, Loads};
use crate::front_report::{Cell, Memory, Row, report};
use crate::handshakes;
use crate::ostiary::{Ostiary, Serving};
use crate::population::Population;
use crate::process::{Running, busy_share, processor_seconds};

/// Where Ostiary's own page is.
pub(crate) const OWN: &str = "accounts.bench.test";
/// What is forwarded.
pub(crate) const SITE: &str = "wiki.bench.test";
/// The page that is next to 1 KB; it takes the way of every page, with all headers.
const PAGE: &str = "/.well-known/openid-configuration";
/// Bytes that the service behind them answers with.
const UPSTREAM: usize = 1024;
/// People in the directory of one Ostiary.
const PEOPLE: u32 = 1000;
/// How long nothing is done before memory is looked at.
const REST: Duration = Duration::from_secs(3);

/// A program that is measured.
struct Server {
    name: &'static str,
    port: u16,
    pid: u32,
}

/// What is measured, and of whom: places in the list of servers, and what each is asked for.
struct Plan {
    title: &'static str,
    kind: Kind,
    name: &'static str,
    cells: Vec<(usize, &'static str, usize)>,
}

/// Does all of it.
pub(crate) fn run(settings: &Front) -> anyhow::Result<()> {
    create_dir_all(&settings.work)?;
    let work = settings.work.canonicalize()?;
    let others = busy_share(2.0)?;
    if others > 0.05 {
        eprintln!("other programs use {:.0} % of the processors: the figures will be worth little", others * 100.0);
    }
    certificate(&work)?;
    let loads = Loads::new(&work)?;
    let pids = work.join("pids");
    let (upstream, behind) = upstream(&pids)?;

    let [fresh, filled] = ostiaries(settings, &work, behind)?;
    let (port, quiet_port) = (free_port()?, free_port()?);
    let telling = start(&fresh, &work, port, "info")?;
    let quiet = start(&filled, &work, quiet_port, "warn")?;
    let page = handshakes::page(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), OWN, PAGE).context("Ostiary's page")?;
    let caddy_port = free_port()?;
    let binary = settings.caddy.canonicalize().context("the Caddy to measure")?;
    let folder = work.join("caddy");
    let caddy = Caddy { binary: &binary, folder, certificates: &work, port: caddy_port, upstream: behind };
    let beside = caddy.start(PAGE, &page, &pids)?;
    let servers = [
        Server { name: "Ostiary", port, pid: telling.pid() },
        Server { name: "Ostiary without access log", port: quiet_port, pid: quiet.pid() },
        Server { name: "Caddy", port: caddy_port, pid: beside.pid() },
    ];
    same_page(&servers, &page.body)?;
    sleep(REST);
    let mut memory = Memory::idle(servers.each_ref().map(|server| server.pid))?;

    let plans = plans(page.body.len());
    let mut rows: Vec<Row> = plans.iter().map(Plan::row).collect();
    for round in 0..=settings.rounds {
        eprintln!("round {round} of {}", settings.rounds);
        for (plan, row) in plans.iter().zip(&mut rows) {
            for ((at, path, length), cell) in plan.cells.iter().zip(&mut row.cells) {
                let server = servers.get(*at).context("a server")?;
                let asked = Asked { port: server.port, name: plan.name, path, length: *length };
                let seconds = if round == 0 { 1 } else { settings.seconds };
                let before = processor_seconds(server.pid)?;
                let counted = loads.run(plan.kind, asked, seconds).with_context(|| server.name)?;
                if round > 0 {
                    cell.add(counted, processor_seconds(server.pid)? - before);
                }
            }
        }
    }
    memory.after_load()?;
    same_page(&servers, &page.body)?;
    sleep(REST);
    memory.rested()?;

    let versions = vec![
        format!("{}; Caddy {}", fresh.version()?, version(&binary)?),
        format!("Other programs used {:.0} % of the processors before the run; {}", others * 100.0, load_average()?),
    ];
    let report = report(versions, &rows, &memory, settings, page.body.len());
    report.write(&settings.out)?;
    println!("{}", report.goals());
    beside.stop()?;
    quiet.stop()?;
    telling.stop()?;
    upstream.stop()
}

fn plans(page: usize) -> Vec<Plan> {
    // Ostiary, Ostiary without access log, Caddy with a file, Caddy with `respond`.
    let of_page = |title, kind| Plan {
        title,
        kind,
        name: OWN,
        cells: vec![(0, PAGE, page), (1, PAGE, page), (2, PAGE, page), (2, RESPOND, page)],
    };
    let shaken = |title, exchange| Plan {
        title,
        kind: Kind::Handshake(exchange),
        name: OWN,
        cells: vec![(0, PAGE, page), (1, PAGE, page), (2, PAGE, page)],
    };
    let passed_on = |title, kind| Plan {
        title,
        kind,
        name: SITE,
        cells: vec![(0, "/", UPSTREAM), (1, "/", UPSTREAM), (2, "/", UPSTREAM)],
    };
    vec![
        of_page("a page over HTTP/1.1, kept connections", Kind::Http1),
        of_page("a page over HTTP/2, kept connections", Kind::Http2),
        shaken("a page and a whole handshake each, X25519", "classic"),
        shaken("a page and a whole handshake each, X25519MLKEM768", "hybrid"),
        passed_on("passed on to a service, HTTP/1.1", Kind::Http1),
        passed_on("passed on to a service, HTTP/2", Kind::Http2),
    ]
}

impl Plan {
    fn row(&self) -> Row {
        Row { title: self.title, cells: self.cells.iter().map(|_| Cell::default()).collect() }
    }
}

/// Whether everybody answers the page, and the service's behind them.
fn same_page(servers: &[Server], page: &[u8]) -> anyhow::Result<()> {
    for server in servers {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
        let own = handshakes::page(address, OWN, PAGE).with_context(|| server.name)?;
        // It names its own port.
        ensure!(own.body.len() == page.len(), "{} has another page", server.name);
        let passed_on = handshakes::page(address, SITE, "/").with_context(|| server.name)?;
        ensure!(passed_on.body.len() == UPSTREAM, "{} does not pass on what the service says", server.name);
    }
    Ok(())
}

/// Makes the certificate that both serve: ECDSA over P-256, by itself.
fn certificate(work: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]);
    command.args(["-subj", &format!("/CN={OWN}"), "-addext", "basicConstraints=critical,CA:FALSE"]);
    command.args(["-addext", &format!("subjectAltName=DNS:{OWN},DNS:directory.bench.test,DNS:{SITE}")]);
    command.arg("-out").arg(work.join("cert.pem")).arg("-keyout").arg(work.join("key.pem"));
    let made = command.output().context("openssl cannot be run")?;
    ensure!(made.status.success(), "no certificate: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// The service behind both, on the core of the load.
fn upstream(pids: &Path) -> anyhow::Result<(Running, SocketAddr)> {
    let mut command = Command::new("taskset");
    command.args(["-c", CORE]).arg(std::env::current_exe()?).args(["upstream", "--length", &UPSTREAM.to_string()]);
    let mut running = Running::start(command.stdout(Stdio::piped()), pids)?;
    let mut line = String::new();
    BufReader::new(running.child().stdout.take().context("its output")?).read_line(&mut line)?;
    Ok((running, line.trim().parse().context("the service did not say where it is")?))
}

/// Ostiary with the site: one that was just set up, and one with people.
fn ostiaries(settings: &Front, work: &Path, behind: SocketAddr) -> anyhow::Result<[Ostiary; 2]> {
    let file =
        format!("[site]\ndomain = \"bench.test\"\n\n[[sites]]\nhost = \"{SITE}\"\nupstream = \"http://{behind}\"\n");
    write(work.join("ostiary.toml"), file)?;
    let binary = settings.ostiary.canonicalize().context("the Ostiary to measure")?;
    let filled = Ostiary::filled(&binary, work, &Population::new("dc=bench,dc=test", PEOPLE))?;
    let fresh = Ostiary { data: work.join("ostiary-fresh"), ..filled.clone() };
    // The first start makes keys and tables.
    fresh.start()?.stop()?;
    Ok([fresh, filled])
}

fn start(ostiary: &Ostiary, work: &Path, port: u16, level: &str) -> anyhow::Result<Serving> {
    let settings = vec![
        ("OSTIARY_HTTPS__MODE", "files".to_owned()),
        ("OSTIARY_HTTPS__LISTEN", format!("127.0.0.1:{port}")),
        ("OSTIARY_HTTPS__CERTIFICATE_FILE", work.join("cert.pem").display().to_string()),
        ("OSTIARY_HTTPS__KEY_FILE", work.join("key.pem").display().to_string()),
        ("OSTIARY_LOG__LEVEL", level.to_owned()),
    ];
    Ostiary { settings, ..ostiary.clone() }.start()
}

/// A port that was free just now.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn version(caddy: &Path) -> anyhow::Result<String> {
    let output = Command::new(caddy).arg("version").output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    Ok(told.split_whitespace().next().unwrap_or_default().to_owned())
}

/// As `uptime` has it.
fn load_average() -> anyhow::Result<String> {
    let told = read_to_string("/proc/loadavg")?;
    Ok(format!("load average {}", told.split(' ').take(3).collect::<Vec<_>>().join(" ")))
}
