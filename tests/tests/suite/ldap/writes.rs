//! Writing people and groups with `ldapadd`, `ldapmodify`, `ldapdelete` and `ldapmodrdn`, by an
//! administrator: the good way, and every code that a client may meet.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Finished, Pair, Person, Setup, on_both_pairs};

use super::House;
use super::tools::tool_with;

on_both_pairs!(people_are_added_changed_renamed_and_deleted, groups_are_written_by_any_name_of_membership,);

/// People who write: root administers, keeper sets passwords, and those of the house.
pub(super) struct Desk {
    pub(super) house: House,
    pub(super) root: Person,
    pub(super) keeper: Person,
}

impl Desk {
    pub(super) async fn start(pair: Pair) -> Result<Self> {
        let house = House::start(Setup::on(pair)).await?;
        let root = house.ostiary.add_person("root", &["lldap_admin"]).await?;
        let keeper = house.ostiary.add_person("keeper", &["lldap_password_manager"]).await?;
        Ok(Self { house, root, keeper })
    }

    pub(super) async fn run(
        &self,
        person: &Person,
        program: &str,
        arguments: &[&str],
        stdin: &str,
    ) -> Result<Finished> {
        tool_with(&self.house, program, person, arguments, stdin).await
    }

    /// Changes by `person`, in LDIF.
    pub(super) async fn modify(&self, person: &Person, ldif: &str) -> Result<Finished> {
        self.run(person, "ldapmodify", &[], ldif).await
    }

    /// Changes that must be made.
    pub(super) async fn must(&self, person: &Person, ldif: &str) -> Result<()> {
        self.modify(person, ldif).await?.ok().map(drop).with_context(|| ldif.to_owned())
    }

    /// Changes each of which must be refused with its code.
    pub(super) async fn refused(&self, person: &Person, table: &[(i32, &str)]) -> Result<()> {
        for (code, ldif) in table {
            let finished = self.modify(person, ldif).await?;
            ensure!(finished.code == Some(*code), "expected {code}: {ldif}\n{finished:?}");
        }
        Ok(())
    }

