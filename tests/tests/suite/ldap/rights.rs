//! Who may write what: people for themselves, password managers, managers of one group; passwords by
//! `ldapmodify` and `ldappasswd`; and app passwords, which write nothing.

use anyhow::{Context, Result, ensure};
use ldap3_proto::proto::{
    LdapModify, LdapModifyRequest, LdapModifyType, LdapOp, LdapPartialAttribute, LdapPasswordModifyRequest,
    LdapResultCode,
};
use ostiary_tests::{Finished, Pair, Person, eventually, on_both_pairs};

use super::app_passwords::Holder;
use super::writes::{DORA, Desk};
use super::{person_query, result_of};

on_both_pairs!(
    everybody_writes_what_is_theirs,
    managers_change_who_is_in_their_group,
    passwords_are_set_by_either_way,
    app_passwords_write_nothing,
    what_gives_rights_is_written_down,
);

async fn everybody_writes_what_is_theirs(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let (bob, svc) = (&desk.house.bob, &desk.house.svc);
    let of =
        |who: &str, changes: &str| format!("dn: uid={who},ou=people,dc=localhost\nchangetype: modify\n{changes}\n");
    let names = "replace: displayName\ndisplayName: Bob B.\n-\nreplace: givenName\ngivenName: Bob\n-\n\
                 add: sshPublicKey\nsshPublicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq bob\n-";
    desk.must(bob, &of("bob", names)).await?;
    assert_eq!(
        desk.see("uid=bob,ou=people,dc=localhost", &["cn", "givenName", "sshPublicKey"]).await?,
        ["cn: Bob B.", "givenName: Bob", "sshPublicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq bob"]
    );
    // What they may not change they do not learn about either.
    for changes in [
        "replace: mail\nmail: other@example.tld\n-",
        "delete: loginShell\nloginShell: /bin/guess\n-",
        "replace: loginShell\nloginShell: /bin/sh\n-",
        "replace: uidNumber\nuidNumber: 1\n-",
        "replace: uid\nuid: robert\n-",
    ] {
        desk.refused(bob, &[(50, &of("bob", changes))]).await?;
    }
    desk.refused(bob, &[(32, &of("carla", names)), (32, &of("nobody", names))]).await?;
    desk.refused(svc, &[(50, &of("carla", names))]).await?;
    desk.refused(&desk.keeper, &[(50, &of("carla", names))]).await?;
    let staff = "dn: cn=Staff\\, all,ou=groups,dc=localhost\nchangetype: modify\n";
    let member = format!("{staff}add: member\nmember: uid=svc,ou=people,dc=localhost\n");
    for person in [bob, svc, &desk.keeper] {
        desk.refused(person, &[(50, &member), (50, DORA)]).await?;
        for (program, arguments) in [
            ("ldapdelete", &["cn=Staff\\, all,ou=groups,dc=localhost"][..]),
            ("ldapmodrdn", &["-r", "cn=Staff\\, all,ou=groups,dc=localhost", "cn=Others"]),
        ] {
            let finished = desk.run(person, program, arguments, "").await?;
            assert_eq!(finished.code, Some(50), "{} {program}: {finished:?}", person.username);
        }
    }
    // Nobody writes without a bind.
    let mut wire = desk.house.wire().await?;
    let delete = LdapOp::DelRequest("uid=bob,ou=people,dc=localhost".into());
    let answer = wire.ask(delete).await?;
    assert_eq!(result_of(&answer.op)?.code.clone() as i32, 50);
    Ok(())
}

async fn managers_change_who_is_in_their_group(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let bob = &desk.house.bob;
    let staff = "dn: cn=Staff\\, all,ou=groups,dc=localhost\nchangetype: modify\n";
    let member = format!("{staff}add: member\nmember: uid=svc,ou=people,dc=localhost\n");
    desk.house.ostiary.cli(&["group", "manager", "add", "Staff, all", "bob"]).await?;
    eventually("the manager", async || Ok((desk.modify(bob, &member).await?.code == Some(0)).then_some(()))).await?;
    desk.must(bob, &format!("{staff}delete: member\nmember: uid=svc,ou=people,dc=localhost\n")).await?;
    desk.refused(
        bob,
        &[
            (50, &format!("{staff}replace: gidNumber\ngidNumber: 7000\n")),
            (50, &format!("{staff}add: member\nmember: cn=Staff\\, all,ou=groups,dc=localhost\n")),
            (19, &format!("{staff}add: member\nmember: cn=lldap_password_manager,ou=groups,dc=localhost\n")),
            (32, &member.replace("cn=Staff\\, all", "cn=lldap_admin")),
        ],
    )
    .await?;
    Ok(())
}

