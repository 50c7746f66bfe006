//! Where our events end. What was looked through for that is kept, also when the caller does not wait for it.

use std::sync::atomic::Ordering;

use eventstore::Position as Theirs;

use super::Inner;
use super::all::Look;
use crate::error::LogError;
use crate::port::Position;

/// Pages backwards that end with nothing before it is called the beginning of the log.
const BEGINNING: u32 = 2;

/// Events of ours that a page may give: they are not kept here.
const PAGE: usize = 1_000;

/// How far everything was looked through for our last event.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Nothing of ours is between `ours` and this place.
    upto: Option<Theirs>,
    /// Our last event.
    ours: Position,
    /// A look backwards that has not found it yet: where it began, and how far it has come.
    back: Option<(Theirs, Theirs)>,
}

impl Scan {
    /// How far it is known that nothing of ours follows this position.
    pub(super) fn nothing_after(&self, position: Position) -> Option<Theirs> {
        self.upto.filter(|_| position >= self.ours)
    }

    /// Somebody has looked from one place to another and found this one last.
    pub(super) fn looked_through(
        &mut self,
        from: Option<Theirs>,
        to: Option<Theirs>,
        last: Option<Position>,
    ) {
        // What is further back is left alone: our last event is looked for from the end.
        if self.upto.is_some() && self.upto >= from && to > self.upto {
            self.upto = to;
            self.ours = self.ours.max(last.unwrap_or_default());
        }
    }

    fn found(&mut self, upto: Theirs, ours: Position) {
        *self = Self { upto: Some(upto), ours, back: None };
    }
}

impl Inner {
    /// The position of our last event. What lies between two calls is looked through once; the first one looks
    /// backwards, as far as our last event is away. A log that ends before what was looked through once has lost
    /// some of it: then our last event is not after its end.
    pub(super) async fn head(&self) -> Result<Position, LogError> {
        let _one_at_a_time = self.searching.lock().await;
        let Some(end) = self.end().await? else { return Ok(Position(0)) };
        let known = self.scan().upto;
        if known.is_some_and(|known| end.at < known) {
            return Ok(self.scan().ours.min(Position(end.at.commit)));
        }
        let upto = match known {
            Some(upto) => upto,
            None => self.search_backwards().await?,
        };
        let mut look = Look::between(self.scan().ours, upto, end);
        while !look.done() && look.page(self, PAGE).await?.is_some() {}
        Ok(self.scan().ours)
    }

    /// Finds our last event; gives the place up to which it is the last one.
    async fn search_backwards(&self) -> Result<Theirs, LogError> {
        let mut nothing = 0;
        loop {
            let back = self.scan().back;
            // What we have heard of is ours: it need not be found.
            let known = self.known.load(Ordering::SeqCst);
            if let Some((top, at)) = back.filter(|(_, at)| at.commit <= known || nothing >= BEGINNING) {
                let ours = if at.commit <= known { Position(known) } else { Position(0) };
                self.scan().found(top, ours);
                return Ok(top);
            }
            let page = self.backwards(back.map(|(_, at)| at)).await?;
            let Some(at) = page.at else {
                if !page.ended || back.is_none() {
                    return Err(LogError::Unavailable("a read backwards gives nothing".to_owned()));
                }
                nothing += 1;
                continue;
            };
            nothing = 0;
            let top = back.map_or(page.first.unwrap_or(at), |(top, _)| top);
            match page.events.first() {
                Some(ours) => {
                    self.scan().found(top, ours.position);
                    return Ok(top);
                }
                None => self.scan().back = Some((top, at)),
            }
        }
    }
}
