//! Many at once: requests on one connection, answers that nobody wants any more, connections that
//! say nothing, and floods.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ldap3_proto::proto::{LdapExtendedRequest, LdapMsg, LdapOp, LdapResultCode, LdapSearchRequest, LdapSearchScope};
use ostiary_tests::{Pair, Setup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::speed::populate;
use super::{BASE, House, Wire, bind, encoded, equal, everything, person_query, query, result_of};

fn root() -> LdapOp {
    LdapOp::SearchRequest(query("", LdapSearchScope::Base, equal("objectClass", "top"), &["1.1"]))
}

async fn from(own: &str, to: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(own.parse()?, 0))?;
    Ok(socket.connect(to).await?)
}

/// Reads until the answer to `id` has ended; gives all that was heard.
async fn until(wire: &mut Wire, id: i32) -> Result<Vec<LdapMsg>> {
    let mut heard = Vec::new();
    loop {
        let message = wire.receive().await?.context("closed")?;
        let is_last = message.msgid == id && !matches!(message.op, LdapOp::SearchResultEntry(_));
        heard.push(message);
        if is_last {
            return Ok(heard);
        }
    }
}

/// A house full of people with long names, and a connection that takes little at a time: its
/// answers do not fit into what the system keeps on the way.
async fn long_answers() -> Result<(House, Wire, LdapOp)> {
    let house = House::start(Setup::on(Pair::Embedded)).await?;
    populate(&house, 8_000).await?;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(256 * 1024)?;
    let mut wire = Wire::on(socket.connect(house.ostiary.ldap_address()?).await?);
    let code = wire.bind(&house.ostiary.person_dn("svc")?, &house.svc.password).await?;
    ensure!(code == LdapResultCode::Success);
    let begun = Instant::now();
    while wire.search(person_query("user0999"), Vec::new()).await?.entries.is_empty() {
        ensure!(begun.elapsed() < Duration::from_secs(20), "the last of them is never seen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut request = everything(BASE);
    request.attrs = vec!["cn".into(), "displayName".into()];
    Ok((house, wire, LdapOp::SearchRequest(request)))
}

#[tokio::test]
async fn what_is_abandoned_ends_without_an_answer() -> Result<()> {
    let (_house, mut wire, listing) = long_answers().await?;
    let whole = {
        let id = wire.send(listing.clone(), Vec::new()).await?;
        until(&mut wire, id).await?.len()
    };
    ensure!(whole > 1000, "{whole} messages");

    // Abandoned while it is sent; another one that waits behind it; one that is not abandoned.
    let first = wire.send(listing.clone(), Vec::new()).await?;
    wire.receive().await?.context("closed")?;
    let second = wire.send(listing.clone(), Vec::new()).await?;
    let third = wire.send(root(), Vec::new()).await?;
    wire.send(LdapOp::AbandonRequest(second), Vec::new()).await?;
    wire.send(LdapOp::AbandonRequest(first), Vec::new()).await?;
    let heard = until(&mut wire, third).await?;
    let of = |id: i32| heard.iter().filter(|message| message.msgid == id).count();
    ensure!(of(first) < whole - 100, "{} of {whole} messages were sent", of(first));
    ensure!(
        !heard.iter().any(|message| message.msgid == first && matches!(message.op, LdapOp::SearchResultDone(_))),
        "an abandoned search has no end"
    );
    assert_eq!((of(second), of(third)), (0, 2));

    // Abandoning something else changes nothing.
    let id = wire.send(listing, Vec::new()).await?;
    wire.send(LdapOp::AbandonRequest(id + 50), Vec::new()).await?;
    assert_eq!(until(&mut wire, id).await?.len(), whole);
    Ok(())
}

#[tokio::test]
async fn a_search_that_takes_too_long_ends_with_what_was_found() -> Result<()> {
    let (_house, mut wire, listing) = long_answers().await?;
    let LdapOp::SearchRequest(request) = listing else { bail!("{listing:?}") };
    let whole = wire.search(request.clone(), Vec::new()).await?;
    let request = LdapSearchRequest { timelimit: 1, ..request };
    let id = wire.send(LdapOp::SearchRequest(request), Vec::new()).await?;
    // Until the time is over nothing is taken, so that most of it cannot be sent before.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let heard = until(&mut wire, id).await?;
    let (last, found) = heard.split_last().context("nothing")?;
    assert_eq!(result_of(&last.op)?.code, LdapResultCode::TimeLimitExceeded);
    ensure!(!found.is_empty() && found.len() < whole.entries.len(), "{} of {}", found.len(), whole.entries.len());
    Ok(())
}

#[tokio::test]
async fn a_bind_waits_for_the_search_before_it_and_an_unbind_does_not() -> Result<()> {
    let (house, mut wire, listing) = long_answers().await?;
    let search = wire.send(listing.clone(), Vec::new()).await?;
    let rebind = wire.send(bind(&house.ostiary.person_dn("svc")?, &house.svc.password), Vec::new()).await?;
    let heard = until(&mut wire, rebind).await?;
    let (last, before) = heard.split_last().context("nothing")?;
    assert!(before.iter().all(|message| message.msgid == search) && before.len() > 1000);
    assert!(matches!(last.op, LdapOp::BindResponse(_)));

    let search = wire.send(listing, Vec::new()).await?;
    wire.receive().await?.context("closed")?;
    wire.send(LdapOp::UnbindRequest, Vec::new()).await?;
    let mut ended = false;
    while let Ok(Some(message)) = wire.receive().await {
        ended |= message.msgid == search && matches!(message.op, LdapOp::SearchResultDone(_));
    }
    ensure!(!ended, "the search went on to its end");
    Ok(())
}

#[tokio::test]
async fn small_requests_together_are_answered_together() -> Result<()> {
    const MANY: i32 = 60;
    let house = House::start(Setup::on(Pair::Embedded)).await?;
    let mut wire = house.bound(&house.svc).await?;
    let who = || LdapOp::ExtendedRequest(LdapExtendedRequest { name: "1.3.6.1.4.1.4203.1.11.3".into(), value: None });
    let mut requests = Vec::new();
    for id in 1..=MANY {
        requests.extend_from_slice(&encoded(id, who(), Vec::new())?);
    }
    wire.bytes(&requests).await?;
    let (mut reads, mut answers) = (0, Vec::new());
    // The last answer is as long as the first, save for the id.
    let mut bytes = vec![0; 64 * 1024];
    while answers.iter().filter(|message: &&LdapMsg| message.msgid == MANY).count() == 0 {
        let count = wire.stream.read(&mut bytes).await?;
        ensure!(count > 0, "closed");
        reads += 1;
        wire.input.extend_from_slice(&bytes[..count]);
        let mut codec = ldap3_proto::LdapCodec::default();
        while let Some(message) = tokio_util::codec::Decoder::decode(&mut codec, &mut wire.input)? {
            answers.push(message);
        }
    }
    let ids: Vec<i32> = answers.iter().map(|message| message.msgid).collect();
    assert_eq!(ids, (1..=MANY).collect::<Vec<_>>());
    ensure!(reads <= 4, "{MANY} answers came in {reads} parts");
    Ok(())
}

/// What the process holds in memory, in KiB.
fn resident(house: &House) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", house.ostiary.pid()?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[tokio::test]
async fn idle_connections_cost_little_and_slow_nobody() -> Result<()> {
    const MANY: usize = 1_000;
    let house = House::start(Setup::on(Pair::Embedded)).await?;
    let address = house.ostiary.ldap_address()?;
    let mut wire = house.bound(&house.svc).await?;
    wire.search(person_query("bob"), Vec::new()).await?;
    let before = resident(&house)?;
    let mut idle = Vec::new();
    for number in 0..MANY {
        // From several addresses, since one may not hold so many; half of them have said something.
        let mut stream = from(&format!("127.0.1.{}", 1 + number % 4), address).await?;
        if number % 2 == 0 {
            stream.write_all(&encoded(1, root(), Vec::new())?).await?;
            ensure!(stream.read(&mut [0; 256]).await? > 0);
        }
        idle.push(stream);
    }
    // Buffers go when nothing has come for a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let each = resident(&house)?.saturating_sub(before) * 1024 / u64::try_from(MANY)?;
    ensure!(each < 10_000, "an idle connection costs {each} bytes");
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(wire.search(person_query("bob"), Vec::new()).await?.entries.len(), 1);
    }
    ensure!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_flood_from_one_address_does_not_keep_others_out() -> Result<()> {
    let setup = Setup::on(Pair::Embedded)
        .with("OSTIARY_LDAP__MAX_CONNECTIONS", "40")
        .with("OSTIARY_LDAP__MAX_CONNECTIONS_PER_ADDRESS", "30");
    let house = House::start(setup).await?;
    let address = house.ostiary.ldap_address()?;
    // Bound before: it keeps its place whatever comes.
    let mut early = house.bound(&house.svc).await?;
    let flood = |own: &'static str, bytes: &'static [u8]| {
        tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                if let Ok(mut stream) = from(own, address).await {
                    let _ = stream.write_all(bytes).await;
                    held.push(stream);
                }
                if held.len() > 200 {
                    held.drain(..100);
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let floods = [
        flood("127.0.0.2", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        flood("127.0.0.3", b"\x30\x84\x7f\xff\xff\xff"),
        flood("127.0.0.4", b""),
        flood("127.0.0.5", b"\x16\x03\x01\x02\x00\x01"),
    ];
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..10 {
        let begun = Instant::now();
        let mut wire = house.bound(&house.svc).await.context("somebody was kept out")?;
        assert_eq!(wire.search(person_query("bob"), Vec::new()).await?.entries.len(), 1);
        assert_eq!(early.search(person_query("bob"), Vec::new()).await?.entries.len(), 1);
        ensure!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
    floods.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}
