//! Events, each made into the entry that was sealed, and chained to the one before it.

use std::io::Read;

use seal::Hash;
use seal::entry::{Entry, Part, Stream};
use seal::export::EventLine;
use seal::heads::Head;

use crate::archive::Lines;
use crate::content::content;
use crate::form;
use crate::moment::Moment;
use crate::refused::{Place, Refused};

/// The events of an export, and what was found in them.
pub struct Events<'t, F> {
    lines: Lines<F>,
    tenant: &'t str,
    /// How many were checked.
    pub count: u64,
    /// How many have less than their whole content.
    pub erased: u64,
    /// How many have metadata that name the tenant.
    pub named: u64,
    /// The earliest moment of one.
    pub earliest: Option<(Moment, String)>,
    /// The latest.
    pub latest: Option<(Moment, String)>,
}

/// A stream, as far as it was checked.
pub struct Chain {
    stream: Stream,
    revision: u64,
    last: Option<Hash>,
}

impl Chain {
    /// A stream of which nothing was checked.
    pub fn new(stream: Stream) -> Self {
        Self { stream, revision: 0, last: None }
    }

    fn number(&self) -> Option<u64> {
        match self.stream {
            Stream::Run { number, .. } => Some(number),
            Stream::Administration => None,
        }
    }

    fn name(&self) -> String {
        self.number().map_or_else(|| "the administration".into(), |number| format!("run {number}"))
    }

    fn at(&self, place: Place) -> Place {
        match self.stream {
            Stream::Run { number, id } => place.run(number, id).revision(self.revision),
            Stream::Administration => place.revision(self.revision),
        }
    }
}

impl<'t, F: Read> Events<'t, F> {
    /// The events in these lines.
    pub fn new(lines: Lines<F>, tenant: &'t str) -> Self {
        Self { lines, tenant, count: 0, erased: 0, named: 0, earliest: None, latest: None }
    }

    /// Checks that the next line is the stream's next event, and has the first entry of the head where it is the first.
    ///
    /// # Errors
    /// Where it is not.
    pub fn next(&mut self, chain: &mut Chain, head: &Head) -> Result<EventLine, Refused> {
        let missing =
            |found: &str| format!("revision {} of {} should be here; {found}", chain.revision, chain.name());
        let Some(line) = self.lines.next()? else {
            let place = chain.at(self.lines.place());
            return Err(place.refused(missing("the file ends before it")));
        };
        let event = form::line::<EventLine>(line);
        let place = chain.at(self.lines.place());
        let refused = |what: String| place.refused(what);
        let event = event.map_err(refused)?;
        if (event.run, event.revision) != (chain.number(), chain.revision) {
            let run = event.run.map_or_else(|| "the administration".into(), |run| format!("run {run}"));
            return Err(refused(missing(&format!("here is revision {} of {run}", event.revision))));
        }
        let (data, meta) = (content(&event, Part::Data), content(&event, Part::Metadata));
        let (data, meta) = (data.map_err(refused)?, meta.map_err(refused)?);
        let [tenant, run_id, recorded_at] = meta.members(["tenant", "run_id", "recorded_at"]);
        if tenant.as_ref().is_some_and(|tenant| tenant != self.tenant) {
            return Err(refused("its metadata are of another tenant than the manifest says".into()));
        }
        if let (Some(said), Stream::Run { id, .. }) = (&run_id, chain.stream)
            && *said != id.to_string()
        {
            return Err(refused("its metadata are of another run".into()));
        }
        if recorded_at.is_some_and(|said| said != event.recorded_at) {
            return Err(refused("its metadata say another recorded_at".into()));
        }
        let leaf = Entry {
            stream: chain.stream,
            revision: event.revision,
            prev: chain.last,
            event_id: event.event_id,
            event_type: &event.event_type,
            recorded_at: &event.recorded_at,
            data: data.hash,
            meta: meta.hash,
        }
        .leaf();
        if chain.revision == 0 && leaf != head.first {
            return Err(refused(format!(
                "this is not the event that was sealed as the first of {}",
                chain.name()
            )));
        }
        (self.erased, self.named) = (
            self.erased + u64::from(data.bytes.is_none() || meta.bytes.is_none()),
            self.named + u64::from(tenant.is_some()),
        );
        self.count += 1;
        if let Some(moment) = Moment::parse(&event.recorded_at) {
            if self.earliest.as_ref().is_none_or(|(known, _)| moment < *known) {
                self.earliest = Some((moment, event.recorded_at.clone()));
            }
            if self.latest.as_ref().is_none_or(|(known, _)| moment > *known) {
                self.latest = Some((moment, event.recorded_at.clone()));
            }
        }
        (chain.last, chain.revision) = (Some(leaf), chain.revision + 1);
        Ok(event)
    }

    /// Checks the rest of a stream that is told whole.
    ///
    /// # Errors
    /// Where it does not lead to its head.
    pub fn rest(&mut self, chain: &mut Chain, head: &Head) -> Result<(), Refused> {
        while chain.revision < head.count {
            self.next(chain, head)?;
        }
        if chain.last == Some(head.last) {
            return Ok(());
        }
        let place = chain.at(self.lines.place());
        let place = Place { revision: None, ..place };
        let (name, last) = (chain.name(), head.count - 1);
        let which = if last > 1 {
            format!("of its events 1 to {last} at least one")
        } else {
            "its last event".into()
        };
        Err(place.refused(format_args!(
            "the events of {name} do not lead to its head: {which} is not as it was sealed, or not in its place"
        )))
    }

    /// Checks that there are no more.
    ///
    /// # Errors
    /// Where there are.
    pub fn end(&mut self) -> Result<(), Refused> {
        let Some(line) = self.lines.next()? else { return Ok(()) };
        let said = match form::line::<EventLine>(line) {
            Ok(EventLine { run: Some(run), revision, .. }) => format!(": revision {revision} of run {run}"),
            Ok(EventLine { run: None, revision, .. }) => {
                format!(": revision {revision} of the administration")
            }
            Err(error) => format!(", and {}", error),
        };
        Err(self.lines.place().refused(format_args!("there is more than the export has to tell{said}")))
    }
}
