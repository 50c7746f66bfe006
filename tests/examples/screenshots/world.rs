//! A small world to take pictures of. Runs are started and told of over HTTP, as producers do; the times that
//! the ledger takes from its own clock are then put back to when the runs are said to have been at work.

use access::Role;
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::{Client, TestApp};
use uuid::Uuid;

/// The runs that have pictures of their own.
pub struct World {
    pub partial: String,
    pub running: String,
    pub stalled: String,
    pub failed: String,
}

/// Starts runs, and remembers when each was queued.
struct Teller {
    producer: Client,
    queued: Vec<(Uuid, DateTime<Utc>)>,
    position: u64,
    started: u64,
}

/// How a run is begun.
struct Plan<'a> {
    kind: &'a str,
    title: String,
    initiator: (&'a str, &'a str),
    labels: Value,
    total: usize,
}

const SCHEDULER: (&str, &str) = ("scheduler", "Nightly scheduler");
const OPERATOR: (&str, &str) = ("operator", "Operator on duty");
const DEPLOYER: (&str, &str) = ("deploy-bot", "Deployments");

const CLUSTERS: [&str; 4] = ["fra-1", "fra-2", "ams-1", "ams-2"];
const VOLUMES: [&str; 8] =
    ["orders", "ledger", "mail", "wiki", "metrics", "archive", "builds", "search-index"];

impl World {
    pub async fn make(app: &TestApp) -> Self {
        let now = Utc::now();
        let mut teller = Teller { producer: app.producer(), queued: Vec::new(), position: 0, started: 0 };
        teller.history(now).await;
        let partial = teller.partial(now - TimeDelta::minutes(52)).await;
        let failed = teller.failed(now - TimeDelta::minutes(31)).await;
        let stalled = teller.stalled(now - TimeDelta::minutes(24)).await;
        teller.drift_check(3, now - TimeDelta::minutes(18), false).await;
        let running = teller.running(now - TimeDelta::minutes(11)).await;
        teller.drift_check(1, now - TimeDelta::minutes(7), false).await;
        teller.waiting(now - TimeDelta::minutes(2)).await;
        let seen = app.client(Role::Readonly).get(&format!("/runs?after={}", teller.position)).await;
        seen.expect(200);
        put_back(&app.pool, &teller.queued).await;
        Self { partial, running, stalled, failed }
    }
}

impl Teller {
    /// Starts a run that was queued then, and tells what happened to it so many seconds later each.
    async fn tell(&mut self, plan: Plan<'_>, queued: DateTime<Utc>, events: Vec<(i64, Value)>) -> String {
        self.started += 1;
        let Plan { kind, title, initiator: (id, name), labels, total } = plan;
        let body = json!({
            "kind": kind, "title": title, "labels": labels, "items_total": total,
            "initiator": {"id": id, "name": name}, "occurred_at": queued,
            "context": {"title": title, "request": self.started, "dry_run": false, "window": {"from": "01:00", "to": "05:00"}},
        });
        let answer = self.producer.post_run(&body).await.expect(201);
        let run = answer.text_at("/run_id");
        self.position = answer.number_at("/position");
        self.queued.push((run.parse().unwrap(), queued));
        let events: Vec<Value> = events
            .into_iter()
            .map(|(seconds, mut event)| {
                let jitter = i64::from(self.started.wrapping_mul(37) as u32 % 900) + seconds % 7 * 11;
                event["occurred_at"] =
                    json!(queued + TimeDelta::seconds(seconds) + TimeDelta::milliseconds(jitter));
                event
            })
            .collect();
        if !events.is_empty() {
            let answer = self.producer.append(&run, json!(events)).await.expect(200);
            self.position = answer.number_at("/position");
        }
        run
    }

    /// Two days: backups at night, checks every few hours, changes by day. Now and then something fails.
    async fn history(&mut self, now: DateTime<Utc>) {
        for back in (1..=47).rev() {
            let begin = now - TimeDelta::hours(back);
            let hour = begin.hour();
            let by_night = (1..5).contains(&hour);
            let by_day = (8..18).contains(&hour);
            let backups = if by_night { 4 } else { usize::from(hour.is_multiple_of(3)) };
            for n in 0..backups {
                let fails = (back as usize + n).is_multiple_of(9);
                self.backup(n + back as usize, begin + TimeDelta::minutes(6 * n as i64), fails).await;
            }
            for n in 0..usize::from(by_day) * (2 + hour as usize % 3) {
                let fails = (back as usize * 3 + n).is_multiple_of(11);
                self.drift_check(n + back as usize, begin + TimeDelta::minutes(9 * n as i64), fails).await;
            }
        }
    }

