//! Controls: sorted and paged results, assertions, entries as they were and are, and what must not
//! be overlooked.

use anyhow::{Context, Result, ensure};
use ldap3_proto::control::{LdapControl, ServerSortRequet};
use ldap3_proto::proto::{
    LdapModify, LdapModifyRequest, LdapModifyType, LdapOp, LdapPartialAttribute, LdapResultCode, LdapSearchScope,
};
use ostiary_tests::{Pair, on_both_pairs};

use super::writes::Desk;
use super::{House, equal, query, result_of};

on_both_pairs!(results_come_in_the_order_that_is_asked_for, conditions_hold_for_every_operation, one_of_many_wins);

const PEOPLE: &str = "ou=people,dc=localhost";

async fn names(desk: &Desk, arguments: &[&str]) -> Result<Vec<String>> {
    let arguments = [&["-LLL", "-b", PEOPLE], arguments, &["(objectClass=person)", "1.1"]].concat();
    let ldif = desk.run(&desk.root, "ldapsearch", &arguments, "").await?.ok()?;
    let names = ldif.lines().filter_map(|line| line.strip_prefix("dn: uid="));
    Ok(names.filter_map(|name| name.split(',').next()).map(str::to_owned).collect())
}

async fn results_come_in_the_order_that_is_asked_for(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    for (name, family, given) in [("zoe", "Ábel", "Zoe"), ("yan", "abel", "Yan"), ("xi", "Zhu", "Xi")] {
        let email = format!("{name}@example.tld");
        let profile = ["--email", &email, "--family-name", family, "--given-name", given];
        desk.house.ostiary.cli(&[&["user", "add", name], &profile[..]].concat()).await?;
    }
    ostiary_tests::eventually("everybody", async || Ok((names(&desk, &[]).await?.len() == 9).then_some(()))).await?;
    let all = ["Ada", "bob", "carla", "keeper", "root", "svc", "xi", "yan", "zoe"];
    let reversed: Vec<_> = all.iter().rev().copied().collect();
    assert_eq!(names(&desk, &["-E", "!sss=uid"]).await?, all);
    assert_eq!(names(&desk, &["-E", "!sss=-uid:2.5.13.3"]).await?, reversed);
    assert_eq!(names(&desk, &["-E", "!sss=-uid:caseIgnoreOrderingMatch"]).await?, reversed);
    assert_eq!(names(&desk, &["-E", "!sss=-createTimestamp/uid"]).await?.len(), 9);
    // Without a value comes last, and first when the order is reversed; the next key decides.
    assert_eq!(names(&desk, &["-E", "!sss=sn/-uid"]).await?[..4], ["yan", "Ada", "xi", "zoe"]);
    assert_eq!(names(&desk, &["-E", "!sss=-sn/uid"]).await?[..6], ["bob", "carla", "keeper", "root", "svc", "zoe"]);
    let numbers = names(&desk, &["-E", "!sss=uidNumber:integerOrderingMatch"]).await?;
    assert_eq!((numbers.len(), numbers.first().map(String::as_str)), (9, Some("carla")));
    for size in ["1", "2", "4", "100"] {
        assert_eq!(names(&desk, &["-E", "!sss=uid", "-E", &format!("pr={size}/noprompt")]).await?, all, "{size}");
    }
    let limited =
        desk.run(&desk.root, "ldapsearch", &["-LLL", "-z", "2", "-E", "!sss=-uid", "-b", PEOPLE, "(uid=*)", "1.1"], "");
    let limited = limited.await?;
    ensure!(limited.code == Some(4) && limited.stdout.starts_with("dn: uid=zoe,"), "{limited:?}");
    // An order that cannot be had, demanded and only wished for.
    for key in ["shoeSize", "member", "cn:2.5.13.15", "jpegPhoto"] {
        let demanded = desk.run(&desk.root, "ldapsearch", &["-b", PEOPLE, "-E", &format!("!sss={key}")], "").await?;
        assert_eq!(demanded.code, Some(12), "{key}: {demanded:?}");
        ensure!(!demanded.stdout.contains("dn: "), "{key}: {demanded:?}");
        assert_eq!(names(&desk, &["-E", &format!("sss={key}")]).await?.len(), 9, "{key}");
    }
    what_became_of_the_order(&desk.house).await
}

