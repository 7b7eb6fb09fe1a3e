//! `ldapsearch`, `ldapwhoami` and `ldapcompare`, as an administrator types them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::Result;
use ostiary_tests::{Finished, Pair, Person, Setup, on_both_pairs, run};

use super::{BASE, House};

on_both_pairs!(the_tools_of_openldap_get_right_answers);

/// A tool with its password in a file, as nobody else should see it.
async fn tool(house: &House, program: &str, person: &Person, arguments: &[&str]) -> Result<Finished> {
    tool_with(house, program, person, arguments, "").await
}

/// A tool that is given `stdin`.
pub(super) async fn tool_with(
    house: &House,
    program: &str,
    person: &Person,
    arguments: &[&str],
    stdin: &str,
) -> Result<Finished> {
    let file = house.ostiary.folder().join(format!("password-{}", person.username));
    std::fs::write(&file, &person.password)?;
    std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    let mut command = Command::new(program);
    command.args(["-x", "-H", &house.ostiary.ldap_url()?, "-D", &house.ostiary.person_dn(&person.username)?]);
    command.arg("-y").arg(&file).args(arguments);
    let stdin = stdin.to_owned();
    tokio::task::spawn_blocking(move || run(&mut command, &stdin)).await?
}

async fn search(house: &House, arguments: &[&str]) -> Result<String> {
    tool(house, "ldapsearch", &house.svc, &[&["-LLL", "-o", "ldif-wrap=no"], arguments].concat()).await?.ok()
}

/// The names in what `ldapsearch` printed, sorted: nothing promises another order.
fn names(ldif: &str) -> Vec<&str> {
    let mut names: Vec<_> = ldif.lines().filter_map(|line| line.strip_prefix("dn: ")).collect();
    names.sort_unstable();
    names
}

async fn the_tools_of_openldap_get_right_answers(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair)).await?;
    scopes_and_filters(&house).await?;
    attributes(&house).await?;
    limits_and_pages(&house).await?;
    what_is_refused(&house).await?;

    let who = tool(&house, "ldapwhoami", &house.bob, &[]).await?.ok()?;
    assert_eq!(who.trim(), "dn:uid=bob,ou=people,dc=localhost");

    for (assertion, code) in [
        ("mail:ADA@EXAMPLE.TLD", 6),
        ("mail:bob@example.tld", 5),
        ("memberOf:cn=lldap_admin,ou=groups,dc=localhost", 6),
        ("objectClass:inetOrgPerson", 6),
        ("description:x", 17),
        ("pwdChangedTime:20260101000000Z", 16),
        ("createTimestamp:yesterday", 21),
    ] {
        let compared =
            tool(&house, "ldapcompare", &house.svc, &[&format!("uid=ada,ou=people,{BASE}"), assertion]).await?;
        assert_eq!(compared.code, Some(code), "{assertion}: {compared:?}");
    }
    let gone =
        tool(&house, "ldapcompare", &house.svc, &[&format!("uid=nobody,ou=people,{BASE}"), "uid:nobody"]).await?;
    assert_eq!(gone.code, Some(32), "{gone:?}");
    Ok(())
}

async fn scopes_and_filters(house: &House) -> Result<()> {
    let people = [
        "uid=Ada,ou=people,dc=localhost",
        "uid=bob,ou=people,dc=localhost",
        "uid=carla,ou=people,dc=localhost",
        "uid=svc,ou=people,dc=localhost",
    ];
    let everything = search(house, &["-b", BASE, "1.1"]).await?;
    assert_eq!(names(&everything).len(), 3 + 4 + 4, "{everything}");
    let below = |scope| ["-b", "ou=people,dc=localhost", "-s", scope, "1.1"];
    assert_eq!(names(&search(house, &below("one")).await?), people);
    assert_eq!(names(&search(house, &below("base")).await?), ["ou=people,dc=localhost"]);
    assert_eq!(names(&search(house, &below("children")).await?), people);
    assert_eq!(names(&search(house, &["-b", BASE, "-s", "one", "1.1"]).await?).len(), 2);
    for (filter, found) in [
        ("(uid=ADA)", vec![people[0]]),
        ("(&(|(uid=ada@example.tld)(mail=ada@example.tld))(objectClass=person))", vec![people[0]]),
        ("(cn=*oka*)", vec![people[0]]),
        ("(givenName=a*)", vec![people[0]]),
        ("(&(objectClass=person)(!(pwdChangedTime=*)))", vec![people[0], people[2]]),
        (
            "(&(objectClass=person)(createTimestamp>=20260101000000Z)(!(createTimestamp>=21000101000000Z)))",
            people.to_vec(),
        ),
        ("(memberOf=cn=staff\\5c, all,ou=groups,dc=localhost)", vec![people[1], people[2]]),
        ("(member=uid=bob,ou=people,dc=localhost)", vec!["cn=Staff\\, all,ou=groups,dc=localhost"]),
        ("(uniqueMember=bob)", vec!["cn=Staff\\, all,ou=groups,dc=localhost"]),
        (
            "(member:1.2.840.113556.1.4.1941:=uid=bob,ou=people,dc=localhost)",
            vec!["cn=Staff\\, all,ou=groups,dc=localhost"],
        ),
        ("(userAccountControl:1.2.840.113556.1.4.803:=2)", vec![]),
        ("(!(unknown=x))", vec![]),
        ("(userPassword=*)", vec![]),
        ("(userCertificate=\\ff\\fe)", vec![]),
        ("(groupid=1)", vec!["cn=lldap_admin,ou=groups,dc=localhost"]),
    ] {
        assert_eq!(names(&search(house, &["-b", BASE, filter, "1.1"]).await?), found, "{filter}");
    }
    Ok(())
}

