//! The people of a measurement: each in three of twenty groups, the same for every server.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use ostiary_model::{
    Actor, Ctx, Email, Entropy, Generation, GroupName, Membership, Profile, Subject, Timestamp, User, UserState,
    Username,
};
use ostiary_store::{CacheUrl, DatabaseUrl, Store};

const GROUPS: u32 = 20;

struct Random;

impl Entropy for Random {
    fn fill(&self, buffer: &mut [u8]) {
        // Ids of a measurement: that they differ is enough, and the library does not fail.
        let _ = aws_lc_rs::rand::fill(buffer);
    }
}

/// The groups that person `number` is in.
pub(crate) fn groups_of(number: u32) -> [u32; 3] {
    [number % GROUPS, (number + 7) % GROUPS, (number + 13) % GROUPS]
}

/// Writes `people` persons and the groups into the SQLite file `database`, in one transaction.
pub(crate) async fn seed(database: &Path, people: u32) -> anyhow::Result<()> {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let now = Timestamp::from_micros(i64::try_from(micros)?);
    let ctx = Ctx::new(now, Actor::Server, Arc::new(Random));
    let url = DatabaseUrl::parse(&format!("sqlite:{}", database.display()))?;
    let store = Store::open(&url, &CacheUrl::Memory, now).await?;
    let mut tx = store.begin().await?;
    let mut groups = Vec::new();
    for number in 0..GROUPS {
        groups.push(tx.group_insert(ctx.id(), &GroupName::parse(&format!("group{number:02}"))?, now).await?);
    }
    for number in 0..people {
        let user = person(&ctx, number)?;
        tx.user_insert(&user).await?;
        for group in groups_of(number) {
            let group = groups.get(group as usize).context("a group of the twenty")?.id;
            tx.membership_insert(Membership { user: user.id, group }, now).await?;
        }
    }
    tx.commit(now).await?;
    store.close().await;
    Ok(())
}

fn person(ctx: &Ctx, number: u32) -> anyhow::Result<User> {
    Ok(User {
        id: ctx.id(),
        subject: ctx.random_id::<Subject>(),
        profile: Profile {
            username: Username::parse(&format!("user{number:05}"))?,
            email: Email::parse(&format!("user{number:05}@example.org"))?,
            email_verified: true,
            display_name: format!("User Number {number}"),
            given_name: "User".into(),
            family_name: format!("Number {number}"),
        },
        state: UserState::Active,
        generation: Generation(1),
        has_totp: false,
        created_at: ctx.now,
        modified_at: ctx.now,
        password_changed_at: None,
        last_sign_in_at: None,
    })
}

/// The same people as LDIF, for a server that is filled that way.
pub(crate) fn ldif(base: &str, people: u32) -> String {
    let (kind, name) = base.split(',').next().and_then(|rdn| rdn.split_once('=')).unwrap_or(("dc", "localhost"));
    let mut text =
        format!("dn: {base}\nobjectClass: dcObject\nobjectClass: organization\no: bench\n{kind}: {name}\n\n");
    for unit in ["people", "groups"] {
        let _ = write!(text, "dn: ou={unit},{base}\nobjectClass: organizationalUnit\nou: {unit}\n\n");
    }
    for number in 0..people {
        let _ = write!(
            text,
            "dn: uid=user{number:05},ou=people,{base}\nobjectClass: inetOrgPerson\nuid: user{number:05}\n\
             mail: user{number:05}@example.org\ncn: User Number {number}\ngivenName: User\nsn: Number {number}\n\n"
        );
    }
    for group in 0..GROUPS {
        let _ = write!(
            text,
            "dn: cn=group{group:02},ou=groups,{base}\nobjectClass: groupOfUniqueNames\ncn: group{group:02}\n"
        );
        for number in (0..people).filter(|number| groups_of(*number).contains(&group)) {
            let _ = writeln!(text, "uniqueMember: uid=user{number:05},ou=people,{base}");
        }
        text.push('\n');
    }
    text
}
