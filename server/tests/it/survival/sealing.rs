//! Sealed history: the program is killed in the middle of sealing, its database is restored from a backup, and its events
//! move to a cluster and back.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use kurrent_server::Cluster;
use seal::policy::Policy;
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::process::Command;

use super::counts::{count, say};
use super::program::{Program, until};
use super::site::{Site, TENANT};

/// A key, and what else is kept apart from the database.
struct Apart(TempDir);

impl Apart {
    async fn new(site: &Site) -> Self {
        let apart = Self(tempfile::tempdir().unwrap());
        site.run(&["seal", "keygen", "--ledger-name", "ledger.example", "--seal-key", &apart.key()]).await;
        apart
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn key(&self) -> String {
        self.path("seal.key").to_str().unwrap().to_owned()
    }

    async fn serve(&self, site: &Site) -> Program {
        site.serve(&["--seal-key", &self.key(), "--seal-every-seconds", "1"]).await
    }

    /// What `runledger-verify` says of an export, or why it refuses it.
    fn checked(&self, export: &str, policy: &str, since: Option<&str>) -> Result<String, String> {
        let read = |name: &str| std::fs::read_to_string(self.path(name)).unwrap();
        let (policy, since) = (Policy::parse(&read(policy)).unwrap(), since.map(read));
        let older = since.map(|text| verify::older_checkpoint(&text).unwrap());
        let open = || std::fs::File::open(self.path(export));
        let report = verify::verify(open, &policy, older.as_ref());
        report.map(|report| report.to_string()).map_err(|refused| refused.to_string())
    }

    /// What `verify.py` ends with, and what it says.
    async fn verified(&self, export: &str, policy: &str, since: Option<&str>) -> (i32, String) {
        let mut command = Command::new("python3");
        command.args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/../verify/verify.py")]);
        command.arg(self.path(export)).arg("--policy").arg(self.path(policy)).stdin(Stdio::null());
        since.into_iter().for_each(|since| {
            command.arg("--since").arg(self.path(since));
        });
        let output = command.output().await.unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
        (output.status.code().unwrap(), said)
    }

    async fn export(&self, site: &Site, name: &str, more: &[&str]) {
        let to = self.path(name);
        let args = ["export", "--tenant", TENANT, "--administration", "--to", to.to_str().unwrap()];
        site.run(&[&args[..], more].concat()).await;
    }

    async fn policy(&self, site: &Site, name: &str) {
        let policy = site.run(&["seal", "policy", "--tenant", TENANT, "--seal-key", &self.key()]).await;
        std::fs::write(self.path(name), policy).unwrap();
    }

    /// The audit's answer: nothing may differ.
    async fn audited(&self, site: &Site) -> Value {
        let told = site.run(&["seal", "audit", "--json", "--seal-key", &self.key()]).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["findings"], json!([]), "{told}");
        told
    }
}

/// Starts a run that ends at once. Its last position.
async fn given(site: &Site, api: &Program, number: usize) -> u64 {
    let post = async |path: &str, body: Value| {
        let url = format!("{}/v1/tenants/{TENANT}{path}", api.url);
        let answer =
            reqwest::Client::new().post(url).bearer_auth(&site.token).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json::<Value>().await.unwrap()
    };
    let run = post("/runs", json!({"kind": "t.sealed", "context": {"n": number}})).await;
    let events = json!({"events": [{"type": "Started"}, {"type": "Completed"}]});
    let ended = post(&format!("/runs/{}/events", run["run_id"].as_str().unwrap()), events).await;
    ended["position"].as_u64().unwrap()
}

