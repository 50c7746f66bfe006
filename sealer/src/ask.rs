//! One witness is asked for one cosignature (C2SP `tlog-witness`, as a client).

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use seal::checkpoint::decimal;
use seal::note::{Signature, SignedNote, VerifierKey};
use seal::witness::Submission;

/// The largest answer that is read: some lines.
pub(crate) const MOST_BYTES: usize = 64 * 1024;

/// How much of what a witness says in words is told.
const MOST_WORDS: usize = 200;

/// What a witness answers.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Its cosignatures, verified.
    Cosigned(Vec<Signature>),
    /// It has cosigned another size last.
    Has(u64),
    /// The checkpoint contradicts the one that it cosigned last.
    Contradiction,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// It can't be reached, or does not answer in time.
    #[error("{0}")]
    Away(#[from] reqwest::Error),
    /// It answers something else than the protocol has.
    #[error("it answers {0}: {1}")]
    Refuses(StatusCode, String),
    /// What it answers is none of its cosignatures.
    #[error("its answer has no valid cosignature of its key")]
    NoCosignature,
    /// Its answer is too long.
    #[error("its answer is too long")]
    TooLong,
}

/// A client for all witnesses. It keeps connections open from one checkpoint to the next, and follows no redirections: a
/// witness is where the policy says.
pub(crate) fn client(patience: Duration) -> Result<Client, reqwest::Error> {
    Client::builder().timeout(patience).redirect(Policy::none()).build()
}

/// Submits a checkpoint to the witness at a URL.
pub(crate) async fn ask(
    client: &Client,
    url: &str,
    key: &VerifierKey,
    submission: &Submission,
) -> Result<Answer, Unanswered> {
    let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
    let mut answer = client.post(url).body(submission.to_string()).send().await?;
    let (status, mut body) = (answer.status(), Vec::new());
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let same_size = submission.note.text.lines().nth(1).and_then(decimal) == Some(submission.old);
    let is_size = kind.split(';').next().is_some_and(|kind| kind.trim() == "text/x.tlog.size");
    while let Some(part) = answer.chunk().await? {
        if body.len() + part.len() > MOST_BYTES {
            return Err(Unanswered::TooLong);
        }
        body.extend_from_slice(&part);
    }
    let body = String::from_utf8_lossy(&body);
    match status {
        StatusCode::OK => cosignatures(key, submission, &body).map(Answer::Cosigned),
        StatusCode::CONFLICT => match body.strip_suffix('\n').and_then(decimal).filter(|_| is_size) {
            // Before version 1.1 of the protocol this was the answer to another root of the same size.
            Some(size) if size == submission.old => Ok(Answer::Contradiction),
            Some(size) => Ok(Answer::Has(size)),
            None if same_size => Ok(Answer::Contradiction),
            None => Err(Unanswered::Refuses(status, words(&body))),
        },
        StatusCode::UNPROCESSABLE_ENTITY => Ok(Answer::Contradiction),
        _ => Err(Unanswered::Refuses(status, words(&body))),
    }
}

/// The lines that are this key's cosignatures. Those of other keys say nothing.
fn cosignatures(
    key: &VerifierKey,
    submission: &Submission,
    body: &str,
) -> Result<Vec<Signature>, Unanswered> {
    let mut found = Vec::new();
    for line in body.lines() {
        let Ok(signature) = line.parse::<Signature>() else { continue };
        if is_by(&signature, &submission.note.text, key) {
            found.push(signature);
        }
    }
    if found.is_empty() { Err(Unanswered::NoCosignature) } else { Ok(found) }
}

/// Whether a signature of a text is a key's.
pub(crate) fn is_by(signature: &Signature, text: &str, key: &VerifierKey) -> bool {
    let alone = SignedNote { text: text.to_owned(), signatures: vec![signature.clone()] };
    alone.verified_by([key]).is_ok()
}

/// A stranger's words, as a log line can hold them.
pub(crate) fn words(body: &str) -> String {
    body.chars().filter(|c| !c.is_control()).take(MOST_WORDS).collect()
}
