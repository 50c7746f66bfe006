//! What is known of secrets, as data: [`issuers`] for tokens with a shape of their own, [`commands`] for
//! command lines, [`phrases`] for all else that a word announces. [`crate::names`] holds the names of values.
//! One automaton finds all the words that wake a rule in one pass.

mod commands;
mod issuers;
mod phrases;

use std::sync::LazyLock;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::{Anchored, StartKind, dfa};

use crate::find::{Find, Rank};
use crate::proof::Proof;
use crate::shape::{Class, Part, length, tail};
use crate::view::View;

pub(crate) use commands::{COMMANDS, Command, Run};
pub(crate) use issuers::ISSUERS;
pub(crate) use phrases::{PHRASES, Phrase};

/// How much of a token is looked at to recognize it, in bytes.
const TOKEN: usize = 256;

/// What may stand before a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Anything: the start is like nothing else.
    Free,
    /// No letter or digit: the start also ends ordinary words.
    Word,
}

/// A kind of token with a shape of its own.
pub(crate) struct Issuer {
    /// What the marker says.
    pub kind: &'static str,
    /// Whose tokens they are.
    #[cfg_attr(not(test), expect(dead_code, reason = "for people"))]
    pub issuer: &'static str,
    starts: &'static [&'static str],
    shape: &'static [Part],
    edge: Edge,
    proof: Proof,
    /// What stands before the start and belongs to it: a class, and how many of it at least and at most.
    before: Option<(Class, usize, usize)>,
    /// Where the form is documented.
    #[cfg_attr(not(test), expect(dead_code, reason = "for people"))]
    pub source: &'static str,
    /// A token of this kind.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    pub leak: &'static str,
    /// Something that only begins like one.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    pub miss: &'static str,
}

#[expect(clippy::too_many_arguments, reason = "they are the columns of a table")]
const fn issuer(
    kind: &'static str,
    issuer: &'static str,
    starts: &'static [&'static str],
    shape: &'static [Part],
    edge: Edge,
    proof: Proof,
    source: &'static str,
    leak: &'static str,
    miss: &'static str,
) -> Issuer {
    Issuer { kind, issuer, starts, shape, edge, proof, before: None, source, leak, miss }
}

impl Issuer {
    const fn after(mut self, class: Class, least: usize, most: usize) -> Self {
        self.before = Some((class, least, most));
        self
    }

    /// The token whose start stands at `start..end`.
    fn find(&self, view: &View<'_>, start: usize, end: usize) -> Option<Find> {
        // The automaton does not tell capitals from small letters, a token's start does.
        let word = view.taken(start, end);
        if !self.starts.contains(&word) {
            return None;
        }
        let mut from = start;
        if let Some((class, least, most)) = self.before {
            let behind = view.behind(start, most);
            let run = behind.bytes().rev().take_while(|b| class.has(*b)).count();
            from = (run >= least).then_some(start - run)?;
        } else if self.edge == Edge::Word && view.before(start).is_some_and(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let window = view.ahead(end, TOKEN);
        let fits = length(self.shape, window)?;
        if !self.proof.holds(&window[..fits]) {
            return None;
        }
        let mut to = end + fits;
        if let Some(class) = tail(self.shape) {
            to = view.run_end(to, |b| !class.has(b));
            // A sentence may end after it.
            to -= view.behind(to, 8).bytes().rev().take_while(|b| *b == b'.').count().min(to - end - 1);
        }
        Some(Find { start: from, end: to, kind: self.kind, rank: Rank::Shape })
    }
}

/// What a word of the automaton wakes.
#[derive(Clone, Copy)]
pub(crate) enum Wakes {
    Issuer(&'static Issuer),
    Phrase(&'static Phrase),
    Command(&'static Command),
}

/// All words, in one automaton.
pub(crate) struct Words {
    automaton: dfa::DFA,
    wakes: Vec<Wakes>,
    start: StateID,
}

/// The words of all rules.
pub(crate) static WORDS: LazyLock<Words> = LazyLock::new(Words::new);

impl Words {
    #[allow(clippy::expect_used)] // The words are constants and every test builds them.
    fn new() -> Self {
        let issuers = ISSUERS.iter().flat_map(|rule| rule.starts.iter().map(|w| (*w, Wakes::Issuer(rule))));
        let phrases = PHRASES.iter().flat_map(|rule| rule.words.iter().map(|w| (*w, Wakes::Phrase(rule))));
        let commands =
            COMMANDS.iter().flat_map(|rule| rule.programs.iter().map(|w| (*w, Wakes::Command(rule))));
        let (words, wakes): (Vec<_>, Vec<_>) = issuers.chain(phrases).chain(commands).unzip();
        let automaton = dfa::Builder::new()
            .ascii_case_insensitive(true)
            .start_kind(StartKind::Unanchored)
            .build(words)
            .expect("constant words");
        let start = automaton.start_state(Anchored::No).expect("an unanchored automaton");
        Self { automaton, wakes, start }
    }

    /// The state before the first byte.
    pub(crate) fn start(&self) -> StateID {
        self.start
    }

    /// The state after one more byte.
    pub(crate) fn next(&self, state: StateID, byte: u8) -> StateID {
        self.automaton.next_state(Anchored::No, state, byte)
    }

    /// What the words wake that end here, with the lengths of these words.
    pub(crate) fn woken(&self, state: StateID) -> impl Iterator<Item = (Wakes, usize)> {
        let matched = if self.automaton.is_special(state) && self.automaton.is_match(state) {
            self.automaton.match_len(state)
        } else {
            0
        };
        (0..matched).map(move |index| {
            let word = self.automaton.match_pattern(state, index);
            (self.wakes[word.as_usize()], self.automaton.pattern_len(word))
        })
    }
}

impl Wakes {
    /// The secret that a word at `start..end` announces.
    pub(crate) fn find(self, view: &View<'_>, start: usize, end: usize) -> Option<Find> {
        match self {
            Self::Issuer(rule) => rule.find(view, start, end),
            Self::Phrase(rule) => (rule.find)(view, start, end),
            Self::Command(_) => None,
        }
    }
}
