//! Which names say that their value is a secret.

/// The kind of secret that a name promises: `db_password`, `X-Api-Key`, `clientSecret`.
/// Only the last words count: `token_count` or `password_policy` are no secrets.
pub(crate) fn secret_kind(name: &str) -> Option<&'static str> {
    if !may_be_secret(name) {
        return None;
    }
    let words = words(name);
    let mut last = words.len();
    // Numbered twins: password2, secret_1.
    while last > 1 && words[last - 1].bytes().all(|b| b.is_ascii_digit()) {
        last -= 1;
    }
    let word = words.get(last.checked_sub(1)?)?.as_str();
    let before = last.checked_sub(2).map_or("", |at| words[at].as_str());
    if word == "value" && last > 1 {
        return kind(before, last.checked_sub(3).map_or("", |at| words[at].as_str()));
    }
    kind(word, before)
}

/// A cheap look before the name is taken apart: one of the stems must be in it.
fn may_be_secret(name: &str) -> bool {
    const STEMS: &[&str] = &[
        "pass", "pw", "secret", "token", "jwt", "key", "string", "sig", "sas", "cred", "auth", "cookie",
        "sid", "sess",
    ];
    let bytes = name.as_bytes();
    STEMS
        .iter()
        .any(|stem| bytes.windows(stem.len()).any(|window| window.eq_ignore_ascii_case(stem.as_bytes())))
}

fn kind(word: &str, before: &str) -> Option<&'static str> {
    match word {
        "password" | "passwords" | "passwd" | "pwd" | "passphrase" | "passphrases" | "passcode"
        | "passwort" | "pass" | "pw" => {
            // `no password`, `using password: YES`: judged by the value, not here.
            Some("password")
        }
        "secret" | "secrets" => Some("secret"),
        "token" | "jwt" if !HARMLESS_TOKENS.contains(&before) => Some("token"),
        "key" if SECRET_KEYS.contains(&before) => Some(match before {
            "private" => "private_key",
            "api" | "auth" | "app" | "subscription" => "api_key",
            _ => "access_key",
        }),
        "string" if before == "connection" => Some("connection_string"),
        "sig" | "signature" => Some("signature"),
        "sas" => Some("signature"),
        "credential" | "credentials" | "creds" => Some("credentials"),
        "authorization" => Some("authorization"),
        "cookie" => Some("cookie"),
        "jsessionid" | "phpsessid" | "sessionid" => Some("cookie"),
        "sid" if before == "connect" => Some("cookie"),
        _ => GLUED
            .iter()
            .find(|(end, _)| word.len() > end.len() && word.ends_with(end) || word == *end)
            .filter(|(end, _)| !(*end == "token" && glued_harmless(word)))
            .map(|&(_, kind)| kind),
    }
}

/// Words in front of `token` that make it a name, not a secret.
const HARMLESS_TOKENS: &[&str] = &[
    "page",
    "next",
    "continuation",
    "key",
    "client",
    "idempotency",
    "sync",
    "skip",
    "cancellation",
    "cancel",
    "resume",
    "pagination",
    "delta",
    "max",
    "min",
    "unexpected",
    "expected",
    "expecting",
    "unknown",
    "illegal",
    "starting",
    "fencing",
    "lexer",
    "end",
    "start",
    "previous",
    "prev",
    "unrecognized",
    "invalidated",
    "per",
];

/// Words in front of `key` that make it a secret.
const SECRET_KEYS: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "account",
    "signing",
    "encryption",
    "master",
    "shared",
    "auth",
    "storage",
    "subscription",
    "app",
    "decryption",
    "license",
    "service",
    "admin",
    "hmac",
    "ssh",
];

/// Names written in one word.
const GLUED: &[(&str, &str)] = &[
    ("password", "password"),
    ("passwd", "password"),
    ("passphrase", "password"),
    ("passwort", "password"),
    ("pwd", "password"),
    ("apikey", "api_key"),
    ("accesskey", "access_key"),
    ("secretkey", "access_key"),
    ("accountkey", "access_key"),
    ("privatekey", "private_key"),
    ("connectionstring", "connection_string"),
    ("secret", "secret"),
    ("accesstoken", "token"),
    ("authtoken", "token"),
    ("refreshtoken", "token"),
    ("sessiontoken", "token"),
    ("securitytoken", "token"),
    ("idtoken", "token"),
    ("bearertoken", "token"),
    ("usertoken", "token"),
    ("csrftoken", "token"),
    ("xsrftoken", "token"),
    ("csrfmiddlewaretoken", "token"),
];

fn glued_harmless(word: &str) -> bool {
    HARMLESS_TOKENS.iter().any(|before| word.strip_suffix("token") == Some(before))
}

/// The words of a name, in lower case: split at signs, at humps and before digits.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (at, &c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            continue;
        }
        let before = at.checked_sub(1).map(|i| chars[i]);
        let hump = c.is_uppercase()
            && (before.is_some_and(char::is_lowercase)
                || before.is_some_and(char::is_uppercase)
                    && chars.get(at + 1).is_some_and(|next| next.is_lowercase()));
        let digits = before.is_some_and(|b| b.is_numeric() != c.is_numeric() && b.is_alphanumeric());
        if (hump || digits) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.extend(c.to_lowercase());
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_names() {
        for name in [
            "password",
            "PASSWORD",
            "db_password",
            "DB_PASSWORD",
            "userPassword",
            "dbpassword",
            "PGPASSWORD",
            "pwd",
            "MYSQL_PWD",
            "token",
            "access_token",
            "accessToken",
            "ACCESS_TOKEN",
            "x-auth-token",
            "api_key",
            "apikey",
            "apiKey",
            "APIKey",
            "x-api-key",
            "X-Api-Key",
            "client_secret",
            "clientSecret",
            "ClientSecret",
            "secret",
            "aws_secret_access_key",
            "AccountKey",
            "SharedAccessKey",
            "private_key",
            "privateKey",
            "authorization",
            "Proxy-Authorization",
            "credential",
            "credentials",
            "connection_string",
            "ConnectionString",
            "passphrase",
            "password1",
            "new_password_2",
            "spring.datasource.password",
            "secret_value",
            "X-Amz-Signature",
            "sig",
        ] {
            assert!(secret_kind(name).is_some(), "{name}");
        }
    }

    #[test]
    fn other_names() {
        for name in [
            "",
            "_",
            "1",
            "token_count",
            "tokens_used",
            "tokens",
            "key",
            "secret_name",
            "password_policy",
            "idempotency_key",
            "primary_key",
            "access_key_id",
            "next_page_token",
            "nextToken",
            "continuationToken",
            "PublicKeyToken",
            "client_token",
            "passed",
            "compass",
            "bypass",
            "author",
            "keyboard",
            "monkey",
            "secretary",
            "max_token",
            "password_expired",
            "sort_key",
            "partition_key",
            "object_key",
            "session_id",
        ] {
            assert_eq!(secret_kind(name), None, "{name}");
        }
    }
}
