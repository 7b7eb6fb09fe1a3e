//! Those who send too much, too slowly, or hang up.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ldap3_proto::proto::{LdapOp, LdapResultCode, LdapSearchScope};
use ostiary_tests::{Pair, Setup, eventually};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::{BASE, House, Wire, bind, encoded, equal, everything, person_query, query};

#[tokio::test]
async fn messages_may_be_longer_after_a_bind() -> Result<()> {
    let house = House::start(Setup::on(Pair::Embedded)).await?;
    let long = |bytes: usize| {
        LdapOp::SearchRequest(query(BASE, LdapSearchScope::Subtree, equal("cn", &"x".repeat(bytes)), &[]))
    };
    let mut wire = house.wire().await?;
    wire.bytes(&encoded(1, long(9_000), Vec::new())?).await?;
    assert_eq!(wire.goodbye().await?, LdapResultCode::ProtocolError);
    let mut wire = house.bound(&house.svc).await?;
    wire.send(long(1_000_000), Vec::new()).await?;
    assert!(matches!(wire.receive().await?.context("closed")?.op, LdapOp::SearchResultDone(_)));
    // Refused by its header: the rest need not be sent.
    wire.bytes(b"\x30\x83\x11\x00\x00").await?;
    assert_eq!(wire.goodbye().await?, LdapResultCode::ProtocolError);
    // A failed bind takes the right away again.
    let mut wire = house.bound(&house.svc).await?;
    wire.bind(&house.ostiary.person_dn("svc")?, "wrong").await?;
    wire.bytes(b"\x30\x82\x20\x00").await?;
    assert_eq!(wire.goodbye().await?, LdapResultCode::ProtocolError);
    Ok(())
}

#[tokio::test]
async fn the_slow_are_not_waited_for() -> Result<()> {
    let setup = Setup::on(Pair::Embedded)
        .with("OSTIARY_LDAP__IDLE_TIMEOUT_UNBOUND", "1s")
        .with("OSTIARY_LDAP__IDLE_TIMEOUT", "2s")
        .with("OSTIARY_LDAP__TRANSFER_TIMEOUT", "1s");
    let house = House::start(setup).await?;
    let begun = Instant::now();
    let mut silent = house.wire().await?;
    ensure!(silent.receive().await?.is_none());
    ensure!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());

    // A byte now and then does not keep the door open.
    let mut dripping = house.wire().await?;
    let message = encoded(1, bind("uid=bob,ou=people,dc=localhost", "x"), Vec::new())?;
    let begun = Instant::now();
    for byte in message.iter().take(20) {
        if dripping.bytes(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    ensure!(!matches!(dripping.receive().await, Ok(Some(_))), "it was cut");
    ensure!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    let mut bound = house.bound(&house.svc).await?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(bound.search(person_query("bob"), Vec::new()).await?.entries.len(), 1, "longer than without a bind");
    ensure!(bound.receive().await?.is_none(), "but not for ever");

    // Who asks and never reads is left when the answer cannot be delivered.
    let mut deaf = house.bound(&house.svc).await?;
    let mut request = everything(BASE);
    request.attrs = vec!["*".into(), "+".into()];
    let question = encoded(1, LdapOp::SearchRequest(request), Vec::new())?;
    let flood = async { while deaf.bytes(&question).await.is_ok() {} };
    ensure!(tokio::time::timeout(Duration::from_secs(20), flood).await.is_ok(), "it was never cut");
    Ok(())
}

#[tokio::test]
async fn hanging_up_leaves_nothing_behind_and_nobody_takes_all_places() -> Result<()> {
    const MOST: usize = 5;
    let setup = Setup::on(Pair::Embedded).with("OSTIARY_LDAP__MAX_CONNECTIONS_PER_ADDRESS", &MOST.to_string());
    let house = House::start(setup).await?;
    let address = house.ostiary.ldap_address()?;
    let message = encoded(1, bind(&house.ostiary.person_dn("bob")?, &house.bob.password), Vec::new())?;
    for round in 0..60 {
        let mut wire = Wire::connect(address).await?;
        // In the middle of a message, after a bind that is not waited for, before anything.
        let cut = if round % 3 == 2 { message.len() } else { round % message.len() };
        let _ = wire.bytes(&message[..cut]).await;
        drop(wire);
    }
    let mut held = Vec::new();
    for _ in 0..MOST {
        held.push(
            eventually("a place", async || {
                let mut wire = Wire::connect(address).await?;
                let found =
                    wire.search(query("", LdapSearchScope::Base, equal("objectClass", "top"), &[]), Vec::new()).await;
                Ok(found.is_ok().then_some(wire))
            })
            .await?,
        );
    }
    let mut extra = TcpStream::connect(address).await?;
    ensure!(!matches!(extra.read(&mut [0]).await, Ok(1..)), "one too many is closed without a word");
    held.pop();
    eventually("the place that was left", async || Ok(house.bound(&house.svc).await.ok())).await?;
    Ok(())
}
