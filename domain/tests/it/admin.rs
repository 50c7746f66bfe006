//! The forms of administrative events: every one that was ever written must stay readable.
#![allow(clippy::disallowed_methods, reason = "the golden files are on disk; the domain itself reads none")]

use std::collections::BTreeSet;

use crate::wire::{Golden, golden};
use domain::admin::{ActorKind, AdminBody, AdminEvent};
use domain::wire::{Stored, WireError};
use serde_json::Value;

fn decode(golden: &Golden) -> Result<AdminEvent, WireError> {
    AdminEvent::decode(Stored {
        id: uuid::Uuid::nil(),
        revision: 3,
        event_type: &golden.event_type,
        data: golden.data.to_string().as_bytes(),
        metadata: golden.metadata.to_string().as_bytes(),
    })
}

#[test]
fn what_was_done_is_read_and_written_back_as_it_was() {
    let all = golden("admin-v1");
    let types: BTreeSet<&str> = all.iter().map(|golden| golden.event_type.as_str()).collect();
    assert_eq!(types, AdminBody::TYPES.iter().copied().collect(), "a golden file for each type");
    let kinds: BTreeSet<&str> =
        all.iter().map(|golden| golden.metadata["actor_kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ActorKind::ALL.map(ActorKind::as_str).into(), "and for each kind of actor");
    for golden in &all {
        let event = decode(golden).unwrap_or_else(|error| panic!("{}: {error}", golden.name));
        let encoded = event.encode().unwrap();
        assert_eq!(encoded.event_type, golden.event_type);
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        assert_eq!(json(&encoded.data), golden.data, "{}", golden.name);
        assert_eq!(json(&encoded.metadata), golden.metadata, "{}", golden.name);
        assert_eq!(ActorKind::parse(event.actor.kind.as_str()), Some(event.actor.kind));
    }
}

#[test]
fn what_is_unknown_of_administration_is_refused_not_guessed() {
    let mut file = golden("admin-v1").remove(0);
    file.metadata["schema_version"] = 2.into();
    assert!(matches!(decode(&file), Err(WireError::NoUpcaster { version: 2, .. })));
    file.metadata["schema_version"] = 1.into();
    file.event_type = "Exploded".into();
    assert!(matches!(decode(&file), Err(WireError::UnknownType(_))));
    file.event_type = "TokenCreated".into();
    file.data = serde_json::json!({"token_id": 7});
    assert!(matches!(decode(&file), Err(WireError::Malformed { part: "data", .. })));
}

#[test]
fn a_secret_that_somebody_put_into_a_name_is_not_kept() {
    let mut file = golden("admin-v1").into_iter().find(|file| file.event_type == "TenantCreated").unwrap();
    file.data["name"] = "Acme password=hunter2".into();
    let AdminBody::TenantCreated(told) = decode(&file).unwrap().body else { panic!("another body") };
    assert_eq!(told.name.as_str(), "Acme password=[redacted:password]");
}
