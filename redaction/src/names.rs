//! Which names say that their value is a secret.

mod tables;

use tables::{
    ABOUT, GLUED, HARMLESS_SECRETS, HARMLESS_TOKENS, NOT_SECRET, SECRET_KEYS, SECRET_TOKENS, STEMS, VARIANTS,
    WHOLE, WORDS_IN_PASS,
};

/// The kind of secret that a name promises: `db_password`, `X-Api-Key`, `clientSecret`.
///
/// The last words count: `token_count` and `password_policy` are no secrets. What says only which of several
/// secrets it is (`password_old`, `secret_1`) does not count as a last word; of a password nothing does that is
/// not known to be about it.
pub(crate) fn secret_kind(name: &str) -> Option<&'static str> {
    if !may_be_secret(name) {
        return None;
    }
    let words = joined(words(name));
    let whole = words.concat();
    if let Some((_, kind)) = WHOLE.iter().find(|(name, _)| whole == *name) {
        return Some(kind);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut last = words.len();
    while last > 0 {
        let (word, before) = (words[last - 1], last.checked_sub(2).map_or("", |at| words[at]));
        if let Some(kind) = kind(word, before) {
            // `pass_through` is none.
            let any = kind == "password"
                && (word.len() > "pass".len() || word == "pwd")
                && words[last..].iter().all(|w| !ABOUT.contains(w));
            return (any || words[last..].iter().all(|after| is_variant(after))).then_some(kind);
        }
        if ABOUT.contains(&word) || NOT_SECRET.iter().any(|end| word.ends_with(end)) {
            return None;
        }
        last -= 1;
    }
    None
}

/// A cheap look before the name is taken apart: one of the stems must be in it.
fn may_be_secret(name: &str) -> bool {
    let bytes = name.as_bytes();
    !name.is_ascii()
        || STEMS
            .iter()
            .any(|stem| bytes.windows(stem.len()).any(|window| window.eq_ignore_ascii_case(stem.as_bytes())))
}

/// Words after a secret's name that say which of several it is, or how it is written.
fn is_variant(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_digit()) || VARIANTS.contains(&word)
}

fn kind(word: &str, before: &str) -> Option<&'static str> {
    match word {
        "password" | "passwords" | "passwd" | "pwd" | "passphrase" | "passphrases" | "passcode"
        | "passwort" | "kennwort" | "pass" | "pw" | "contraseña" | "contrasena" | "senha" | "wachtwoord"
        | "parola" | "пароль" | "hasło" | "密码" | "パスワード" | "비밀번호" | "motdepasse" | "lösenord"
        | "losenord" | "heslo" | "psw" | "clave" | "salasana" | "lozinka" => {
            // `no password`, `using password: YES`: judged by the value, not here.
            Some("password")
        }
        "secret" | "secrets" if !HARMLESS_SECRETS.contains(&before) => Some("secret"),
        "token" | "jwt" if !HARMLESS_TOKENS.contains(&before) => Some("token"),
        "tokens" if SECRET_TOKENS.contains(&before) => Some("token"),
        "key" | "keys" if SECRET_KEYS.contains(&before) => Some(match before {
            "private" | "tls" | "ssl" | "rsa" | "ssh" | "client" | "ca" => "private_key",
            "api" | "auth" | "app" | "subscription" => "api_key",
            _ => "access_key",
        }),
        "string" if before == "connection" => Some("connection_string"),
        "sig" | "signature" => Some("signature"),
        "sas" => Some("signature"),
        "credential" | "credentials" | "creds" => Some("credentials"),
        "authorization" => Some("authorization"),
        "cookie" => Some("cookie"),
        "jsessionid" | "phpsessid" | "sessionid" | "sessid" => Some("cookie"),
        "sid" if before == "connect" => Some("cookie"),
        "id" if before == "session" => Some("session"),
        "secret" | "secrets" => None,
        _ => GLUED
            .iter()
            .find(|(end, _)| word.len() > end.len() && word.ends_with(end) || word == *end)
            .filter(|(end, _)| {
                let harmless = match *end {
                    "token" => glued_harmless(word),
                    "secret" => {
                        word.strip_suffix("secret").is_some_and(|before| HARMLESS_SECRETS.contains(&before))
                    }
                    "pass" => WORDS_IN_PASS.contains(&word),
                    _ => false,
                };
                !harmless
            })
            .map(|&(_, kind)| kind),
    }
}

/// `pass word` and `passWord` are one word.
fn joined(words: Vec<String>) -> Vec<String> {
    const SECOND: [&str; 6] = ["word", "words", "phrase", "phrases", "code", "wd"];
    let mut joined: Vec<String> = Vec::new();
    for word in words {
        match joined.last_mut() {
            Some(last) if last == "pass" && SECOND.contains(&word.as_str()) => last.push_str(&word),
            _ => joined.push(word),
        }
    }
    joined
}

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