    async fn backup(&mut self, n: usize, at: DateTime<Utc>, fails: bool) {
        let volume = VOLUMES[n % VOLUMES.len()];
        let plan = Plan {
            kind: "backup.nightly",
            title: format!("Nightly backup of {volume}"),
            initiator: SCHEDULER,
            labels: json!({"env": "prod", "volume": volume}),
            total: 12,
        };
        let mut events =
            vec![(2, json!({"type": "Started", "worker": "backup-2", "heartbeat_seconds": 120}))];
        for part in 0..12 {
            let item = format!("{volume}/part-{part:02}");
            events.push((8 + part * 19, if fails && part == 7 {
                json!({"type": "ItemFailed", "item": item, "reason_code": "dependency_timeout", "message": "the store did not answer within 30 s"})
            } else {
                json!({"type": "ItemSucceeded", "item": item})
            }));
        }
        events.push((241, json!({"type": "Completed"})));
        self.tell(plan, at, events).await;
    }

    async fn drift_check(&mut self, n: usize, at: DateTime<Utc>, fails: bool) {
        let cluster = CLUSTERS[n % CLUSTERS.len()];
        let plan = Plan {
            kind: "drift.check",
            title: format!("Drift check of {cluster}"),
            initiator: DEPLOYER,
            labels: json!({"team": "platform", "cluster": cluster}),
            total: 8,
        };
        let mut events = vec![(1, json!({"type": "Started", "worker": "drift-1", "heartbeat_seconds": 30}))];
        if fails {
            events.push((
                14,
                json!({"type": "Failed", "reason_code": "dependency_unavailable",
                "message": format!("{cluster} does not answer: no route to its API")}),
            ));
        } else {
            events.extend((0..8).map(|node| {
                (3 + node * 4, json!({"type": "ItemSucceeded", "item": format!("{cluster}/node-{node}")}))
            }));
            events.push((38, json!({"type": "Completed", "message": "no drift found"})));
        }
        self.tell(plan, at, events).await;
    }

    /// Ended with some failures, for several reasons.
    async fn partial(&mut self, at: DateTime<Utc>) -> String {
        let plan = Plan {
            kind: "backup_set.add_policies",
            title: "Attach the 7-year retention policy to the finance sets".to_owned(),
            initiator: OPERATOR,
            labels: json!({"env": "prod", "team": "finance", "change": "4711"}),
            total: 40,
        };
        let mut events =
            vec![(3, json!({"type": "Started", "worker": "policies-1", "heartbeat_seconds": 60}))];
        for n in 1..=40_i64 {
            let (item, label) = (format!("set-{n:03}"), format!("Finance {}", 1985 + n));
            events.push((6 + n * 11, match n {
                4 | 11 | 12 | 19 | 33 => json!({"type": "ItemFailed", "item": item, "label": label, "reason_code": "permission_denied",
                    "message": "the service account may not change locked sets"}),
                8 | 27 => json!({"type": "ItemFailed", "item": item, "label": label, "reason_code": "conflict",
                    "message": "the set already has a retention policy of another owner"}),
                22 => json!({"type": "ItemFailed", "item": item, "label": label, "reason_code": "dependency_timeout",
                    "message": "the policy service did not answer within 30 s"}),
                30 | 31 => json!({"type": "ItemSkipped", "item": item, "label": label, "reason_code": "not_applicable"}),
                _ => json!({"type": "ItemSucceeded", "item": item, "label": label}),
            }));
        }
        events.push((452, json!({"type": "Completed", "message": "30 of 40 sets have the policy now"})));
        self.tell(plan, at, events).await
    }

    async fn failed(&mut self, at: DateTime<Utc>) -> String {
        let plan = Plan {
            kind: "assets.import",
            title: "Import the assets of ams-2".to_owned(),
            initiator: OPERATOR,
            labels: json!({"env": "prod", "cluster": "ams-2"}),
            total: 1_200,
        };
        let mut events = vec![(2, json!({"type": "Started", "worker": "import-3", "heartbeat_seconds": 30}))];
        events.extend(
            (0..14)
                .map(|n| (4 + n * 2, json!({"type": "ItemSucceeded", "item": format!("ams-2/vm-{n:04}")}))),
        );
        events.push((41, json!({"type": "Failed", "reason_code": "dependency_unavailable",
            "message": "the inventory of ams-2 closed the connection 5 times in a row; nothing after vm-0013 was read"})));
        self.tell(plan, at, events).await
    }

