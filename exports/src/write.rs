//! Writes an export: reading, and packing on a thread of its own, hand in hand.

use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::Event;
use eventlog::RecordedEvent;
use eventlog::streams::run_event;
use seal::entry::Stream;
use seal::export::RunLine;
use seal::heads::Head;
use tokio::sync::mpsc;

use crate::archive::Archive;
use crate::chain::Chain;
use crate::error::ExportError;
use crate::prepare::Export;
use crate::read::{Of, Piece, read};
use crate::report::Report;
use crate::tables::Tables;
use crate::texts;

/// How many pages of events may wait to be written.
const PIECES: usize = 4;

/// How many differences are told each.
const MOST_DIFFERENCES: usize = 100;

/// How far an export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many events are written.
    pub events: u64,
    /// How many there will be.
    pub of: u64,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// How many runs are told whole.
    pub runs: u64,
    /// How many events.
    pub events: u64,
    /// Where the event log is not what was sealed, the first hundred of them. Such an export does not verify.
    pub differences: Vec<String>,
    /// How many more of them there are.
    pub more_differences: u64,
}

impl Export {
    /// Writes the zip file, piece by piece, as fast as the pieces are taken. Given up when it is dropped, or nobody takes
    /// the pieces any more.
    ///
    /// # Errors
    /// When the log fails or the file can't be made; [`ExportError::Gone`]. What was written until then is no zip file.
    pub async fn write(
        self,
        taker: mpsc::Sender<Bytes>,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Written, ExportError> {
        let mut export = self;
        export.which.mark(&mut export.runs, &export.log, &export.tenant).await?;
        let export = Arc::new(export);
        let (pieces, received) = mpsc::channel(PIECES);
        let written = tokio::task::spawn_blocking({
            let export = export.clone();
            move || Writing::begin(&export, taker)?.all(received, progress)
        });
        let read = read(&export, pieces).await;
        let written = written.await.map_err(|error| ExportError::Io(std::io::Error::other(error)))?;
        match (read, written) {
            // The other side knows why it takes no more, or why nothing more comes.
            (Err(ExportError::Gone), written) => written,
            (Err(error), _) => Err(error),
            (Ok(()), written) => written,
        }
    }
}

/// A file that is being written.
struct Writing<'e> {
    export: &'e Export,
    archive: Archive,
    tables: Tables,
    report: Report,
    chain: Option<(Of, Chain)>,
    written: Written,
}

impl<'e> Writing<'e> {
    /// Writes what comes before the events.
    fn begin(export: &'e Export, taker: mpsc::Sender<Bytes>) -> Result<Self, ExportError> {
        let mut archive = Archive::new(taker, export.at);
        archive.file("README.txt", texts::readme(export))?;
        archive.file("manifest.json", format!("{}\n", serde_json::to_string_pretty(&export.manifest)?))?;
        archive.file("heads.txt", export.sealed.heads.text())?;
        archive.file("heads.tlog-proof", &export.proofs.heads)?;
        if !export.proofs.continues.is_empty() {
            let file = archive.begin("continues.ndjson", false)?;
            for line in &export.proofs.continues {
                write_line(file, line)?;
            }
        }
        if let Some(stamp) = &export.time_stamp {
            archive.file("timestamp.json", format!("{}\n", serde_json::to_string_pretty(stamp)?))?;
            archive
                .file("timestamp.checkpoint", stamp.proof.split_once("\n\n").map_or("", |(_, note)| note))?;
            archive.file("timestamp.tsr", STANDARD.decode(&stamp.response).unwrap_or_default())?;
        }
        let runs = archive.begin("runs.ndjson", false)?;
        for run in &export.runs {
            let line = RunLine {
                number: run.number,
                run_id: run.id,
                count: run.count,
                first: run.first,
                last: run.last,
                selected: run.selected,
            };
            write_line(runs, &line)?;
        }
        archive.begin("events.ndjson", export.may_be_large())?;
        let differences = export.proofs.differences.clone();
        let written = Written { runs: export.selected(), differences, ..Written::default() };
        let (tables, report) = (Tables::new()?, Report::new());
        Ok(Self { export, archive, tables, report, chain: None, written })
    }

    fn all(
        mut self,
        mut pieces: mpsc::Receiver<Piece>,
        mut progress: impl FnMut(Progress),
    ) -> Result<Written, ExportError> {
        let of = self.export.events();
        loop {
            match pieces.blocking_recv() {
                Some(Piece::Events(whose, events)) => {
                    for event in &events {
                        self.event(whose, event)?;
                    }
                    progress(Progress { events: self.written.events, of });
                }
                Some(Piece::EndOf(whose)) => self.end_of(whose),
                Some(Piece::End) => return self.finish(),
                // Not all was read.
                None => return Err(ExportError::Gone),
            }
        }
    }

    fn event(&mut self, of: Of, record: &RecordedEvent) -> Result<(), ExportError> {
        let export = self.export;
        let chain = match &mut self.chain {
            Some((current, chain)) if *current == of => chain,
            other => &mut other.insert((of, begun(export, of))).1,
        };
        let line = chain.line(record);
        write_line(self.archive.current()?, &line)?;
        self.written.events += 1;
        match of {
            Of::Administration => self.tables.add(None, record, None)?,
            Of::Run(at) if export.runs[at].selected => {
                let run = &export.runs[at];
                let read: Option<Event> = run_event(record).ok();
                self.tables.add(Some(run), record, read.as_ref())?;
                self.report.add(run.number, read.as_ref());
            }
            Of::Run(_) => {}
        }
        Ok(())
    }

    fn end_of(&mut self, of: Of) {
        let export = self.export;
        let chain = match self.chain.take() {
            Some((current, chain)) if current == of => chain,
            _ => begun(export, of),
        };
        let differs = match of {
            Of::Administration => {
                export.sealed.heads.administration.and_then(|head| chain.differs(head, true))
            }
            Of::Run(at) => {
                let run = &export.runs[at];
                if run.selected {
                    self.report.end(run);
                }
                chain.differs(Head { count: run.count, first: run.first, last: run.last }, run.selected)
            }
        };
        let Some(differs) = differs else { return };
        if self.written.differences.len() < MOST_DIFFERENCES {
            self.written.differences.push(differs);
        } else {
            self.written.more_differences += 1;
        }
    }

    fn finish(mut self) -> Result<Written, ExportError> {
        let Written { events, differences, more_differences, .. } = &self.written;
        self.tables.put_in(&mut self.archive, self.export.may_be_large())?;
        self.archive.file("report.html", self.report.page(self.export, *events, differences)?)?;
        if !differences.is_empty() {
            tracing::error!(
                tenant = %self.export.tenant, first = differences[0], count = differences.len() as u64 + more_differences,
                "an export shows that the event log is not what was sealed"
            );
            self.archive.file("WARNING.txt", texts::warning(differences, *more_differences))?;
        }
        self.archive.finish()?;
        Ok(self.written)
    }
}

fn begun(export: &Export, of: Of) -> Chain {
    match of {
        Of::Administration => Chain::new(Stream::Administration, export.sealed.admin_salt.clone()),
        Of::Run(at) => {
            let run = &export.runs[at];
            Chain::new(Stream::Run { number: run.number, id: run.id }, run.salt.clone())
        }
    }
}

fn write_line(into: &mut impl Write, line: &impl serde::Serialize) -> Result<(), ExportError> {
    // At once: each write is packed for itself.
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    into.write_all(&text)?;
    Ok(())
}
