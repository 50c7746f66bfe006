//! Golden files: every form of every event that was ever written must stay readable. A file is never
//! edited; a new form gets a new folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "the golden files are on disk; the domain itself reads none")]

use std::collections::BTreeSet;
use std::path::Path;

use domain::{EventBody, wire};
use serde_json::Value;

struct Golden {
    name: String,
    event_type: String,
    data: Value,
    metadata: Value,
}

fn golden(version: &str) -> Vec<Golden> {
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

#[test]
fn every_stored_form_is_read_and_todays_is_written_back_as_it_was() {
    let all = golden("v1");
    let types: BTreeSet<_> = all.iter().map(|golden| golden.event_type.as_str()).collect();
    assert_eq!(types, BTreeSet::from(EventBody::TYPES), "a golden file for each type");

    for golden in &all {
        let event = decode(golden);
        assert_eq!((event.revision, event.schema_version), (3, 1));
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

#[test]
fn what_is_unknown_is_refused_not_guessed() {
    let mut file = golden("v1").remove(0);
    file.metadata["schema_version"] = 2.into();
    let read = |golden: &Golden| {
        wire::decode(wire::Stored {
            id: uuid::Uuid::nil(),
            revision: 0,
            event_type: &golden.event_type,
            data: golden.data.to_string().as_bytes(),
            metadata: golden.metadata.to_string().as_bytes(),
        })
    };
    assert!(matches!(read(&file), Err(wire::WireError::TooNew(2))));
    file.metadata["schema_version"] = 1.into();
    file.event_type = "Exploded".into();
    assert!(matches!(read(&file), Err(wire::WireError::UnknownType(_))));
    file.event_type = "Completed".into();
    file.data = serde_json::json!({"message": 7});
    assert!(matches!(read(&file), Err(wire::WireError::Malformed { part: "data", .. })));
}
