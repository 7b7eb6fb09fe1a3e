//! A database of its own for each server under test.

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use crate::chance::random_hex;
use crate::pair::given;

/// An empty PostgreSQL database, removed when dropped.
pub struct FreshPostgres {
    server: String,
    name: String,
    /// Its address.
    pub url: String,
}

impl FreshPostgres {
    /// Makes one on the server that `OSTIARY_TEST_POSTGRES` names.
    ///
    /// # Errors
    /// When there is none, or it refuses.
    pub async fn make() -> Result<Self> {
        let server = given("OSTIARY_TEST_POSTGRES")?;
        let name = format!("ostiary_{}", random_hex());
        let mut url = Url::parse(&server).context("OSTIARY_TEST_POSTGRES")?;
        url.set_path(&name);
        execute(&server, &format!("CREATE DATABASE {name}")).await?;
        Ok(Self { server, name, url: url.into() })
    }
}

impl Drop for FreshPostgres {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        // A test's own runtime cannot be waited for from here.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(execute(&server, &sql))
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("a test database stays behind: {error:#}");
        }
    }
}

async fn execute(server: &str, sql: &str) -> Result<()> {
    let mut connection = PgConnection::connect(server).await.context("the PostgreSQL server of the tests")?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.with_context(|| sql.to_owned())?;
    connection.close().await?;
    Ok(())
}
