//! The population in an Ostiary database that nobody else writes to.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use ostiary_model::{
    ADMIN_GROUP, Actor, Ctx, Email, Entropy, Generation, GroupId, GroupName, Membership, Profile,
    STRICT_READONLY_GROUP, Subject, Timestamp, User, UserState, Username, Validity,
};
use ostiary_store::{CacheUrl, DatabaseUrl, Store};

use crate::argon;
use crate::population::{GROUPS, PASSWORD, Person, Population, READER, SIGNING_IN, WRITER, group_name};

/// Within the range of the server by default, and far from its beginning, where it takes its own.
const POSIX_FIRST: i64 = 300_000;
/// So many people are written in one transaction.
const PART: usize = 2000;

struct Random;

impl Entropy for Random {
    fn fill(&self, buffer: &mut [u8]) {
        // Ids of a measurement: that they differ is enough, and the library does not fail.
        let _ = aws_lc_rs::rand::fill(buffer);
    }
}

/// Writes everybody and the two accounts that measure into the SQLite file `database`.
pub(crate) async fn seed(database: &Path, population: &Population) -> anyhow::Result<()> {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let now = Timestamp::from_micros(i64::try_from(micros)?);
    let ctx = Ctx::new(now, Actor::Server, Arc::new(Random));
    let url = DatabaseUrl::parse(&format!("sqlite:{}", database.display()))?;
    let store = Store::open(&url, &CacheUrl::Memory, now).await?;
    let phc = argon::phc(PASSWORD)?;
    let groups = groups(&store, &ctx).await?;
    let mut numbers = POSIX_FIRST + i64::from(GROUPS)..;
    for (at, part) in population.people.chunks(PART).enumerate() {
        let mut tx = store.begin().await?;
        tx.directory_lock().await?;
        let mut members = Vec::new();
        for (place, person) in part.iter().enumerate() {
            let user = user(&ctx, person, numbers.next())?;
            tx.user_insert(&user).await?;
            if at * PART + place < SIGNING_IN {
                tx.password_set(user.id, &phc, now).await?;
            }
            members.extend(person.groups.iter().map(|group| (*group, user.id)));
        }
        // The index by group is written in its order, or it would not fit into the engine's cache.
        members.sort_unstable();
        for (group, user) in members {
            let group = *groups.get(group as usize).context("one of the groups")?;
            tx.membership_insert(Membership { user, group }, now).await?;
        }
        tx.commit(now).await?;
    }
    let mut tx = store.begin().await?;
    tx.directory_lock().await?;
    for (name, group) in [(READER, STRICT_READONLY_GROUP), (WRITER, ADMIN_GROUP)] {
        let group = tx.group_by_name(group).await?.with_context(|| format!("{group} is not there"))?.id;
        let user = user(&ctx, &measuring(name), numbers.next())?;
        tx.user_insert(&user).await?;
        tx.password_set(user.id, &phc, now).await?;
        tx.membership_insert(Membership { user: user.id, group }, now).await?;
    }
    tx.commit(now).await?;
    store.close().await;
    Ok(())
}

async fn groups(store: &Store, ctx: &Ctx) -> anyhow::Result<Vec<GroupId>> {
    let mut tx = store.begin().await?;
    tx.directory_lock().await?;
    let mut groups = Vec::new();
    for number in 0..GROUPS {
        let gid = POSIX_FIRST + i64::from(number);
        groups.push(tx.group_insert(ctx.id(), &GroupName::parse(&group_name(number))?, Some(gid), ctx.now).await?.id);
    }
    tx.commit(ctx.now).await?;
    Ok(groups)
}

/// An account that measures.
fn measuring(name: &str) -> Person {
    Person {
        uid: name.to_owned(),
        mail: format!("{name}@example.org"),
        given: "Load",
        family: name.to_owned(),
        groups: Vec::new(),
    }
}

fn user(ctx: &Ctx, person: &Person, number: Option<i64>) -> anyhow::Result<User> {
    Ok(User {
        id: ctx.id(),
        subject: ctx.random_id::<Subject>(),
        profile: Profile {
            username: Username::parse(&person.uid)?,
            email: Email::parse(&person.mail)?,
            email_verified: true,
            display_name: person.name(),
            given_name: person.given.into(),
            family_name: person.family.clone(),
        },
        state: UserState::Active,
        validity: Validity::default(),
        is_service: false,
        uid_number: number,
        gid_number: None,
        has_avatar: false,
        generation: Generation(1),
        has_totp: false,
        created_at: ctx.now,
        modified_at: ctx.now,
        password_changed_at: None,
        last_sign_in_at: None,
    })
}
