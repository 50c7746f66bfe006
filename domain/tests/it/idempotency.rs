//! The idempotency key against the published vectors, and the rules for a context.

use domain::key::{
    ContextError, IdempotencyKey, IdempotencySecret, KeyError, MAX_CONTEXT_BYTES, canonical_request,
    check_context, unkeyed,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn vectors(list: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../../docs/idempotency-vectors.json")).unwrap();
    all[list].as_array().unwrap().clone()
}

/// The secret of the published vectors.
fn secret() -> IdempotencySecret {
    let all: Value = serde_json::from_str(include_str!("../../../docs/idempotency-vectors.json")).unwrap();
    all["secret"].as_str().unwrap().parse().unwrap()
}

fn idempotency_key(
    tenant: &str,
    kind: &str,
    context: &Value,
    unordered: &[String],
) -> Result<IdempotencyKey, KeyError> {
    domain::key::idempotency_key(&secret(), tenant, kind, context, unordered)
}

fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector[member].as_str().unwrap()
}

fn unordered(vector: &Value) -> Vec<String> {
    serde_json::from_value(vector["unordered"].clone()).unwrap()
}

#[test]
fn published_vectors_hold() {
    let vectors = vectors("vectors");
    assert!(vectors.len() >= 15);
    for vector in &vectors {
        let (tenant, kind) = (text(vector, "tenant"), text(vector, "kind"));
        let unordered = unordered(vector);
        let hashed = canonical_request(tenant, kind, &vector["context"], &unordered).unwrap();
        assert_eq!(String::from_utf8(hashed).unwrap(), text(vector, "canonical"), "{}", vector["name"]);
        let key = idempotency_key(tenant, kind, &vector["context"], &unordered).unwrap();
        assert_eq!(key.to_string(), text(vector, "key"), "{}", vector["name"]);
    }
}

#[test]
fn published_refusals_hold_and_name_the_place() {
    for vector in vectors("refused") {
        let error = idempotency_key("acme", "refused", &vector["context"], &unordered(&vector)).unwrap_err();
        let pointer = match &error {
            KeyError::Context(error) => error.pointer(),
            KeyError::NotAnArray { pointer, .. } => pointer,
        };
        assert_eq!(pointer, text(&vector, "pointer"), "{}", vector["name"]);
        assert!(error.to_string().contains(pointer), "{error}");
    }
}

#[test]
fn without_the_secret_the_key_tells_nothing_of_the_context() {
    let context = json!({"user": "svc", "password": "Summer2026!"});
    let key = |secret: [u8; 32]| {
        domain::key::idempotency_key(&secret.into(), "acme", "t.x", &context, &[]).unwrap()
    };
    assert_ne!(key([1; 32]), key([2; 32]));
    let bare = unkeyed("acme", "t.x", &context, &[]).unwrap();
    assert!(key([1; 32]) != bare && key([0; 32]) != bare);
    assert_eq!(format!("{:?}", IdempotencySecret::from([1; 32])), "IdempotencySecret(..)");
    for wrong in ["", "00", &"0".repeat(63), &"g".repeat(64), &"0".repeat(66)] {
        assert!(wrong.parse::<IdempotencySecret>().is_err(), "{wrong}");
    }
}

/// What looks like a secret is redacted, and still tells two operations apart.
#[test]
fn two_snapshots_whose_ids_look_like_secrets_are_two_operations() {
    let key = |id: &str| idempotency_key("acme", "snapshot.copy", &json!({"snapshot": id}), &[]).unwrap();
    let ids = ["AKIAIOSFODNN7EXAMPL8", "AKIAIOSFODNN7EXAMPL9"];
    let mut kept = ids.map(|id| json!({"snapshot": id}));
    kept.iter_mut().for_each(redaction::redact_json);
    assert_eq!(kept[0], kept[1]);
    assert_ne!(key(ids[0]), key(ids[1]));
}

#[test]
fn a_context_is_an_object() {
    for (value, found) in [
        (json!([]), "an array"),
        (json!(null), "null"),
        (json!("x"), "a string"),
        (json!(1), "a number"),
        (json!(true), "a boolean"),
    ] {
        assert_eq!(check_context(&value), Err(ContextError::NotAnObject { found }));
    }
}