/// The control of the answer, and a page that is asked for in another order than the first.
async fn what_became_of_the_order(house: &House) -> Result<()> {
    let mut wire = house.bound(&house.svc).await?;
    let sort = |attribute: &str| LdapControl::ServerSort {
        sort_requests: vec![ServerSortRequet {
            attribute_name: attribute.to_owned(),
            ordering_rule: None,
            reverse_order: false,
        }],
    };
    let page = |cookie: Vec<u8>| LdapControl::SimplePagedResults { size: 2, cookie };
    let search = || query(PEOPLE, LdapSearchScope::OneLevel, equal("objectClass", "person"), &["1.1"]);
    let code_of = |controls: &[LdapControl]| {
        controls.iter().find_map(|control| match control {
            LdapControl::ServerSortResult { sort_result } => Some(sort_result.result_code.clone()),
            _ => None,
        })
    };
    // The codec of this client reads no result that names an attribute, so this is the one that went well.
    let found = wire.search(search(), vec![sort("cn")]).await?;
    assert_eq!((found.result.code, code_of(&found.controls)), (LdapResultCode::Success, Some(LdapResultCode::Success)));
    let first = wire.search(search(), vec![sort("cn"), page(Vec::new())]).await?;
    let cookie = first.controls.iter().find_map(|control| match control {
        LdapControl::SimplePagedResults { cookie, .. } => Some(cookie.clone()),
        _ => None,
    });
    let other = wire.search(search(), vec![sort("sn"), page(cookie.context("a cookie")?)]).await?;
    assert_eq!(other.result.code, LdapResultCode::UnwillingToPerform, "the cookie is of another search");
    Ok(())
}

async fn conditions_hold_for_every_operation(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let bob = "uid=bob,ou=people,dc=localhost";
    let modify = format!("dn: {bob}\nchangetype: modify\nreplace: sn\nsn: New\n");
    let add =
        "dn: uid=eve,ou=people,dc=localhost\nchangetype: add\nobjectClass: person\nmail: eve@example.tld\nsn: E\n";
    for (program, arguments, ldif, condition, code) in [
        ("ldapsearch", &["-b", bob][..], "", "(uid=ada)", 122),
        ("ldapsearch", &["-b", bob], "", "(memberOf=*)", 0),
        ("ldapsearch", &["-b", "", "-s", "base"], "", "(vendorName=Ostiary)", 0),
        ("ldapsearch", &["-b", "", "-s", "base"], "", "(vendorName=other)", 122),
        ("ldapsearch", &["-b", "uid=nobody,ou=people,dc=localhost"], "", "(uid=*)", 32),
        ("ldapcompare", &[bob, "uid:bob"], "", "(uid=ada)", 122),
        ("ldapcompare", &[bob, "uid:bob"], "", "(uid=bob)", 6),
        ("ldapmodify", &[], &modify, "(sn=Old)", 122),
        ("ldapmodify", &[], &modify, "(!(shoeSize=41))", 122),
        ("ldapmodify", &[], &modify, "(&(uid=bob)(memberOf=cn=staff\\5c, all,ou=groups,dc=localhost))", 0),
        ("ldapmodify", &[], &modify, "(modifyTimestamp<=20200101000000Z)", 122),
        ("ldapadd", &[], add, "(sn=F)", 122),
        ("ldapadd", &[], add, "(&(sn=e)(uid=eve)(objectClass=person)(!(givenName=*)))", 0),
        ("ldapmodrdn", &["-r", bob, "uid=robert"], "", "(sn=Old)", 122),
        ("ldapmodrdn", &["-r", bob, "uid=robert"], "", "(sn=New)", 0),
        ("ldapdelete", &["uid=robert,ou=people,dc=localhost"], "", "(sn=Old)", 122),
        ("ldapdelete", &["uid=robert,ou=people,dc=localhost"], "", "(sn=New)", 0),
    ] {
        let assertion = ["-e", &format!("!assert={condition}")];
        let finished = desk.run(&desk.root, program, &[&assertion, arguments].concat(), ldif).await?;
        assert_eq!(finished.code, Some(code), "{program} {arguments:?} if {condition}: {finished:?}");
    }
    what_is_critical(&desk).await?;
    before_and_after(&desk).await
}

/// What is not known must not be overlooked, and what is known may be anywhere where it means
/// something.
async fn what_is_critical(desk: &Desk) -> Result<()> {
    let carla = "uid=carla,ou=people,dc=localhost";
    let modify = format!("dn: {carla}\nchangetype: modify\nreplace: sn\nsn: New\n");
    for (program, arguments, ldif) in [
        ("ldapsearch", &["-b", carla, "-s", "base"][..], ""),
        ("ldapcompare", &[carla, "uid:carla"], ""),
        ("ldapmodify", &[], &*modify),
        ("ldapmodrdn", &["-r", carla, "uid=karla"], ""),
        ("ldapdelete", &["uid=karla,ou=people,dc=localhost"], ""),
    ] {
        let refused = desk.run(&desk.root, program, &[&["-e", "!noop"], arguments].concat(), ldif).await?;
        assert_eq!(refused.code, Some(12), "{program}: {refused:?}");
        let done = desk.run(&desk.root, program, &[&["-e", "!manageDSAit"], arguments].concat(), ldif).await?;
        assert!(matches!(done.code, Some(0 | 6)), "{program}: {done:?}");
    }
    Ok(())
}

