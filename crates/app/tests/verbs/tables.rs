//! Everything that the database holds, as text: to see that a refused verb left nothing behind,
//! and that no secret stands there in the clear.

use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::sync::Mutex;

use crate::House;

/// A look past the verbs, opened at the first one. The schema does not change while a test runs,
/// so one statement shows all tables each time.
#[derive(Default)]
pub(crate) struct Looking(Mutex<Option<(Connection, String)>>);

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl House {
    /// Every row of every table, sorted.
    pub(crate) async fn tables(&self) -> String {
        let mut looking = self.looking.0.lock().await;
        if looking.is_none() {
            *looking = Some(match self.url.strip_prefix("sqlite:") {
                Some(path) => sqlite(path).await,
                None => postgres(&self.url).await,
            });
        }
        let (connection, sql) = looking.as_mut().unwrap();
        let sql = sqlx::AssertSqlSafe(sql.clone());
        let rows: Vec<String> = match connection {
            Connection::Sqlite(database) => sqlx::query_scalar(sql).fetch_all(database).await.unwrap(),
            Connection::Postgres(database) => sqlx::query_scalar(sql).fetch_all(database).await.unwrap(),
        };
        rows.into_iter().map(|row| row + "\n").collect()
    }
}

async fn sqlite(path: &str) -> (Connection, String) {
    let mut database = SqliteConnection::connect(&format!("sqlite:{path}?mode=ro")).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        .fetch_all(&mut database)
        .await
        .unwrap();
    let mut parts = Vec::new();
    for table in tables {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1) ORDER BY cid")
            .bind(&table)
            .fetch_all(&mut database)
            .await
            .unwrap();
        let row = columns.iter().map(|column| format!("quote({column})")).collect::<Vec<_>>().join(" || ',' || ");
        parts.push(format!("SELECT '{table}: ' || {row} AS line FROM {table}"));
    }
    (Connection::Sqlite(database), all(&parts))
}

async fn postgres(url: &str) -> (Connection, String) {
    let mut database = PgConnection::connect(url).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    let parts: Vec<String> =
        tables.iter().map(|table| format!("SELECT '{table}: ' || t::text AS line FROM {table} t")).collect();
    (Connection::Postgres(database), all(&parts))
}

fn all(parts: &[String]) -> String {
    format!("SELECT line FROM ({}) every_row ORDER BY line", parts.join(" UNION ALL "))
}
