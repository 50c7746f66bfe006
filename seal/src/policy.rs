//! What a reader trusts (C2SP `tlog-policy`): the keys of logs and witnesses, and how many witnesses must have cosigned.
//!
//! A policy is the reader's own, fetched and kept before. One that comes with an export proves nothing.

use std::collections::HashSet;

use crate::checkpoint::{Checkpoint, NoCheckpoint};
use crate::note::{KeyKind, NoteError, SignedNote, VerifierKey};

/// A policy.
#[derive(Debug, Clone)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<String>,
}

/// A witness that a policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its name within the policy.
    pub name: String,
    /// What its cosignatures are checked with.
    pub key: VerifierKey,
    /// Where checkpoints are submitted to it, where the policy says so: all before `/add-checkpoint`.
    pub url: Option<String>,
}

#[derive(Debug, Clone)]
struct Group {
    name: String,
    threshold: usize,
    members: Vec<String>,
}

/// A text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy: {what}")]
pub struct PolicyError {
    /// Which line, from 1; the one after the last where something is missing.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Why a checkpoint is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// Its note is not in order.
    #[error("the checkpoint's note: {0}")]
    Note(#[from] NoteError),
    /// Its text is none of a checkpoint.
    #[error(transparent)]
    NoCheckpoint(#[from] NoCheckpoint),
    /// Its origin is not that of a log in the policy.
    #[error("the checkpoint is of the log {0}, which the policy does not name")]
    UnknownLog(String),
    /// Too few witnesses have cosigned it.
    #[error("the policy demands cosignatures by {quorum}; it is cosigned by {}", names(.cosigners))]
    NoQuorum {
        /// The group or witness that is demanded.
        quorum: String,
        /// Which witnesses have cosigned.
        cosigners: Vec<String>,
    },
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "none that it knows".to_owned() } else { names.join(", ") }
}

/// A checkpoint that a policy trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The log's key that has signed it.
    pub key: VerifierKey,
    /// The witnesses that have cosigned it, each with the time, in seconds since 1970.
    pub cosigners: Vec<(String, u64)>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut policy = Self { logs: Vec::new(), witnesses: Vec::new(), groups: Vec::new(), quorum: None };
        let (mut has_quorum, mut members, mut count) = (false, HashSet::new(), 0);
        for (line, text) in text.lines().enumerate() {
            count = line + 1;
            let refused = |what: String| PolicyError { line: line + 1, what };
            let words: Vec<&str> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            match words.as_slice() {
                [] => {}
                [comment, ..] if comment.starts_with('#') => {}
                ["log", key] | ["log", key, _] => {
                    policy.logs.push(key_of(key, KeyKind::Note, &policy.logs).map_err(refused)?);
                }
                ["witness", name, key, url @ ..] if url.len() < 2 => {
                    policy.new_name(name).map_err(refused)?;
                    let key = key_of(key, KeyKind::Cosignature, &[]).map_err(refused)?;
                    // Whatever its name: a cosignature does not say the name, so one key could count as two.
                    if policy.witnesses.iter().any(|known| known.key.bytes() == key.bytes()) {
                        return Err(refused("this key is named already".into()));
                    }
                    let url = url.first().map(|&url| url.to_owned());
                    policy.witnesses.push(Witness { name: (*name).to_owned(), key, url });
                }
                ["group", name, threshold, named @ ..] if !named.is_empty() => {
                    policy.new_name(name).map_err(refused)?;
                    for member in named {
                        if !policy.knows(member) {
                            return Err(refused(format!("{member} is not defined before")));
                        }
                        if !members.insert((*member).to_owned()) {
                            return Err(refused(format!("{member} is a member of a group already")));
                        }
                    }
                    let threshold = match *threshold {
                        "any" => 1,
                        "all" => named.len(),
                        number => number.parse().unwrap_or(0),
                    };
                    if !(1..=named.len()).contains(&threshold) {
                        return Err(refused(format!("a threshold is any, all, or 1 to {}", named.len())));
                    }
                    let named = named.iter().map(|&member| member.to_owned()).collect();
                    policy.groups.push(Group { name: (*name).to_owned(), threshold, members: named });
                }
                ["quorum", _] if has_quorum => return Err(refused("there is a quorum already".into())),
                ["quorum", "none"] => has_quorum = true,
                ["quorum", name] if policy.knows(name) => {
                    (has_quorum, policy.quorum) = (true, Some((*name).to_owned()));
                }
                ["quorum", name] => return Err(refused(format!("{name} is not defined before"))),
                [word, ..] => {
                    return Err(refused(format!(
                        "{word:?} with {} words after it is none of log, witness, group, quorum",
                        words.len() - 1
                    )));
                }
            }
        }
        if has_quorum {
            return Ok(policy);
        }
        Err(PolicyError { line: count + 1, what: "a line `quorum NAME` or `quorum none` is missing".into() })
    }

    fn knows(&self, name: &str) -> bool {
        self.witnesses.iter().any(|known| known.name == name)
            || self.groups.iter().any(|group| group.name == name)
    }

    fn new_name(&self, name: &str) -> Result<(), String> {
        if name == "none" || self.knows(name) {
            return Err(format!("the name {name} is taken"));
        }
        Ok(())
    }

    /// Whether a checkpoint in a note can be trusted: signed by a log of the policy, under its origin, and cosigned by
    /// its quorum.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub fn trust(&self, note: &SignedNote) -> Result<Trusted, Untrusted> {
        let checkpoint: Checkpoint = note.text.parse()?;
        let logs: Vec<_> = self.logs.iter().filter(|key| key.name() == checkpoint.origin).collect();
        if logs.is_empty() {
            return Err(Untrusted::UnknownLog(checkpoint.origin));
        }
        let signed = note.verified_by(logs)?;
        let [(key, _), ..] = signed.as_slice() else { return Err(NoteError::Unsigned.into()) };
        let cosigners = self.cosigners(note)?;
        let names: Vec<&str> = cosigners.iter().map(|(name, _)| name.as_str()).collect();
        if let Some(quorum) = self.quorum.as_ref().filter(|_| !self.is_quorum(&names)) {
            let cosigners = names.into_iter().map(ToOwned::to_owned).collect();
            return Err(Untrusted::NoQuorum { quorum: quorum.clone(), cosigners });
        }
        Ok(Trusted { checkpoint, key: (*key).clone(), cosigners })
    }

    /// The witnesses that the policy names, in its order.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// The witnesses that have cosigned a note, by their names in the policy, each with the time, in seconds since 1970.
    ///
    /// # Errors
    /// [`NoteError::WrongSignature`] where a signature that is said to be a witness's is not.
    pub fn cosigners(&self, note: &SignedNote) -> Result<Vec<(String, u64)>, NoteError> {
        let mut cosigners = Vec::new();
        for Witness { name, key, .. } in &self.witnesses {
            match note.verified_by([key]) {
                Ok(by) => cosigners.extend(by.into_iter().map(|(_, time)| (name.clone(), time.unwrap_or(0)))),
                Err(NoteError::Unsigned) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(cosigners)
    }

    /// Whether these witnesses are enough.
    #[must_use]
    pub fn is_quorum(&self, witnesses: &[&str]) -> bool {
        let Some(quorum) = &self.quorum else { return true };
        let mut reached: HashSet<&str> = witnesses.iter().copied().collect();
        for group in &self.groups {
            let there = group.members.iter().filter(|member| reached.contains(member.as_str())).count();
            if there >= group.threshold {
                reached.insert(&group.name);
            }
        }
        reached.contains(quorum.as_str())
    }
}

fn key_of(text: &str, kind: KeyKind, known: &[VerifierKey]) -> Result<VerifierKey, String> {
    let key: VerifierKey = text.parse().map_err(|error: NoteError| error.to_string())?;
    if key.kind() != kind {
        return Err("the key is of the wrong kind: logs sign notes, witnesses cosign checkpoints".into());
    }
    if known.iter().any(|other| other.bytes() == key.bytes() && other.name() == key.name()) {
        return Err("this key is named already".into());
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;
    use crate::note::SignerKey;

    fn log() -> SignerKey {
        SignerKey::new("example.org/log", KeyKind::Note, &[9; 32]).unwrap()
    }

    fn witness(n: u8) -> SignerKey {
        SignerKey::new(&format!("w{n}.example"), KeyKind::Cosignature, &[n; 32]).unwrap()
    }

    fn policy(quorum: &str) -> String {
        let mut text = format!("# ours\nlog {} https://example.org\n", log().verifier());
        for n in 1..=3 {
            text += &format!("witness w{n} {}\n", witness(n).verifier());
        }
        text + quorum
    }

    fn note(cosigners: &[u8]) -> SignedNote {
        let checkpoint = Checkpoint { origin: "example.org/log".into(), size: 0, root: Hash::empty() };
        let text = checkpoint.to_string();
        let mut signatures = vec![log().sign(&text)];
        signatures.extend(cosigners.iter().map(|n| witness(*n).cosign(&text, 5)));
        SignedNote { text, signatures }
    }

    #[test]
    fn a_quorum_is_as_the_groups_say() {
        let two = Policy::parse(&policy("group g 2 w1 w2\ngroup h any g w3\nquorum h\n")).unwrap();
        for (cosigners, trusted) in
            [(&[][..], false), (&[1], false), (&[1, 2], true), (&[3], true), (&[2, 3], true)]
        {
            assert_eq!(two.trust(&note(cosigners)).is_ok(), trusted, "{cosigners:?}");
        }
        let none = Policy::parse(&policy("quorum none\n")).unwrap();
        assert_eq!(none.trust(&note(&[2])).unwrap().cosigners, [("w2".to_owned(), 5)]);
    }

    #[test]
    fn a_witness_may_have_a_place() {
        let policy =
            Policy::parse(&format!("witness w {} https://w.example\nquorum w", witness(1).verifier()));
        let policy = policy.unwrap();
        assert_eq!(policy.witnesses()[0].url.as_deref(), Some("https://w.example"));
        assert!(policy.is_quorum(&["w"]) && !policy.is_quorum(&[]));
    }

    #[test]
    fn other_logs_and_other_keys_are_not_trusted() {
        let policy = Policy::parse(&policy("quorum none")).unwrap();
        let mut other = note(&[]);
        other.text = other.text.replace("example.org/log", "example.org/other");
        assert_eq!(policy.trust(&other), Err(Untrusted::UnknownLog("example.org/other".into())));
        let mut other = note(&[]);
        other.signatures =
            vec![SignerKey::new("example.org/log", KeyKind::Note, &[8; 32]).unwrap().sign(&other.text)];
        assert_eq!(policy.trust(&other), Err(NoteError::Unsigned.into()));
    }

    #[test]
    fn a_malformed_policy_names_its_line() {
        let key = log().verifier();
        for (text, line) in [
            (String::new(), 1),
            (format!("log {key}\n"), 2),
            (format!("log {key}\nlog {key}\nquorum none"), 2),
            (format!("witness w {key}\nquorum none"), 1),
            (policy("quorum w4"), 6),
            (policy("group g 4 w1 w2 w3\nquorum g"), 6),
            (policy("group g any w1\ngroup h any w1\nquorum h"), 7),
            (policy("group none any w1\nquorum none"), 6),
            (policy("quorum none\nquorum none"), 7),
            (
                policy(&format!("witness w4 {}\nquorum none", witness(1).named("other").unwrap().verifier())),
                6,
            ),
            (policy("witness w4 a b c\nquorum none"), 6),
            (policy("quorum"), 6),
        ] {
            assert_eq!(Policy::parse(&text).unwrap_err().line, line, "{text}");
        }
    }
}
