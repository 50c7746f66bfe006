//! Query parameters: each is known, well formed and not given more often than it may be.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use redaction::CleanText;

use crate::error::ReadError;
use crate::page::{LONGEST_PAGE, LONGEST_TABLE, USUAL_PAGE};
use crate::pool::Plans;
use crate::time;

/// The parameters of a request, decoded, in the order they came. Reading one takes it out, so that those
/// left at the end are unknown to the resource.
#[derive(Debug, Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

/// Parameters that look something up by a text of the producer's: it is cleaned as it was when it was kept.
const CLEANED: [&str; 2] = ["item", "q"];

/// How many characters such a text may have: as the names that producers send may well have, before they are cut.
pub(crate) const LONGEST_ASKED: usize = 4_096;

/// An error that names the parameter.
pub(crate) fn wrong(name: &str, detail: impl Into<String>) -> ReadError {
    ReadError::Invalid { parameter: name.to_owned(), detail: detail.into() }
}

/// The form of a list's answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// A page for programs.
    #[default]
    Json,
    /// A table for spreadsheets (RFC 4180).
    Csv,
}

/// The query parameters of one resource.
pub trait ReadQuery: Sized + Send {
    /// Their names, to list where the caller sends another one. Every read allows `after` and `epoch` too.
    const ALLOWED: &'static [&'static str];

    /// Takes the resource's parameters out of `params`.
    ///
    /// # Errors
    /// [`ReadError::Invalid`] that names the parameter which is wrong.
    fn from_params(params: &mut Params) -> Result<Self, ReadError>;

    /// How the view is to plan that answers it.
    fn plans(&self) -> Plans {
        Plans::Kept
    }
}

impl Params {
    /// Decodes the query of a URI (`application/x-www-form-urlencoded`).
    pub fn of(query: Option<&str>) -> Result<Self, ReadError> {
        Self::of_these(query, |_| true)
    }

    /// As [`Params::of`], of those parameters only that are known.
    pub fn of_these(query: Option<&str>, known: impl Fn(&str) -> bool) -> Result<Self, ReadError> {
        let decoded = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
        let mut pairs: Vec<(String, String)> = decoded.filter(|(name, _)| known(name)).collect();
        for (name, value) in &mut pairs {
            if CLEANED.contains(&name.as_str()) && value.contains(char::is_control) {
                *value = CleanText::beginning(value);
            }
            // Postgres can't hold NUL in text, and no value of ours has control characters.
            if value.chars().any(char::is_control) || value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(wrong(name, "must be printable UTF-8, without control characters"));
            }
        }
        Ok(Self { pairs })
    }

    /// The parameters as they are.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// Puts what `edit` makes of each value in its place, and leaves out those of which it makes none.
    pub fn edit(&mut self, edit: impl Fn(&str, &str) -> Option<String>) {
        let pairs = std::mem::take(&mut self.pairs).into_iter();
        self.pairs = pairs
            .filter_map(|(name, value)| Some((edit(&name, &value)?, name)))
            .map(|(v, n)| (n, v))
            .collect();
    }

    /// Every value of a parameter that may be repeated.
    pub fn all(&mut self, name: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut self.pairs).into_iter().partition(|(key, _)| key == name);
        self.pairs = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// The value of a parameter that may be given once.
    pub fn one(&mut self, name: &str) -> Result<Option<String>, ReadError> {
        let mut values = self.all(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            n => Err(wrong(name, format!("is given {n} times; give it once"))),
        }
    }

    /// Whether a parameter is given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.peek(name).is_some()
    }

    /// The first value of a parameter, left where it is.
    pub(crate) fn peek(&self, name: &str) -> Option<&String> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Adds a parameter that was said elsewhere in the request.
    pub fn add(&mut self, name: &str, value: &str) {
        self.pairs.push((name.to_owned(), value.to_owned()));
    }

    /// The form of the answer, and how many entries it has at most: of a table ten thousand, which is as many as it
    /// has where nobody says.
    pub(crate) fn form_and_limit(&mut self) -> Result<(Form, u64), ReadError> {
        let form = self.parse_enum("format", "json, csv", |text| match text {
            "json" => Some(Form::Json),
            "csv" => Some(Form::Csv),
            _ => None,
        })?;
        let form = form.unwrap_or_default();
        let (usual, most) = match form {
            Form::Json => (USUAL_PAGE, LONGEST_PAGE),
            Form::Csv => (LONGEST_TABLE, LONGEST_TABLE),
        };
        Ok((form, self.number("limit", 1, most)?.unwrap_or(usual)))
    }

    /// A parameter of a type with a text form.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, ReadError> {
        let value = self.one(name)?;
        value.map(|text| text.parse().map_err(|error: T::Err| wrong(name, error.to_string()))).transpose()
    }

    /// A value of an enum, by the `parse` of its type.
    pub fn parse_enum<T>(
        &mut self,
        name: &str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        self.one(name)?.map(|text| self::parse_enum(name, &text, allowed, &parse)).transpose()
    }

    /// A whole number between two others, both included.
    pub fn number(&mut self, name: &str, least: u64, most: u64) -> Result<Option<u64>, ReadError> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(number) if digits && (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(wrong(name, format!("{text:?} is not a whole number from {least} to {most}"))),
        }
    }

    /// A moment (RFC 3339).
    pub fn time(&mut self, name: &str) -> Result<Option<DateTime<Utc>>, ReadError> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        match DateTime::parse_from_rfc3339(&text) {
            Ok(time) => Ok(Some(time.with_timezone(&Utc))),
            Err(error) => {
                Err(wrong(name, format!("{}; a + is written %2B in a URL", time::explain(&text, error))))
            }
        }
    }

    /// Refuses parameters that are left.
    pub fn end(self, allowed: &[&str]) -> Result<(), ReadError> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => {
                let allowed = allowed.join(", ");
                Err(wrong(name, format!("is not a parameter of this resource; these are: {allowed}")))
            }
        }
    }
}

