//! Events become entries, and entries leaves of their tenant's tree.

use std::borrow::Cow;
use std::collections::HashSet;
use std::collections::hash_map::Entry;

use chrono::{DateTime, Utc};
use domain::TenantId;
use eventlog::RecordedEvent;
use eventlog::streams::{admin_of, run_of};
use seal::Hash;
use seal::entry::{self, Part, Salt, Stream, recorded_at};
use seal::heads::Head;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::SealError;
use crate::logs::{Log, Logs, random_salt};
use crate::runs::{self, Chains, RunChain};

/// Which of a tenant's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A run's.
    Run(Uuid),
    /// The administration's.
    Administration,
}

/// An event to be sealed.
#[derive(Debug, Clone)]
pub(crate) struct Sealable<'a> {
    /// Whose; none in the ledger's own log.
    pub tenant: Option<&'a str>,
    pub source: Source,
    pub revision: u64,
    pub event_id: Uuid,
    pub event_type: &'a str,
    pub recorded_at: Cow<'a, str>,
    pub data: &'a [u8],
    pub metadata: &'a [u8],
}

/// Whose a stream of the event log is and which; none where it is not sealed.
fn sealed_as(stream: &str) -> Option<(Option<&str>, Source)> {
    let (tenant, source) = match run_of(stream) {
        Some((tenant, run)) => (tenant, Source::Run(run.uuid())),
        None => (admin_of(stream)?, Source::Administration),
    };
    // A name that is none of a tenant could not be told from another one in a table.
    tenant.parse::<TenantId>().ok()?;
    Some((Some(tenant), source))
}

/// A record of the event log as it is sealed; none where its stream is not. What it holds is not judged: bytes that
/// nobody can read are sealed too.
pub(crate) fn sealable(record: &RecordedEvent) -> Option<Sealable<'_>> {
    let (tenant, source) = sealed_as(&record.stream)?;
    Some(Sealable {
        tenant,
        source,
        revision: record.revision,
        event_id: record.id,
        event_type: &record.event_type,
        recorded_at: recorded_at(&record.metadata),
        data: &record.data,
        metadata: &record.metadata,
    })
}

impl Sealable<'_> {
    /// The leaf hash of its entry.
    pub fn leaf(&self, stream: Stream, salt: &Salt, before: Option<Head>) -> Hash {
        let commit = |part, bytes| salt.of(part, self.revision).commit(part, bytes);
        entry::Entry {
            stream,
            revision: self.revision,
            prev: before.map(|head| head.last),
            event_id: self.event_id,
            event_type: self.event_type,
            recorded_at: &self.recorded_at,
            data: commit(Part::Data, self.data),
            meta: commit(Part::Metadata, self.metadata),
        }
        .leaf()
    }
}

/// The head of a stream after one more event.
pub(crate) fn after(before: Option<Head>, leaf: Hash) -> Head {
    match before {
        None => Head { count: 1, first: leaf, last: leaf },
        Some(head) => Head { count: head.count + 1, last: leaf, ..head },
    }
}

/// The streams that events are of, as they are sealed.
pub(crate) fn streams_of(events: &[RecordedEvent]) -> HashSet<(Option<&str>, Source)> {
    let streams: HashSet<&str> = events.iter().map(|event| event.stream.as_str()).collect();
    streams.into_iter().filter_map(sealed_as).collect()
}

/// Makes the logs of these streams known, and gives what is sealed of their runs.
pub(crate) async fn open(
    db: &mut PgConnection,
    logs: &mut Logs,
    streams: &HashSet<(Option<&str>, Source)>,
) -> Result<Chains, SealError> {
    let tenants: HashSet<_> = streams.iter().map(|(tenant, _)| *tenant).collect();
    logs.open(&mut *db, tenants).await?;
    let mut wanted = Vec::new();
    for (tenant, source) in streams {
        if let Source::Run(run) = source {
            wanted.push((logs.get(*tenant)?.id, *run));
        }
    }
    runs::load(db, &wanted).await
}

/// Adds events to their logs, which are open, in their order.
pub(crate) fn add(logs: &mut Logs, chains: &mut Chains, events: &[Sealable<'_>]) -> Result<(), SealError> {
    // A producer's batch is one group: its log and its run are looked for once.
    for group in events.chunk_by(|one, next| one.tenant == next.tenant && one.source == next.source) {
        add_group(logs, chains, group)?;
    }
    Ok(())
}

/// Writes what has changed.
pub(crate) async fn write(db: &mut PgConnection, logs: &mut Logs, chains: &Chains) -> Result<(), SealError> {
    runs::write(&mut *db, chains).await?;
    logs.write(db).await
}

/// Adds events of one stream to their log.
fn add_group(logs: &mut Logs, chains: &mut Chains, events: &[Sealable<'_>]) -> Result<(), SealError> {
    let Some(first) = events.first() else { return Ok(()) };
    let log = logs.get(first.tenant)?;
    match first.source {
        Source::Administration => {
            for event in events {
                let leaf = event.leaf(Stream::Administration, &log.admin_salt, log.admin);
                log.admin = Some(after(log.admin, leaf));
                log.push(leaf)?;
            }
        }
        Source::Run(id) => {
            let chain = match chains.entry((log.id, id)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(begin(log, first)?),
            };
            let stream = Stream::Run { number: chain.number, id };
            for event in events {
                let leaf = event.leaf(stream, &chain.salt, chain.head);
                chain.head = Some(after(chain.head, leaf));
                log.push(leaf)?;
            }
        }
    }
    Ok(())
}

/// A run that nothing was sealed of.
fn begin(log: &mut Log, event: &Sealable<'_>) -> Result<RunChain, SealError> {
    let number = log.runs;
    log.runs += 1;
    let began_at = DateTime::parse_from_rfc3339(&event.recorded_at).ok().map(|at| at.with_timezone(&Utc));
    Ok(RunChain { number, salt: Salt::new(random_salt()?), head: None, began_at })
}