    /// Its last sign of life was 14 minutes ago, and was promised every minute.
    async fn stalled(&mut self, at: DateTime<Utc>) -> String {
        let plan = Plan {
            kind: "snapshot.delete_expired",
            title: "Delete expired snapshots of fra-2".to_owned(),
            initiator: SCHEDULER,
            labels: json!({"env": "prod", "cluster": "fra-2"}),
            total: 120,
        };
        let mut events =
            vec![(4, json!({"type": "Started", "worker": "janitor-1", "heartbeat_seconds": 60}))];
        events.extend((0..46).map(|n| {
            (6 + n * 12, json!({"type": "ItemSucceeded", "item": format!("snap-{:05}", 20_417 + n * 3)}))
        }));
        events
            .push((590, json!({"type": "Progressed", "message": "waiting for the lock of volume archive"})));
        self.tell(plan, at, events).await
    }

    async fn running(&mut self, at: DateTime<Utc>) -> String {
        let plan = Plan {
            kind: "assets.import",
            title: "Import the assets of fra-1".to_owned(),
            initiator: OPERATOR,
            labels: json!({"env": "prod", "cluster": "fra-1"}),
            total: 240,
        };
        let mut events =
            vec![(5, json!({"type": "Started", "worker": "import-1", "heartbeat_seconds": 900}))];
        events.extend((0..148).map(|n| {
            let item = format!("fra-1/vm-{n:04}");
            (7 + n * 4, if n % 61 == 40 {
                json!({"type": "ItemFailed", "item": item, "reason_code": "invalid_input", "message": "the record has no owner"})
            } else {
                json!({"type": "ItemSucceeded", "item": item})
            })
        }));
        events.push((601, json!({"type": "Progressed", "message": "rack 4 of 6"})));
        self.tell(plan, at, events).await
    }

    async fn waiting(&mut self, at: DateTime<Utc>) {
        let plan = Plan {
            kind: "backup_set.add_policies",
            title: "Attach the legal-hold policy to the mail sets".to_owned(),
            initiator: OPERATOR,
            labels: json!({"env": "prod", "team": "legal"}),
            total: 24,
        };
        self.tell(plan, at, Vec::new()).await;
    }
}

/// Puts the ledger's own times back to when the runs were queued and their events occurred.
async fn put_back(pool: &PgPool, queued: &[(Uuid, DateTime<Utc>)]) {
    let (runs, times): (Vec<_>, Vec<_>) = queued.iter().copied().unzip();
    let past = "FROM unnest($1::uuid[], $2::timestamptz[]) AS past (run_id, at)";
    for statement in [
        format!("UPDATE projection.run_labels AS x SET queued_at = past.at {past} WHERE x.run_id = past.run_id"),
        format!(
            "UPDATE projection.run_events AS x SET occurred_at = past.at {past}
             WHERE x.run_id = past.run_id AND x.revision = 0"
        ),
        format!(
            "UPDATE projection.run_events AS x SET recorded_at = x.occurred_at + interval '23 ms' {past}
             WHERE x.run_id = past.run_id"
        ),
        format!(
            "UPDATE projection.runs AS x
             SET queued_at = past.at, last_event_at = last.at,
                 started_recorded_at = x.started_at + interval '23 ms',
                 ended_recorded_at = x.ended_at + interval '23 ms',
                 heartbeat_due_at = last.at + make_interval(secs => x.heartbeat_seconds)
             {past}, LATERAL (SELECT max(recorded_at) AS at FROM projection.run_events AS e WHERE e.run_id = past.run_id) AS last
             WHERE x.run_id = past.run_id"
        ),
        format!(
            "UPDATE projection.notifications AS x SET created_at = e.recorded_at, read_at = CASE WHEN past.at < now() - interval '50 min' AND x.transition = 'queued' THEN e.recorded_at END
             {past}, projection.run_events AS e
             WHERE x.run_id = past.run_id AND e.run_id = x.run_id AND e.position = x.position"
        ),
    ] {
        let put = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(&runs).bind(&times);
        put.execute(pool).await.unwrap();
    }
    sqlx::raw_sql(
        "DELETE FROM projection.run_hours;
         INSERT INTO projection.run_hours
             (tenant, hour, kind, queued, succeeded, partially_succeeded, failed, events, items_failed, position)
         SELECT e.tenant, date_trunc('hour', e.recorded_at), r.kind,
                count(*) FILTER (WHERE e.revision = 0),
                count(*) FILTER (WHERE e.revision = r.revision AND r.status = 'succeeded'),
                count(*) FILTER (WHERE e.revision = r.revision AND r.status = 'partially_succeeded'),
                count(*) FILTER (WHERE e.revision = r.revision AND r.status = 'failed'),
                count(*), count(*) FILTER (WHERE e.event_type = 'ItemFailed'), max(e.position)
         FROM projection.run_events AS e JOIN projection.runs AS r USING (run_id) GROUP BY 1, 2, 3",
    )
    .execute(pool)
    .await
    .unwrap();
}