async fn passwords_are_set_by_either_way(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let (bob, carla) = ("uid=bob,ou=people,dc=localhost", "uid=carla,ou=people,dc=localhost");
    let of = |dn: &str, changes: &str| format!("dn: {dn}\nchangetype: modify\n{changes}\n");
    let mut own = desk.house.bob.clone();
    // By modify: replaced, or the old one against a new one.
    desk.must(&own, &of(bob, "replace: userPassword\nuserPassword: second of bob\n-")).await?;
    assert_eq!(desk.code_of_bind(bob, &own.password).await?, 49);
    own.password = "second of bob".into();
    desk.refused(
        &own,
        &[
            (
                49,
                &of(
                    bob,
                    "delete: userPassword\nuserPassword: not this\n-\nadd: userPassword\nuserPassword: third of bob\n-",
                ),
            ),
            (19, &of(bob, "add: userPassword\nuserPassword: third of bob\n-")),
            (19, &of(bob, "replace: userPassword\nuserPassword: bob\n-")),
            (19, &of(bob, "replace: userPassword\nuserPassword: password1234\n-")),
            (32, &of(carla, "replace: userPassword\nuserPassword: first of carla\n-")),
        ],
    )
    .await?;
    let exchange =
        "delete: userPassword\nuserPassword: second of bob\n-\nadd: userPassword\nuserPassword: third of bob\n-";
    desk.must(&own, &of(bob, exchange)).await?;
    own.password = "third of bob".into();
    // A first password may be added; names change along with it, or neither.
    desk.must(&desk.root, &of(carla, "add: userPassword\nuserPassword: first of carla\n-\nreplace: sn\nsn: C\n-"))
        .await?;
    desk.refused(&desk.root, &[(19, &of(carla, "replace: sn\nsn: D\n-\nreplace: userPassword\nuserPassword: x\n-"))])
        .await?;
    assert_eq!(desk.see(carla, &["sn"]).await?, ["sn: C"]);
    by_the_operation(&desk, &mut own).await
}

