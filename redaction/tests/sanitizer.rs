//! Clean text against realistic leaks, ordinary messages and random input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use proptest::prelude::*;
use redaction::{CleanText, MAX_CHARS, recognized_secret, redact_json, secret_name};
use serde_json::{Value, json};

const LEAKS: &str = include_str!("corpus/leaks.tsv");
const ORDINARY: &str = include_str!("corpus/ordinary.txt");

fn leaks() -> Vec<(&'static str, &'static str, &'static str)> {
    LEAKS
        .lines()
        .map(|line| {
            let mut columns = line.splitn(3, '\t');
            let mut next = || columns.next().expect("kind, secret, message");
            (next(), next(), next())
        })
        .collect()
}

fn clean(raw: &str) -> String {
    CleanText::new(raw).to_string()
}

#[test]
fn no_leak_of_the_corpus_survives() {
    let leaks = leaks();
    assert!(leaks.len() >= 80, "{}", leaks.len());
    let mut wrong = Vec::new();
    for (kind, secret, message) in leaks {
        let text = clean(message);
        if text.contains(secret) || !text.contains(&format!("[redacted:{kind}]")) {
            wrong.push(format!("{kind}: {message}\n    -> {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ordinary_messages_come_through_byte_for_byte() {
    let messages: Vec<&str> = ORDINARY.lines().collect();
    assert!(messages.len() >= 80, "{}", messages.len());
    let wrong: Vec<String> = messages
        .iter()
        .filter(|message| clean(message) != **message)
        .map(|message| format!("{message}\n    -> {}", clean(message)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_rest_of_the_message_stays_readable() {
    for (raw, expected) in [
        (
            "could not connect to postgres://app:hunter2@db:5432/runs",
            "could not connect to postgres://app:[redacted:password]@db:5432/runs",
        ),
        (
            "Server=db;User Id=sa;Password=Fake1;Encrypt=true",
            "Server=db;User Id=sa;Password=[redacted:password];Encrypt=true",
        ),
        (
            r#"body was "{\"password\":\"x9y\",\"user\":\"bob\"}""#,
            r#"body was "{\"password\":\"[redacted:password]\",\"user\":\"bob\"}""#,
        ),
        ("Authorization: Bearer abc123def, then 401", "Authorization: Bearer [redacted:bearer], then 401"),
        ("?access_token=abc123&page=2", "?access_token=[redacted:token]&page=2"),
        ("AKIAIOSFODNN7EXAMPLE,AKIAIOSFODNN7EXAMPLE2", "[redacted:aws_key],[redacted:aws_key]"),
        ("password=a1 token=b2", "password=[redacted:password] token=[redacted:token]"),
    ] {
        assert_eq!(clean(raw), expected);
    }
}

#[test]
fn one_line_without_controls() {
    for (raw, expected) in [
        ("a\nb\r\nc\td", "a b c d"),
        ("  a  b  ", "a b"),
        ("a\u{2028}b\u{2029}c\u{85}d", "a b c d"),
        ("\u{1b}[31mred\u{1b}[0m", "red"),
        ("\u{9b}1;31mred\u{9b}m", "red"),
        ("\u{1b}]0;title\u{7}text", "text"),
        ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
        ("\u{1b}]never ends", "never ends"),
        ("\u{1b}(Btext\u{1b}7", "text"),
        ("a\0b\u{7f}c\u{8}d", "abcd"),
        ("\u{202e}evil\u{202c} \u{2066}x\u{2069}", "evil x"),
        ("\u{feff}a\u{200b}b", "ab"),
        ("a\u{200d}b", "ab"),
        ("\u{1b}", ""),
        ("\n\t ", ""),
    ] {
        assert_eq!(clean(raw), expected, "{raw:?}");
    }
}

#[test]
fn secrets_cannot_hide_behind_invisible_characters() {
    for hidden in ["\u{200b}", "\u{1b}[0m", "\u{ad}", "\0", "\u{202e}", "\u{fe0f}", "\u{e0041}"] {
        let raw = format!("key AKIAIOSF{hidden}ODNN7EXAMPLE and pass{hidden}word=hun{hidden}ter2");
        assert_eq!(clean(&raw), "key [redacted:aws_key] and password=[redacted:password]", "{hidden:?}");
    }
    assert_eq!(clean("¡\u{200d}ｐａｓｓ\u{200d}ｗｏｒｄ=hun\u{200d}ter2"), "¡password=[redacted:password]");
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIFAKE\nfake\n-----END PRIVATE KEY-----";
    assert_eq!(clean(pem), "[redacted:private_key]");
    assert_eq!(clean(&pem[..40]), "[redacted:private_key]");
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let text = clean(&"é".repeat(301));
    assert_eq!(text, format!("{}…", "é".repeat(299)));
    assert_eq!(clean(&"é".repeat(300)), "é".repeat(300));
}

#[test]
fn secrets_are_replaced_before_the_cut() {
    for length in 240..=300 {
        let text = clean(&format!("{} password=hunter2hunter2 tail {}", "x".repeat(length), "y".repeat(90)));
        assert!(!text.contains("hunter"), "{text}");
        assert!(text.chars().count() <= MAX_CHARS);
        let halves = text.matches("[redacted:").count();
        assert_eq!(halves, text.matches("[redacted:password]").count(), "{text}");
        assert_eq!(clean(&text), text);
    }
}

#[test]
fn cut_item_names_stay_distinct() {
    let base = "dir/".repeat(100);
    let names: Vec<CleanText> = (0..50).map(|n| CleanText::for_item(&format!("{base}{n}"))).collect();
    for (at, name) in names.iter().enumerate() {
        assert!(name.as_str().chars().count() <= MAX_CHARS);
        assert!(!names[..at].contains(name));
        assert_eq!(&CleanText::for_item(name.as_str()), name);
        assert_eq!(&CleanText::new(name.as_str()), name);
    }
    assert!(names[0].as_str().starts_with(&base[..280]));
    let secret = format!("{}password={}", "x ".repeat(139), "hunter2");
    let (one, two) = (format!("{secret} one {base}"), format!("{secret} two {base}"));
    assert_ne!(CleanText::for_item(&one), CleanText::for_item(&two));
    assert_eq!(CleanText::for_item("short").as_str(), "short");
}

#[test]
fn item_names_that_lost_different_secrets_stay_distinct() {
    let names = [
        "AKIAIOSFODNN7EXAMPL1",
        "AKIAIOSFODNN7EXAMPL2",
        "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRW",
        "Zx9Qw8Er7Ty6Ui5Op4As3Df2Gh1Jk0Lz9Xc8Vb7N",
        "https://b.s3.amazonaws.com/k1?sig=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9v",
        "https://b.s3.amazonaws.com/k2?sig=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9v",
    ];
    let cleaned = names.map(CleanText::for_item);
    for (at, (raw, name)) in names.iter().zip(&cleaned).enumerate() {
        assert!(name.as_str().contains("[redacted:") && !cleaned[..at].contains(name), "{raw}: {name}");
        assert_eq!(&CleanText::for_item(name.as_str()), name);
        assert_eq!(&CleanText::for_item(raw), name);
    }
    // The digits would help to guess a short one, so without a key they don't depend on it.
    let short = ["user-a password=aaaa1111", "user-a password=bbbb2222"].map(CleanText::for_item);
    assert!(short[0].as_str().starts_with("user-a password=[redacted:password]#"), "{}", short[0]);
    assert_eq!(short[0], short[1]);
    let keyed = |raw: &str| CleanText::for_item_by(raw, |raw| [raw[raw.len() - 1]; 32]);
    assert_ne!(keyed("user-a password=aaaa1111"), keyed("user-a password=bbbb2222"));
}

#[test]
fn item_names_that_lose_anything_stay_distinct() {
    let names = [
        "Invoice 7.pdf",
        "Invoice  7.pdf",
        " Invoice 7.pdf",
        "Invoice 7.pdf ",
        "Invoice\t7.pdf",
        "Invoice\n7.pdf",
        "Invoice 7\0.pdf",
        "Invoice \u{1b}[31m7.pdf",
        "Invoice 7\u{200b}.pdf",
        "\u{202e}Invoice 7.pdf",
        "Invoice 7\u{ad}.pdf",
        "\u{feff}Invoice 7.pdf",
        "Invoice 7.pdf\r",
        "Invoice \u{2028}7.pdf",
    ];
    let cleaned = names.map(CleanText::for_item);
    assert_eq!(cleaned[0].as_str(), "Invoice 7.pdf");
    for (at, (raw, name)) in names.iter().zip(&cleaned).enumerate() {
        assert!(!cleaned[..at].contains(name), "{raw:?}: {name}");
        assert!(name.as_str().starts_with(&CleanText::beginning(raw)), "{raw:?}: {name}");
        assert_eq!(&CleanText::for_item(raw), name);
        assert_eq!(&CleanText::for_item(name.as_str()), name, "a stored name is what it was");
        assert_eq!(&CleanText::new(name.as_str()), name);
    }
    assert!(CleanText::for_item(" \0 ").is_empty());
}

#[test]
fn ids_and_names_that_are_secrets_are_recognized() {
    for id in ["AKIAIOSFODNN7EXAMPL9", "postgres://admin:Hunter2Pass@db/x", "Bearer abc123def456"] {
        assert!(recognized_secret(id).is_some(), "{id}");
        assert!(secret_name(&json!({"a": [{(id): 1}]})).is_some(), "{id}");
    }
    for id in
        ["ada", "auth0|5f7c8ec7c33c6c004bbafe82", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]
    {
        assert_eq!(recognized_secret(id), None, "{id}");
    }
    assert_eq!(secret_name(&json!({"password": "AKIAIOSFODNN7EXAMPL9"})), None, "only names count");
}

#[test]
fn pairs_of_leaks_and_messages_do_not_need_the_last_resort() {
    for (_, _, leak) in leaks() {
        for message in ORDINARY.lines().step_by(5) {
            for raw in [format!("{leak} {message}"), format!("{message}: {leak}")] {
                assert!(!clean(&raw).contains("[redacted:text]"), "{raw}");
            }
        }
    }
}

#[test]
fn what_looks_like_words_at_the_edge_is_judged_by_its_value() {
    for (raw, expected) in [
        ("call(password=f(x))", "call(password=[redacted:password])"),
        ("token: abc123.", "token: [redacted:token]."),
        ("[token=abc123]", "[token=[redacted:token]]"),
        ("password=", "password="),
        ("password: ", "password:"),
        ("\u{9d}\u{9d}\u{9d}text", "text"),
    ] {
        assert_eq!(clean(raw), expected);
    }
}

#[test]
fn a_bearer_token_in_its_header_may_look_like_a_word() {
    for after in ["", " a)", " A.", ", then it broke off"] {
        let text = clean(&format!("authorization: bearer abcdefabcdef{after}"));
        assert_eq!(text, format!("authorization: bearer [redacted:bearer]{after}"));
    }
    let about = "Authorization: Bearer token missing, got none";
    assert_eq!(clean(about), about);
}

#[test]
fn json_is_the_bare_text() {
    let text = CleanText::new("a b");
    assert_eq!(serde_json::to_value(&text).unwrap(), json!("a b"));
    let read: CleanText = serde_json::from_value(json!("a\n password=x1")).unwrap();
    assert_eq!(read.as_str(), "a password=[redacted:password]");
    assert_eq!(format!("{text}/{}", text.as_ref()), "a b/a b");
    assert!(CleanText::new(" ").is_empty());
}

#[test]
fn a_context_keeps_its_shape_and_loses_its_secrets() {
    let mut context = json!({
        "db_password": "hunter2", "pin_password": 1234, "password": "", "apiKey": null,
        "tokens_used": 7, "token_count": "7", "key": "k", "secret_name": "db-creds",
        "password_policy": "strict", "idempotency_key": "order-1",
        "url": "postgres://app:hunter2@db/x",
        "credentials": { "user": "bob", "password": "hunter2" },
        "token": ["abc", "def"],
        "passwords": ["hunter2"],
        "secret": { "name": "db", "value": "hunter2", "data": { "a": "b" } },
        "connection_string": "Server=db",
        "nested": [{ "note": "line one\nline two\ttab" }, "Bearer abc123def456"],
        "long": "x".repeat(1000),
        "hidden": "AKIAIOSF\u{200b}ODNN7EXAMPLE",
    });
    let long = context["long"].clone();
    redact_json(&mut context);
    let expected = json!({
        "db_password": "[redacted:password]", "pin_password": "[redacted:password]", "password": "", "apiKey": null,
        "tokens_used": 7, "token_count": "7", "key": "k", "secret_name": "db-creds",
        "password_policy": "strict", "idempotency_key": "order-1",
        "url": "postgres://app:[redacted:password]@db/x",
        "credentials": { "user": "bob", "password": "[redacted:password]" },
        "token": ["[redacted:token]", "[redacted:token]"],
        "passwords": ["[redacted:password]"],
        "secret": { "name": "db", "value": "[redacted:secret]", "data": { "a": "[redacted:secret]" } },
        "connection_string": "[redacted:connection_string]",
        "nested": [{ "note": "line one\nline two\ttab" }, "Bearer [redacted:bearer]"],
        "long": long,
        "hidden": "[redacted:aws_key]",
    });
    assert_eq!(context, expected);
    redact_json(&mut context);
    assert_eq!(context, expected);
}

#[test]
fn secrets_in_a_context_are_found_whatever_names_them() {
    let hidden = |kind: &str| format!("[redacted:{kind}]");
    for (sent, kept) in [
        (
            json!([{"name": "DB_PASSWORD", "value": "x"}]),
            json!([{"name": "DB_PASSWORD", "value": hidden("password")}]),
        ),
        (json!([{"Key": "ApiKey", "Value": "x"}]), json!([{"Key": "ApiKey", "Value": hidden("api_key")}])),
        (json!([{"name": "HOME", "value": "/root"}]), json!([{"name": "HOME", "value": "/root"}])),
        (json!(["--password", "x"]), json!(["--password", hidden("password")])),
        (json!(["--password", "--verbose"]), json!(["--password", hidden("password")])),
        (json!(["mongo", "-u", "a", "-p", "hunter2"]), json!(["mongo", "-u", "a", "-p", hidden("password")])),
        (
            json!(["curl", "-u", "a:hunter2", "https://x"]),
            json!(["curl", "-u", "a:[redacted:password]", "https://x"]),
        ),
        (json!(["X-Api-Key", "x"]), json!(["X-Api-Key", hidden("api_key")])),
        (json!(["ls", "-l", "/tmp"]), json!(["ls", "-l", "/tmp"])),
        (json!({"apiKeys": {"prod": "x"}}), json!({"apiKeys": {"prod": hidden("api_key")}})),
        (json!({"secrets": {"a": {"b": "x"}}}), json!({"secrets": {"a": {"b": hidden("secret")}}})),
        (json!({"password_old": "x"}), json!({"password_old": hidden("password")})),
        (json!({"password_confirmation": "x"}), json!({"password_confirmation": hidden("password")})),
        (json!({"userpass": "x"}), json!({"userpass": hidden("password")})),
        (json!({"basicAuth": "x"}), json!({"basicAuth": hidden("credentials")})),
        (json!({"basicAuth": true}), json!({"basicAuth": true})),
        (json!({"session_id": "abc123def"}), json!({"session_id": hidden("session")})),
        (json!({"session_id": 42}), json!({"session_id": 42})),
        (json!({"otp": "123456"}), json!({"otp": hidden("otp")})),
        (json!({"otp": 123456}), json!({"otp": hidden("otp")})),
        (json!({"tls.key": "MIIB"}), json!({"tls.key": hidden("private_key")})),
        (json!({"auth": "Ym9iOmh1bnRlcjI="}), json!({"auth": hidden("basic")})),
        (json!({"auth": "none"}), json!({"auth": "none"})),
        (json!({"existingSecret": "redis-auth"}), json!({"existingSecret": "redis-auth"})),
        (
            json!("a: 1\npassword: |\n  hunter2\n  more\nb: 2"),
            json!("a: 1\npassword: |\n  [redacted:password]\nb: 2"),
        ),
        (
            json!("password: >-\n    hunter2\n\n    more\nb: 2"),
            json!("password: >-\n    [redacted:password]\nb: 2"),
        ),
        (
            json!("- name: PASSWORD\n  value: hunter2\n"),
            json!("- name: PASSWORD\n  value: [redacted:password]\n"),
        ),
        (
            json!("&quot;password&quot;: &quot;x1&quot;"),
            json!("&quot;password&quot;: &quot;[redacted:password]&quot;"),
        ),
        (json!("a=1&password%253Dhunter2"), json!("a=1&password%253D[redacted:password]")),
    ] {
        let mut value = sent.clone();
        redact_json(&mut value);
        assert_eq!(value, kept, "{sent}");
        redact_json(&mut value);
        assert_eq!(value, kept, "twice");
    }
}

#[test]
fn names_in_a_context_are_read_as_people_read_them() {
    for (name, value, kind) in [
        ("pass\u{200b}word", json!("x"), "password"),
        ("Ｐａｓｓｗｏｒｄ", json!("x"), "password"),
        ("pass word", json!("x"), "password"),
        ("pass-word", json!("x"), "password"),
        ("Pass_Phrase", json!("x"), "password"),
        ("wachtwoord", json!("x"), "password"),
        ("lösenord", json!("x"), "password"),
        ("clave", json!("x"), "password"),
        ("psw", json!("x"), "password"),
        ("bearer", json!("x"), "token"),
        ("kek", json!("x"), "access_key"),
        ("totp_seed", json!("x"), "secret"),
        ("totpSeed", json!("x"), "secret"),
        ("2fa", json!("123456"), "otp"),
        ("recoveryCodes", json!("abcd-efgh"), "secret"),
        ("backup_codes", json!("12345678"), "secret"),
        ("snmpCommunity", json!("x"), "password"),
        ("login", json!("bob:hunter2"), "credentials"),
        ("auth", json!("bob:hunter2"), "basic"),
        (
            "mnemonic",
            json!("legal winner thank year wave sausage worth useful legal winner thank yellow"),
            "secret",
        ),
    ] {
        let mut context = json!({ name: value });
        redact_json(&mut context);
        let hidden = json!({ name: format!("[redacted:{kind}]") });
        assert_eq!(context, hidden);
        redact_json(&mut context);
        assert_eq!(context, hidden, "twice");
    }
    for (sent, kept) in [
        (
            json!({"type": "password", "value": "x"}),
            json!({"type": "password", "value": "[redacted:password]"}),
        ),
        (json!({"backup_codes": ["12345678"]}), json!({"backup_codes": ["[redacted:secret]"]})),
        (
            json!({"tokens": [{"v": "aB3dE6gH9jK2mN5pQ8rS1t"}]}),
            json!({"tokens": [{"v": "[redacted:token]"}]}),
        ),
        (json!(["-p", "hunter22"]), json!(["-p", "[redacted:password]"])),
        (
            json!({"field": "password", "newValue": "x1", "oldValue": "y1"}),
            json!({"field": "password", "newValue": "[redacted:password]", "oldValue": "[redacted:password]"}),
        ),
        (json!({"pwd_hash": "x"}), json!({"pwd_hash": "[redacted:password]"})),
        (json!(["mysql", "-uroot", "-phunter22"]), json!(["mysql", "-uroot", "-p[redacted:password]"])),
        (json!("AT 5: p\\u0061ssword=hunter2"), json!("AT 5: password=[redacted:password]")),
    ] {
        let mut context = sent.clone();
        redact_json(&mut context);
        assert_eq!(context, kept, "{sent}");
        redact_json(&mut context);
        assert_eq!(context, kept, "twice");
    }
    for same in [
        json!({"tokens": ["the", "cat", "AccessTokenProvider"]}),
        json!({"tokens": [{"type": "EOF", "value": ""}, {"type": "word", "v": "internationalization"}]}),
        json!({"type": "token", "value": "EOF"}),
        json!({"field": "password", "message": "is too short"}),
        json!({"type": "secret_scan", "value": "on"}),
        json!(["-p", "my-project-2"]),
        json!({"login": "acme/bob"}),
        json!({"community": "rust-lang"}),
        json!({"phrase": "hello there world"}),
        json!({"auth": "bob"}),
        json!({"type": "string", "value": "x"}),
        json!({"login": "bob"}),
        json!({"login": "2026-11-27T10:00:00"}),
        json!({"mnemonic": "MOV"}),
        json!({"2fa": true}),
        json!({"2fa": "enabled"}),
        json!(["-p", "8080:80"]),
        json!(["-p", "shop"]),
        json!({"passthrough": "x", "passes": 3, "pass": true}),
        json!({"path": "C:\\x64\\u0041"}),
    ] {
        let mut context = same.clone();
        redact_json(&mut context);
        assert_eq!(context, same);
    }
}

#[test]
fn ids_pass_the_door_that_texts_pass() {
    let token = format!("glsa_{}_{}", "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zC", "0a1b2c3d");
    for id in [
        token.as_str(),
        "password=hunter2",
        "--client-secret x9",
        "Bearer abc123def456",
        "curl -u a:hunter2 x",
    ] {
        assert!(recognized_secret(id).is_some(), "{id}");
    }
    for id in [
        "order-7731",
        "Zx9QwK3vB7nTq0eL2pXr8YcJ5mHdG4s1",
        "run:42",
        "a/b/c",
        "ada@example.com",
        "tenant=acme",
    ] {
        assert_eq!(recognized_secret(id), None, "{id}");
    }
}

#[test]
fn a_text_that_will_be_cut_hides_no_secret_at_the_cut() {
    for length in [7_900, 8_100, 8_185, 8_192, 8_200, 16_300, 16_370, 16_384, 16_400, 40_000] {
        // Long secrets make room for what comes after them.
        let raw = format!(
            "password=\"{}\" then token=abc123def and more {}",
            "x9".repeat(length / 2),
            "y ".repeat(9_000)
        );
        let text = clean(&raw);
        assert!(!text.contains("x9x9") && !text.contains("abc123"), "{text}");
        assert!(text.chars().count() <= MAX_CHARS);
        assert_eq!(clean(&text), text);
        let open = format!("-----BEGIN PRIVATE KEY----- {}", "MIIB".repeat(length));
        assert!(!clean(&open).contains("MIIB"));
    }
    assert_eq!(clean(&"ab ".repeat(9_000)).chars().count(), MAX_CHARS);
}

/// Text made of the pieces that the rules look at, so that they meet in every order.
fn rough_text() -> impl Strategy<Value = String> {
    let leaks: Vec<String> = leaks().iter().map(|leak| leak.2.to_owned()).collect();
    let ordinary: Vec<String> = ORDINARY.lines().map(str::to_owned).collect();
    let piece = prop_oneof![
        3 => "\\PC{0,12}",
        2 => ".{0,12}",
        2 => "[A-Za-z0-9+/_=-]{0,60}",
        2 => prop::sample::select(vec![
            "password", "token", "=", ":", "\"", "'", "\\\"", " ", "://", "@", "-----BEGIN PRIVATE KEY-----", "[redacted:",
            "]", "[redacted:password]", "Bearer ", "Basic ", "Cookie: a=b", ";", "&", ",", "--secret ", "<password>", "…",
            "{", "}", "[", "eyJ", "Authorization: ", "\u{1b}[", "\u{1b}]", "\u{200d}", "\u{fe0f}", "\n", "%3D", "é",
            "\\u0061", "\\u003d", "\\x3d", "&#61;", "%20%3D%20", "pass", " is ", " - ", "AUTH ", "echo ", " | chpasswd",
            "api key ", "passphrase: a b c", "requirepass ", "-> ", "(", ")", "<param name=\"password\">", "credentials a:",
        ]).prop_map(str::to_owned),
        1 => prop::sample::select(leaks),
        1 => prop::sample::select(ordinary),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn check(raw: &str, text: &CleanText) -> Result<(), TestCaseError> {
    let seen = text.as_str();
    prop_assert!(seen.chars().count() <= MAX_CHARS);
    let hidden = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
    prop_assert!(!seen.contains(hidden));
    prop_assert_eq!(seen.trim(), seen);
    prop_assert!(!seen.contains("  "));
    prop_assert_eq!(&CleanText::new(seen), text, "from {:?}", raw);
    prop_assert_eq!(&CleanText::for_item(seen), text, "from {:?}", raw);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn clean_text_keeps_its_rules_and_cleaning_twice_changes_nothing(raw in rough_text()) {
        check(&raw, &CleanText::new(&raw))?;
        check(&raw, &CleanText::for_item(&raw))?;
    }

    #[test]
    fn any_characters_at_all(raw in any::<String>()) {
        check(&raw, &CleanText::new(&raw))?;
    }

    #[test]
    fn a_planted_secret_never_survives(
        before in "[ -~é日]{0,200}",
        after in "[ -~é日]{0,200}",
        at in any::<prop::sample::Index>(),
    ) {
        let leaks = leaks();
        let (_, secret, message) = leaks[at.index(leaks.len())];
        // Short secrets such as `x9y` may stand in the random text by chance.
        prop_assume!(secret.len() >= 6);
        let text = clean(&format!("{before} {message} {after}"));
        prop_assert!(!text.contains(secret), "{}", text);
    }

    #[test]
    fn redacting_a_context_twice_changes_nothing(raw in rough_text(), name in "[a-z_]{1,8}") {
        let mut once = json!({ name: [raw.clone()], "password": raw });
        redact_json(&mut once);
        let mut twice: Value = once.clone();
        redact_json(&mut twice);
        prop_assert_eq!(once, twice);
    }
}
