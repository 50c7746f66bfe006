//! Names from the tenant's directory, as they are today. Items and runs keep the ids, and their names are looked up when
//! they are shown: so a rename is seen everywhere at once.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{Namespace, RunId, TenantId, search_key};
use redaction::CleanText;
use sqlx::PgConnection;

use crate::difference::ItemChange;
use crate::items::ItemView;
use crate::runs::RunView;

/// What an id of a namespace is called, as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownName {
    /// The name; none where it was taken back.
    pub name: Option<String>,
    /// When it was called so.
    pub as_of: DateTime<Utc>,
}

/// Ids in their namespaces, and what is known of them.
type Found<T> = HashMap<(String, String), T>;

/// What the directory has of these ids, given as namespaces and ids side by side.
///
/// # Errors
/// The database's.
pub async fn known(
    conn: &mut PgConnection,
    tenant: &TenantId,
    (namespaces, ids): (&[&str], &[&str]),
) -> Result<Found<KnownName>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // LIMIT has each id looked up by itself, whatever the planner thinks of the table's size.
    let rows = sqlx::query!(
        r#"SELECT t.namespace AS "namespace!", t.id AS "id!", d.name, d.as_of AS "as_of!"
           FROM unnest($2::text[], $3::text[]) AS t (namespace, id)
           CROSS JOIN LATERAL (
               SELECT name, as_of FROM projection.directory
               WHERE tenant = $1 AND namespace = t.namespace AND entry_id = t.id LIMIT 1) AS d"#,
        tenant.as_str(),
        namespaces as _,
        ids as _
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    Ok(rows.map(|row| ((row.namespace, row.id), KnownName { name: row.name, as_of: row.as_of })).collect())
}

/// A view that may say in which namespace it is an id.
pub(crate) trait InNamespace {
    fn place(&self) -> Option<(&str, &str)>;
    fn set_name(&mut self, name: Option<String>);
}

impl InNamespace for ItemView {
    fn place(&self) -> Option<(&str, &str)> {
        Some((self.namespace.as_deref()?, &self.item))
    }

    fn set_name(&mut self, name: Option<String>) {
        self.name = name;
    }
}

impl InNamespace for ItemChange {
    fn place(&self) -> Option<(&str, &str)> {
        Some((self.namespace.as_deref()?, &self.item))
    }

    fn set_name(&mut self, name: Option<String>) {
        self.name = name;
    }
}

/// Gives the items that say a namespace their names. Where none does, the database is not asked.
///
/// # Errors
/// The database's.
pub(crate) async fn name_items(
    conn: &mut PgConnection,
    tenant: &TenantId,
    views: &mut [impl InNamespace],
) -> Result<(), sqlx::Error> {
    let (namespaces, ids): (Vec<&str>, Vec<&str>) = views.iter().filter_map(InNamespace::place).unzip();
    let mut found = known(conn, tenant, (&namespaces, &ids)).await?;
    for view in views {
        let key = view.place().map(|(namespace, id)| (namespace.to_owned(), id.to_owned()));
        view.set_name(key.and_then(|key| found.remove(&key)?.name));
    }
    Ok(())
}

/// Gives the labels of runs whose names are namespaces of the tenant's directory the names of their values, as far as
/// these are known.
///
/// # Errors
/// The database's.
pub(crate) async fn name_labels(
    conn: &mut PgConnection,
    tenant: &TenantId,
    runs: &mut [RunView],
) -> Result<(), sqlx::Error> {
    let labels = runs.iter().flat_map(|run| &run.labels);
    let asked: HashSet<(&str, &str)> = labels
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| name.parse::<Namespace>().is_ok())
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    let (namespaces, ids): (Vec<&str>, Vec<&str>) = asked.into_iter().unzip();
    let rows = sqlx::query!(
        r#"SELECT t.namespace AS "namespace!", t.id AS "id!",
               (SELECT name FROM projection.directory
                WHERE tenant = $1 AND namespace = t.namespace AND entry_id = t.id) AS name
           FROM unnest($2::text[], $3::text[]) AS t (namespace, id)
           WHERE (SELECT true FROM projection.directory WHERE tenant = $1 AND namespace = t.namespace LIMIT 1)"#,
        tenant.as_str(),
        &namespaces as _,
        &ids as _
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    let names: Found<Option<String>> = rows.map(|row| ((row.namespace, row.id), row.name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    for run in runs {
        let named = run.labels.iter().filter_map(|(label, value)| {
            let name = names.get(&(label.clone(), value.clone()))?;
            Some((label.clone(), name.clone()))
        });
        run.label_names = named.collect();
    }
    Ok(())
}

/// How the keys of names begin that are found by what somebody types.
pub(crate) fn key_of(asked: &str) -> String {
    search_key(&CleanText::beginning(asked))
}

/// The items of a run whose names in the directory have keys that begin like that.
///
/// # Errors
/// The database's.
pub(crate) async fn items_named(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run: RunId,
    key: &str,
) -> Result<HashSet<String>, sqlx::Error> {
    let items = sqlx::query_scalar!(
        "SELECT i.item FROM (
             SELECT namespace, entry_id FROM projection.directory
             WHERE tenant = $1 AND name_key >= $3 AND name_key < $3 || chr(1114111) OFFSET 0
         ) AS d
         CROSS JOIN LATERAL (
             SELECT item FROM projection.run_items
             WHERE tenant = $1 AND run_id = $2 AND item = d.entry_id AND namespace = d.namespace LIMIT 1
         ) AS i",
        tenant.as_str(),
        run.uuid(),
        key
    );
    Ok(items.fetch_all(conn).await?.into_iter().collect())
}

/// Which ids the values of labels name, in any case, as far as they are names of the directory; by the labels' names.
///
/// # Errors
/// The database's.
pub(crate) async fn ids_of_labels(
    conn: &mut PgConnection,
    tenant: &TenantId,
    labels: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Vec<String>>, sqlx::Error> {
    let asked = labels.iter().filter(|(label, _)| label.parse::<Namespace>().is_ok());
    let (namespaces, keys): (Vec<&str>, Vec<String>) =
        asked.map(|(label, value)| (label.as_str(), search_key(value))).unzip();
    if namespaces.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query!(
        r#"SELECT t.namespace AS "namespace!", d.entry_id AS "id!"
           FROM unnest($2::text[], $3::text[]) AS t (namespace, key)
           CROSS JOIN LATERAL (
               SELECT entry_id FROM projection.directory
               WHERE tenant = $1 AND name_key = t.key AND namespace = t.namespace LIMIT $4) AS d"#,
        tenant.as_str(),
        &namespaces as _,
        &keys,
        MOST_ALIKE
    );
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows.fetch_all(conn).await? {
        found.entry(row.namespace).or_default().push(row.id);
    }
    Ok(found)
}

/// How many ids of one name a label finds.
const MOST_ALIKE: i64 = 1_000;
