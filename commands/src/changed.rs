//! What is kept otherwise than it was sent. A producer that hears of it can send better texts, and knows under
//! which name an item is found.

use domain::json::push_token;
use redaction::MAX_CHARS;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// How many places are told.
const MOST: usize = 100;

/// How the place of a secret begins.
const MARKER: &str = "[redacted:";

/// A text that is kept otherwise than it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Changed {
    /// Its JSON Pointer (RFC 6901) in the body.
    pointer: String,
    /// What became of it.
    what: Change,
}

impl Changed {
    /// Its JSON Pointer in the body.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What became of it.
    #[must_use]
    pub fn what(&self) -> Change {
        self.what
    }
}

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It held what looks like a secret, in the place of which stands `[redacted:KIND]`.
    Redacted,
    /// It was longer than 300 characters.
    Cut,
    /// It held control, escape or invisible characters, or white space that is no single space inside it.
    Cleaned,
}

/// What is kept otherwise than it was sent, in the order of the body: the first 100 places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    told: Vec<Changed>,
    more: u64,
}

impl Changes {
    /// Notes in what `kept` differs from what was `sent`, which is at `at` in the body.
    pub fn compare(&mut self, at: &str, sent: &Value, kept: &Value) {
        self.walk(&mut at.to_owned(), sent, Some(kept));
    }

    /// The places that are told, and how many others there are.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Changed>, u64) {
        (self.told, self.more)
    }

    /// Adds what was found elsewhere in the body.
    pub fn extend(&mut self, others: Self) {
        self.more += others.more;
        others.told.into_iter().for_each(|changed| self.note(changed));
    }

    fn walk(&mut self, at: &mut String, sent: &Value, kept: Option<&Value>) {
        match (sent, kept) {
            (Value::String(sent), Some(Value::String(kept))) if sent == kept => {}
            (Value::String(sent), Some(Value::String(kept))) => self.text(at, sent, kept),
            // A title of which nothing is left is left out.
            (Value::String(sent), None | Some(Value::Null)) if !sent.is_empty() => self.text(at, sent, ""),
            // A number in the place of a secret.
            (Value::Number(_), Some(Value::String(kept))) => self.text(at, "", kept),
            (Value::Array(sent), Some(Value::Array(kept))) => {
                for (index, (sent, kept)) in sent.iter().zip(kept).enumerate() {
                    self.step(at, &index.to_string(), sent, Some(kept));
                }
            }
            (Value::Object(sent), Some(Value::Object(kept))) => {
                for (name, member) in sent {
                    self.step(at, name, member, kept.get(name));
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, at: &mut String, token: &str, sent: &Value, kept: Option<&Value>) {
        let length = at.len();
        push_token(at, token);
        self.walk(at, sent, kept);
        at.truncate(length);
    }

    fn text(&mut self, at: &str, sent: &str, kept: &str) {
        let markers = |text: &str| text.matches(MARKER).count();
        let redacted = markers(kept) > markers(sent);
        let cut = sent.chars().count() > MAX_CHARS && (kept.ends_with('…') || ends_with_digest(kept));
        for (is_so, what) in
            [(redacted, Change::Redacted), (cut, Change::Cut), (!redacted && !cut, Change::Cleaned)]
        {
            if is_so {
                self.note(Changed { pointer: at.to_owned(), what });
            }
        }
    }

    fn note(&mut self, changed: Changed) {
        if self.told.len() < MOST {
            self.told.push(changed);
        } else {
            self.more += 1;
        }
    }
}

/// As the name of an item does that was cut.
fn ends_with_digest(kept: &str) -> bool {
    let digits = kept.rsplit_once('#').map_or("", |(_, digits)| digits);
    digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use redaction::{CleanText, redact_json};
    use serde_json::json;

    #[test]
    fn each_change_is_told_by_its_place() {
        let sent = json!({
            "a": "plain", "b": "two  blanks", "c": "password=hunter2", "d": "x ".repeat(200),
            "e~/": [1, "tab\there", {"f": "\u{200b}"}], "g": null, "h": "gone",
            "i": format!("password=hunter2 {}", "x ".repeat(200)),
        });
        let clean = |text: &str| CleanText::new(text).into_string();
        let kept = json!({
            "a": "plain", "b": clean("two  blanks"), "c": clean("password=hunter2"), "d": clean(&"x ".repeat(200)),
            "e~/": [1, "tab here", {"f": ""}], "h": null,
            "i": clean(&format!("password=hunter2 {}", "x ".repeat(200))),
        });
        let mut changes = Changes::default();
        changes.compare("/x", &sent, &kept);
        let told: Vec<_> = changes.told.iter().map(|c| (c.pointer.as_str(), c.what)).collect();
        assert_eq!(
            told,
            [
                ("/x/b", Change::Cleaned),
                ("/x/c", Change::Redacted),
                ("/x/d", Change::Cut),
                ("/x/e~0~1/1", Change::Cleaned),
                ("/x/e~0~1/2/f", Change::Cleaned),
                ("/x/h", Change::Cleaned),
                ("/x/i", Change::Redacted),
                ("/x/i", Change::Cut),
            ]
        );
    }

    #[test]
    fn a_number_can_be_redacted_too_and_the_list_ends() {
        let sent = json!({"password": 1234, "texts": vec!["a  b"; 150]});
        let mut kept = sent.clone();
        kept["texts"] = json!(vec!["a b"; 150]);
        redact_json(&mut kept);
        let mut changes = Changes::default();
        changes.compare("", &sent, &kept);
        let first = Changed { pointer: "/password".into(), what: Change::Redacted };
        assert_eq!((&changes.told[0], changes.told.len(), changes.more), (&first, MOST, 51));
    }
}
