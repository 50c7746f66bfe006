//! A ledger in memory, which seals and exports as the forms say; and exports as they can be changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::continues::{Continues, Known, Named};
use seal::entry::{Entry, Part, Salt, Stream};
use seal::export::{Consistency, ContinuesLine, EventLine, FORMAT, Manifest, RunLine, RunRange, Selection};
use seal::heads::{Head, Heads, RunHead};
use seal::note::{KeyKind, SignedNote, SignerKey};
use seal::policy::Policy;
use seal::proof;
use seal::tlog_proof::TlogProof;
use uuid::Uuid;
use verify::{Moment, Refused, Report};
use zip::write::SimpleFileOptions;

use crate::stamps;

pub const TENANT: &str = "acme";

/// One stream, with its events and their leaves.
#[derive(Clone)]
pub struct Sealed {
    pub stream: Stream,
    pub salt: Salt,
    pub events: Vec<EventLine>,
    pub leaves: Vec<Hash>,
}

/// One tenant's ledger.
#[derive(Clone)]
pub struct Ledger {
    pub log: SignerKey,
    pub witnesses: Vec<SignerKey>,
    pub admin: Sealed,
    pub runs: Vec<Sealed>,
    pub tree: Vec<Hash>,
    /// How many entries the newest checkpoint has.
    pub sealed: usize,
    /// With which entries it was begun anew, and where they are.
    pub continues: Vec<(usize, Continues)>,
    /// Its keys under earlier names.
    pub former: Vec<SignerKey>,
}

fn id(seed: u64, number: u64) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(seed) << 40 | u128::from(number))
}

impl Sealed {
    fn new(stream: Stream, salt: u8) -> Self {
        Self { stream, salt: Salt::new([salt; 32]), events: Vec::new(), leaves: Vec::new() }
    }

    pub fn head(&self) -> Option<Head> {
        let (first, last) = (*self.leaves.first()?, *self.leaves.last()?);
        Some(Head { count: self.leaves.len() as u64, first, last })
    }

    fn number(&self) -> Option<u64> {
        match self.stream {
            Stream::Run { number, .. } => Some(number),
            Stream::Administration => None,
        }
    }

    /// Appends an event of these bytes.
    pub fn append(&mut self, event_type: &str, data: &[u8], metadata: &[u8], recorded_at: &str) -> Hash {
        let revision = self.events.len() as u64;
        let event_id = id(self.number().map_or(255, |run| run + 1_000), revision);
        let (data_salt, meta_salt) =
            (self.salt.of(Part::Data, revision), self.salt.of(Part::Metadata, revision));
        let leaf = Entry {
            stream: self.stream,
            revision,
            prev: self.leaves.last().copied(),
            event_id,
            event_type,
            recorded_at,
            data: data_salt.commit(Part::Data, data),
            meta: meta_salt.commit(Part::Metadata, metadata),
        }
        .leaf();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let base64 = |bytes: &[u8]| text(bytes).is_none().then(|| STANDARD.encode(bytes));
        self.leaves.push(leaf);
        self.events.push(EventLine {
            run: self.number(),
            revision,
            event_id,
            event_type: event_type.to_owned(),
            recorded_at: recorded_at.to_owned(),
            data: text(data),
            data_base64: base64(data),
            data_salt: Some(data_salt),
            data_hash: None,
            metadata: text(metadata),
            metadata_base64: base64(metadata),
            meta_salt: Some(meta_salt),
            meta_hash: None,
        });
        leaf
    }

    /// Erases the content of an event; its commitments stay.
    pub fn erase(&mut self, revision: usize) {
        erase(&mut self.events[revision]);
    }
}

