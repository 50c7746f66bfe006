//! The forms that the API's description tells are those that the types take.

use std::collections::BTreeMap;

use domain::forms::{self, Form};
use domain::key::IdempotencyKey;
use domain::reason::ReasonCode;

use domain::{
    CorrelationId, HeartbeatSeconds, ItemCount, Kind, Labels, Namespace, ReferencePart, TenantId, invisible,
};
use proptest::prelude::*;
use redaction::CleanText;
use regex::Regex;

type Takes = fn(&str) -> bool;

const FORMS: [(&str, Form, Takes); 8] = [
    ("tenant", forms::TENANT, |text| text.parse::<TenantId>().is_ok()),
    ("kind", forms::KIND, |text| text.parse::<Kind>().is_ok()),
    ("new id", forms::VISIBLE_ID, |text| text.parse::<CorrelationId>().is_ok() && invisible(text).is_none()),
    ("part of a reference", forms::REFERENCE_PART, |text| {
        text.parse::<ReferencePart>().is_ok() && invisible(text).is_none()
    }),
    ("reason code", forms::REASON_CODE, |text| ReasonCode::parse(text).is_ok()),
    ("label's name", forms::LABEL_NAME, |text| labels(1, text).is_ok()),
    ("namespace", forms::NAMESPACE, |text| text.parse::<Namespace>().is_ok()),
    ("key", forms::IDEMPOTENCY_KEY, |text| text.parse::<IdempotencyKey>().is_ok()),
];

/// So many labels, of which one has that name.
fn labels(count: usize, name: &str) -> Result<Labels, domain::InvalidId> {
    let names = (1..count).map(|n| format!("{n}.of.many")).chain([name.to_owned()]);
    Labels::try_from(names.map(|name| (name, CleanText::new("x"))).collect::<BTreeMap<_, _>>())
}

fn has_form(form: &Form, text: &str) -> bool {
    let pattern = Regex::new(form.pattern).unwrap();
    (form.least..=form.most).contains(&text.chars().count()) && pattern.is_match(text)
}

/// Texts that are good for some forms, or nearly.
fn samples() -> Vec<String> {
    let words = [
        "",
        "a",
        "-",
        "_",
        ".",
        "/",
        "7",
        "demo",
        "demo-2",
        "-demo",
        "demo-",
        "Demo",
        "a.b",
        "a..b",
        ".a",
        "a.",
        "a-b.c_d",
        "a b",
        "a\n",
        "\na",
        "a\r\n",
        "é",
        "a\u{0}",
        "a\u{200b}",
        "a  b",
        " a",
        "a\u{a0}b",
        "\u{3000}a",
        "a\u{fe0f}",
        "\u{2800}",
        "a\u{fffc}",
        "\u{e0041}",
        "日本",
        "1a",
        "a1",
        "a._b",
        "a.1b",
        "aws.s3.slow_down",
        "backup_set.add_policies",
        "UPPER",
        "a/b",
        "a:b",
        "ａ",
    ];
    let mut samples: Vec<String> = words.map(str::to_owned).to_vec();
    for (letter, lengths) in
        [("a", [62, 63, 64, 65, 99, 100, 101, 200]), ("f", [31, 32, 63, 64, 65, 66, 127, 128])]
    {
        samples.extend(lengths.map(|length| letter.repeat(length)));
    }
    samples.push("F".repeat(64));
    samples.push("g".repeat(64));
    samples
}

#[test]
fn the_forms_are_those_of_the_types() {
    for (name, form, takes) in FORMS {
        let (mut good, mut bad) = (0, 0);
        for text in samples() {
            assert_eq!(has_form(&form, &text), takes(&text), "{name}: {text:?}");
            if takes(&text) { good += 1 } else { bad += 1 }
        }
        assert!(good > 0 && bad > 0, "{name}: {good} good samples, {bad} bad ones");
    }
}

#[test]
fn the_bounds_are_those_of_the_types() {
    let (least, most) = forms::HEARTBEAT_SECONDS;
    for (number, good) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
        assert_eq!(HeartbeatSeconds::try_from(number).is_ok(), good, "{number}");
    }
    let (least, most) = forms::ITEM_COUNT;
    for (number, good) in [(least, true), (most, true), (most + 1, false)] {
        assert_eq!(ItemCount::try_from(number).is_ok(), good, "{number}");
    }
    assert!(labels(forms::MOST_LABELS, "x").is_ok() && labels(forms::MOST_LABELS + 1, "x").is_err());
}

proptest! {
    #[test]
    fn what_has_a_form_is_taken_and_nothing_else(
        which in 0..FORMS.len(),
        text in prop_oneof!["[a-z0-9._/A-F-]{0,12}", "[a-f0-9]{60,68}", "[a-z.\\-]{58,104}", "\\PC{0,6}"],
    ) {
        let (name, form, takes) = FORMS[which];
        prop_assert_eq!(has_form(&form, &text), takes(&text), "{}: {:?}", name, text);
    }
}
