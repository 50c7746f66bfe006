//! Puts the tables into `template1` of the server that `DATABASE_URL` names: a database that is made there begins
//! with them, and a test does not wait for every migration. For a server of one's own, as `scripts/test` starts it.
//! What wants a database without tables there makes it from `template0`.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server: PgConnectOptions = std::env::var("DATABASE_URL")?.parse()?;
    let mut connection = server.connect().await?;
    // Made anew: the one that is there may have the migrations of another version.
    for statement in [
        "UPDATE pg_database SET datistemplate = false WHERE datname = 'template1'",
        "DROP DATABASE IF EXISTS template1",
        "CREATE DATABASE template1 TEMPLATE template0 IS_TEMPLATE true",
    ] {
        sqlx::raw_sql(statement).execute(&mut connection).await?;
    }
    connection.close().await?;
    let mut template = server.database("template1").connect().await?;
    migrations::MIGRATOR.run(&mut template).await?;
    template.close().await?;
    Ok(())
}
