//! Connections that outlive what they were opened with: the account, its password, its rights,
//! the server.

use anyhow::{Result, ensure};
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapOp, LdapResultCode};
use ostiary_tests::{Pair, Setup, eventually, on_both_pairs};

use super::{BASE, House, Wire, everything, person_query};

on_both_pairs!(
    what_ends_an_account_ends_its_connections,
    rights_hold_from_one_operation_to_the_next,
    what_was_set_a_moment_ago_binds,
    commands_are_seen_by_those_who_are_bound,
    the_server_says_goodbye,
);

/// Searches until the connection is ended; gives the reason.
async fn until_the_end(wire: &mut Wire) -> Result<LdapResultCode> {
    for _ in 0..500 {
        wire.send(LdapOp::SearchRequest(person_query("bob")), Vec::new()).await?;
        loop {
            let Some(message) = wire.receive().await? else { anyhow::bail!("closed without a word") };
            match message.op {
                LdapOp::ExtendedResponse(notice) => {
                    ensure!(message.msgid == 0);
                    ensure!(wire.receive().await?.is_none(), "still open");
                    return Ok(notice.res.code);
                }
                LdapOp::SearchResultDone(_) => break,
                _ => {}
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    anyhow::bail!("the connection goes on")
}

async fn what_ends_an_account_ends_its_connections(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair)).await?;
    for (name, arguments, stdin) in [
        ("one", &["user", "disable", "one"][..], ""),
        ("two", &["user", "delete", "two"], ""),
        ("three", &["user", "set-password", "three", "--password-stdin"], "another long password\n"),
        ("four", &["user", "reset-factors", "four"], ""),
    ] {
        let person = house.ostiary.add_person(name, &["lldap_strict_readonly"]).await?;
        let mut wire = house.bound(&person).await?;
        assert_eq!(wire.search(person_query("bob"), Vec::new()).await?.entries.len(), 1);
        house.ostiary.cli_with(arguments, stdin).await?;
        assert_eq!(until_the_end(&mut wire).await?, LdapResultCode::Unavailable, "{arguments:?}");
        if name != "four" {
            let mut wire = house.wire().await?;
            let code = wire.bind(&house.ostiary.person_dn(name)?, &person.password).await?;
            assert_eq!(code, LdapResultCode::InvalidCredentials, "{arguments:?}");
        }
    }
    Ok(())
}

async fn rights_hold_from_one_operation_to_the_next(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair)).await?;
    let mut wire = house.bound(&house.svc).await?;
    let page = |cookie| vec![LdapControl::SimplePagedResults { size: 4, cookie }];
    let first = wire.search(everything(BASE), page(Vec::new())).await?;
    let [LdapControl::SimplePagedResults { cookie, .. }] = &first.controls[..] else { panic!("{:?}", first.controls) };
    house.ostiary.cli(&["group", "remove-member", "lldap_strict_readonly", "svc"]).await?;
    let mut searches = 0;
    while !wire.search(person_query("bob"), Vec::new()).await?.entries.is_empty() {
        searches += 1;
        ensure!(searches < 500, "the right was never lost");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // The rest of a search that began with the right shows what is left without it.
    let rest = wire.search(everything(BASE), page(cookie.clone())).await?;
    assert_eq!(rest.names(), ["uid=svc,ou=people,dc=localhost"]);
    Ok(())
}

async fn what_was_set_a_moment_ago_binds(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair)).await?;
    for round in 0..5 {
        let password = format!("password number {round}");
        house.ostiary.cli_with(&["user", "set-password", "svc", "--password-stdin"], &format!("{password}\n")).await?;
        let mut wire = house.wire().await?;
        assert_eq!(wire.bind(&house.ostiary.person_dn("svc")?, &password).await?, LdapResultCode::Success);
        assert_eq!(wire.search(person_query("svc"), Vec::new()).await?.entries.len(), 1, "round {round}");
        // Somebody new, not heard of yet.
        let new = house.ostiary.add_person(&format!("new{round}"), &[]).await?;
        assert_eq!(house.bound(&new).await?.search(person_query(&new.username), Vec::new()).await?.entries.len(), 1);
    }
    Ok(())
}

async fn commands_are_seen_by_those_who_are_bound(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair)).await?;
    house.ostiary.cli(&["user", "add", "dora", "--email", "dora@example.tld", "--group", "Staff, all"]).await?;
    eventually("dora", async || {
        let found = house.bound(&house.svc).await?.search(person_query("dora"), Vec::new()).await?;
        Ok((found.entries.len() == 1).then_some(()))
    })
    .await?;
    house.ostiary.cli(&["group", "delete", "Staff, all"]).await?;
    eventually("the end of a group", async || {
        let found = house.bound(&house.svc).await?.search(person_query("dora"), Vec::new()).await?;
        Ok((!found.entries[0].attributes.iter().any(|attribute| attribute.atype == "memberOf")).then_some(()))
    })
    .await
}

async fn the_server_says_goodbye(pair: Pair) -> Result<()> {
    let mut house = House::start(Setup::on(pair)).await?;
    let mut wires = vec![house.wire().await?, house.bound(&house.svc).await?];
    house.ostiary.signal("TERM")?;
    for wire in &mut wires {
        assert_eq!(wire.goodbye().await?, LdapResultCode::Unavailable);
    }
    assert_eq!(house.ostiary.ended().await?.0, Some(0));
    Ok(())
}
