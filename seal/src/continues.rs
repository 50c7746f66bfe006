//! Logs that were begun anew: the database was restored to an earlier moment, and what had been signed since is gone.
//!
//! The tree stays, as far as the restored database has it, and goes on under another name, since under the old one others
//! have seen more: `<origin>/2`, then `/3`. The first entry under the new name says so. It is a leaf that no event has:
//!
//! ```text
//! runledger/continues/1
//! log ledger.example/t/0af3.../2
//! from ledger.example/t/0af3...
//! agrees 120 Yh7f...=
//! known ledger.example/t/0af3... 240 9Jq1...=
//! prev -
//! at 2026-03-01T12:00:00Z
//! why the disk was lost, restored from the backup of the night
//! ```

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::decimal;
use crate::hash::Hash;

/// The entry with which a log goes on under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continues {
    /// The log's name from here on.
    pub log: String,
    /// Its name before.
    pub from: String,
    /// Size and root of the newest checkpoint under the old name that the restored database has.
    pub agrees: (u64, Hash),
    /// The newest checkpoint that is known outside of the database; none where nothing more is known than that it has.
    pub known: Option<Known>,
    /// The leaf hash of the entry of this kind before; none in the first.
    pub prev: Option<Hash>,
    /// When it was begun (RFC 3339).
    pub at: String,
    /// Why, in the words of the operator: one line.
    pub why: String,
}

/// The newest checkpoint of a log that is known outside of a restored database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The log's name then.
    pub log: String,
    /// Its size.
    pub size: u64,
    /// Its root, where that is known too: a witness says the size alone.
    pub root: Option<Hash>,
}

/// A text that does not say with what a log goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "what a log goes on with is eight lines: runledger/continues/1, log <origin>, from <origin>, agrees <size> <root>, \
     known <origin> <size> <root>, prev <hash>, at <moment>, why <text>"
)]
pub struct NoContinues;

impl Continues {
    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { log, from, agrees: (size, root), known, prev, at, why } = self;
        let hash = |hash: &Option<Hash>| hash.map_or_else(|| "-".to_owned(), |hash| hash.to_string());
        let known = known.as_ref().map_or_else(
            || "- - -".to_owned(),
            |Known { log, size, root }| format!("{log} {size} {}", hash(root)),
        );
        format!(
            "runledger/continues/1\nlog {log}\nfrom {from}\nagrees {size} {root}\nknown {known}\nprev {}\nat {at}\nwhy {why}\n",
            hash(prev)
        )
    }

    /// The hash of the leaf that holds it.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        Hash::leaf(self.text().as_bytes())
    }
}

impl FromStr for Continues {
    type Err = NoContinues;

    /// There is one spelling only, that of [`Continues::text`].
    fn from_str(text: &str) -> Result<Self, NoContinues> {
        let hash = |text: &str| match text {
            "-" => Some(None),
            hash => hash.parse().ok().map(Some),
        };
        let read = || {
            let mut lines = text.split('\n').skip(1);
            let mut line = |name: &str| lines.next()?.strip_prefix(name);
            let (log, from) = (line("log ")?.to_owned(), line("from ")?.to_owned());
            let (size, root) = line("agrees ")?.split_once(' ')?;
            let agrees = (decimal(size)?, root.parse().ok()?);
            let known: Vec<&str> = line("known ")?.split(' ').collect();
            let known = match known.as_slice() {
                ["-", "-", "-"] => None,
                [log, size, root] => {
                    Some(Known { log: (*log).to_owned(), size: decimal(size)?, root: hash(root)? })
                }
                _ => return None,
            };
            let prev = hash(line("prev ")?)?;
            let (at, why) = (line("at ")?.to_owned(), line("why ")?.to_owned());
            Some(Self { log, from, agrees, known, prev, at, why })
        };
        let well = |read: &Self| {
            let known = read.known.as_ref().map_or("-", |known| known.log.as_str());
            if read.known.is_some() && known == "-" {
                return false;
            }
            let texts = [read.log.as_str(), &read.from, &read.at, &read.why, known];
            texts.iter().all(|text| !text.is_empty() && !text.contains(char::is_control))
                && read.text() == text
        };
        read().filter(well).ok_or(NoContinues)
    }
}

