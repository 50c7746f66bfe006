//! The statement behind a page of runs, made of what is asked: what nobody asks is not in it, so the planner sees
//! which index answers the rest.
//!
//! Row-level security comes before the caller's conditions, and lets an index answer these only where
//! their operators are leakproof, as comparisons of plain values are. So labels are looked up in a table
//! of their own, and a title's beginning is a range.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::filter::Filter;
use super::order::{By, Order};
use super::row::{QUEUED_LIMIT, select};
use crate::pool::Plans;

/// A page's query, with its values.
pub(super) struct Statement {
    pub(super) sql: QueryBuilder<Postgres>,
    /// How it is planned.
    pub(super) plans: Plans,
}

/// What a statement finds.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) tenant: &'a str,
    /// Its times and its search are those below.
    pub(super) filter: &'a Filter,
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) until: Option<DateTime<Utc>>,
    /// How the title's key begins. Where ids are given as well, either will do.
    pub(super) title: Option<&'a str>,
    /// The first id and the last.
    pub(super) ids: Option<(Uuid, Uuid)>,
    /// The key that the page begins behind.
    pub(super) after: Option<(DateTime<Utc>, Uuid)>,
    pub(super) by: By,
    pub(super) order: Order,
    pub(super) limit: i64,
    /// When runs are stalled or not.
    pub(super) now: DateTime<Utc>,
}

/// The tables of a page: the runs `r`, and what is joined to them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Runs,
    /// By way of one label or two, so that the planner can begin with the rarer one, or with the runs in their
    /// order where another filter leaves few of them.
    Labels,
    /// A part of the query finds the keys of the page, and only its own runs are then looked at.
    Keys(Keys),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Of runs whose titles begin alike, where nothing else but a time is asked: the index of titles has all of it.
    Titled,
    Stalled,
    Late,
    /// There are hardly ever any.
    Quarantined,
}