/// Puts the commitments of an event in the place of its content.
pub fn erase(event: &mut EventLine) {
    let bytes = |text: &Option<String>, base64: &Option<String>| match (text, base64) {
        (Some(text), _) => text.clone().into_bytes(),
        (_, Some(base64)) => STANDARD.decode(base64).unwrap(),
        _ => panic!("erased already"),
    };
    let (data, meta) =
        (bytes(&event.data, &event.data_base64), bytes(&event.metadata, &event.metadata_base64));
    event.data_hash = event.data_salt.take().map(|salt| salt.commit(Part::Data, &data));
    event.meta_hash = event.meta_salt.take().map(|salt| salt.commit(Part::Metadata, &meta));
    (event.data, event.data_base64, event.metadata, event.metadata_base64) = (None, None, None, None);
}

/// Metadata as they are stored.
pub fn metadata(run: Option<Uuid>, recorded_at: &str) -> String {
    let run = run.map_or_else(String::new, |run| format!(r#""run_id":"{run}","#));
    format!(r#"{{"schema_version":2,"tenant":"{TENANT}",{run}"recorded_at":"{recorded_at}","actor":"ann"}}"#)
}

impl Ledger {
    /// An empty one. The seed makes its keys.
    pub fn new(seed: u8) -> Self {
        let origin = format!("ledger.example/t/{:032x}", u128::from(seed) * 7);
        let witness =
            |n: u8| SignerKey::new(&format!("w{n}.example"), KeyKind::Cosignature, &[seed ^ (0x80 + n); 32]);
        Self {
            log: SignerKey::new(&origin, KeyKind::Note, &[seed; 32]).unwrap(),
            witnesses: (1..=3).map(|n| witness(n).unwrap()).collect(),
            admin: Sealed::new(Stream::Administration, 99),
            runs: Vec::new(),
            tree: Vec::new(),
            sealed: 0,
            continues: Vec::new(),
            former: Vec::new(),
        }
    }

    /// Begins the log anew under another name, after all of this was restored from a backup.
    pub fn begin_anew(&mut self, generation: u32, known: Option<Known>) {
        let from = self.log.name().to_owned();
        let log = Named { first: Named::of(&from).first, generation }.to_string();
        let agrees = (self.sealed as u64, Hash::root(&self.tree[..self.sealed]));
        let prev = self.continues.last().map(|(_, entry)| entry.leaf());
        let (at, why) = ("2026-03-01T13:00:00Z".to_owned(), "the disk is gone: é".to_owned());
        let named = self.log.named(&log).unwrap();
        self.former.push(std::mem::replace(&mut self.log, named));
        let entry = Continues { log, from, agrees, known, prev, at, why };
        self.continues.push((self.tree.len(), entry.clone()));
        self.tree.push(entry.leaf());
        self.seal();
    }

    /// Begins a run; its number.
    pub fn begin(&mut self, kind: &str, at: &str) -> usize {
        let number = self.runs.len() as u64;
        let run = Stream::Run { number, id: id(u64::from(self.log.verifier().bytes()[0]), number) };
        self.runs.push(Sealed::new(run, number.to_le_bytes()[0]));
        let data = format!(r#"{{"kind":"{kind}","context":{{"n":{number}}},"labels":{{}}}}"#);
        self.append(number as usize, "Queued", data.as_bytes(), at);
        number as usize
    }

    /// Appends to a run.
    pub fn append(&mut self, run: usize, event_type: &str, data: &[u8], at: &str) {
        let sealed = &mut self.runs[run];
        let Stream::Run { id, .. } = sealed.stream else { panic!("a run") };
        let leaf = sealed.append(event_type, data, metadata(Some(id), at).as_bytes(), at);
        self.tree.push(leaf);
    }

    /// Appends to the administration.
    pub fn administer(&mut self, event_type: &str, data: &[u8], at: &str) {
        let leaf = self.admin.append(event_type, data, metadata(None, at).as_bytes(), at);
        self.tree.push(leaf);
    }

    fn run_heads(&self) -> Vec<Hash> {
        let leaf = |run: &Sealed| match run.stream {
            Stream::Run { number, id } => RunHead { number, id, head: run.head().unwrap() }.leaf(),
            Stream::Administration => panic!("a run"),
        };
        self.runs.iter().map(leaf).collect()
    }

    pub fn heads(&self) -> Heads {
        let leaves = self.run_heads();
        Heads { runs: leaves.len() as u64, root: Hash::root(&leaves), administration: self.admin.head() }
    }

    pub fn checkpoint(&self) -> Checkpoint {
        let root = Hash::root(&self.tree);
        Checkpoint { origin: self.log.name().to_owned(), size: self.tree.len() as u64, root }
    }

    /// Signs and cosigns a checkpoint.
    pub fn sign(&self, checkpoint: &Checkpoint) -> SignedNote {
        let text = checkpoint.to_string();
        let mut signatures = vec![self.log.sign(&text)];
        signatures.extend(self.witnesses.iter().map(|witness| witness.cosign(&text, 1_772_366_400)));
        SignedNote { text, signatures }
    }

    /// Seals what there is; the checkpoint.
    pub fn seal(&mut self) -> SignedNote {
        self.tree.push(self.heads().leaf());
        self.sealed = self.tree.len();
        self.sign(&self.checkpoint())
    }

    pub fn policy_text(&self, quorum: &str) -> String {
        let mut text = format!("# of {TENANT}\nlog {}\n", self.log.verifier());
        self.former.iter().for_each(|key| text += &format!("log {}\n", key.verifier()));
        for (n, witness) in self.witnesses.iter().enumerate() {
            text += &format!("witness w{} {}\n", n + 1, witness.verifier());
        }
        text + "group two 2 w1 w2 w3\nquorum " + quorum + "\n"
    }

    pub fn policy(&self) -> Policy {
        Policy::parse(&self.policy_text("two")).unwrap()
    }

    /// Whether a run meets a selection, by what it was when it began.
    pub fn meets(&self, run: &Sealed, selection: &Selection) -> bool {
        let (Stream::Run { id, .. }, event) = (run.stream, &run.events[0]) else { panic!("a run") };
        let kind = |data: &str| serde_json::from_str::<serde_json::Value>(data).unwrap()["kind"].clone();
        let is_kind = |wanted: &String| event.data.as_ref().is_none_or(|data| kind(data) == **wanted);
        selection.run_id.is_none_or(|wanted| wanted == id)
            && Self::within(event, selection) == 0
            && selection.kind.as_ref().is_none_or(is_kind)
    }

    /// -1 before the period, 1 after it.
    fn within(event: &EventLine, selection: &Selection) -> i8 {
        let at = Moment::parse(&event.recorded_at).unwrap();
        let is = |moment: &Option<String>| moment.as_ref().map(|moment| Moment::parse(moment).unwrap());
        match (is(&selection.since), is(&selection.until)) {
            (Some(since), _) if at < since => -1,
            (_, Some(until)) if at >= until => 1,
            _ => 0,
        }
    }

    /// Exports by the last checkpoint.
    pub fn export(&self, selection: &Selection, administration: bool, older: &[u64]) -> Export {
        let total = self.runs.len();
        let range = if selection.run_id.is_some() {
            let at = self.runs.iter().position(|run| self.meets(run, selection)).unwrap();
            at..at + 1
        } else {
            let place = |run: &Sealed| Self::within(&run.events[0], selection);
            let begin = self.runs.iter().position(|run| place(run) >= 0).unwrap_or(total);
            let end = self.runs.iter().rposition(|run| place(run) <= 0).map_or(0, |last| last + 1);
            begin.min(end).saturating_sub(1)..(end.max(begin) + 1).min(total)
        };
        let (mut runs, mut events) = (Vec::new(), Vec::new());
        if administration {
            self.admin.events.iter().for_each(|event| push(&mut events, event));
        }
        for run in &self.runs[range.clone()] {
            let (Stream::Run { number, id }, Head { count, first, last }) = (run.stream, run.head().unwrap())
            else {
                panic!("a run")
            };
            let selected = self.meets(run, selection);
            push(&mut runs, &RunLine { number, run_id: id, count, first, last, selected });
            let shown = if selected { run.events.len() } else { 1 };
            run.events[..shown].iter().for_each(|event| push(&mut events, event));
        }
        let roots = |leaves: &[Hash], ranges: Vec<std::ops::Range<u64>>| -> Vec<Hash> {
            ranges
                .into_iter()
                .map(|range| Hash::root(&leaves[range.start as usize..range.end as usize]))
                .collect()
        };
        let size = self.tree.len() as u64;
        let span = range.start as u64..range.end as u64;
        let consistency = |size_then: &u64| Consistency {
            size: *size_then,
            proof: roots(&self.tree, proof::consistency(*size_then, size).unwrap()),
        };
        let manifest = Manifest {
            format: FORMAT.into(),
            tenant: TENANT.into(),
            exported_at: "2026-03-02T00:00:00Z".into(),
            selection: selection.clone(),
            runs: RunRange {
                first: span.start,
                total: total as u64,
                proof: roots(&self.run_heads(), proof::range(&span, total as u64).unwrap()),
            },
            administration,
            consistency: older
                .iter()
                .copied()
                .chain(self.continues.iter().map(|(_, entry)| entry.agrees.0).filter(|size| *size > 0))
                .collect::<BTreeSet<_>>()
                .iter()
                .map(consistency)
                .collect(),
        };
        let proof = TlogProof {
            index: size - 1,
            hashes: roots(&self.tree, proof::inclusion(size - 1, size).unwrap()),
            checkpoint: self.sign(&self.checkpoint()),
        };
        let mut manifest = serde_json::to_vec_pretty(&manifest).unwrap();
        manifest.push(b'\n');
        let mut files = BTreeMap::from([
            (verify::MANIFEST.into(), manifest),
            (verify::HEADS.into(), self.heads().text().into_bytes()),
            (verify::PROOF.into(), proof.to_string().into_bytes()),
            (verify::RUNS.into(), runs),
            (verify::EVENTS.into(), events),
            ("README.txt".into(), b"For people.\n".to_vec()),
        ]);
        let mut continues = Vec::new();
        for (index, entry) in self.continues.iter().rev() {
            let index = *index as u64;
            let proof = roots(&self.tree, proof::inclusion(index, size).unwrap());
            push(&mut continues, &ContinuesLine { index, text: entry.text(), proof });
        }
        if !continues.is_empty() {
            files.insert(verify::CONTINUES.to_owned(), continues);
        }
        let mut export = Export(files);
        stamps::put(
            &mut export,
            &stamps::stamp(self, older.first().copied().filter(|old| *old > 0).unwrap_or(size), size),
        );
        export
    }
}

pub fn push(lines: &mut Vec<u8>, line: &impl serde::Serialize) {
    serde_json::to_writer(&mut *lines, line).unwrap();
    lines.push(b'\n');
}

/// The files of an export.
#[derive(Clone, PartialEq, Eq)]
pub struct Export(pub BTreeMap<String, Vec<u8>>);

impl Export {
    pub fn zip(&self) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in &self.0 {
            zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// The same without its time stamp, which `verify.py` does not check.
    pub fn unstamped(&self) -> Self {
        let mut files = self.0.clone();
        files.retain(|name, _| !name.starts_with("timestamp."));
        Self(files)
    }

    pub fn verify(&self, policy: &Policy, older: Option<&SignedNote>) -> Result<Report, Refused> {
        verify_zip(&self.zip(), policy, older)
    }

    pub fn text(&self, file: &str) -> String {
        String::from_utf8(self.0[file].clone()).unwrap()
    }

    pub fn set(&mut self, file: &str, content: impl Into<Vec<u8>>) {
        self.0.insert(file.into(), content.into());
    }

    pub fn replace(&mut self, file: &str, from: &str, to: &str) {
        let text = self.text(file);
        assert!(text.contains(from), "{from} in {text}");
        self.set(file, text.replacen(from, to, 1));
    }

    pub fn lines<T: serde::de::DeserializeOwned>(&self, file: &str) -> Vec<T> {
        self.text(file).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Changes the lines of a file.
    pub fn change<T: serde::de::DeserializeOwned + serde::Serialize>(
        &mut self,
        file: &str,
        how: impl FnOnce(&mut Vec<T>),
    ) {
        let mut all = self.lines(file);
        how(&mut all);
        let mut lines = Vec::new();
        all.iter().for_each(|line| push(&mut lines, line));
        self.set(file, lines);
    }

    pub fn manifest(&mut self, how: impl FnOnce(&mut Manifest)) {
        let mut manifest: Manifest = serde_json::from_slice(&self.0[verify::MANIFEST]).unwrap();
        how(&mut manifest);
        let mut text = Vec::new();
        push(&mut text, &manifest);
        self.set(verify::MANIFEST, text);
    }
}

pub fn verify_zip(zip: &[u8], policy: &Policy, older: Option<&SignedNote>) -> Result<Report, Refused> {
    verify::verify(|| Ok(Cursor::new(zip)), policy, older)
}

/// Selects a period and a kind; empty texts select nothing.
pub fn period(since: &str, until: &str, kind: &str) -> Selection {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Selection { run_id: None, since: some(since), until: some(until), kind: some(kind) }
}

pub fn only(ledger: &Ledger, run: usize) -> Selection {
    let Stream::Run { id, .. } = ledger.runs[run].stream else { panic!("a run") };
    Selection { run_id: Some(id), ..Selection::default() }
}

/// The sample, restored once from the backup of its second checkpoint, and once more from one of just after that. With the newest
/// checkpoint of before.
pub fn restored() -> (Ledger, SignedNote) {
    let (mut ledger, _) = sample();
    let mut lost = ledger.clone();
    lost.begin("drift", "2026-03-01T12:30:00Z");
    let lost = lost.seal();
    let Checkpoint { origin, size, root } = lost.text.parse().unwrap();
    // An event was a leaf already, and not sealed.
    ledger.append(10, "Progressed", b"{}", "2026-03-01T12:30:00Z");
    ledger.begin_anew(2, Some(Known { log: origin, size, root: Some(root) }));
    ledger.begin("backup", "2026-03-01T14:00:00Z");
    ledger.seal();
    ledger.begin_anew(4, None);
    ledger.begin("drift", "2026-03-01T15:00:00Z");
    ledger.seal();
    (ledger, lost)
}

/// A ledger with eleven runs of two kinds, one begun each hour of a day, an administration, bytes that are no text, and
/// erased content. Sealed twice; the first checkpoint.
pub fn sample() -> (Ledger, SignedNote) {
    let mut ledger = Ledger::new(1);
    ledger.administer("TenantCreated", br#"{"name":"Acme"}"#, "2026-03-01T00:00:00Z");
    let mut older = None;
    for hour in 0..11 {
        let at = |minute: u32| format!("2026-03-01T{hour:02}:{minute:02}:00.5Z");
        let run = ledger.begin(if hour % 3 == 0 { "drift" } else { "backup" }, &at(0));
        ledger.append(run, "Started", br#"{"worker":"w \u00e9 \"1\""}"#, &at(1));
        ledger.append(run, "ItemSucceeded", format!(r#"{{"item":"tab\t é {hour}"}}"#).as_bytes(), &at(2));
        if hour % 2 == 0 {
            ledger.append(run, "Odd type", b"\xff\xfe no text", &at(3));
            ledger.append(run, "Completed", b"{}", &at(4));
        }
        if hour == 5 {
            ledger.administer("TokenCreated", br#"{"label":"x"}"#, &at(30));
            older = Some(ledger.seal());
        }
    }
    ledger.administer("TokenRevoked", br#"{"label":"x"}"#, "2026-03-01T12:00:00Z");
    ledger.runs[4].erase(2);
    ledger.runs[9].erase(0);
    ledger.seal();
    (ledger, older.unwrap())
}
