//! Golden files: every form of every event that was ever written must stay readable. A file is never
//! edited; a new form gets a new folder.
#![allow(clippy::disallowed_methods, reason = "the golden files are on disk; the domain itself reads none")]

use std::collections::BTreeSet;
use std::path::Path;

use domain::{EventBody, wire};
use serde_json::Value;

pub(crate) struct Golden {
    pub name: String,
    pub event_type: String,
    pub data: Value,
    pub metadata: Value,
}

pub(crate) fn golden(version: &str) -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(version);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let mut file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            Golden {
                event_type: file["type"].as_str().unwrap().to_owned(),
                data: file["data"].take(),
                metadata: file["metadata"].take(),
                name,
            }
        })
        .collect()
}

fn decode(golden: &Golden) -> domain::Event {
    wire::decode(wire::Stored {
        id: uuid::Uuid::nil(),
        revision: 3,
        event_type: &golden.event_type,
        data: golden.data.to_string().as_bytes(),
        metadata: golden.metadata.to_string().as_bytes(),
    })
    .unwrap_or_else(|error| panic!("{}: {error}", golden.name))
}

fn types(all: &[Golden]) -> BTreeSet<&str> {
    all.iter().map(|golden| golden.event_type.as_str()).collect()
}

#[test]
fn todays_form_is_read_and_written_back_as_it_was() {
    let all = golden("v3");
    assert_eq!(types(&all), BTreeSet::from(EventBody::TYPES), "a golden file for each type");
    for golden in &all {
        let event = decode(golden);
        assert_eq!((event.revision, event.schema_version), (3, 3));
        let encoded = wire::encode(&event).unwrap();
        assert_eq!(encoded.event_type, golden.event_type);
        assert_eq!(serde_json::from_slice::<Value>(&encoded.data).unwrap(), golden.data, "{}", golden.name);
        assert_eq!(
            serde_json::from_slice::<Value>(&encoded.metadata).unwrap(),
            golden.metadata,
            "{}",
            golden.name
        );
    }
}

/// The types that there were before version 3.
fn first_types() -> BTreeSet<&'static str> {
    EventBody::TYPES.into_iter().filter(|name| *name != "Resumed").collect()
}

#[test]
fn the_second_form_is_read_as_it_was() {
    let all = golden("v2");
    assert_eq!(types(&all), first_types(), "a golden file for each type");
    for golden in &all {
        let event = decode(golden);
        assert_eq!((event.revision, event.schema_version), (3, 2));
        let encoded = wire::encode(&event).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&encoded.data).unwrap(), golden.data, "{}", golden.name);
        let data = golden.data.to_string();
        assert_eq!(wire::upcast_data(&golden.event_type, 2, data.as_bytes()).unwrap(), None);
    }
}

#[test]
fn the_first_form_is_read_and_its_bare_hashes_are_forgotten() {
    let all = golden("v1");
    assert_eq!(types(&all), first_types(), "a golden file for each type");
    for golden in &all {
        let event = decode(golden);
        assert_eq!((event.revision, event.schema_version, &event.origin), (3, 1, &None));
        let mut expected = golden.data.clone();
        let key = expected.as_object_mut().unwrap().remove("idempotency_key");
        assert_eq!(key.is_some(), golden.event_type == "Queued", "{}", golden.name);
        let encoded = wire::encode(&event).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&encoded.data).unwrap(), expected, "{}", golden.name);
        let data = golden.data.to_string();
        let shown = wire::upcast_data(&golden.event_type, 1, data.as_bytes()).unwrap();
        assert_eq!(shown, key.map(|_| expected), "{}", golden.name);
    }
}

/// Such contexts were taken in once. They are read as they are written, and nothing is unpacked.
#[test]
fn a_context_that_names_what_json_readers_obey_is_read_to_the_letter() {
    for (name, packed) in [
        ("$serde_json::private::RawValue", "[1,"),
        ("$serde_json::private::RawValue", "{\"p\\u0061ssword\":\"hunter2\"}"),
        ("$serde_json::private::Number", "1e999"),
    ] {
        let mut file = golden("v1").into_iter().find(|file| file.event_type == "Queued").unwrap();
        file.data["context"] = serde_json::json!({"v": {(name): packed}});
        let EventBody::Queued(queued) = decode(&file).body else { panic!("{name}") };
        assert_eq!(queued.context, file.data["context"]);
    }
}

#[test]
fn what_is_unknown_is_refused_not_guessed() {
    let mut file = golden("v3").remove(0);
    file.metadata["schema_version"] = 4.into();
    let read = |golden: &Golden| {
        wire::decode(wire::Stored {
            id: uuid::Uuid::nil(),
            revision: 0,
            event_type: &golden.event_type,
            data: golden.data.to_string().as_bytes(),
            metadata: golden.metadata.to_string().as_bytes(),
        })
    };
    assert!(matches!(read(&file), Err(wire::WireError::TooNew(4))));
    file.metadata["schema_version"] = 3.into();
    file.event_type = "Exploded".into();
    assert!(matches!(read(&file), Err(wire::WireError::UnknownType(_))));
    file.event_type = "Completed".into();
    file.data = serde_json::json!({"message": 7});
    assert!(matches!(read(&file), Err(wire::WireError::Malformed { part: "data", .. })));
}