impl Page<'_> {
    pub(super) fn statement(&self) -> Statement {
        let mut sql = select();
        sql.push(" FROM ");
        let from = self.from();
        match from {
            From::Runs => {
                sql.push("projection.runs AS r WHERE r.tenant = ").push_bind(self.tenant);
                self.push_times(&mut sql, "r");
            }
            From::Labels => self.push_labels(&mut sql),
            From::Keys(keys) => self.push_keys(&mut sql, keys),
        }
        self.push_filters(&mut sql, from);
        let key = match from {
            From::Runs => "r",
            From::Labels if self.by == By::Ended => "r",
            From::Labels => "l",
            From::Keys(_) => "k",
        };
        self.push_order(&mut sql, key);
        self.push_limit(&mut sql);
        Statement { sql, plans: self.plans() }
    }

    fn plans(&self) -> Plans {
        self.filter.plans(self.by)
    }

    fn from(&self) -> From {
        if self.filter.stalled {
            From::Keys(Keys::Stalled)
        } else if self.filter.late {
            From::Keys(Keys::Late)
        } else if self.filter.quarantined && self.by == By::Queued {
            From::Keys(Keys::Quarantined)
        } else if !self.filter.labels.is_empty() {
            From::Labels
        } else if self.by == By::Ended {
            From::Runs
        } else if self.title.is_some() && self.is_alone() {
            From::Keys(Keys::Titled)
        } else {
            From::Runs
        }
    }

    /// Whether nothing but a title's beginning, an id's, or a time narrows the list.
    fn is_alone(&self) -> bool {
        let Filter { status, kind, initiator, labels, .. } = self.filter;
        let Filter { reference, idempotency_key, parent, .. } = self.filter;
        let named = reference.is_some() || idempotency_key.is_some() || parent.is_some();
        status.is_empty() && kind.is_none() && initiator.is_none() && labels.is_empty() && !named
    }

    /// The labels are joined to the runs by all that they share, and the times are asked of each: whichever table
    /// the planner begins with, an index has the order.
    fn push_labels(&self, sql: &mut QueryBuilder<Postgres>) {
        let mut labels = self.filter.labels.iter();
        let (one, other) = (labels.next(), labels.next());
        sql.push("projection.run_labels AS l");
        if let Some(other) = other {
            sql.push(
                " JOIN projection.run_labels AS o
                  ON o.tenant = l.tenant AND o.queued_at = l.queued_at AND o.run_id = l.run_id AND o.label",
            );
            self.push_label(sql, other);
            self.push_times(sql, "o");
        }
        sql.push(
            " JOIN projection.runs AS r
              ON r.tenant = l.tenant AND r.queued_at = l.queued_at AND r.run_id = l.run_id",
        );
        self.push_times(sql, "r");
        sql.push(" WHERE r.tenant = ").push_bind(self.tenant);
        sql.push(" AND l.tenant = ").push_bind(self.tenant);
        if let Some(one) = one {
            sql.push(" AND l.label");
            self.push_label(sql, one);
        }
        self.push_times(sql, "l");
    }

    /// A label of that name and value, or with an id that the directory calls so: a run has one of each name.
    fn push_label(&self, sql: &mut QueryBuilder<Postgres>, (name, value): (&String, &String)) {
        let Some(ids) = self.filter.label_ids.get(name) else {
            sql.push(" = ").push_bind(format!("{name}:{value}"));
            return;
        };
        let values = std::iter::once(value).chain(ids);
        let labels: Vec<String> = values.map(|value| format!("{name}:{value}")).collect();
        sql.push(" = ANY (").push_bind(labels).push(")");
    }

    fn push_keys(&self, sql: &mut QueryBuilder<Postgres>, keys: Keys) {
        sql.push("(SELECT x.queued_at, x.run_id FROM ");
        match keys {
            Keys::Titled => {
                sql.push("projection.runs AS x WHERE x.tenant = ").push_bind(self.tenant);
                self.push_title(sql, " AND ", "x");
            }
            Keys::Stalled => self.push_stalled(sql),
            Keys::Late => self.push_late(sql),
            Keys::Quarantined => {
                sql.push("projection.runs AS x WHERE x.held_revision IS NOT NULL AND x.tenant = ");
                sql.push_bind(self.tenant);
            }
        }
        self.push_times(sql, "x");
        self.push_order(sql, "x");
        // Where more is asked, it is asked of all of them.
        let asks_no_more = self.is_alone() && self.title.is_none() && self.ids.is_none();
        if keys == Keys::Titled || asks_no_more {
            self.push_limit(sql);
        }
        sql.push(") AS k JOIN projection.runs AS r ON r.run_id = k.run_id WHERE r.tenant = ");
        sql.push_bind(self.tenant);
    }

    /// Stalled runs are among the active ones, which are few: both sorts are looked up by status, whatever else is
    /// asked. OFFSET 0 keeps the planner from walking all runs in the order of the list instead. The shortest of all
    /// limits is for the index, and leaves few queued runs whose own is looked up.
    fn push_stalled(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push("(SELECT r.queued_at, r.run_id FROM projection.runs AS r WHERE r.tenant = ");
        sql.push_bind(self.tenant).push(" AND r.status = 'running' AND r.heartbeat_due_at < ");
        sql.push_bind(self.now);
        sql.push(" UNION ALL SELECT r.queued_at, r.run_id FROM projection.runs AS r WHERE r.tenant = ");
        sql.push_bind(self.tenant).push(" AND r.status = 'queued' AND r.queued_at < ").push_bind(self.now);
        sql.push(
            " - make_interval(secs => (SELECT min(p.queued_limit_seconds) FROM policy.stale_policies AS p
                                       WHERE p.tenant = ",
        );
        sql.push_bind(self.tenant).push(")) AND r.queued_at < ").push_bind(self.now);
        sql.push(" - make_interval(secs => ").push(QUEUED_LIMIT).push(") OFFSET 0) AS x WHERE true");
    }

    /// Late runs are among the running ones, which are few, too: each kind has its own time.
    fn push_late(&self, sql: &mut QueryBuilder<Postgres>) {
        let (kinds, since): (Vec<_>, Vec<_>) = self.filter.late_since.clone().into_iter().unzip();
        sql.push("(SELECT r.queued_at, r.run_id FROM projection.runs AS r JOIN unnest(").push_bind(kinds);
        sql.push("::text[], ").push_bind(since);
        sql.push("::timestamptz[]) AS late (kind, since) ON r.kind = late.kind COLLATE \"C\" AND r.started_at < late.since");
        sql.push(" WHERE r.tenant = ").push_bind(self.tenant);
        sql.push(" AND r.status = 'running' OFFSET 0) AS x WHERE true");
    }

    /// The times that are asked for, and what lies behind the key, of one of the tables.
    fn push_times(&self, sql: &mut QueryBuilder<Postgres>, table: &str) {
        if let Some(since) = self.since {
            sql.push(format_args!(" AND {table}.queued_at >= ")).push_bind(since);
        }
        if let Some(until) = self.until {
            sql.push(format_args!(" AND {table}.queued_at < ")).push_bind(until);
        }
        if self.by == By::Queued {
            self.push_after(sql, table);
        }
    }

    /// The ends that are asked for, and what lies behind the key.
    fn push_ends(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push(" AND r.ended_at IS NOT NULL");
        if let Some(since) = self.filter.ended_since {
            sql.push(" AND r.ended_at >= ").push_bind(since);
        }
        if let Some(until) = self.filter.ended_until {
            sql.push(" AND r.ended_at < ").push_bind(until);
        }
        self.push_after(sql, "r");
    }

    fn push_after(&self, sql: &mut QueryBuilder<Postgres>, table: &str) {
        let Some((time, id)) = self.after else { return };
        let beyond = match self.order {
            Order::NewestFirst => "<",
            Order::OldestFirst => ">",
        };
        sql.push(format_args!(" AND ({table}.{}, {table}.run_id) {beyond} (", self.by.column()));
        sql.push_bind(time).push(", ").push_bind(id).push(")");
    }

    fn push_filters(&self, sql: &mut QueryBuilder<Postgres>, from: From) {
        let Filter { status, kind, initiator, labels, .. } = self.filter;
        if self.by == By::Ended {
            self.push_ends(sql);
            if self.filter.quarantined {
                sql.push(" AND r.held_revision IS NOT NULL");
            }
        }
        match status.as_slice() {
            [] => {}
            // An equality, by which an index gives the order as well.
            [one] => {
                sql.push(" AND r.status = ").push_bind(*one);
            }
            several => {
                sql.push(" AND r.status = ANY (").push_bind(several.to_vec()).push(")");
            }
        }
        if let Some(kind) = kind {
            sql.push(" AND r.kind = ").push_bind(kind);
        }
        if let Some(initiator) = initiator {
            sql.push(" AND r.initiator_id = ").push_bind(initiator);
        }
        if let Some(key) = &self.filter.idempotency_key {
            sql.push(" AND r.idempotency_key = ").push_bind(key);
        }
        if let Some(parent) = self.filter.parent {
            sql.push(" AND r.parent_id = ").push_bind(parent);
        }
        if let Some((id, source)) = &self.filter.reference {
            // As many as there are sources that use that id.
            sql.push(" AND r.run_id = ANY (ARRAY(SELECT n.named_run FROM projection.run_refs AS n WHERE n.tenant = ");
            sql.push_bind(self.tenant).push(" AND n.ref_id = ").push_bind(id);
            if let Some(source) = source {
                sql.push(" AND n.ref_source = ").push_bind(source);
            }
            sql.push("))");
        }
        // Two are joined; only where there are more, or few keys are found without them, must the rows be asked.
        if labels.len() > 2 || from != From::Labels && !labels.is_empty() {
            let ids = &self.filter.label_ids;
            let (named, plain): (BTreeMap<_, _>, BTreeMap<_, _>) =
                labels.iter().partition(|(name, _)| ids.contains_key(*name));
            sql.push(" AND r.labels @> ").push_bind(serde_json::json!(plain));
            for (name, value) in named {
                let ids = ids.get(name).into_iter().flatten();
                let values: Vec<String> = std::iter::once(value).chain(ids).cloned().collect();
                sql.push(" AND r.labels ->> ").push_bind(name).push(" = ANY (").push_bind(values).push(")");
            }
        }
        match self.ids {
            _ if from == From::Keys(Keys::Titled) => {}
            None => self.push_title(sql, " AND ", "r"),
            Some((first, last)) => {
                sql.push(" AND (r.run_id >= ").push_bind(first).push(" AND r.run_id <= ").push_bind(last);
                self.push_title(sql, " OR ", "r");
                sql.push(")");
            }
        }
    }

    /// Nothing, where no title is asked for.
    fn push_title(&self, sql: &mut QueryBuilder<Postgres>, joined: &str, table: &str) {
        let Some(title) = self.title else { return };
        sql.push(format_args!("{joined}({table}.title_key >= ")).push_bind(title);
        sql.push(format_args!(" AND {table}.title_key < "))
            .push_bind(format!("{title}{}", char::MAX))
            .push(")");
    }

    fn push_order(&self, sql: &mut QueryBuilder<Postgres>, table: &str) {
        let direction = match self.order {
            Order::NewestFirst => "DESC",
            Order::OldestFirst => "ASC",
        };
        let time = self.by.column();
        sql.push(format_args!(" ORDER BY {table}.{time} {direction}, {table}.run_id {direction}"));
    }

    /// A plan for any limit would be one for a tenth of all runs, so where plans are kept it is in the text.
    fn push_limit(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push(" LIMIT ");
        match self.plans() {
            Plans::Kept => sql.push(self.limit),
            Plans::ForValues => sql.push_bind(self.limit),
        };
    }
}
