//! Two processes on one database: one of them orders, either answers the authority, both serve what
//! comes of it, and whoever is left goes on when the other is killed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Ostiary, Pair, Pebble, eventually};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::acme::{HOSTS, is_served, ordering_from};

/// Stands where an authority looks and leads it on, to whom a test says. Until then it is held.
struct Gateway {
    port: u16,
    target: watch::Sender<Option<SocketAddr>>,
    visits: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Gateway {
    async fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let ((target, led), (visited, visits), mut tasks) = (watch::channel(None), watch::channel(0), JoinSet::new());
        tasks.spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                visited.send_modify(|count| *count += 1);
                let mut led = led.clone();
                running.spawn(async move {
                    let Ok(target) = led.wait_for(Option::is_some).await.map(|target| *target) else { return };
                    let Some(target) = target else { return };
                    if let Ok(mut onward) = TcpStream::connect(target).await {
                        let _ = copy_bidirectional(&mut stream, &mut onward).await;
                    }
                });
            }
        });
        Ok(Self { port, target, visits, _tasks: tasks })
    }

    fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }

    /// Waits until somebody has come.
    async fn visited(&self) -> Result<()> {
        let mut visits = self.visits.clone();
        tokio::time::timeout(Duration::from_secs(20), visits.wait_for(|count| *count > 0)).await??;
        Ok(())
    }
}

/// Two processes, the first of which orders, and an authority that looks at the gateways.
struct House {
    first: Ostiary,
    second: Ostiary,
    pebble: Pebble,
    http: Gateway,
    tls: Gateway,
    _folder: TempDir,
}

impl House {
    async fn start(challenge: &str, cache: Option<&str>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (http, tls) = (Gateway::open().await?, Gateway::open().await?);
        let pebble = Pebble::start(folder.path(), (http.port, tls.port), Duration::from_secs(3_600))?;
        let setup = || {
            let setup = ordering_from(Pair::Servers, &pebble, challenge);
            match cache {
                Some(cache) => setup.with("OSTIARY_CACHE__URL", cache),
                None => setup,
            }
        };
        let first = setup().start().await?;
        eventually("the first to order", async || Ok(first.log().contains("this node orders").then_some(()))).await?;
        let database = first.postgres_url().context("no database")?.to_owned();
        let mut second = setup().with("OSTIARY_DATABASE__URL", &database).prepare().await?;
        std::fs::create_dir_all(second.data_dir())?;
        std::fs::copy(first.data_dir().join("master.key"), second.data_dir().join("master.key"))?;
        second.start_again()?;
        Ok(Self { first, second, pebble, http, tls, _folder: folder })
    }

    /// Whoever does not order is looked at.
    fn lead_to_the_second(&self) -> Result<()> {
        self.http.lead_to(self.second.http_address()?);
        self.tls.lead_to(self.second.https_address()?);
        Ok(())
    }

    /// Waits until both hosts are served by this one.
    async fn until_served_by(&self, ostiary: &Ostiary, patience: Duration) -> Result<()> {
        let (begun, root) = (Instant::now(), self.pebble.root()?);
        for host in HOSTS {
            while !is_served(ostiary, host, &root).await? {
                ensure!(begun.elapsed() < patience, "{host} is not served\n{}", ostiary.log());
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Ok(())
    }
}

async fn order_once_and_either_answers(challenge: &str, cache: Option<&str>) -> Result<()> {
    let house = House::start(challenge, cache).await?;
    house.lead_to_the_second()?;
    for ostiary in [&house.first, &house.second] {
        house.until_served_by(ostiary, Duration::from_secs(15)).await?;
    }
    ensure!(!house.second.log().contains("this node orders"), "both order");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((house.pebble.orders()?, house.pebble.issued()?), (1, 1));
    Ok(())
}

#[tokio::test]
async fn two_processes_order_once_and_either_answers_over_tls() -> Result<()> {
    order_once_and_either_answers("tls-alpn-01", None).await
}

#[tokio::test]
async fn two_processes_order_once_and_either_answers_over_http() -> Result<()> {
    order_once_and_either_answers("http-01", Some("memory:")).await
}

/// Takes half a minute: a node is taken for dead after three beats of ten seconds.
#[tokio::test]
async fn the_other_goes_on_with_the_order_when_the_one_that_orders_is_killed() -> Result<()> {
    let mut house = House::start("http-01", None).await?;
    // The authority has been called and is on its way to look.
    house.http.visited().await?;
    house.first.kill();
    house.lead_to_the_second()?;
    house.until_served_by(&house.second, Duration::from_secs(55)).await?;
    ensure!(house.second.log().contains("going on with an order"), "{}", house.second.log());
    assert_eq!((house.pebble.orders()?, house.pebble.issued()?), (1, 1));
    Ok(())
}