/// Makes sure that something lies between two moments, where both are given.
pub(crate) fn must_lie_between(
    (first, since): (&str, Option<DateTime<Utc>>),
    (last, until): (&str, Option<DateTime<Utc>>),
) -> Result<(), ReadError> {
    match since.zip(until) {
        Some((since, until)) if since >= until => {
            Err(wrong(last, format!("must be later than {first}: nothing lies between them")))
        }
        _ => Ok(()),
    }
}

/// A value of an enum.
pub(crate) fn parse_enum<T>(
    name: &str,
    text: &str,
    allowed: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, ReadError> {
    parse(text).ok_or_else(|| wrong(name, format!("{text:?} is not one of {allowed}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::of(Some(query)).unwrap()
    }

    fn parts(error: ReadError) -> (String, String) {
        let (parameter, detail) = error.as_invalid().unwrap();
        (parameter.to_owned(), detail.to_owned())
    }

    #[test]
    fn values_are_decoded_and_repeated_ones_kept_in_order() {
        let mut p = params("a=1&b=x%2By&a=2&c=h%C3%A9+llo");
        assert_eq!(p.all("a"), ["1", "2"]);
        assert_eq!(p.one("b").unwrap().as_deref(), Some("x+y"));
        assert_eq!(p.one("c").unwrap().as_deref(), Some("hé llo"));
        assert_eq!(p.one("d").unwrap(), None);
        p.end(&[]).unwrap();
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parts(params("a=1&a=2").one("a").unwrap_err()).0, "a");
        for bad in ["", "-1", "+5", "1.0", "x", "201", "99999999999999999999"] {
            assert_eq!(parts(params(&format!("n={bad}")).number("n", 0, 200).unwrap_err()).0, "n");
        }
        assert_eq!(params("n=200").number("n", 0, 200).unwrap(), Some(200));
        for bad in ["", "yesterday", "2026-01-31", "2026-01-31T08:15:00", "2026-01-31T08:15:00+02:00"] {
            assert!(params(&format!("t={bad}")).time("t").is_err(), "{bad}");
        }
        let naive = params("t=2026-01-31T08:15:00").time("t").unwrap_err();
        let naive = parts(naive).1;
        assert!(naive.contains("no offset"), "{naive}");
        assert!(params("t=2026-01-31T08:15:00%2B02:00").time("t").unwrap().is_some());
        let unknown = params("kinds=x").end(&["kind", "status"]).unwrap_err();
        let (name, detail) = parts(unknown);
        assert!(detail.contains("kind, status"), "{detail}");
        assert_eq!(name, "kinds");
        let mut cleaned = Params::of(Some("q=a%00b%0Ac&item=%09d")).unwrap();
        assert_eq!(cleaned.one("q").unwrap().as_deref(), Some("ab c"));
        assert_eq!(cleaned.one("item").unwrap().as_deref(), Some("d"));
        let nul = Params::of(Some("kind=a%00b")).unwrap_err();
        assert_eq!(parts(nul).0, "kind");
        let not_utf8 = Params::of(Some("q=%ff")).unwrap_err();
        assert_eq!(parts(not_utf8).0, "q");
    }
}
