//! The two schemas are the same, every migration is known, and a newer one is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ostiary_store::{DatabaseUrl, Error, MIGRATIONS, Store};
use sqlx::{PgPool, SqlitePool};

use crate::{House, NOW, Pair, contract};

contract!(opening_twice_changes_nothing, two_may_start_at_once, a_newer_schema_is_refused_untouched);

async fn opening_twice_changes_nothing(house: House) {
    crate::stored_person(&house, "ada").await;
    let again = house.again().await;
    assert_eq!(again.directory_snapshot().await.unwrap().users.len(), 1);
}

async fn two_may_start_at_once(house: House) {
    // Another empty database on the same engine, opened by several at the same moment.
    let database = match house.store.engine() {
        ostiary_store::Engine::Sqlite => {
            DatabaseUrl::parse(&format!("sqlite:{}", house.folder().join("other.db").display())).unwrap()
        }
        ostiary_store::Engine::Postgres => DatabaseUrl::parse(&crate::fresh_postgres().await).unwrap(),
    };
    let opens = (0..4).map(|_| Store::open(&database, &house.cache, NOW));
    let (a, b, c, d) = {
        let mut opens = opens;
        tokio::join!(opens.next().unwrap(), opens.next().unwrap(), opens.next().unwrap(), opens.next().unwrap())
    };
    for store in [a, b, c, d] {
        store.unwrap().ping().await.unwrap();
    }
}

async fn a_newer_schema_is_refused_untouched(house: House) {
    let known = MIGRATIONS.last().unwrap().version;
    let sql = "INSERT INTO schema_migration (version, name, applied_at) VALUES (9999, 'future', 0)";
    if house.url.starts_with("sqlite:") {
        let pool = SqlitePool::connect(&house.url).await.unwrap();
        sqlx::query(sql).execute(&pool).await.unwrap();
    } else {
        let pool = PgPool::connect(&house.url).await.unwrap();
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    let Err(error) = Store::open(&house.database, &house.cache, NOW).await else { panic!("it was opened") };
    assert!(matches!(error, Error::NewerSchema { found: 9999, known: k } if k == known));
    assert!(error.to_string().contains("newer release"), "{error}");
}

#[test]
fn every_file_is_a_migration_and_the_other_way_round() {
    let listed: Vec<String> = MIGRATIONS.iter().map(|migration| format!("{}.sql", migration.name)).collect();
    for (place, migration) in MIGRATIONS.iter().enumerate() {
        assert_eq!(migration.version, i64::try_from(place).unwrap() + 1);
        assert!(migration.name.starts_with(&format!("{:04}_", migration.version)));
    }
    for engine in ["postgres", "sqlite"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(engine);
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        assert_eq!(files, listed, "{engine}");
    }
}

/// What is compared of a column: its type in PostgreSQL's words, and whether it may be empty.
type Columns = BTreeMap<(String, String), (String, bool)>;
/// Primary keys and indexes: table, its columns, and whether they are unique.
type Keys = BTreeSet<(String, Vec<String>, bool)>;
/// Columns that refer to others: table and column, table and column referred to, what a deletion does.
type Links = BTreeSet<[String; 5]>;

#[tokio::test]
async fn the_two_schemas_are_the_same() {
    let servers = House::new(Pair::Servers).await;
    let embedded = House::new(Pair::Embedded).await;
    let (pg_columns, pg_keys, pg_links) = postgres_schema(&servers.url).await;
    let (lite_columns, lite_keys, lite_links) = sqlite_schema(&embedded.url).await;
    assert!(pg_columns.len() > 50 && pg_links.len() > 20);
    assert_eq!(pg_columns, lite_columns);
    assert_eq!(pg_keys, lite_keys);
    assert_eq!(pg_links, lite_links);
}

async fn postgres_schema(url: &str) -> (Columns, Keys, Links) {
    let pool = PgPool::connect(url).await.unwrap();
    let columns: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text \
         FROM information_schema.columns WHERE table_schema = 'public'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let columns = columns
        .into_iter()
        .map(|(table, column, kind, nullable)| ((table, column), (common_type(&kind), nullable == "YES")))
        .collect();
    let keys: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT i.indrelid::regclass::text, string_agg(a.attname, ',' ORDER BY k.place), i.indisunique \
         FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (number, place) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number JOIN pg_class c ON c.oid = i.indrelid \
         WHERE c.relnamespace = 'public'::regnamespace GROUP BY i.indexrelid, i.indrelid, i.indisunique",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let links: Vec<(String, String, String, String, String)> = sqlx::query_as(
        "SELECT c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text, f.attname::text, \
         CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'NO ACTION' END FROM pg_constraint c \
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
         JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[1] \
         WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    (
        columns,
        keys.into_iter().map(|(table, columns, unique)| (table, split(&columns), unique)).collect(),
        links_of(links),
    )
}

async fn sqlite_schema(url: &str) -> (Columns, Keys, Links) {
    let pool = SqlitePool::connect(url).await.unwrap();
    let rows: Vec<(String, String, String, i64, i64)> = sqlx::query_as(
        "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let columns = rows
        .into_iter()
        .map(|(table, column, kind, not_null, primary)| {
            ((table, column), (common_type(&kind), not_null == 0 && primary == 0))
        })
        .collect();
    let keys: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT m.name, (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)), \
         i.\"unique\" FROM sqlite_master m JOIN pragma_index_list(m.name) i WHERE m.type = 'table'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let links: Vec<(String, String, String, String, String)> = sqlx::query_as(
        "SELECT m.name, f.\"from\", f.\"table\", f.\"to\", f.on_delete \
         FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    (
        columns,
        keys.into_iter().map(|(table, columns, unique)| (table, split(&columns), unique)).collect(),
        links_of(links),
    )
}

fn links_of(rows: Vec<(String, String, String, String, String)>) -> Links {
    rows.into_iter().map(|(table, column, to, key, deletion)| [table, column, to, key, deletion]).collect()
}

fn common_type(name: &str) -> String {
    match name.to_lowercase().as_str() {
        // SQLite has no type of its own for these two.
        "uuid" | "bytea" | "blob" => "bytes".to_owned(),
        other => other.to_owned(),
    }
}

fn split(columns: &str) -> Vec<String> {
    columns.split(',').map(str::to_owned).collect()
}