    /// What root sees of an entry, without its name.
    pub(super) async fn see(&self, dn: &str, attributes: &[&str]) -> Result<Vec<String>> {
        let arguments =
            [&["-LLL", "-o", "ldif-wrap=no", "-s", "base", "-b", dn, "(objectClass=*)"], attributes].concat();
        let ldif = self.run(&self.root, "ldapsearch", &arguments, "").await?.ok()?;
        Ok(ldif.lines().skip(1).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    pub(super) async fn code_of_bind(&self, dn: &str, password: &str) -> Result<i32> {
        let mut wire = self.house.wire().await?;
        Ok(wire.bind(dn, password).await? as i32)
    }
}

pub(super) const DORA: &str = "dn: uid=dora,ou=people,dc=localhost
changetype: add
objectClass: inetOrgPerson
objectClass: posixAccount
objectClass: ldapPublicKey
uid: dora
cn: Dora Amato
sn: Amato
givenName: Dora
mail: dora@example.tld
mail: d.amato@example.tld
loginShell: /bin/zsh
sshPublicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl dora@lamp
userPassword: clay lantern of dora
";

async fn people_are_added_changed_renamed_and_deleted(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let root = &desk.root;
    desk.must(root, DORA).await?;
    let dora = "uid=dora,ou=people,dc=localhost";
    assert_eq!(
        desk.see(dora, &["uid", "cn", "sn", "givenName", "mail", "loginShell", "homeDirectory"]).await?,
        [
            "uid: dora",
            "cn: Dora Amato",
            "sn: Amato",
            "givenName: Dora",
            "mail: dora@example.tld",
            "mail: d.amato@example.tld",
            "loginShell: /bin/zsh",
            "homeDirectory: /home/dora"
        ]
    );
    assert_eq!(desk.code_of_bind(dora, "clay lantern of dora").await?, 0, "the password came with the entry");
    adds_that_are_refused(&desk).await?;
    modifications_in_order(&desk, dora).await?;
    modifications_that_are_refused(&desk, dora).await?;
    a_rename(&desk, dora).await?;
    deletes(&desk).await
}

async fn adds_that_are_refused(desk: &Desk) -> Result<()> {
    let entry = |dn: &str, rest: &str| format!("dn: {dn}\nchangetype: add\nobjectClass: inetOrgPerson\n{rest}\n");
    let eve = |rest: &str| entry("uid=eve,ou=people,dc=localhost", rest);
    let mail = "mail: eve@example.tld";
    for (code, ldif) in [
        (68, DORA.to_owned()),
        (68, entry("uid=DORA,ou=people,dc=localhost", mail)),
        (68, entry("ou=people,dc=localhost", "ou: people")),
        (65, eve("cn: Eve")),
        (19, eve("mail: DORA@example.tld")),
        (19, eve("mail: no address")),
        (17, eve(&format!("{mail}\nshoeSize: 41"))),
        (65, eve(&format!("{mail}\nmember: uid=bob,ou=people,dc=localhost"))),
        (65, eve(&format!("{mail}\nobjectClass: groupOfNames"))),
        (65, eve(&format!("{mail}\nobjectClass: device"))),
        (19, eve(&format!("{mail}\nmemberOf: cn=lldap_admin,ou=groups,dc=localhost"))),
        (19, eve(&format!("{mail}\ngivenName: Eve\ngivenName: Evelyn"))),
        (20, eve(&format!("{mail}\nmail: EVE@example.tld"))),
        (21, eve(&format!("{mail}\nuidNumber: many"))),
        (19, eve(&format!("{mail}\nuidNumber: -1"))),
        (19, eve(&format!("{mail}\nuserPassword: short"))),
        (19, eve(&format!("{mail}\nuserPassword: {{SSHA}}c2VjcmV0c2VjcmV0"))),
        (19, eve(&format!("{mail}\njpegPhoto: no picture at all"))),
        (64, eve(&format!("{mail}\nuid: adam"))),
        (64, entry("mail=eve@example.tld,ou=people,dc=localhost", mail)),
        (64, entry("uid=eve+cn=eve,ou=people,dc=localhost", mail)),
        (19, entry("uid=e v e,ou=people,dc=localhost", mail)),
        (32, entry("uid=eve,ou=nowhere,dc=localhost", mail)),
        (32, entry("uid=eve,dc=elsewhere", mail)),
        (53, entry("ou=more,dc=localhost", "ou: more")),
        (53, entry("uid=eve,uid=dora,ou=people,dc=localhost", mail)),
        (34, entry("eve", mail)),
    ] {
        desk.refused(&desk.root, &[(code, &ldif)]).await?;
    }
    let none = desk.run(&desk.root, "ldapsearch", &["-LLL", "-b", "dc=localhost", "(uid=eve)", "1.1"], "").await?;
    assert_eq!(none.ok()?.trim(), "", "what was refused left nothing");
    // A name by `cn`, as LLDAP takes it, and no class at all.
    desk.must(&desk.root, &format!("dn: cn=eve,ou=people,dc=localhost\nchangetype: add\n{mail}\n")).await?;
    assert_eq!(desk.see("uid=eve,ou=people,dc=localhost", &["uid"]).await?, ["uid: eve"]);
    names_for_one_thing(desk).await
}

/// `cn` and `displayName` are one thing, and so are `member` and `uniqueMember`: both may be given.
async fn names_for_one_thing(desk: &Desk) -> Result<()> {
    let pat = "dn: uid=pat,ou=people,dc=localhost\nchangetype: add\nobjectClass: inetOrgPerson\nuid: pat\n\
               mail: pat@example.tld\ncn: Pat Ito\n";
    desk.refused(&desk.root, &[(19, &format!("{pat}displayName: Another\n")), (20, &format!("{pat}cn: PAT  Ito\n"))])
        .await?;
    desk.must(&desk.root, &format!("{pat}displayName: Pat  Ito\n")).await?;
    let names = desk.see("uid=pat,ou=people,dc=localhost", &["cn", "displayName"]).await?;
    assert_eq!(names, ["cn: Pat Ito", "displayName: Pat Ito"]);
    let pats = "cn=Pats,ou=groups,dc=localhost";
    desk.must(
        &desk.root,
        &format!(
            "dn: {pats}\nchangetype: add\nobjectClass: groupOfNames\ncn: Pats\nuid: pats\ndisplayName: Pats\n\
             member: uid=pat,ou=people,dc=localhost\nuniqueMember: UID=Pat,ou=people,dc=localhost\n"
        ),
    )
    .await?;
    assert_eq!(desk.see(pats, &["cn", "member"]).await?, ["cn: Pats", "member: uid=pat,ou=people,dc=localhost"]);
    for dn in [pats, "uid=pat,ou=people,dc=localhost"] {
        desk.run(&desk.root, "ldapdelete", &[dn], "").await?.ok()?;
    }
    Ok(())
}

async fn modifications_in_order(desk: &Desk, dora: &str) -> Result<()> {
    let of = |changes: &str| format!("dn: {dora}\nchangetype: modify\n{changes}\n");
    // One after another, and only the end must be whole.
    desk.must(
        &desk.root,
        &of("delete: mail\nmail: dora@example.tld\n-\nadd: mail\nmail: dora@example.org\n-\n\
             add: sn\nsn: Moreau\n-\ndelete: sn\nsn: AMATO\n-\nreplace: givenName\n-\n\
             replace: loginShell\nloginShell: /bin/fish\n-\nreplace: cn\ncn: Dora  Moreau\n-"),
    )
    .await?;
    assert_eq!(
        desk.see(dora, &["cn", "displayName", "sn", "givenName", "mail", "loginShell"]).await?,
        [
            "cn: Dora  Moreau",
            "displayName: Dora  Moreau",
            "sn: Moreau",
            "mail: d.amato@example.tld",
            "mail: dora@example.org",
            "loginShell: /bin/fish"
        ]
    );
    // What everybody has who has nothing else can be exchanged as it is seen.
    desk.must(
        &desk.root,
        &of("delete: homeDirectory\nhomeDirectory: /home/dora\n-\nadd: homeDirectory\nhomeDirectory: /srv/dora\n-"),
    )
    .await?;
    assert_eq!(desk.see(dora, &["homeDirectory"]).await?, ["homeDirectory: /srv/dora"]);
    desk.must(&desk.root, &of("delete: homeDirectory\n-\ndelete: loginShell\n-")).await?;
    assert_eq!(
        desk.see(dora, &["homeDirectory", "loginShell"]).await?,
        ["homeDirectory: /home/dora", "loginShell: /bin/bash"]
    );
    desk.must(&desk.root, &of("replace: uidNumber\nuidNumber: 4711\n-\nincrement: uidNumber\nuidNumber: -11\n-"))
        .await?;
    assert_eq!(desk.see(dora, &["uidNumber", "gidNumber"]).await?, ["uidNumber: 4700", "gidNumber: 4700"]);
    desk.must(&desk.root, &of("replace: gidNumber\ngidNumber: 5000\n-")).await?;
    desk.must(&desk.root, &of("replace: uidNumber\nuidNumber: 4701\n-")).await?;
    assert_eq!(desk.see(dora, &["uidNumber", "gidNumber"]).await?, ["uidNumber: 4701", "gidNumber: 5000"]);
    desk.must(&desk.root, &of("replace: gidNumber\ngidNumber: 4701\n-")).await?;
    // A class stays as long as what it is for.
    desk.refused(&desk.root, &[(65, &of("delete: objectClass\nobjectClass: ldapPublicKey\n-"))]).await?;
    desk.must(&desk.root, &of("delete: objectClass\nobjectClass: ldapPublicKey\n-\ndelete: sshPublicKey\n-")).await?;
    assert!(!desk.see(dora, &["objectClass"]).await?.contains(&"objectClass: ldapPublicKey".to_owned()));
    Ok(())
}

async fn modifications_that_are_refused(desk: &Desk, dora: &str) -> Result<()> {
    let before = desk.see(dora, &["*", "modifyTimestamp"]).await?;
    for (code, changes) in [
        (16, "delete: givenName\n-"),
        (16, "delete: sn\nsn: Amato\n-"),
        (16, "delete: mail\nmail: nobody@example.tld\n-"),
        (20, "add: mail\nmail: DORA@example.org\n-"),
        (20, "replace: mail\nmail: a@example.tld\nmail: A@example.tld\n-"),
        (19, "add: sn\nsn: Amato\n-"),
        (19, "add: uid\nuid: theodora\n-\ndelete: uid\nuid: theodora\n-\nadd: cn\ncn: Another\n-"),
        (67, "replace: uid\nuid: theodora\n-"),
        (67, "delete: uid\n-"),
        (65, "delete: mail\n-"),
        (65, "delete: cn\n-"),
        (65, "delete: uidNumber\n-"),
        (65, "delete: objectClass\nobjectClass: person\n-"),
        (65, "add: objectClass\nobjectClass: groupOfNames\n-"),
        (65, "add: member\nmember: uid=bob,ou=people,dc=localhost\n-"),
        (17, "add: shoeSize\nshoeSize: 41\n-"),
        (17, "replace: cn;lang-fr\ncn;lang-fr: Dora\n-"),
        (19, "replace: entryUUID\nentryUUID: 00000000-0000-0000-0000-000000000000\n-"),
        (19, "add: memberOf\nmemberOf: cn=lldap_admin,ou=groups,dc=localhost\n-"),
        (21, "replace: uidNumber\nuidNumber: 1e3\n-"),
        (21, "replace: sn\nsn: \n-"),
        (18, "increment: sn\nsn: 1\n-"),
        (19, "replace: loginShell\nloginShell: bash\n-"),
        (19, "replace: uidNumber\nuidNumber: 0\n-"),
        (53, "delete: userPassword\n-"),
        // The first one could be made, and is not.
        (20, "replace: sn\nsn: Changed\n-\nadd: mail\nmail: dora@example.org\n-"),
    ] {
        desk.refused(&desk.root, &[(code, &format!("dn: {dora}\nchangetype: modify\n{changes}\n"))]).await?;
    }
    assert_eq!(desk.see(dora, &["*", "modifyTimestamp"]).await?, before, "nothing of it was done");
    for (code, dn) in [
        (32, "uid=nobody,ou=people,dc=localhost"),
        (53, "ou=people,dc=localhost"),
        (53, "dc=localhost"),
        (32, "cn=Subschema"),
    ] {
        desk.refused(&desk.root, &[(code, &format!("dn: {dn}\nchangetype: modify\nreplace: cn\ncn: x\n"))]).await?;
    }
    Ok(())
}

async fn a_rename(desk: &Desk, dora: &str) -> Result<()> {
    let rename = |more: &'static [&'static str]| async move {
        desk.run(&desk.root, "ldapmodrdn", more, "").await.map(|finished| finished.code)
    };
    for (code, arguments) in [
        (53, &[DORA_DN, "uid=theodora"][..]),
        (68, &["-r", DORA_DN, "uid=BOB"]),
        (64, &["-r", DORA_DN, "cn=theodora"]),
        (64, &["-r", DORA_DN, "uid=theodora+cn=x"]),
        (19, &["-r", DORA_DN, "uid=the odora"]),
        (53, &["-r", "-s", "ou=groups,dc=localhost", DORA_DN, "uid=theodora"]),
        (32, &["-r", "-s", "ou=nowhere,dc=localhost", DORA_DN, "uid=theodora"]),
        (32, &["-r", "uid=nobody,ou=people,dc=localhost", "uid=theodora"]),
        (66, &["-r", "ou=people,dc=localhost", "ou=persons"]),
        (34, &["-r", DORA_DN, "theodora"]),
    ] {
        assert_eq!(rename(arguments).await?, Some(code), "{arguments:?}");
    }
    let stays = ["entryUUID", "mail", "pwdChangedTime"];
    let before = desk.see(dora, &stays).await?;
    assert_eq!(rename(&["-r", "-s", "OU=people,dc=localhost", DORA_DN, "uid=Theodora"]).await?, Some(0));
    let theodora = "uid=theodora,ou=people,dc=localhost";
    assert_eq!(desk.see(theodora, &stays).await?, before);
    assert_eq!(desk.code_of_bind(theodora, "clay lantern of dora").await?, 0);
    assert_eq!(desk.code_of_bind(dora, "clay lantern of dora").await?, 49);
    // Another spelling of the same name is no conflict.
    assert_eq!(rename(&["-r", "uid=theodora,ou=people,dc=localhost", "uid=theodora"]).await?, Some(0));
    assert_eq!(desk.see(theodora, &["uid"]).await?, ["uid: theodora"]);
    Ok(())
}

const DORA_DN: &str = "uid=dora,ou=people,dc=localhost";

async fn deletes(desk: &Desk) -> Result<()> {
    let root = desk.house.ostiary.person_dn("root")?;
    for (code, dn) in [
        (0, "uid=Theodora,ou=people,dc=localhost"),
        (32, "uid=theodora,ou=people,dc=localhost"),
        (66, "ou=people,dc=localhost"),
        (66, "dc=localhost"),
        (32, "uid=theodora,ou=nowhere,dc=localhost"),
        (53, &root),
        (34, "theodora"),
    ] {
        let finished = desk.run(&desk.root, "ldapdelete", &[dn], "").await?;
        assert_eq!(finished.code, Some(code), "{dn}: {finished:?}");
    }
    Ok(())
}

async fn groups_are_written_by_any_name_of_membership(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let (root, crew) = (&desk.root, "cn=Crew,ou=groups,dc=localhost");
    desk.must(
        root,
        &format!(
            "dn: {crew}\nchangetype: add\nobjectClass: groupOfNames\nobjectClass: posixGroup\ncn: Crew\ngidNumber: 6000\n\
             member: uid=bob,ou=people,dc=localhost\nmember: cn=Staff\\, all,ou=groups,dc=localhost\n"
        ),
    )
    .await?;
    let of = |changes: &str| format!("dn: {crew}\nchangetype: modify\n{changes}\n");
    let bob = "uid=bob,ou=people,dc=localhost";
    let members = async || desk.see(crew, &["member"]).await;
    assert_eq!(members().await?, [format!("member: {bob}"), "member: cn=Staff\\, all,ou=groups,dc=localhost".into()]);
    assert_eq!(desk.see(crew, &["gidNumber", "memberUid"]).await?.len(), 3);
    for (code, changes) in [
        (20, "add: member\nmember: UID=Bob, OU=people,dc=localhost\n-".to_owned()),
        (20, format!("add: uniqueMember\nuniqueMember: {bob}\n-")),
        (20, "add: memberUid\nmemberUid: bob\n-".into()),
        (16, "delete: memberUid\nmemberUid: carla\n-".into()),
        (16, "delete: member\nmember: uid=carla,ou=people,dc=localhost\n-".into()),
        (19, "add: member\nmember: uid=nobody,ou=people,dc=localhost\n-".into()),
        (19, "add: member\nmember: ou=people,dc=localhost\n-".into()),
        (21, "add: member\nmember: bob\n-".into()),
        (53, format!("add: member\nmember: {crew}\n-")),
        (53, "add: member\nmember: cn=lldap_admin,ou=groups,dc=localhost\n-".into()),
        (67, "replace: cn\ncn: Others\n-".into()),
        (65, "delete: gidNumber\n-".into()),
        (65, "add: sn\nsn: Crew\n-".into()),
        (65, "replace: objectClass\nobjectClass: posixGroup\n-".into()),
    ] {
        desk.refused(root, &[(code, &of(&changes))]).await?;
    }
    desk.must(root, &of(&format!("delete: uniqueMember\nuniqueMember: {bob}\n-\nadd: memberUid\nmemberUid: CARLA\n-")))
        .await?;
    assert_eq!(members().await?[0], "member: uid=carla,ou=people,dc=localhost");
    desk.must(root, &of(&format!("replace: member\nmember: {bob}\nmember: uid=carla,ou=people,dc=localhost\n-")))
        .await?;
    assert_eq!(members().await?.len(), 2, "the group inside is out");
    // Programs that look for what has changed look at this.
    let modified = desk.see(crew, &["modifyTimestamp"]).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    desk.must(root, &of("delete: member\n-\nadd: member\nmember: cn=empty-membership-placeholder\n-")).await?;
    assert_ne!(desk.see(crew, &["modifyTimestamp"]).await?, modified);
    assert_eq!(members().await?, [""; 0]);
    desk.must(
        root,
        &of(&format!(
            "add: member\nmember: {bob}\n-\nreplace: gidNumber\ngidNumber: 6001\n-\nreplace: cn\ncn: CREW\n-"
        )),
    )
    .await?;
    assert_eq!(desk.see(crew, &["cn", "gidNumber"]).await?, ["cn: CREW", "gidNumber: 6001"]);
    assert!(desk.see(bob, &["memberOf"]).await?.contains(&"memberOf: cn=CREW,ou=groups,dc=localhost".to_owned()));

    let built_in = "cn=lldap_admin,ou=groups,dc=localhost";
    for (program, arguments, code) in [
        ("ldapmodrdn", &["-r", built_in, "cn=others"][..], 53),
        ("ldapdelete", &[built_in], 53),
        ("ldapmodrdn", &["-r", crew, "cn=Staff\\, all"], 68),
        ("ldapmodrdn", &["-r", crew, "uid=sailors"], 64),
        ("ldapmodrdn", &["-r", crew, "cn=Sailors"], 0),
        ("ldapdelete", &["cn=sailors,ou=groups,dc=localhost"], 0),
        ("ldapdelete", &["cn=sailors,ou=groups,dc=localhost"], 32),
    ] {
        let finished = desk.run(root, program, arguments, "").await?;
        assert_eq!(finished.code, Some(code), "{program} {arguments:?}: {finished:?}");
    }
    // Nobody takes themselves out of the administrators.
    desk.refused(
        root,
        &[(
            53,
            &format!("dn: {built_in}\nchangetype: modify\ndelete: member\nmember: uid=root,ou=people,dc=localhost\n"),
        )],
    )
    .await
}
