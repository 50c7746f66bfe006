//! An event as it stands on the wire: in headers and a body, or in JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::fault::Malformed;
use crate::json::{check_name, object, read, time};

/// An event of CloudEvents 1.0, as far as it is used here.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudEvent {
    /// Known by this within its source.
    pub id: String,
    /// Where it happened.
    pub source: String,
    /// What kind of thing happened.
    pub event_type: String,
    /// To what, within the source.
    pub subject: Option<String>,
    /// When.
    pub time: Option<DateTime<Utc>>,
    /// What is said, where that is JSON; null where nothing is.
    pub data: Value,
    /// Data that is no JSON: its type, as far as it is said.
    pub foreign: Option<String>,
}

impl CloudEvent {
    /// An event in binary mode: its attributes are headers without `ce-`, of which only those are given, and the body
    /// is its data.
    ///
    /// # Errors
    /// [`Malformed`] naming the attribute.
    pub fn binary<'h>(
        attributes: impl Iterator<Item = (&'h str, &'h [u8])>,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Self, Malformed> {
        let mut fields = Map::new();
        for (name, value) in attributes {
            let text = std::str::from_utf8(value).ok().and_then(|text| {
                // HTTP binding, 3.1.3.2.
                percent_decode_str(text.trim().trim_matches('"')).decode_utf8().ok()
            });
            let text = text.ok_or_else(|| Malformed::new(format!("ce-{name}"), "it must be UTF-8"))?;
            if fields.insert(name.to_owned(), Value::String(text.into_owned())).is_some() {
                let detail = "the header is there more than once, and an attribute has one value";
                return Err(Malformed::new(format!("ce-{name}"), detail));
            }
        }
        let mut event = Self::attributes(&fields, "ce-")?;
        if body.is_empty() {
            return Ok(event);
        }
        if is_json(content_type.unwrap_or("application/json")) {
            event.data = read(body)?;
        } else {
            event.foreign = content_type.map(str::to_owned);
        }
        Ok(event)
    }

    /// An event in structured mode, at `at` in the body.
    ///
    /// # Errors
    /// [`Malformed`] naming the member.
    pub fn structured(value: &Value, at: &str) -> Result<Self, Malformed> {
        let fields = object(value, at)?;
        let mut event = Self::attributes(fields, &format!("{at}/"))?;
        let content_type = fields.get("datacontenttype").and_then(Value::as_str);
        match (fields.get("data"), fields.get("data_base64")) {
            (Some(_), Some(_)) => {
                return Err(Malformed::new(at, "data and data_base64 exclude each other"));
            }
            (Some(data), None) => event.data = data.clone(),
            (None, Some(packed)) => {
                let bytes = packed.as_str().and_then(|text| STANDARD.decode(text).ok());
                let bytes =
                    bytes.ok_or_else(|| Malformed::new(format!("{at}/data_base64"), "it must be Base64"))?;
                if is_json(content_type.unwrap_or("application/json")) {
                    event.data = read(&bytes)?;
                } else {
                    event.foreign = content_type.map(str::to_owned);
                }
            }
            (None, None) => {}
        }
        Ok(event)
    }

    fn attributes(fields: &Map<String, Value>, before: &str) -> Result<Self, Malformed> {
        let text = |name: &str| -> Result<Option<String>, Malformed> {
            let at = format!("{before}{name}");
            match fields.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => {
                    check_name(text, &at)?;
                    Ok(Some(text.clone()))
                }
                Some(_) => Err(Malformed::new(at, "it must be a text")),
            }
        };
        let needed = |name: &str| {
            text(name)?.ok_or_else(|| Malformed::new(format!("{before}{name}"), "the attribute is missing"))
        };
        if needed("specversion")? != "1.0" {
            let detail = "only CloudEvents 1.0 are taken in here";
            return Err(Malformed::new(format!("{before}specversion"), detail));
        }
        let at = text("time")?.map(|text| {
            time(&text)
                .ok_or_else(|| Malformed::new(format!("{before}time"), "it must be a time of RFC 3339"))
        });
        Ok(Self {
            id: needed("id")?,
            source: needed("source")?,
            event_type: needed("type")?,
            subject: text("subject")?,
            time: at.transpose()?,
            data: Value::Null,
            foreign: None,
        })
    }

    /// The event as JSON, for people to see.
    pub(crate) fn into_value(self) -> Value {
        let mut fields = Map::new();
        let subject = self.subject.map(Value::String);
        for (name, value) in [
            ("id", Some(Value::String(self.id))),
            ("source", Some(Value::String(self.source))),
            ("type", Some(Value::String(self.event_type))),
            ("subject", subject),
            ("time", self.time.map(|time| Value::String(time.to_rfc3339()))),
            ("datacontenttype", self.foreign.map(Value::String)),
            ("data", Some(self.data).filter(|data| !data.is_null())),
        ] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        }
        Value::Object(fields)
    }
}

/// Whether data of that media type are JSON (RFC 8259, RFC 6839).
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}
