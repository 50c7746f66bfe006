//! A row of a source: columns by name, as JSON.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::choice::Columns;

/// A row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row(pub Map<String, Value>);

impl Row {
    /// What a column holds; none where there is no such column, or it is not set. A name with dots goes into what the
    /// column holds, as JSON or as a text that is JSON: `payload.displayName`, `errors.-1.error` for the last of an array,
    /// `errors.length` for how many it has.
    pub(crate) fn get(&self, path: &str) -> Option<Cow<'_, Value>> {
        let found = match self.0.get(path) {
            Some(value) => Some(Cow::Borrowed(value)),
            None => {
                let (column, rest) = path.split_once('.')?;
                within(self.0.get(column)?, rest)
            }
        };
        found.filter(|value| is_set(value))
    }

    /// What the first of the columns that is set holds.
    pub(crate) fn first(&self, columns: &Columns) -> Option<Cow<'_, Value>> {
        columns.0.iter().find_map(|column| self.get(column))
    }

    /// The same as text.
    pub(crate) fn text(&self, columns: &Columns) -> Option<String> {
        self.first(columns).map(|value| text(&value))
    }
}

fn within<'a>(value: &'a Value, path: &str) -> Option<Cow<'a, Value>> {
    if let Value::String(json) = value {
        let whole: Value =
            serde_json::from_str(json).ok().filter(|it: &Value| it.is_object() || it.is_array())?;
        return within(&whole, path).map(|found| Cow::Owned(found.into_owned()));
    }
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let member = match value {
        Value::Object(members) => members.get(name)?,
        Value::Array(members) if name == "length" && rest.is_none() => {
            return Some(Cow::Owned(members.len().into()));
        }
        Value::Array(members) => {
            let at: i64 = name.parse().ok()?;
            let from_end = usize::try_from(at.unsigned_abs()).ok()?;
            let at = if at < 0 { members.len().checked_sub(from_end)? } else { from_end };
            members.get(at)?
        }
        _ => return None,
    };
    match rest {
        Some(rest) => within(member, rest),
        None => Some(Cow::Borrowed(member)),
    }
}

/// Whether it says anything: dumps write what is not there in several ways.
pub(crate) fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !matches!(text.trim(), "" | "NULL" | "\\N" | "0000-00-00 00:00:00"),
        _ => true,
    }
}

/// It as text; what is no text as JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// It as a whole number.
pub(crate) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let whole = number.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < 9e15)?;
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
            Some(whole as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn get(row: Value, path: &str) -> Option<Value> {
        let Value::Object(columns) = row else { return None };
        Row(columns).get(path).map(Cow::into_owned)
    }

    #[test]
    fn a_path_goes_into_json_and_into_texts_that_are_json() {
        let row = json!({"a": 1, "a.b": 2, "errors": [{"error": "x"}, {"error": "y"}],
            "payload": "{\"displayName\": \"Job\", \"data\": {\"n\": [7]}}", "ids": "[]"});
        for (path, found) in [
            ("a", json!(1)),
            ("a.b", json!(2)),
            ("errors.-1.error", json!("y")),
            ("errors.0.error", json!("x")),
            ("payload.displayName", json!("Job")),
            ("payload.data.n.0", json!(7)),
            ("errors.length", json!(2)),
            ("payload.data.n.length", json!(1)),
            ("ids.length", json!(0)),
        ] {
            assert_eq!(get(row.clone(), path), Some(found), "{path}");
        }
        for path in ["b", "a.c", "errors.2.error", "errors.-3.error", "errors.0.length", "payload.x", "a.b.c"]
        {
            assert_eq!(get(row.clone(), path), None, "{path}");
        }
    }

    #[test]
    fn what_dumps_write_for_nothing_is_nothing() {
        for nothing in [json!(null), json!(""), json!("NULL"), json!("\\N"), json!("0000-00-00 00:00:00")] {
            assert_eq!(get(json!({"a": nothing}), "a"), None);
        }
        assert_eq!(get(json!({"a": 0}), "a"), Some(json!(0)));
    }

    #[test]
    fn numbers_come_in_several_spellings() {
        for seven in [json!(7), json!(7.0), json!("7"), json!(" 7 ")] {
            assert_eq!(number(&seven), Some(7), "{seven}");
        }
        for none in [json!(7.5), json!("seven"), json!([7])] {
            assert_eq!(number(&none), None, "{none}");
        }
    }
}