/// A tenant's log: its first name, and the how manyth name this is, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    /// The name that it had first.
    pub first: &'a str,
    /// 1 for that, 2 after it was begun anew, and so on.
    pub generation: u32,
}

impl<'a> Named<'a> {
    /// Takes a tenant's origin apart, `<ledger>/t/<32 hex digits>` with a slash and a number from 2 on behind it where it is not
    /// the first. What is written otherwise is a first name.
    #[must_use]
    pub fn of(origin: &'a str) -> Self {
        let of = || {
            let (first, number) = origin.rsplit_once('/')?;
            let (_, suffix) = first.rsplit_once("/t/")?;
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let generation = generation(number)?;
            (suffix.len() == 32 && suffix.bytes().all(is_hex)).then_some(Self { first, generation })
        };
        of().unwrap_or(Self { first: origin, generation: 1 })
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.first)?;
        if self.generation > 1 { write!(f, "/{}", self.generation) } else { Ok(()) }
    }
}

/// The number behind a name, from 2 on, of nine digits at most.
#[must_use]
pub fn generation(text: &str) -> Option<u32> {
    let number = decimal(text).filter(|number| (2..1_000_000_000).contains(number))?;
    u32::try_from(number).ok()
}

/// The how manyth name of the log that was first called `first` this is; none where it is another log's.
#[must_use]
pub fn generation_of(first: &str, origin: &str) -> Option<u32> {
    match origin.strip_prefix(first)? {
        "" => Some(1),
        behind => generation(behind.strip_prefix('/')?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Continues {
        Continues {
            log: "l.example/t/0000000000000000000000000000000a/3".into(),
            from: "l.example/t/0000000000000000000000000000000a/2".into(),
            agrees: (7, Hash::empty()),
            known: Some(Known { log: "l.example".into(), size: 17, root: Some(Hash::empty()) }),
            prev: Some(Hash::empty()),
            at: "2026-03-01T12:00:00Z".into(),
            why: "the disk is gone: é".into(),
        }
    }

    #[test]
    fn it_has_one_spelling() {
        let known = |root| Some(Known { log: "l.example".into(), size: 17, root });
        for (known, prev) in
            [(None, None), (known(None), Some(Hash::empty())), (known(Some(Hash::empty())), None)]
        {
            let entry = Continues { known, prev, ..entry() };
            assert_eq!(entry.text().parse(), Ok(entry));
        }
        let text = entry().text();
        for (from, to) in [
            ("continues/1", "continues/2"),
            ("agrees 7", "agrees 07"),
            ("known l.example 17", "known - 17"),
            ("17", "017"),
            ("prev ", "prev"),
            ("why the disk is gone: é", "why "),
            ("gone", "gone\u{85}"),
            ("gone", "gone\nwhy not"),
            ("log l", "log  \nl"),
            ("é\n", "é"),
        ] {
            assert_eq!(text.replacen(from, to, 1).parse::<Continues>(), Err(NoContinues), "{from} {to:?}");
        }
        assert_eq!(format!("{text}\n").parse::<Continues>(), Err(NoContinues));
    }

    #[test]
    fn names_are_taken_apart_and_put_together() {
        let first = "l.example/t/0123456789abcdef0123456789abcdef";
        for (behind, generation) in [("", 1), ("/2", 2), ("/17", 17), ("/999999999", 999_999_999)] {
            let origin = format!("{first}{behind}");
            assert_eq!(Named::of(&origin), Named { first, generation });
            assert_eq!(Named::of(&origin).to_string(), origin);
        }
        for other in ["/0", "/1", "/02", "/+2", "/1000000000", "/x", "/2/2", "/"] {
            let origin = format!("{first}{other}");
            assert_eq!(Named::of(&origin), Named { first: &origin, generation: 1 }, "{other}");
        }
        for (origin, expected) in
            [("l", Some(1)), ("l/2", Some(2)), ("l/1", None), ("l2", None), ("l/2/2", None), ("k", None)]
        {
            assert_eq!(generation_of("l", origin), expected, "{origin}");
        }
        for other in ["l.example/2", "l.example/t/12/2", "l.example/t/0123456789ABCDEF0123456789abcdef/2"] {
            assert_eq!(Named::of(other).generation, 1, "{other}");
        }
    }
}
