//! Labels of a run.

use domain::Labels;
use serde_json::json;

#[test]
fn a_label_that_is_called_a_secret_does_not_keep_its_value() {
    let labels = serde_json::from_value(json!({"password": "Hunt3r", "team": "storage", "api_key": ""}));
    let labels: Labels = labels.unwrap();
    let shown: Vec<_> = labels.iter().map(|(name, value)| (name, value.as_str())).collect();
    assert_eq!(shown, [("api_key", ""), ("password", "[redacted:password]"), ("team", "storage")]);
    let again: Labels = serde_json::from_value(serde_json::to_value(&labels).unwrap()).unwrap();
    assert_eq!(again, labels);
}