#[test]
fn depth_32_passes_and_33_does_not() {
    let nested = |levels: usize| {
        let inner = (2..levels).fold(json!([]), |inside, _| json!([inside]));
        json!({ "a": inner })
    };
    assert_eq!(check_context(&nested(32)), Ok(()));
    let error = check_context(&nested(33)).unwrap_err();
    assert_eq!(error.pointer(), format!("/a{}", "/0".repeat(31)));
}

#[test]
fn size_counts_in_canonical_form() {
    let frame = r#"{"a":""}"#.len();
    let fits = json!({ "a": "x".repeat(MAX_CONTEXT_BYTES - frame) });
    assert_eq!(check_context(&fits), Ok(()));
    let large = json!({ "a": "x".repeat(MAX_CONTEXT_BYTES - frame + 1) });
    assert_eq!(check_context(&large), Err(ContextError::TooLarge { bytes: MAX_CONTEXT_BYTES + 1 }));
}

#[test]
fn nul_is_refused_in_strings_and_names() {
    let error = check_context(&json!({ "a": ["x", "\0"] })).unwrap_err();
    assert_eq!(error.pointer(), "/a/1");
    let error = check_context(&json!({ "a": { "b/\0": 1 } })).unwrap_err();
    assert_eq!(error.pointer(), "/a/b~1\0");
    assert!(!error.to_string().contains('\0'));
}

#[test]
fn the_text_form_is_one() {
    let key = idempotency_key("a", "b", &json!({}), &[]).unwrap();
    let text = key.to_string();
    assert_eq!(text.parse::<IdempotencyKey>().unwrap(), key);
    assert_eq!(serde_json::to_value(key).unwrap(), json!(text));
    assert_eq!(serde_json::from_value::<IdempotencyKey>(json!(text)).unwrap(), key);
    for wrong in [text.to_uppercase(), text[1..].to_owned(), format!("{text}0"), "z".repeat(64)] {
        assert!(wrong.parse::<IdempotencyKey>().is_err(), "{wrong}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1e9..1e9).prop_map(|double: f64| json!(double)),
        "[a-z\u{e9}\u{1f600}\u{fb33}]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[a-e\u{1f600}\u{fb33}]{1,3}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same value, with the members of every object written in the opposite order.
fn backwards(value: &Value) -> String {
    match value {
        Value::Array(elements) => {
            let inner: Vec<String> = elements.iter().map(backwards).collect();
            format!("[ {} ]", inner.join(" , "))
        }
        Value::Object(members) => {
            let inner: Vec<String> = members
                .iter()
                .rev()
                .map(|(name, member)| format!("{} : {}", json!(name), backwards(member)))
                .collect();
            format!("{{ {} }}", inner.join(" , "))
        }
        scalar => scalar.to_string(),
    }
}

proptest! {
    #[test]
    fn member_order_and_white_space_do_not_count(inner in any_json()) {
        let context = json!({ "z": inner, "a": 1 });
        let twin: Value = serde_json::from_str(&backwards(&context)).unwrap();
        prop_assert_eq!(
            idempotency_key("t", "k", &context, &[]),
            idempotency_key("t", "k", &twin, &[])
        );
    }

    #[test]
    fn an_unordered_array_is_a_set(
        elements in prop::collection::vec(any_json(), 0..6),
        order in any::<prop::sample::Index>(),
    ) {
        let mut shuffled = elements.clone();
        shuffled.extend(elements.iter().take(2).cloned());
        if !shuffled.is_empty() {
            let by = order.index(shuffled.len());
            shuffled.rotate_left(by);
        }
        let unordered = ["set".to_owned()];
        let key = |elements: &[Value]| {
            let mut context = Map::new();
            context.insert("set".to_owned(), Value::from(elements.to_vec()));
            idempotency_key("t", "k", &Value::Object(context), &unordered).unwrap()
        };
        prop_assert_eq!(key(&elements), key(&shuffled));
    }
}
