//! All witnesses of a policy are asked at once, for a bounded time.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, FuturesUnordered};
use reqwest::Client;
use seal::Hash;
use seal::note::SignedNote;
use seal::policy::{Policy, Witness};
use seal::proof::{ProofError, consistency};
use seal::tiles::{Tiles, needed};
use seal::witness::Submission;
use sqlx::PgPool;
use tokio::time::{Instant, timeout_at};

use crate::ask::{Answer, ask, client, is_by};
use crate::checkpoint::Prepared;
use crate::error::SealError;
use crate::tiles::{self, Tree};

/// How long all witnesses are waited for. Shorter than a lease lasts, which is renewed just before.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long those that are still missing are waited for when there are enough.
const STRAGGLERS: Duration = Duration::from_secs(1);

/// How many checkpoints one witness is asked for at once.
const AT_ONCE: usize = 16;

/// How often a witness is told another old size. It says what it has; once more where another process has just asked.
const TRIES: usize = 3;

/// The witnesses of a policy, and what is known of them.
pub(crate) struct Witnesses {
    policy: Policy,
    client: Client,
    /// By witness and log: the size that it has cosigned last.
    sizes: Mutex<HashMap<(usize, i32), u64>>,
}

/// A checkpoint with its note, as far as it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub prepared: Prepared,
    pub note: SignedNote,
}

/// What one witness is asked to cosign.
struct Asked<'a> {
    log: i32,
    size: u64,
    note: &'a SignedNote,
    /// The largest size that was ever prepared of the log: what a witness may have at most.
    most: u64,
}

/// What a witness holds against a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// It has cosigned a larger tree.
    Larger(u64),
    /// It has cosigned another tree.
    Other(u64),
}

/// What came of asking one witness for one checkpoint.
enum Outcome {
    Cosigned(Vec<seal::note::Signature>),
    Conflict(Conflict),
    /// It has cosigned a larger tree that is ours too.
    Ahead,
    Failed(String),
}

impl Witnesses {
    /// # Errors
    /// [`SealError::Witnesses`] where the policy demands cosignatures that nobody can be asked for.
    pub fn new(policy: Policy) -> Result<Self, SealError> {
        for Witness { name, url, .. } in policy.witnesses() {
            let Some(url) = url else { continue };
            let parsed = reqwest::Url::parse(url).map_err(|error| format!("{url}: {error}"));
            let parsed = parsed.map_err(|what| SealError::Witnesses(format!("witness {name}: {what}")))?;
            if !["http", "https"].contains(&parsed.scheme()) {
                return Err(SealError::Witnesses(format!("witness {name}: {url} is no http or https URL")));
            }
        }
        let with_url = policy.witnesses().iter().filter(|witness| witness.url.is_some());
        let asked: Vec<&str> = with_url.map(|witness| witness.name.as_str()).collect();
        if !policy.is_quorum(&asked) {
            let asked = if asked.is_empty() { "none".to_owned() } else { asked.join(", ") };
            let what = format!("the quorum can't be reached by the witnesses that have a URL: {asked}");
            return Err(SealError::Witnesses(what));
        }
        let client = client(PATIENCE).map_err(|error| SealError::Witnesses(error.to_string()))?;
        Ok(Self { policy, client, sizes: Mutex::default() })
    }

    /// Whether a note is cosigned by enough of them.
    pub fn is_enough(&self, note: &SignedNote) -> bool {
        let cosigners = self.policy.cosigners(note).unwrap_or_default();
        let names: Vec<&str> = cosigners.iter().map(|(name, _)| name.as_str()).collect();
        self.policy.is_quorum(&names)
    }

    fn asked(&self) -> impl Iterator<Item = (usize, &Witness, &str)> {
        let all = self.policy.witnesses().iter().enumerate();
        all.filter_map(|(n, witness)| Some((n, witness, witness.url.as_deref()?)))
    }

    /// Asks all witnesses for all these checkpoints at once, and adds what they cosign to the notes. Ends when all have
    /// answered, soon after all notes have enough, or when the time is up.
    ///
    /// # Errors
    /// [`SealError::Restored`], [`SealError::Forked`]: a witness contradicts the ledger's own log. What else fails is told,
    /// and may be tried again.
    pub async fn cosign(&self, pool: &PgPool, signed: &mut [Signed]) -> Result<(), SealError> {
        let mut until = Instant::now() + PATIENCE;
        let asked: Vec<Signed> = signed.to_vec();
        let mut streams = Vec::new();
        for (n, witness, url) in self.asked() {
            let mut each = Vec::<BoxFuture<'_, _>>::new();
            for (at, one) in asked.iter().enumerate() {
                let (log, size) = (one.prepared.log, one.prepared.size);
                let asked = Asked { log, size, note: &one.note, most: size };
                each.push(Box::pin(async move {
                    (at, witness, self.cosign_one(pool, (n, witness, url), asked).await)
                }));
            }
            streams.push(stream::iter(each).buffer_unordered(AT_ONCE));
        }
        let mut answers = stream::select_all(streams);
        let mut few: HashSet<usize> =
            (0..signed.len()).filter(|at| !self.is_enough(&signed[*at].note)).collect();
        let (mut failures, mut conflict) = (HashMap::<&str, String>::new(), None);
        loop {
            let (at, witness, outcome) = match timeout_at(until, answers.next()).await {
                Ok(Some(answer)) => answer,
                Ok(None) => break,
                Err(_) if few.is_empty() => break,
                Err(_) => {
                    tracing::warn!("not all witnesses have answered in {PATIENCE:?}");
                    break;
                }
            };
            let one = &mut signed[at];
            match outcome {
                Outcome::Cosigned(cosignatures) => {
                    // What it cosigned before says an older time.
                    let text = one.note.text.clone();
                    one.note.signatures.retain(|known| !is_by(known, &text, &witness.key));
                    one.note.signatures.extend(cosignatures);
                    if few.contains(&at) && self.is_enough(&one.note) {
                        few.remove(&at);
                        if few.is_empty() {
                            until = until.min(Instant::now() + STRAGGLERS);
                        }
                    }
                }
                Outcome::Ahead => {}
                Outcome::Failed(what) => {
                    failures.insert(&witness.name, what);
                }
                Outcome::Conflict(found) => {
                    let error = error_of(found, witness, one.prepared.size);
                    metrics::counter!("runledger_seal_witness_conflicts_total").increment(1);
                    tracing::error!(tenant = one.prepared.tenant, "{error}");
                    if one.prepared.tenant.is_none() {
                        conflict = Some(error);
                    }
                }
            }
        }
        for (witness, what) in failures {
            metrics::counter!("runledger_seal_witness_failures_total").increment(1);
            tracing::warn!(witness, "no cosignature: {what}");
        }
        conflict.map_or(Ok(()), Err)
    }

