//! Everything that the database holds, as text: to see that a refused verb left nothing behind,
//! and that no secret stands there in the clear.

use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::House;

impl House {
    /// Every row of every table, sorted.
    pub(crate) async fn tables(&self) -> String {
        match self.url.strip_prefix("sqlite:") {
            Some(path) => sqlite(path).await,
            None => {
                let mut looking = self.looking.lock().await;
                if looking.is_none() {
                    *looking = Some(PgConnection::connect(&self.url).await.unwrap());
                }
                postgres(looking.as_mut().unwrap()).await
            }
        }
    }
}

async fn sqlite(path: &str) -> String {
    let mut database = SqliteConnection::connect(&format!("sqlite:{path}?mode=ro")).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        .fetch_all(&mut database)
        .await
        .unwrap();
    let mut all = String::new();
    for table in tables {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1) ORDER BY cid")
            .bind(&table)
            .fetch_all(&mut database)
            .await
            .unwrap();
        let row = columns.iter().map(|column| format!("quote({column})")).collect::<Vec<_>>().join(" || ',' || ");
        rows(
            &mut all,
            &table,
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT {row} AS line FROM {table} ORDER BY 1")))
                .fetch_all(&mut database)
                .await
                .unwrap(),
        );
    }
    all
}

async fn postgres(database: &mut PgConnection) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
    )
    .fetch_all(&mut *database)
    .await
    .unwrap();
    let mut all = String::new();
    for table in tables {
        rows(
            &mut all,
            &table,
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT t::text FROM {table} t ORDER BY 1")))
                .fetch_all(&mut *database)
                .await
                .unwrap(),
        );
    }
    all
}

fn rows(all: &mut String, table: &str, rows: Vec<String>) {
    for row in rows {
        *all += &format!("{table}: {row}\n");
    }
}