/// Waits until all is sealed up to a position, and signed.
async fn sealed(db: &PgPool, position: u64) {
    let position = i64::try_from(position).unwrap();
    until("all to be sealed", async || {
        let sealed = sqlx::query_scalar::<_, bool>(
            "SELECT position >= $1 AND NOT EXISTS (SELECT FROM administration.changes) AND NOT EXISTS (
                 SELECT FROM seal.logs AS l WHERE NOT EXISTS (SELECT FROM seal.checkpoints AS c
                     WHERE c.log_id = l.log_id AND c.size = l.size AND note IS NOT NULL)) FROM seal.progress",
        );
        sealed.bind(position).fetch_one(db).await.unwrap().then_some(())
    })
    .await;
}

async fn roots(db: &PgPool) -> Vec<(i32, i64, Vec<u8>, String)> {
    let roots =
        "SELECT log_id, size, root, note FROM seal.checkpoints WHERE note IS NOT NULL ORDER BY log_id, size";
    sqlx::query_as(roots).fetch_all(db).await.unwrap()
}

/// Where it is killed: before this is done.
const STEPS: [(&str, &str); 7] = [
    ("a leaf is written", "BEFORE INSERT OR UPDATE ON seal.tiles"),
    ("the log is sealed up to there", "BEFORE UPDATE OF position ON seal.progress"),
    ("a size is prepared", "BEFORE INSERT ON seal.checkpoints"),
    ("the size that was prepared is committed", "AFTER INSERT ON seal.checkpoints"),
    ("a note is kept", "BEFORE UPDATE OF note ON seal.checkpoints"),
    ("the note that was kept is committed", "AFTER UPDATE OF note ON seal.checkpoints"),
    ("a checkpoint is in the ledger's own log", "BEFORE UPDATE OF leaf ON seal.checkpoints"),
];

/// A lock for each step, which the sealer shares for a moment, and every note that was ever there.
async fn lay_traps(db: &PgPool) {
    let mut sql = String::from(
        "CREATE TABLE public.notes (log_id int, size bigint, note text);
         CREATE FUNCTION public.remember() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO public.notes VALUES (NEW.log_id, NEW.size, NEW.note); RETURN NULL; END $$;
         CREATE TRIGGER remembered AFTER UPDATE OF note ON seal.checkpoints FOR EACH ROW EXECUTE FUNCTION public.remember();
         CREATE FUNCTION public.halt() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_advisory_xact_lock_shared(7, TG_ARGV[0]::int); RETURN NEW; END $$;",
    );
    for (step, (_, when)) in STEPS.iter().enumerate() {
        sql +=
            &format!("CREATE TRIGGER trap_{step} {when} FOR EACH ROW EXECUTE FUNCTION public.halt({step});");
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(db).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_sealing_it_signs_one_tree_of_a_size() {
    let mut site = Site::start_on_postgres().await;
    let apart = Apart::new(&site).await;
    let db = site.db().await;
    lay_traps(&db).await;
    let mut api = apart.serve(&site).await;
    sealed(&db, given(&site, &api, 0).await).await;
    for round in 1..=count("RUNLEDGER_SOAK_KILLS", 21) {
        let step = round % STEPS.len();
        let mut trap = db.acquire().await.unwrap();
        let at = i32::try_from(step).unwrap();
        sqlx::query("SELECT pg_advisory_lock(7, $1)").bind(at).execute(&mut *trap).await.unwrap();
        given(&site, &api, round).await;
        until(STEPS[step].0, async || {
            let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 7 AND NOT granted)";
            sqlx::query_scalar::<_, bool>(waits).fetch_one(&db).await.unwrap().then_some(())
        })
        .await;
        api.kill().await;
        // What the killed one was at goes with its connections; its lease would end by itself.
        let gone = "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks
                    WHERE locktype = 'advisory' AND classid = 7 AND NOT granted";
        sqlx::query(gone).execute(&db).await.unwrap();
        sqlx::query("SELECT pg_advisory_unlock(7, $1)").bind(at).execute(&mut *trap).await.unwrap();
        sqlx::query("UPDATE seal.progress SET lease_until = NULL").execute(&db).await.unwrap();
        drop(trap);

        api = apart.serve(&site).await;
        let more = given(&site, &api, 1_000 + round).await;
        sealed(&db, more).await;
        let two = "SELECT count(*) FROM (
                       SELECT log_id, size FROM public.notes GROUP BY 1, 2 HAVING count(DISTINCT note) > 1) AS two";
        assert_eq!(sqlx::query_scalar::<_, i64>(two).fetch_one(&db).await.unwrap(), 0, "{}", STEPS[step].0);
        apart.audited(&site).await;
    }
    let wrong = api.said("nothing is sealed until this is mended");
    assert_eq!(wrong, 0, "{}", api.warnings());
    say(format!("{} checkpoints", roots(&db).await.len()));
    api.stop().await;
    db.close().await;
    site.stop_postgres().await;
}

