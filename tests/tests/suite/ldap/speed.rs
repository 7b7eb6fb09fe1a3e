//! How long a search takes among a thousand people.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ldap3_proto::proto::LdapSearchRequest;
use ostiary_model::{
    Email, Generation, GroupId, GroupName, Membership, Profile, Subject, Timestamp, User, UserId, UserState, Username,
    Validity,
};
use ostiary_store::{CacheUrl, DatabaseUrl, Store};
use ostiary_tests::{Pair, Setup, eventually, on_both_pairs};
use uuid::Uuid;

use super::{BASE, House, Wire, groups_query, person_query};

on_both_pairs!(a_thousand_people_are_found_in_less_than_a_millisecond);

const PEOPLE: u128 = 1000;
const GROUPS: u128 = 20;
/// The promise, for the build that is shipped. A build for tests runs without optimisation.
const PROMISE: Duration = Duration::from_millis(1);

/// Writes the people as another process would, past the command line: a thousand starts of it
/// would take minutes. Each has a name that is `padding` longer than it must be.
pub(super) async fn populate(house: &House, padding: usize) -> Result<()> {
    let sqlite = || format!("sqlite:{}", house.ostiary.data_dir().join("ostiary.db").display());
    let url = house.ostiary.postgres_url().map_or_else(sqlite, str::to_owned);
    let now = Timestamp::from_secs(1_795_369_500);
    let store = Store::open(&DatabaseUrl::parse(&url)?, &CacheUrl::parse("memory:")?, now).await?;
    let mut tx = store.begin().await?;
    for number in 0..GROUPS {
        let id = GroupId::from(Uuid::from_u128((2 << 100) + number));
        tx.group_insert(id, &GroupName::from_stored(format!("group{number:02}")), None, now).await?;
    }
    for number in 0..PEOPLE {
        let mut user = person(number, now);
        user.profile.display_name.push_str(&"x".repeat(padding));
        tx.user_insert(&user).await?;
        for step in 0..3 {
            let group = GroupId::from(Uuid::from_u128((2 << 100) + (number + step * 7) % GROUPS));
            tx.membership_insert(Membership { user: user.id, group }, now).await?;
        }
    }
    tx.commit(now).await?;
    store.close().await;
    Ok(())
}

fn person(number: u128, now: Timestamp) -> User {
    User {
        id: UserId::from(Uuid::from_u128((1 << 100) + number)),
        subject: Subject::from(Uuid::from_u128((3 << 100) + number)),
        profile: Profile {
            username: Username::from_stored(format!("user{number:04}")),
            email: Email::from_stored(format!("user{number:04}@example.tld")),
            email_verified: false,
            display_name: format!("User Number {number}"),
            given_name: "User".into(),
            family_name: format!("Number {number}"),
        },
        state: UserState::Active,
        validity: Validity::default(),
        is_service: false,
        uid_number: None,
        gid_number: None,
        has_avatar: false,
        generation: Generation(1),
        has_totp: false,
        created_at: now,
        modified_at: now,
        password_changed_at: None,
        last_sign_in_at: None,
    }
}

/// The median of a hundred searches.
async fn median(wire: &mut Wire, query: impl Fn(u128) -> LdapSearchRequest, entries: usize) -> Result<Duration> {
    let mut times = Vec::new();
    for number in 0..100 {
        let request = query(number * 37 % PEOPLE);
        let begun = Instant::now();
        let found = wire.search(request, Vec::new()).await?;
        times.push(begun.elapsed());
        ensure!(found.entries.len() == entries, "{:?}", found.names());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

async fn a_thousand_people_are_found_in_less_than_a_millisecond(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair)).await?;
    populate(&house, 0).await?;
    eventually("the last of them", async || {
        let found = house.bound(&house.svc).await?.search(person_query("user0999"), Vec::new()).await?;
        Ok((found.entries.len() == 1).then_some(()))
    })
    .await?;
    let mut wire = house.bound(&house.svc).await?;
    // The quietest of a few tries, since other tests share the machine.
    let (mut people, mut groups) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        people = people.min(median(&mut wire, |number| person_query(&format!("user{number:04}")), 1).await?);
        let groups_of = |number| groups_query(&format!("uid=user{number:04},ou=people,{BASE}"));
        groups = groups.min(median(&mut wire, groups_of, 3).await?);
    }
    ensure!(people < PROMISE && groups < PROMISE, "people {people:?}, groups {groups:?}");

    // While others sign in, as many as the machine can hash for, searches go on.
    let binds = tokio::spawn(binding(
        house.ostiary.ldap_address()?,
        house.ostiary.person_dn("bob")?,
        house.bob.password.clone(),
    ));
    let busy = median(&mut wire, |number| person_query(&format!("user{number:04}")), 1).await?;
    let bound = binds.await?.context("nobody was bound")?;
    ensure!(busy < Duration::from_millis(25), "{busy:?} while {bound} binds were checked");
    Ok(())
}

/// Binds again and again on several connections; gives how often.
async fn binding(address: std::net::SocketAddr, dn: String, password: String) -> Option<usize> {
    let until = Instant::now() + Duration::from_secs(2);
    let one = async || {
        let mut count = 0;
        while let Ok(mut wire) = Wire::connect(address).await
            && Instant::now() < until
        {
            count += usize::from(wire.bind(&dn, &password).await.is_ok());
        }
        count
    };
    let counts = tokio::join!(one(), one(), one(), one());
    Some(counts.0 + counts.1 + counts.2 + counts.3).filter(|count| *count > 0)
}
