//! Texts out of stored JSON, where any reader finds the same ones.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value without two members of one name. Kept of it is what [`members`] is asked for.
enum Plain {
    Text(String),
    Object(Vec<(String, Plain)>),
    Other,
}

/// The texts of the named members of a JSON object; none where a member is not there or is no text.
///
/// None at all where readers could disagree: where it is no JSON object by RFC 8259, has two members of one name
/// anywhere, half of a surrogate pair, a number beyond the range of a double, or is nested deeper than 127.
#[must_use]
pub fn members<const N: usize>(json: &[u8], names: [&str; N]) -> [Option<String>; N] {
    let Ok(Plain::Object(mut all)) = serde_json::from_slice(json) else { return names.map(|_| None) };
    names.map(|name| {
        let at = all.iter().position(|(known, _)| known == name)?;
        match all.swap_remove(at).1 {
            Plain::Text(text) => Some(text),
            _ => None,
        }
    })
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any)
    }
}

/// Whether two members have one name. Most objects are small.
fn twice(members: &[(String, Plain)]) -> bool {
    if members.len() > 16 {
        let names: HashSet<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        return names.len() < members.len();
    }
    members.iter().enumerate().any(|(n, (name, _))| members[..n].iter().any(|(known, _)| known == name))
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Plain, E> {
        Ok(Plain::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Plain, E> {
        Ok(Plain::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Plain, E> {
        Ok(Plain::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Plain, E> {
        Ok(Plain::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Plain, E> {
        Ok(Plain::Other)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Plain, E> {
        Ok(Plain::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Plain, A::Error> {
        while elements.next_element::<Plain>()?.is_some() {}
        Ok(Plain::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Plain, A::Error> {
        let mut members: Vec<(String, Plain)> = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        if twice(&members) {
            return Err(A::Error::custom("two members of one name"));
        }
        Ok(Plain::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_where_readers_agree() {
        let found = |json: &str| members(json.as_bytes(), ["kind"])[0].clone();
        assert_eq!(found(r#"{"a":[{"kind":"x"},1e300,-0],"kind":"b\u00e9"}"#), Some("b\u{e9}".into()));
        let deep =
            |levels: usize| format!(r#"{{"kind":"a","d":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert_eq!(found(&deep(126)), Some("a".into()));
        for json in [
            "",
            "[]",
            r#""kind""#,
            r#"{"kind":7}"#,
            r#"{"Kind":"a"}"#,
            r#"{"kind":"a","kind":"a"}"#,
            r#"{"kind":"a","b":{"c":1,"c":2}}"#,
            r#"{"kind":"a","b":"\ud800"}"#,
            r#"{"kind":"a","b":1e999}"#,
            r#"{"kind":"a","b":NaN}"#,
            r#"{"kind":"a"} {}"#,
            &deep(127),
        ] {
            assert_eq!(found(json), None, "{json}");
        }
        assert_eq!(members(b"{\"kind\":\"a\xff\"}", ["kind"]), [None]);
    }
}