async fn attributes(house: &House) -> Result<()> {
    let ada = ["-b", "cn=ada,ou=people,dc=localhost", "-s", "base", "(objectClass=*)"];
    let of = |more: &'static [&'static str]| async move {
        let ldif = search(house, &[&ada, more].concat()).await?;
        Ok::<_, anyhow::Error>(
            ldif.lines().skip(1).filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        of(&[]).await?,
        [
            "objectClass: inetOrgPerson",
            "objectClass: organizationalPerson",
            "objectClass: person",
            "objectClass: posixAccount",
            "objectClass: mailAccount",
            "objectClass: top",
            "uid: Ada",
            "cn: Ada Okafor",
            "displayName: Ada Okafor",
            "mail: Ada@example.tld",
            "givenName: Ada",
            "sn: Okafor",
            "uidNumber: 200005",
            "gidNumber: 200005",
            "loginShell: /bin/bash",
            "homeDirectory: /home/Ada",
        ]
    );
    assert_eq!(of(&["1.1"]).await?, [""; 0]);
    // Names come back as they were asked for, once each; userPassword never.
    assert_eq!(
        of(&["USER_ID", "Email", "first_name", "userPassword", "useraccountcontrol", "email", "cn;lang-en"]).await?,
        ["USER_ID: Ada", "Email: Ada@example.tld", "first_name: Ada", "useraccountcontrol: 512"]
    );
    assert_eq!(of(&["memberOf", "ismemberof"]).await?.len(), 2);
    let operational = of(&["+"]).await?.join("\n");
    for name in [
        "memberOf: cn=lldap_admin,",
        "entryUUID: ",
        "entryDN: uid=Ada,",
        "createTimestamp: ",
        "userAccountControl: 512",
        "subschemaSubentry: cn=Subschema",
    ] {
        assert!(operational.contains(name), "{name} in {operational}");
    }
    assert_eq!(of(&["-A", "uid", "mail"]).await?, ["uid:", "mail:"]);
    let schema = search(
        house,
        &["-b", "cn=subschema", "-s", "base", "(objectClass=subschema)", "attributeTypes", "objectClasses"],
    )
    .await?;
    assert!(schema.contains("NAME ( 'uid' 'userid'") && schema.contains("NAME 'groupOfUniqueNames'"), "{schema}");
    Ok(())
}

async fn limits_and_pages(house: &House) -> Result<()> {
    let limited = tool(house, "ldapsearch", &house.svc, &["-LLL", "-z", "2", "-b", BASE, "1.1"]).await?;
    assert_eq!((limited.code, names(&limited.stdout).len()), (Some(4), 2), "{limited:?}");
    // As many as there are is no excess.
    let exact = search(house, &["-z", "1", "-b", BASE, "(uid=ada)", "1.1"]).await?;
    assert_eq!(names(&exact).len(), 1);
    for size in ["1", "3", "11", "500"] {
        let control = format!("!pr={size}/noprompt");
        let paged = search(house, &["-E", &control, "-b", BASE, "1.1"]).await?;
        assert_eq!(names(&paged).len(), 11, "pages of {size}: {paged}");
    }
    Ok(())
}

async fn what_is_refused(house: &House) -> Result<()> {
    let stranger = Person { password: "not the password".into(), ..house.bob.clone() };
    let nobody = Person::named("nobody");
    for person in [&stranger, &nobody] {
        let refused = tool(house, "ldapwhoami", person, &[]).await?;
        assert_eq!(refused.code, Some(49), "{refused:?}");
        assert_eq!(refused.stderr.trim(), "ldap_bind: Invalid credentials (49)");
    }
    let empty = Person { password: String::new(), ..house.bob.clone() };
    assert_eq!(tool(house, "ldapwhoami", &empty, &[]).await?.code, Some(53));

    let missing = tool(house, "ldapsearch", &house.svc, &["-b", "uid=nobody,ou=people,dc=localhost"]).await?;
    assert_eq!(missing.code, Some(32));
    assert!(
        missing.stdout.contains("matchedDN: ou=people,dc=localhost")
            || missing.stderr.contains("ou=people,dc=localhost"),
        "{missing:?}"
    );
    for (arguments, code) in [
        (&["-b", "no name"][..], 34),
        (&["-b", BASE, "-E", "!1.2.3.4"], 12),
        (&["-b", BASE, "-E", "1.2.3.4"], 0),
        (&["-b", BASE, "-M", "-M"], 0),
        (&["-b", BASE, "-e", "!noop"], 12),
    ] {
        let finished = tool(house, "ldapsearch", &house.svc, arguments).await?;
        assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
    }

    // Regular people see themselves, and of their groups only themselves as member.
    let seen =
        tool(house, "ldapsearch", &house.bob, &["-LLL", "-b", BASE, "(|(objectClass=person)(member=*))", "member"])
            .await?
            .ok()?;
    assert_eq!(names(&seen), ["cn=Staff\\, all,ou=groups,dc=localhost", "uid=bob,ou=people,dc=localhost"]);
    assert_eq!(seen.matches("member: ").count(), 1, "{seen}");
    let other = tool(house, "ldapsearch", &house.bob, &["-b", "uid=ada,ou=people,dc=localhost"]).await?;
    assert_eq!(other.code, Some(32), "{other:?}");
    Ok(())
}
