//! What Authelia and Directus send, with the `ldap3` crate.

use anyhow::{Context, Result, ensure};
use ldap3::{Ldap, LdapConnAsync, LdapResult, Scope, SearchEntry, SearchOptions, SearchResult};
use ostiary_tests::{Pair, Setup, eventually, on_both_pairs};

use super::House;

on_both_pairs!(authelia_finds_people_and_their_groups, directus_signs_people_in);

const PEOPLE: &str = "ou=people,dc=localhost";
const WANTED: &[&str] = &["uid", "givenName", "sn", "mail", "userAccountControl"];
const GROUPS: &str = "ou=groups,dc=localhost";

async fn connect(house: &House) -> Result<Ldap> {
    let (connection, ldap) = LdapConnAsync::new(&house.ostiary.ldap_url()?).await?;
    ldap3::drive!(connection);
    Ok(ldap)
}

async fn entries(
    ldap: &mut Ldap,
    base: &str,
    scope: Scope,
    filter: &str,
    attributes: &[&str],
) -> Result<Vec<SearchEntry>> {
    let (found, _) = ldap.search(base, scope, filter, attributes.to_vec()).await?.success()?;
    Ok(found.into_iter().map(SearchEntry::construct).collect())
}

async fn code(house: &House, dn: &str, password: &str) -> Result<u32> {
    let mut ldap = connect(house).await?;
    let LdapResult { rc, .. } = ldap.simple_bind(dn, password).await?;
    ldap.unbind().await?;
    Ok(rc)
}

async fn authelia_finds_people_and_their_groups(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair)).await?;
    let mut ldap = connect(&house).await?;
    // Before any bind it asks what the server can do.
    let wanted = ["supportedExtension", "supportedControl", "supportedFeatures"];
    let root = entries(&mut ldap, "", Scope::Base, "(objectClass=*)", &wanted).await?;
    ensure!(root[0].attrs["supportedExtension"] == ["1.3.6.1.4.1.4203.1.11.1", "1.3.6.1.4.1.4203.1.11.3"], "{root:?}");
    let SearchResult(_, unbound) = ldap.search(PEOPLE, Scope::Subtree, "(uid=bob)", vec!["uid"]).await?;
    assert_eq!(unbound.rc, 50, "nobody searches without a bind");

    let svc = house.ostiary.person_dn("svc")?;
    ldap.simple_bind(&svc, &house.svc.password).await?.success()?;
    for typed in ["bob", "BOB", "bob@example.tld", "Bob@Example.TLD"] {
        let filter = format!("(&(|(uid={typed})(mail={typed}))(objectClass=person))");
        let options = SearchOptions::new().sizelimit(1);
        let wanted = vec!["uid", "mail", "cn", "memberOf"];
        let found =
            ldap.with_search_options(options).search("OU=people,DC=localhost", Scope::Subtree, &filter, wanted).await?;
        let (found, _) = found.success()?;
        let bob = SearchEntry::construct(found.into_iter().next().context("bob is found")?);
        assert_eq!(bob.dn, "uid=bob,ou=people,dc=localhost");
        assert_eq!((&bob.attrs["uid"][0], &bob.attrs["mail"][0]), (&"bob".to_owned(), &"bob@example.tld".to_owned()));
        assert_eq!(bob.attrs["memberOf"], ["cn=Staff\\, all,ou=groups,dc=localhost"]);
        let filter = format!("(&(member={})(objectClass=groupOfUniqueNames))", bob.dn);
        let groups = entries(&mut ldap, GROUPS, Scope::Subtree, &filter, &["cn"]).await?;
        assert_eq!(groups.iter().map(|group| group.attrs["cn"][0].as_str()).collect::<Vec<_>>(), ["Staff, all"]);
        // The password is checked on a connection of its own, as the entry that was found.
        assert_eq!(code(&house, &bob.dn, &house.bob.password).await?, 0);
        assert_eq!(code(&house, &bob.dn, "wrong").await?, 49);
    }
    let none =
        entries(&mut ldap, PEOPLE, Scope::Subtree, "(&(|(uid=*)(mail=x\\2a))(objectClass=person)(uid=nobody))", &[])
            .await?;
    ensure!(none.is_empty());
    Ok(())
}

async fn directus_signs_people_in(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair)).await?;
    let (svc, bob) = (house.ostiary.person_dn("svc")?, house.ostiary.person_dn("bob")?);
    let mut ldap = connect(&house).await?;
    // One connection for the life of the process, bound again at every sign-in.
    for _ in 0..2 {
        ldap.simple_bind(&svc, &house.svc.password).await?.success()?;
        let own = entries(&mut ldap, &svc, Scope::Base, "(objectClass=*)", &["*"]).await?;
        assert_eq!(own.len(), 1, "the account reads its own entry");
        let found = entries(&mut ldap, PEOPLE, Scope::OneLevel, "(cn=bob)", WANTED).await?;
        assert_eq!((found[0].dn.as_str(), found[0].attrs["userAccountControl"][0].as_str()), (bob.as_str(), "512"));
        let groups = entries(&mut ldap, GROUPS, Scope::OneLevel, &format!("(member={bob})"), &["cn"]).await?;
        assert_eq!(groups[0].attrs["cn"], ["Staff, all"]);
        assert_eq!(code(&house, &found[0].dn, &house.bob.password).await?, 0);
    }
    assert_eq!(look(&house, &bob).await?, (0, Some("512".to_owned())));
    house.ostiary.cli(&["user", "disable", "bob"]).await?;
    assert_eq!(code(&house, &bob, &house.bob.password).await?, 49, "at once");
    eventually("the closed account", async || {
        Ok((look(&house, &bob).await? == (0, Some("514".to_owned()))).then_some(()))
    })
    .await?;
    house.ostiary.cli(&["user", "delete", "bob"]).await?;
    eventually("noSuchObject", async || Ok((look(&house, &bob).await? == (32, None)).then_some(()))).await
}

/// What Directus asks at a refresh: result code and `userAccountControl`.
async fn look(house: &House, dn: &str) -> Result<(u32, Option<String>)> {
    let mut ldap = connect(house).await?;
    ldap.simple_bind(&house.ostiary.person_dn("svc")?, &house.svc.password).await?.success()?;
    let SearchResult(found, result) = ldap.search(dn, Scope::Base, "(objectClass=*)", WANTED.to_vec()).await?;
    let control =
        found.into_iter().next().map(|entry| SearchEntry::construct(entry).attrs["userAccountControl"][0].clone());
    Ok((result.rc, control))
}
