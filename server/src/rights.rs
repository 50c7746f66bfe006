//! The rights in the database: mended by `migrate`, checked by programs that serve.

use migrations::{Concern, Missing};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::error::Error;
use crate::lacking::{Lacking, Purpose};

/// Makes sure, before the first migrations, that the database lets them do their work.
///
/// # Errors
/// [`Error::Rights`], or the database's.
pub async fn may_migrate(db: &mut PgConnection) -> Result<(), Error> {
    refuse_if_missing(Purpose::Mending, migrations::missing_to_migrate(db).await?)
}

/// Gives back what is missing and takes back what is too much, in a migrated database; `serves` is a user that is
/// to serve and own nothing. Whatever is right already is left alone.
///
/// # Errors
/// [`Error::Rights`] names what the database did not let us mend; or the database's.
pub async fn mend(db: &mut PgConnection, serves: Option<&str>) -> Result<(), Error> {
    let mut before = Vec::new();
    loop {
        let missing = match serves {
            Some(user) => migrations::missing_for(db, user).await?,
            None => migrations::missing(db).await?,
        };
        // Roles and memberships belong to the server: another database's `migrate` may have been faster, or in
        // the way. What stays the same after a try is not for us to mend.
        if missing.is_empty() || missing == before {
            return refuse_if_missing(Purpose::Mending, missing);
        }
        for one in missing.iter().filter(|one| !one.mend.starts_with("--")) {
            match sqlx::raw_sql(AssertSqlSafe(one.mend.clone())).execute(&mut *db).await {
                Ok(_) => tracing::info!(what = one.what, "mended"),
                Err(sqlx::Error::Database(error)) => tracing::debug!(%error, what = one.what, "not mended"),
                Err(error) => return Err(error.into()),
            }
        }
        before = missing;
    }
}

/// Makes sure that the program can serve on this database as the user that it is. A log without its guards works,
/// and is told of.
///
/// # Errors
/// [`Error::Rights`], or the database's.
pub async fn check(db: &mut PgConnection) -> Result<(), Error> {
    let (history, missing): (Vec<_>, Vec<_>) =
        migrations::missing(db).await?.into_iter().partition(|one| one.concern == Concern::History);
    for guard in history {
        tracing::warn!(
            what = guard.what,
            mend = guard.mend,
            "history can be changed: run `runledger migrate`"
        );
    }
    refuse_if_missing(Purpose::Serving, missing)
}

fn refuse_if_missing(purpose: Purpose, missing: Vec<Missing>) -> Result<(), Error> {
    if missing.is_empty() { Ok(()) } else { Err(Error::Rights(Lacking { missing, purpose })) }
}