/// Copies a folder as an operator does while Postgres rests.
async fn copied(from: &Path, to: &Path) {
    let _none = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().await.unwrap();
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_ledger_is_sealed_anew_and_every_export_says_so() {
    let mut site = Site::start_on_postgres().await;
    let apart = Apart::new(&site).await;
    let (data, mut db) = (site.data(), site.db().await);
    let api = apart.serve(&site).await;
    sealed(&db, given(&site, &api, 1).await).await;
    apart.policy(&site, "old.policy").await;
    apart.export(&site, "before.zip", &[]).await;
    api.stop().await;
    let newest = async |db: &PgPool| -> String {
        let newest = "SELECT note FROM seal.checkpoints JOIN seal.logs USING (log_id) WHERE tenant = $1
                      ORDER BY checkpoints.size DESC LIMIT 1";
        sqlx::query_scalar(newest).bind(TENANT).fetch_one(db).await.unwrap()
    };
    let backup = apart.path("backup");
    std::fs::write(apart.path("early"), newest(&db).await).unwrap();
    db.close().await;
    site.stop_postgres().await;
    copied(&data, &backup).await;
    site.start_postgres().await;

    db = site.db().await;
    let api = apart.serve(&site).await;
    sealed(&db, given(&site, &api, 2).await).await;
    std::fs::write(apart.path("lost"), newest(&db).await).unwrap();
    api.stop().await;
    db.close().await;
    site.stop_postgres().await;
    copied(&backup, &data).await;
    site.start_postgres().await;

    db = site.db().await;
    let said = site.run(&["restored"]).await;
    assert!(said.contains("runledger seal begin-anew"), "{said}");
    let mut api = apart.serve(&site).await;
    api.line("`runledger seal begin-anew`").await;
    // While it runs: it has the lease, gives it up, and goes on.
    let (key, lost) = (apart.key(), apart.path("lost"));
    let anew = ["seal", "begin-anew", "--seal-key", &key, "--known-checkpoint", lost.to_str().unwrap()];
    let said = site.run(&[&anew[..], &["--reason", "the disk burnt"]].concat()).await;
    assert!(said.contains("/2 from now on"), "{said}");
    sealed(&db, given(&site, &api, 3).await).await;
    let audited = apart.audited(&site).await;
    assert_eq!(audited["restored"][0]["why"], "the disk burnt", "{audited}");
    let refused = site.command(&[&anew[..], &["--reason", "again"]].concat()).output().await.unwrap();
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && words.contains("There is no reason to begin new logs"), "{words}");

    apart.policy(&site, "new.policy").await;
    apart.export(&site, "after.zip", &["--since-checkpoint", apart.path("early").to_str().unwrap()]).await;
    let said = apart.checked("after.zip", "new.policy", None).unwrap();
    assert!(said.starts_with("VERIFIED, OF A HISTORY THAT WAS RESTORED"), "{said}");
    assert!(said.contains("the disk burnt") && said.contains("/2"), "{said}");
    // Which `verify.py` does not look into, and says so.
    let (code, said) = apart.verified("after.zip", "new.policy", None).await;
    assert!(code == 3 && said.starts_with("UNDECIDED") && said.contains("/2"), "{said}");
    // Who kept the key of the log as it was does not take it as it is; what they kept is proven, or named as missing.
    assert_eq!(apart.verified("after.zip", "old.policy", None).await.0, 1);
    apart.checked("after.zip", "old.policy", None).unwrap_err();
    apart.checked("after.zip", "new.policy", Some("early")).unwrap();
    assert_eq!(apart.verified("after.zip", "new.policy", Some("early")).await.0, 3);
    let said = apart.checked("after.zip", "new.policy", Some("lost")).unwrap_err();
    assert!(said.contains("The history was restored") && said.contains("the disk burnt"), "{said}");
    assert_eq!(apart.verified("after.zip", "new.policy", Some("lost")).await.0, 1);
    assert_eq!(apart.verified("before.zip", "old.policy", None).await.0, 0);
    api.stop().await;
    db.close().await;
    site.stop_postgres().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_move_to_a_cluster_and_back_keep_every_root() {
    let mut site = Site::start_on_postgres().await;
    let apart = Apart::new(&site).await;
    let db = site.db().await;
    let api = apart.serve(&site).await;
    for number in 0..20 {
        given(&site, &api, number).await;
    }
    sealed(&db, given(&site, &api, 20).await).await;
    apart.policy(&site, "policy").await;
    api.stop().await;
    let before = roots(&db).await;

    // The real one that the test run is told of, or ours.
    let ours = match std::env::var("RUNLEDGER_TEST_KURRENTDB") {
        Ok(_) => None,
        Err(_) => Some(Cluster::start(1).await),
    };
    let cluster =
        ours.as_ref().map_or_else(|| std::env::var("RUNLEDGER_TEST_KURRENTDB").unwrap(), Cluster::url);
    let there = site.on(&cluster);
    say(site.run(&["log", "copy", "--from", "postgres", "--to", &there]).await.trim());
    site.event_log = there.clone();
    site.run(&["projector", "rebuild"]).await;
    say(site.run(&["seal", "adopt", "--seal-key", &apart.key()]).await.trim());
    assert_eq!(roots(&db).await, before);
    let api = apart.serve(&site).await;
    sealed(&db, given(&site, &api, 21).await).await;
    api.stop().await;
    apart.audited(&site).await;
    let meanwhile = roots(&db).await;
    assert!(meanwhile.len() > before.len());

    // Back, into a log of Postgres that has nothing, so that it gives positions of its own.
    let emptied =
        "BEGIN; ALTER TABLE log.events DISABLE TRIGGER ALL; ALTER TABLE log.head DISABLE TRIGGER ALL;
                   TRUNCATE log.events; UPDATE log.head SET position = 0; DELETE FROM log.copies;
                   ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_are_append_only;
                   ALTER TABLE log.head ENABLE ALWAYS TRIGGER head_moves_forwards; COMMIT";
    sqlx::raw_sql(emptied).execute(&db).await.unwrap();
    say(site.run(&["log", "copy", "--from", &there, "--to", "postgres"]).await.trim());
    site.event_log = "postgres".to_owned();
    site.run(&["projector", "rebuild"]).await;
    say(site.run(&["seal", "adopt", "--seal-key", &apart.key()]).await.trim());
    assert_eq!(roots(&db).await, meanwhile);
    let api = apart.serve(&site).await;
    sealed(&db, given(&site, &api, 22).await).await;
    api.stop().await;
    apart.audited(&site).await;
    let now = roots(&db).await;
    assert!(meanwhile.iter().all(|root| now.contains(root)) && now.len() > meanwhile.len());

    // The reader's policy is the one of before all this.
    apart.export(&site, "all.zip", &[]).await;
    let (code, said) = apart.verified("all.zip", "policy", None).await;
    assert!(code == 0 && said.starts_with("VERIFIED: "), "{said}");
    db.close().await;
    site.stop_postgres().await;
}