    /// Asks one witness, with the proof from the size that it has.
    async fn cosign_one(
        &self,
        pool: &PgPool,
        (n, witness, url): (usize, &Witness, &str),
        asked: Asked<'_>,
    ) -> Outcome {
        let place = (n, asked.log);
        let mut old = self.known().get(&place).copied().unwrap_or(0).min(asked.size);
        for _ in 0..TRIES {
            let proof = match proof(pool, asked.log, old, asked.size).await {
                Ok(proof) => proof,
                Err(error) => return Outcome::Failed(error.to_string()),
            };
            let submission = Submission { old, proof, note: asked.note.clone() };
            match ask(&self.client, url, &witness.key, &submission).await {
                Ok(Answer::Cosigned(cosignatures)) => {
                    self.known().insert(place, asked.size);
                    return Outcome::Cosigned(cosignatures);
                }
                Ok(Answer::Has(size)) if size > asked.most => {
                    return Outcome::Conflict(Conflict::Larger(size));
                }
                Ok(Answer::Has(size)) if size > asked.size => return Outcome::Ahead,
                Ok(Answer::Has(size)) => {
                    self.known().insert(place, size);
                    old = size;
                }
                Ok(Answer::Contradiction) => return Outcome::Conflict(Conflict::Other(old)),
                Err(error) => return Outcome::Failed(told(&error)),
            }
        }
        Outcome::Failed("it has another size each time it is asked".to_owned())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<(usize, i32), u64>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares the ledger's own log with what each witness has cosigned last of it. What is submitted is its newest note;
    /// where there is none, the tree without entries, so that nothing else is signed for it. Those that are away are told.
    ///
    /// # Errors
    /// [`SealError::Restored`] where one has more than was ever prepared, [`SealError::Forked`] where it has another tree.
    pub async fn compare(&self, pool: &PgPool, newest: &Signed, most: u64) -> Result<(), SealError> {
        let (log, size, note) = (newest.prepared.log, newest.prepared.size, &newest.note);
        let asking = FuturesUnordered::<BoxFuture<'_, _>>::new();
        for one in self.asked() {
            let asked = Asked { log, size, note, most };
            asking.push(Box::pin(async move { (one.1, self.cosign_one(pool, one, asked).await) }));
        }
        let mut asking = asking;
        let until = Instant::now() + PATIENCE;
        while let Ok(Some((witness, outcome))) = timeout_at(until, asking.next()).await {
            match outcome {
                Outcome::Cosigned(_) | Outcome::Ahead => {}
                Outcome::Conflict(conflict) => return Err(error_of(conflict, witness, most)),
                Outcome::Failed(what) => {
                    metrics::counter!("runledger_seal_witness_failures_total").increment(1);
                    tracing::warn!(witness = witness.name, "it can't be compared with: {what}");
                }
            }
        }
        Ok(())
    }
}

/// An error with what is behind it: of a connection that failed the first words say only that.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        let words = error.to_string();
        if !told.contains(&words) {
            told = format!("{told}: {words}");
        }
        behind = error.source();
    }
    told
}

fn place_of(witness: &Witness) -> String {
    format!("the witness {}", witness.name)
}

fn error_of(conflict: Conflict, witness: &Witness, ours: u64) -> SealError {
    let place = place_of(witness);
    match conflict {
        Conflict::Larger(outside) => SealError::Restored { place, outside, ours },
        Conflict::Other(size) => SealError::Forked { place, size },
    }
}

/// The proof that a log's tree of an older size is the beginning of that of a newer one.
async fn proof(pool: &PgPool, log: i32, old: u64, size: u64) -> Result<Vec<Hash>, SealError> {
    let beyond = |error: ProofError| SealError::Damaged(error.to_string());
    let ranges = consistency(old, size).map_err(beyond)?;
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let mut tree = Tiles::default();
    let mut db = pool.acquire().await?;
    tiles::load(&mut db, log, Tree::Entries, needed(ranges.iter().cloned()), &mut tree).await?;
    Ok(ranges.into_iter().map(|range| tree.root(range)).collect::<Result<_, _>>()?)
}
