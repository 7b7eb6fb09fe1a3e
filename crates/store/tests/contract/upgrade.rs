//! A database that an earlier release wrote, with people in it, is brought up to date.

use ostiary_model::Folded;
use ostiary_store::{CacheUrl, DatabaseUrl, Store};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use crate::NOW;

/// What the first release left behind: people and groups, the later ones first.
fn first_release(schema: &str, uuid: impl Fn(u32) -> String) -> String {
    let mut sql = format!(
        "{schema}; CREATE TABLE schema_migration (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL); \
         INSERT INTO schema_migration (version, name, applied_at) VALUES (1, '0001_first_light', 0);"
    );
    for (number, name, created_at) in [(1, "carla", 30), (2, "bob", 20), (3, "ada", 10)] {
        let (id, subject) = (uuid(number), uuid(100 + number));
        sql += &format!(
            "INSERT INTO users (id, subject, username, username_folded, email, email_folded, email_verified, display_name, \
             given_name, family_name, generation, created_at, modified_at) VALUES ({id}, {subject}, '{name}', '{name}', \
             '{name}@example.tld', '{name}@example.tld', TRUE, '', '', '', 1, {created_at}, {created_at});"
        );
    }
    for (number, name) in [(2, "second"), (1, "first")] {
        let id = uuid(200 + number);
        sql += &format!(
            "INSERT INTO groups (id, number, name, name_folded, created_at, modified_at) \
             VALUES ({id}, {number}, '{name}', '{name}', 5, 5);"
        );
    }
    let (user, group) = (uuid(1), uuid(201));
    sql + &format!("INSERT INTO membership (user_id, group_id, created_at) VALUES ({user}, {group}, 0);")
}

async fn looks_right(url: &str) {
    let store =
        Store::open(&DatabaseUrl::parse(url).unwrap(), &CacheUrl::parse("memory:").unwrap(), NOW).await.unwrap();
    for (name, number) in [("ada", 200_000), ("bob", 200_001), ("carla", 200_002)] {
        let user = store.user_by_name(&Folded::new(name)).await.unwrap().unwrap();
        assert_eq!((user.uid_number, user.gid_number), (Some(number), None), "{name}");
        assert!(!user.is_service && user.is_open(NOW) && !user.has_avatar);
    }
    let mut snapshot = store.directory_snapshot().await.unwrap();
    snapshot.groups.sort_by_key(|entry| entry.group.number);
    let gids: Vec<Option<i64>> = snapshot.groups.iter().map(|entry| entry.group.gid_number).collect();
    assert_eq!(gids, [Some(200_003), Some(200_004)]);
    assert_eq!((snapshot.users.len(), snapshot.memberships.len()), (3, 1));
    assert_eq!(snapshot.schema.defs().count(), 3);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.posix_number_take(200_000, 524_287).await.unwrap(), Some(200_005));
}

#[tokio::test]
async fn an_embedded_database_of_the_first_release_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("old.db").display());
    let mut old = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
    let schema = include_str!("../../../../migrations/sqlite/0001_first_light.sql");
    let sql = first_release(schema, |number| format!("X'{number:032X}'"));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
    looks_right(&url).await;
}

#[tokio::test]
async fn a_database_of_the_first_release_on_a_server_is_taken_over() {
    let url = crate::fresh_postgres().await;
    let mut old = PgConnection::connect(&url).await.unwrap();
    let schema = include_str!("../../../../migrations/postgres/0001_first_light.sql");
    let sql = first_release(schema, |number| format!("'{number:032x}'"));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
    looks_right(&url).await;
}
