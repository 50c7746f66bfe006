//! JSON read to the letter: every member as it is written, and none twice.
//!
//! Of two members of one name most readers take the last (RFC 8259, 4): what a producer meant would be a
//! guess, and two readers would guess differently. And `serde_json` takes an object whose first member is
//! called `$serde_json::private::RawValue` for JSON in a string and unpacks it: what it reads is not what
//! was checked, or nothing at all. So its own `Value` is never what a stranger's JSON is read into.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON value, read strictly. How deep it may be is the parser's to say.
#[derive(Debug, Clone, Default)]
pub struct Strict(pub Value);

/// A JSON object, read strictly.
#[derive(Debug, Clone, Default)]
pub struct StrictMap(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        value(from).map(Self)
    }
}

impl<'de> Deserialize<'de> for StrictMap {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(AnObject).map(Self)
    }
}

/// Reads a value as [`Strict`] does, for `#[serde(deserialize_with)]`.
///
/// # Errors
/// The reader's, or that a member is there twice.
pub fn value<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    from.deserialize_any(AnyValue)
}

/// Reads a struct from an object or nothing, for `#[serde(deserialize_with)]`. What is derived takes an array of its
/// fields too, which no description of ours allows.
///
/// # Errors
/// The reader's, or that it is something else.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    from.deserialize_option(AStruct(PhantomData))
}

/// Goes a step further down a JSON Pointer (RFC 6901, section 3): by the name of a member or the number of an element.
pub fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

fn members<'de, A: MapAccess<'de>>(mut access: A) -> Result<Map<String, Value>, A::Error> {
    let mut members = Map::new();
    while let Some(name) = access.next_key::<String>()? {
        if members.contains_key(&name) {
            return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
        }
        let Strict(value) = access.next_value()?;
        members.insert(name, value);
    }
    Ok(members)
}

struct AnObject;

impl<'de> Visitor<'de> for AnObject {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
        members(access)
    }
}

struct AStruct<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AStruct<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(access)).map(Some)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number beyond all numbers"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(Strict(element)) = access.next_element()? {
            elements.push(element);
        }
        Ok(elements.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        members(access).map(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_read_as_it_is() {
        let text = r#"{"a":[1,-2,0.5,18446744073709551615,null,true,"x",{"b":{}}],"c":""}"#;
        let Strict(value) = serde_json::from_str(text).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_pointer_leads_to_what_it_was_made_for() {
        let value = serde_json::json!({"a/b": [{"m~n": 8}, {"~1": 7}]});
        for (way, found) in [(["a/b", "0", "m~n"], 8), (["a/b", "1", "~1"], 7)] {
            let mut pointer = String::new();
            way.iter().for_each(|token| push_token(&mut pointer, token));
            assert_eq!(value.pointer(&pointer), Some(&found.into()), "{pointer}");
        }
    }

    #[test]
    fn nothing_is_unpacked() {
        for name in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
            for packed in ["[1,", "{\"a\":1}", "7"] {
                let text = serde_json::json!({"v": {(name): packed}}).to_string();
                let Strict(value) = serde_json::from_str(&text).unwrap();
                assert_eq!(value["v"][name], packed);
                assert_eq!(value.to_string(), text);
            }
        }
    }

    #[test]
    fn a_member_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"c":2,"a":3}}]"#] {
            let error = serde_json::from_str::<Strict>(text).unwrap_err();
            assert!(error.to_string().contains("duplicate field `a`"), "{error}");
        }
    }
}
