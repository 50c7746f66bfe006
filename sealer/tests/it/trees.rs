//! What is signed is the tree that docs/sealed-history.md describes.

use std::collections::BTreeMap;

use crate::support::*;
use eventlog::Position;
use seal::Hash;
use seal::entry::{Entry, Part, Salt, Stream, recorded_at};
use seal::heads::{Head, Heads, RunHead};
use seal::note::SignedNote;
use sealer::KeyFile;
use sqlx::PgPool;
use uuid::Uuid;

type Runs = BTreeMap<Uuid, (u64, Option<Head>)>;

/// The tree of a tenant, made anew by the letter of the document: all leaves, with a heads entry where the table says
/// that a checkpoint was.
async fn leaves(ledger: &Ledger, tenant: &str) -> Vec<Hash> {
    let salts: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(
        "SELECT run_id, salt FROM seal.runs JOIN seal.logs USING (log_id) WHERE tenant = $1 ORDER BY number",
    )
    .bind(tenant)
    .fetch_all(&ledger.pool)
    .await
    .unwrap();
    let admin: Vec<u8> = sqlx::query_scalar("SELECT admin_salt FROM seal.logs WHERE tenant = $1")
        .bind(tenant)
        .fetch_one(&ledger.pool)
        .await
        .unwrap();
    let sizes: Vec<i64> = sqlx::query_scalar(
        "SELECT c.size FROM seal.checkpoints AS c JOIN seal.logs USING (log_id) WHERE tenant = $1 ORDER BY c.size",
    )
    .bind(tenant)
    .fetch_all(&ledger.pool)
    .await
    .unwrap();
    let salt = |bytes: &[u8]| Salt::new(bytes.try_into().unwrap());
    let salts: BTreeMap<Uuid, Salt> = salts.iter().map(|(id, bytes)| (*id, salt(bytes))).collect();
    let (mut leaves, mut runs, mut admin_head) = (Vec::new(), Runs::new(), None);
    let heads = |runs: &Runs, administration| {
        let mut all: Vec<_> = runs
            .iter()
            .map(|(id, (number, head))| RunHead { number: *number, id: *id, head: head.unwrap() })
            .collect();
        all.sort_by_key(|head| head.number);
        let hashes: Vec<_> = all.iter().map(RunHead::leaf).collect();
        Heads { runs: all.len() as u64, root: Hash::root(&hashes), administration }.leaf()
    };
    for record in ledger.log.read_all(Position(0), 10_000).await.unwrap() {
        if sizes.contains(&(i64::try_from(leaves.len()).unwrap() + 1)) {
            leaves.push(heads(&runs, admin_head));
        }
        let run = record.stream.strip_prefix(&format!("run-{tenant}-"));
        let (stream, salt, before) = if let Some(id) = run {
            let id: Uuid = id.parse().unwrap();
            let number = runs.len() as u64;
            let (number, head) = *runs.entry(id).or_insert((number, None));
            (Stream::Run { number, id }, salts[&id].clone(), head)
        } else if record.stream == format!("admin-{tenant}") {
            (Stream::Administration, salt(&admin), admin_head)
        } else {
            continue;
        };
        let commit = |part, bytes: &[u8]| salt.of(part, record.revision).commit(part, bytes);
        let leaf = Entry {
            stream,
            revision: record.revision,
            prev: before.map(|head| head.last),
            event_id: record.id,
            event_type: &record.event_type,
            recorded_at: &recorded_at(&record.metadata),
            data: commit(Part::Data, &record.data),
            meta: commit(Part::Metadata, &record.metadata),
        }
        .leaf();
        let head = before.map_or(Head { count: 1, first: leaf, last: leaf }, |head| Head {
            count: head.count + 1,
            last: leaf,
            ..head
        });
        match stream {
            Stream::Run { id, .. } => runs.get_mut(&id).unwrap().1 = Some(head),
            Stream::Administration => admin_head = Some(head),
        }
        leaves.push(leaf);
    }
    if sizes.contains(&(i64::try_from(leaves.len()).unwrap() + 1)) {
        leaves.push(heads(&runs, admin_head));
    }
    leaves
}

async fn notes(ledger: &Ledger, tenant: &str) -> Vec<SignedNote> {
    let notes: Vec<String> = sqlx::query_scalar(
        "SELECT note FROM seal.checkpoints AS c JOIN seal.logs USING (log_id) WHERE tenant = $1 ORDER BY c.size",
    )
    .bind(tenant)
    .fetch_all(&ledger.pool)
    .await
    .unwrap();
    notes.iter().map(|note| note.parse().unwrap()).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_signed_root_is_that_of_the_events(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.story().await;
    let keys = KeyFile::read(&ledger.key()).unwrap();
    let mut origins = Vec::new();
    for (tenant, sizes) in [("acme", [9, 17]), ("demo", [7, 9])] {
        let (leaves, notes) = (leaves(&ledger, tenant).await, notes(&ledger, tenant).await);
        assert_eq!(notes.len(), 2, "{tenant}");
        for (note, size) in notes.iter().zip(sizes) {
            let checkpoint: seal::checkpoint::Checkpoint = note.text.parse().unwrap();
            assert_eq!(checkpoint.size, size, "{tenant}");
            assert_eq!(
                checkpoint.root,
                Hash::root(&leaves[..usize::try_from(size).unwrap()]),
                "{tenant} {size}"
            );
            note.verified_by(&keys.verifiers(&checkpoint.origin).unwrap()).unwrap();
            assert!(checkpoint.origin.starts_with("ledger.example/t/"), "{}", checkpoint.origin);
            assert!(!checkpoint.origin.contains(tenant));
            origins.push(checkpoint.origin);
        }
    }
    origins.dedup();
    assert_eq!(origins.len(), 2);
    let audited = ledger.audit().await;
    // Four of tenants, and two of the ledger's own.
    assert_eq!((audited.events, audited.tenants, audited.checkpoints, audited.findings), (22, 2, 6, vec![]));
    assert_eq!(ledger.sampled().await, []);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_new_is_signed_where_nothing_is_new(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.story().await;
    let before = ledger.number("SELECT count(*) FROM seal.checkpoints").await;
    ledger.append("notification-01890a5d-ac96-774b-bcce-b302099a8058", 0, 1).await;
    ledger.seal().await;
    assert_eq!(ledger.number("SELECT count(*) FROM seal.checkpoints").await, before);
    assert_eq!(ledger.number("SELECT position FROM seal.progress").await, 24);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_tree_of_many_tiles_is_the_same(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    for n in 0..300 {
        ledger.append(&run_stream("acme", n), 0, 3).await;
        if n % 100 == 50 {
            ledger.seal().await;
        }
    }
    ledger.seal().await;
    for n in (0..300).step_by(17) {
        ledger.append(&run_stream("acme", n), 3, 2).await;
    }
    ledger.seal().await;
    let leaves = leaves(&ledger, "acme").await;
    let newest: seal::checkpoint::Checkpoint =
        notes(&ledger, "acme").await.pop().unwrap().text.parse().unwrap();
    assert_eq!((newest.size, newest.root), (leaves.len() as u64, Hash::root(&leaves)));
    assert_eq!(ledger.audit().await.findings, []);
    assert_eq!(ledger.sampled().await, []);
}
