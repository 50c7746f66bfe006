//! What rules see of a text: windows. A rule looks at no more than a window before it decides, and whatever
//! it takes beyond that it consumes, so the work of a pass is linear in the text. Every byte handed out is
//! counted, and `tests/linear.rs` holds the pass to it.

use std::cell::Cell;

use crate::shape::Class;

/// How much of a name stands before its sign, in bytes.
pub(crate) const NAME: usize = 96;

/// How much of a value is looked at to tell a secret from prose, in bytes. What is longer is no prose.
pub(crate) const VALUE: usize = 1024;

/// A text under scrutiny.
pub(crate) struct View<'t> {
    text: &'t str,
    looked_at: Cell<usize>,
    /// The last run that [`View::token_end`] has measured.
    run: Cell<(usize, usize)>,
}

impl<'t> View<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        Self { text, looked_at: Cell::new(text.len()), run: Cell::new((0, 0)) }
    }

    /// The length of the text in bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// How many bytes were looked at so far; the pass over the text itself counts once.
    pub(crate) fn looked_at(&self) -> usize {
        self.looked_at.get()
    }

    /// Up to `most` bytes from `from` on, cut at a character.
    pub(crate) fn ahead(&self, from: usize, most: usize) -> &'t str {
        let mut end = from.saturating_add(most).min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        self.charge(end.saturating_sub(from));
        self.text.get(from..end).unwrap_or("")
    }

    /// Up to `most` bytes before `to`, cut at a character.
    pub(crate) fn behind(&self, to: usize, most: usize) -> &'t str {
        let mut start = to.saturating_sub(most);
        while !self.text.is_char_boundary(start) {
            start += 1;
        }
        self.charge(to.saturating_sub(start));
        self.text.get(start..to).unwrap_or("")
    }

    /// The byte before `at`.
    pub(crate) fn before(&self, at: usize) -> Option<u8> {
        self.charge(1);
        self.text.as_bytes().get(at.checked_sub(1)?).copied()
    }

    /// The byte at `at`.
    pub(crate) fn at(&self, at: usize) -> Option<u8> {
        self.charge(1);
        self.text.as_bytes().get(at).copied()
    }

    /// Where the first byte at or after `from` is that ends a run; the text's end, if none does. For finds
    /// only: what is passed over here must be consumed.
    pub(crate) fn run_end(&self, from: usize, ends: impl Fn(u8) -> bool) -> usize {
        let bytes = self.text.as_bytes().get(from..).unwrap_or_default();
        let length = bytes.iter().position(|b| ends(*b)).unwrap_or(bytes.len());
        self.charge(length);
        from + length
    }

    /// Where the run of a class ends that `from` lies in. A run is measured once, however often it is asked for;
    /// one caller asks for one class.
    pub(crate) fn token_end(&self, from: usize, class: Class) -> usize {
        let (start, end) = self.run.get();
        if start <= from && from < end {
            return end;
        }
        let end = self.run_end(from, |b| !class.has(b));
        self.run.set((from, end));
        end
    }

    /// Where `end` begins at or after `from`; the text's end, where it does not. For finds only.
    pub(crate) fn find(&self, from: usize, end: &str) -> Option<usize> {
        let rest = self.text.get(from..)?;
        let found = rest.find(end);
        self.charge(found.unwrap_or(rest.len()));
        found.map(|at| from + at)
    }

    /// The text from `from` to `to`, which a find consumes.
    pub(crate) fn taken(&self, from: usize, to: usize) -> &'t str {
        self.charge(to.saturating_sub(from));
        self.text.get(from..to).unwrap_or("")
    }

    fn charge(&self, bytes: usize) {
        self.looked_at.set(self.looked_at.get() + bytes);
    }
}