/// RFC 4527, read from the controls that `ldapmodify` and the others print.
async fn before_and_after(desk: &Desk) -> Result<()> {
    let ada = "uid=Ada,ou=people,dc=localhost";
    let both = ["-e", "preread=sn,uid", "-e", "postread=sn,uid"];
    let modify = format!("dn: {ada}\nchangetype: modify\nreplace: sn\nsn: Lovelace\n");
    let done = desk.run(&desk.root, "ldapmodify", &both, &modify).await?.ok()?;
    ensure!(done.contains("sn: Okafor") && done.contains("sn: Lovelace"), "{done}");
    let renamed =
        desk.run(&desk.root, "ldapmodrdn", &[&both, &["-r", ada, "uid=augusta"][..]].concat(), "").await?.ok()?;
    ensure!(renamed.contains("uid: Ada") && renamed.contains("dn: uid=augusta,"), "{renamed}");
    let eve = "dn: uid=fay,ou=people,dc=localhost\nchangetype: add\nobjectClass: person\nmail: fay@example.tld\n";
    let added = desk.run(&desk.root, "ldapadd", &["-e", "postread=uidNumber,mail"], eve).await?.ok()?;
    ensure!(added.contains("uidNumber: ") && added.contains("mail: fay@example.tld"), "{added}");
    let fay = ["-e", "preread=mail", "uid=fay,ou=people,dc=localhost"];
    let deleted = desk.run(&desk.root, "ldapdelete", &fay, "").await?.ok()?;
    ensure!(deleted.contains("mail: fay@example.tld"), "{deleted}");
    Ok(())
}

/// "If it is still so" and "this value for that one" let one of many through, and counting up
/// misses nobody.
async fn one_of_many_wins(pair: Pair) -> Result<()> {
    const RIVALS: usize = 8;
    let desk = Desk::start(pair).await?;
    let change = |kind: LdapModifyType, attribute: &str, value: &str| LdapModify {
        operation: kind,
        modification: LdapPartialAttribute { atype: attribute.to_owned(), vals: vec![value.as_bytes().to_vec()] },
    };
    let modify = |changes: Vec<LdapModify>| {
        LdapOp::ModifyRequest(LdapModifyRequest { dn: "uid=bob,ou=people,dc=localhost".into(), changes })
    };
    let mut wires = Vec::new();
    for _ in 0..RIVALS {
        wires.push(desk.house.bound(&desk.root).await?);
    }
    let asserted = |filter: &[u8]| LdapControl::Unknown {
        oid: "1.3.6.1.1.12".into(),
        criticality: true,
        value: Some(filter.to_vec()),
    };
    let set = modify(vec![change(LdapModifyType::Replace, "sn", "a0")]);
    assert_eq!(result_of(&wires[0].ask(set).await?.op)?.code, LdapResultCode::Success);
    for (round, is_asserted) in [(0, true), (1, false), (2, true), (3, false)] {
        let (old, new) = (format!("a{round}"), format!("a{}", round + 1));
        let filter = [&b"\xa3\x08\x04\x02sn\x04\x02"[..], old.as_bytes()].concat();
        let tries = wires.iter_mut().map(|wire| {
            let (request, controls) = if is_asserted {
                (modify(vec![change(LdapModifyType::Replace, "sn", &new)]), vec![asserted(&filter)])
            } else {
                let exchange = [change(LdapModifyType::Delete, "sn", &old), change(LdapModifyType::Add, "sn", &new)];
                (modify(exchange.to_vec()), Vec::new())
            };
            wire.ask_with(request, controls)
        });
        let mut codes = Vec::new();
        for answer in futures_util::future::join_all(tries).await {
            codes.push(result_of(&answer?.op)?.code.clone());
        }
        let won = codes.iter().filter(|code| **code == LdapResultCode::Success).count();
        let lost = if is_asserted { LdapResultCode::AssertionFailed } else { LdapResultCode::NoSuchAttribute };
        let missed = codes.iter().filter(|code| **code == lost).count();
        assert_eq!((won, missed), (1, RIVALS - 1), "{codes:?}");
    }
    let up = modify(vec![change(LdapModifyType::Replace, "uidNumber", "9000")]);
    assert_eq!(result_of(&wires[0].ask(up).await?.op)?.code, LdapResultCode::Success);
    let counts =
        wires.iter_mut().map(|wire| wire.ask(modify(vec![change(LdapModifyType::Increment, "uidNumber", "1")])));
    for answer in futures_util::future::join_all(counts).await {
        assert_eq!(result_of(&answer?.op)?.code, LdapResultCode::Success);
    }
    assert_eq!(desk.see("uid=bob,ou=people,dc=localhost", &["uidNumber"]).await?, ["uidNumber: 9008"]);
    Ok(())
}