async fn by_the_operation(desk: &Desk, own: &mut Person) -> Result<()> {
    let (bob, carla) = ("uid=bob,ou=people,dc=localhost", "uid=carla,ou=people,dc=localhost");
    let set = async |person: &Person, arguments: &[&str]| desk.run(person, "ldappasswd", arguments, "").await;
    assert_eq!(code_of(&set(own, &["-a", "wrong", "-s", "fourth of bob"]).await?), 49);
    set(own, &["-a", "third of bob", "-s", "fourth of bob"]).await?.ok()?;
    own.password = "fourth of bob".into();
    // One that is made here works, and is long enough to be nobody's guess.
    let made = set(own, &[]).await?.ok()?;
    let made = made.trim().strip_prefix("New password: ").context("a password was made")?.to_owned();
    ensure!(made.len() >= 20 && made.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{made}");
    own.password.clone_from(&made);
    assert_eq!(desk.code_of_bind(bob, &made).await?, 0);
    // Others by those who may, under any name of theirs.
    for (who, identity, code) in [
        (&desk.keeper, carla, 0),
        (&desk.keeper, "carla", 0),
        (&desk.keeper, "dn:UID=Carla,ou=people,dc=localhost", 0),
        (&desk.root, "u:carla", 0),
        (&desk.root, "uid=root,ou=people,dc=localhost", 0),
        (&desk.keeper, "uid=ada,ou=people,dc=localhost", 50),
        (&desk.keeper, "nobody", 32),
        (&desk.house.svc, carla, 50),
        (&desk.house.svc, "nobody", 50),
        (&*own, carla, 50),
        (&*own, "nobody", 50),
    ] {
        let password = format!("of {identity} by {}", who.username);
        let finished = set(who, &["-s", &password, identity]).await?;
        assert_eq!(code_of(&finished), code, "{} for {identity}: {finished:?}", who.username);
        if identity.starts_with("uid=root") {
            // Whoever changed their own password binds with it from now on.
            assert_eq!(desk.code_of_bind(identity, &password).await?, 0);
        }
    }
    let weak = set(&desk.keeper, &["-s", "short", carla]).await?;
    assert_eq!(code_of(&weak), 19);
    ensure!(weak.stdout.contains("too short") || weak.stderr.contains("too short"), "{weak:?}");
    // The connection that changed its own password goes on; one that was open beside it ends.
    let mut beside = desk.house.bound(own).await?;
    let mut wire = desk.house.bound(own).await?;
    let request = LdapPasswordModifyRequest {
        user_identity: None,
        old_password: Some(own.password.clone()),
        new_password: Some("sixth of bob".into()),
    };
    let answer = wire.ask(LdapOp::ExtendedRequest(request.into())).await?;
    assert_eq!(result_of(&answer.op)?.code.clone() as i32, 0);
    let found = wire.search(person_query("bob"), Vec::new()).await?;
    assert_eq!(found.names(), [bob]);
    beside.send(LdapOp::SearchRequest(person_query("bob")), Vec::new()).await?;
    beside.goodbye().await.map(drop)
}

/// The result code that `ldappasswd` tells, which it does not end with.
fn code_of(finished: &Finished) -> i32 {
    let output = format!("{}{}", finished.stdout, finished.stderr);
    let result = output.lines().find_map(|line| line.strip_prefix("Result: "));
    let code = result.and_then(|result| result.rsplit(['(', ')']).nth(1)?.parse().ok());
    code.or(finished.code).unwrap_or(-1)
}

async fn app_passwords_write_nothing(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let gus = Holder::new(&desk.house.ostiary, "gus", &["lldap_admin"]).await?;
    let secret = gus.make(&[("name", "mail program")]).await?;
    let dn = desk.house.ostiary.person_dn("gus")?;
    let mut wire = desk.house.wire().await?;
    assert_eq!(wire.bind(&dn, &secret).await?, LdapResultCode::Success);
    let modification = LdapPartialAttribute { atype: "sn".into(), vals: vec![b"Changed".to_vec()] };
    let changes = vec![LdapModify { operation: LdapModifyType::Replace, modification }];
    let password = LdapPasswordModifyRequest {
        user_identity: None,
        old_password: None,
        new_password: Some("another one of gus".into()),
    };
    for request in [
        LdapOp::ModifyRequest(LdapModifyRequest { dn: dn.clone(), changes }),
        LdapOp::DelRequest(desk.house.ostiary.person_dn("bob")?),
        LdapOp::ExtendedRequest(password.into()),
    ] {
        let answer = wire.ask(request).await?;
        let result = result_of(&answer.op)?;
        assert_eq!(result.code, LdapResultCode::InsufficentAccessRights, "{result:?}");
        ensure!(result.message.contains("app passwords only read"), "{result:?}");
    }
    assert_eq!(wire.search(person_query("gus"), Vec::new()).await?.entries.len(), 1);
    // What writes has an account of its own, which signs in nowhere else.
    let sync = Person::named("sync");
    let line = format!("{}\n", sync.password);
    let arguments = ["--service", "--email", "sync@example.tld", "--group", "lldap_admin", "--password-stdin"];
    desk.house.ostiary.cli_with(&[&["user", "add", "sync"], &arguments[..]].concat(), &line).await?;
    desk.must(&sync, DORA).await
}

/// Whoever reads the log later finds who gave whom which rights, and no password.
async fn what_gives_rights_is_written_down(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let (bob, admins) = ("uid=bob,ou=people,dc=localhost", "cn=lldap_admin,ou=groups,dc=localhost");
    let id_of = async |dn: &str| {
        let shown = desk.see(dn, &["entryUUID"]).await?;
        shown.first().and_then(|line| line.strip_prefix("entryUUID: ")).map(str::to_owned).context("an id")
    };
    let (bob_id, admins_id, root_id) =
        (id_of(bob).await?, id_of(admins).await?, id_of("uid=root,ou=people,dc=localhost").await?);
    let logged = async |what: &str, whom: &str| {
        // The answer may be here before the line is.
        eventually(&format!("{what:?} of {whom:?} in the log"), async || {
            let log = desk.house.ostiary.log();
            let is_it = |line: &str| [what, whom, root_id.as_str()].iter().all(|part| line.contains(part));
            ensure!(!log.contains("clay lantern"), "a password is in\n{log}");
            Ok(log.lines().any(is_it).then_some(()))
        })
        .await
    };
    for (kind, what) in [("add", "member added"), ("delete", "member removed")] {
        let ldif = format!("dn: {admins}\nchangetype: modify\n{kind}: member\nmember: {bob}\n");
        desk.must(&desk.root, &ldif).await?;
        logged(what, &format!("{bob_id} of {admins_id}")).await?;
    }
    let password = "replace: userPassword\nuserPassword: clay lantern of bob\n-";
    desk.must(&desk.root, &format!("dn: {bob}\nchangetype: modify\n{password}\n")).await?;
    logged("password set", &bob_id).await
}
