//! Which database: the one that was named, or a private one that we start.

use std::path::Path;
use std::str::FromStr;

use database::DatabaseErrorKind;
use private_postgres::{PrivatePostgres, PrivatePostgresConfig};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};

use crate::cli::{DatabaseArgs, PrivateArgs};
use crate::connect::{self, probe};
use crate::error::Error;
use crate::{files, operator, rights};

/// The file in the data folder by which other commands find a private database that is running.
const ADDRESS_FILE: &str = "database-url";

/// Connections of a short command.
const SHORT_COMMANDS: u32 = 4;

/// A database to work with, and the private server behind it if there is one.
pub struct Database {
    /// How to connect.
    pub options: PgConnectOptions,
    /// For the environment of other programs. Holds a password.
    pub url: String,
    private: Option<PrivatePostgres>,
}

impl Database {
    /// The database that was named, or a private one that lives as long as this value.
    ///
    /// # Errors
    /// When the URL can't be read or the private server does not start.
    pub async fn named_or_private(url: Option<&str>, private: &PrivateArgs) -> Result<Self, Error> {
        match url {
            Some(url) => Self::named(url),
            None => Self::start_private(private).await,
        }
    }

    /// The database that was named, or the private one of a program that is running on the data folder. None is
    /// made: an empty database in the place of the one that was meant would look like a ledger that lost all.
    ///
    /// # Errors
    /// When there is neither.
    pub fn named_or_running(args: &DatabaseArgs) -> Result<Self, Error> {
        match named_url(args.database_url.as_deref()) {
            Some(url) => Self::named(url),
            None => Self::named(&running_private_url(&args.private.data_dir)?),
        }
    }

    /// A private database, which lives as long as this value.
    ///
    /// # Errors
    /// When its server does not start.
    async fn start_private(args: &PrivateArgs) -> Result<Self, Error> {
        let private = PrivatePostgres::start(PrivatePostgresConfig {
            data_dir: args.data_dir.clone(),
            bin_dir: args.pg_bin_dir.clone(),
            releases_url: args.postgres_releases_url.clone(),
            cache_dir: None,
        })
        .await?;
        let url = private.url();
        files::write_private(&args.data_dir.join(ADDRESS_FILE), url.as_bytes())?;
        Ok(Self { options: named(private.connect_options()), url, private: Some(private) })
    }

    /// The database of that URL.
    ///
    /// # Errors
    /// When the URL can't be read.
    fn named(url: &str) -> Result<Self, Error> {
        Ok(Self { options: parse(url)?, url: url.to_owned(), private: None })
    }

    /// Whether it is nobody else's.
    pub fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// Resolves when the private server dies by itself; never where the database is not ours.
    pub async fn died(&self) -> Error {
        match &self.private {
            Some(private) => Error::PostgresDied(private.exited().await.to_string()),
            None => std::future::pending().await,
        }
    }

    /// Stops the private server, if there is one.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn close(self) -> Result<(), Error> {
        match self.private {
            Some(private) => Ok(private.stop().await?),
            None => Ok(()),
        }
    }
}

/// Connects for a short command: to the database that was named, or to the private one of a program
/// that is running on the data folder.
///
/// # Errors
/// When there is neither.
pub async fn connect_existing(args: &DatabaseArgs) -> Result<PgPool, Error> {
    let options = Database::named_or_running(args)?.options;
    probe(&options).await.map_err(|error| match named_url(args.database_url.as_deref()) {
        Some(_) => error,
        None => Error::Usage(format!(
            "the private database on {} does not answer: start `runledger dev` there, or set DATABASE_URL ({error})",
            args.private.data_dir.display()
        )),
    })?;
    let pool = operator::pool_options().max_connections(SHORT_COMMANDS).connect_with(options).await?;
    check_schema(&pool).await?;
    Ok(pool)
}

/// The URL that was given. An empty one is none: that is how a variable is unset in many places.
pub fn named_url(url: Option<&str>) -> Option<&str> {
    url.map(str::trim).filter(|url| !url.is_empty())
}

fn running_private_url(data_dir: &Path) -> Result<String, Error> {
    std::fs::read_to_string(data_dir.join(ADDRESS_FILE)).map_err(|_| {
        Error::Usage(format!(
            "which database? Set DATABASE_URL, or start `runledger dev` on {} first",
            data_dir.display()
        ))
    })
}

fn parse(url: &str) -> Result<PgConnectOptions, Error> {
    // The errors are kept short on purpose: they must not repeat the password.
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(Error::Usage(
            "DATABASE_URL is no Postgres URL: write postgres://user:password@host:5432/database".into(),
        ));
    }
    let options = PgConnectOptions::from_str(url.trim()).map_err(|_| {
        Error::Usage(
            "DATABASE_URL can't be read: write postgres://user:password@host:5432/database?sslmode=verify-full, and \
             what is special in a password as % and two digits"
                .into(),
        )
    })?;
    connect::with_files(named(options), url)
}

fn named(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("runledger")
}

/// Brings the tables up to date, and the rights on them. `serves` is a user that is to serve and own nothing.
///
/// # Errors
/// When a migration fails, or rights are missing that this user may not give.
pub async fn migrate(options: &PgConnectOptions, serves: Option<&str>) -> Result<(), Error> {
    probe(options).await?;
    let mut connection = PgConnection::connect_with(options).await?;
    rights::may_migrate(&mut connection).await?;
    migrations::MIGRATOR.run(&mut connection).await?;
    rights::mend(&mut connection, serves).await?;
    Ok(connection.close().await?)
}

/// Checks that the tables are those that this program was built for.
///
/// # Errors
/// [`Error::Schema`] that says what to do.
pub async fn check_schema(pool: &PgPool) -> Result<(), Error> {
    let newest = migrations::MIGRATOR.iter().map(|m| m.version).max().unwrap_or(0);
    let applied: Result<Option<i64>, sqlx::Error> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(pool).await;
    match applied {
        Ok(Some(version)) if version >= newest => Ok(()),
        Ok(version) => Err(Error::Schema(format!(
            "the database is at migration {} and the program needs {newest}: run `runledger migrate` first",
            version.unwrap_or(0)
        ))),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Err(Error::Schema(
            "the database has no tables of runledger: run `runledger migrate` first".into(),
        )),
        Err(error) if DatabaseErrorKind::of(&error) == DatabaseErrorKind::Forbidden => {
            let user = pool.connect_options().get_username().to_owned();
            Err(Error::Schema(format!(
                "the database user {user} may not read the tables ({error}): run `runledger migrate --serve-role {user}` \
                 as the owner of the tables"
            )))
        }
        Err(error) => Err(error.into()),
    }
}
