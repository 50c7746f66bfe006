//! Whether a value is a secret, or a remark about one, a reference to one, or nothing.

use super::extent::starts_pair;
use super::words::{PLACEHOLDERS, PROSE, PROSE_GOING_ON, STATES};
use crate::proof::{is_basic, is_token_like};
use crate::wording::worded;

/// Whether a value can be what its name says, where the name says little.
pub(crate) fn is_secret_of(kind: &str, value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    match kind {
        "auth" => is_basic(value) && value.len() >= 8,
        "otp" => digits >= 4 || digits > 0 && value.len() >= 6,
        // What a query of a URL calls so is often the key of a record.
        "key" => is_token_like(value),
        "mnemonic" => value.len() >= 40 && value.contains(' '),
        "session" => digits < value.len() || digits > 6,
        "signature" => {
            !value.strip_prefix('v').is_some_and(|n| n.len() <= 2 && n.bytes().all(|b| b.is_ascii_digit()))
        }
        _ => true,
    }
}

pub(super) fn is_object(text: &str) -> bool {
    let inner = text[1..].trim_start();
    inner.starts_with(['"', '\'', '\\', '}', '{']) || starts_pair(inner)
}

/// Whether the value stands for nothing, or for something that is elsewhere.
pub(crate) fn is_placeholder(value: &str) -> bool {
    const LONGEST: usize = 128;
    if value.len() > LONGEST {
        return false;
    }
    let bare = value.trim_matches(['<', '>', '[', ']', '(', ')', '*', '"', '\'']);
    let lower = bare.to_ascii_lowercase();
    let enclosed = |open: &str, close: &str| value.starts_with(open) && value.ends_with(close);
    bare.is_empty()
        || PLACEHOLDERS.contains(&lower.as_str())
        || lower.bytes().all(|b| b == b'x')
        || value.chars().all(|c| matches!(c, '•' | '*' | '.' | '●' | '-' | '_'))
        || enclosed("${", "}")
        || enclosed("{{", "}")
        || enclosed("#{", "}")
        || enclosed("%{", "}")
        || enclosed("<%", "%>")
        || value.starts_with("$(")
        || value.starts_with("${{")
        || value.starts_with("{{")
        || value.starts_with('<') && value.ends_with('>') && !value.contains(|c: char| c.is_ascii_digit())
        || value.len() > 2 && enclosed("%", "%") && is_variable(&value[1..value.len() - 1])
        || value.strip_prefix('$').is_some_and(is_variable)
        || ["$env:", "process.env", "os.environ", "os.getenv", "System.getenv", "getenv(", "ENV["]
            .iter()
            .any(|from| value.starts_with(from))
        || matches!(value, "%s" | "?" | "{}" | "%v" | "%q" | "{0}" | "$1" | "$2" | ":password" | ":pass")
}

/// The name of a variable: capitals, or a name that says what it holds.
fn is_variable(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let lower = name.to_ascii_lowercase();
    !name.is_empty()
        && name.bytes().all(legal)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && (name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit())
            || ["pass", "pwd", "secret", "token", "key"].iter().any(|word| lower.contains(word))
                && !lower.bytes().any(|b| b.is_ascii_digit()))
}

/// What Terraform and kubectl write where they hide something themselves.
pub(super) fn is_placeholder_start(rest: &str) -> bool {
    [
        "(sensitive",
        "(known after",
        "<set to",
        "<optional",
        "<sensitive",
        "<computed",
        "Secret(\"***",
        "<secret",
        "!vault",
        "!Ref",
        "!Sub",
        "!ImportValue",
        "!GetAtt",
        "!secret",
        "!env_var",
    ]
    .iter()
    .any(|start| rest.starts_with(start))
        || is_bracketed_remark(rest)
}

/// `<your key>`, `[object Object]`, `(not set)`: several words in brackets.
fn is_bracketed_remark(rest: &str) -> bool {
    const LONGEST: usize = 48;
    const BRACKETS: [(char, char); 3] = [('<', '>'), ('[', ']'), ('(', ')')];
    let close = BRACKETS.iter().find(|(open, _)| rest.starts_with(*open)).map(|(_, close)| *close);
    let inner = close.and_then(|close| rest[1..].split_once(close)).map_or("", |(inner, _)| inner);
    inner.len() <= LONGEST
        && inner.contains(' ')
        && inner.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '_' | '-' | '\'' | '.'))
}

/// What a program calls for a secret: `vault.read("x")`, `getpass.getpass()`. What it calls with something that
/// may be one (`decode("...")`) is none.
pub(super) fn is_call(rest: &str) -> bool {
    const LONGEST: usize = 96;
    const MAKES: [&str; 6] = ["decode", "crypt", "hash", "from", "new", "encode"];
    let rest = rest.get(..LONGEST).unwrap_or(rest);
    let Some((function, after)) = rest.split_once('(') else { return false };
    let Some((given, _)) = after.split_once(')') else { return false };
    let named = function.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
    });
    let lower = function.to_ascii_lowercase();
    let dotted = function.contains('.') || ["getpass", "getenv", "input"].contains(&lower.as_str());
    let words = |c: char| c.is_ascii_alphabetic() || " \"'_-./$,".contains(c);
    named && dotted && !MAKES.iter().any(|word| lower.contains(word)) && given.chars().all(words)
}

/// Whether a word says something of a secret.
pub(crate) fn is_remark(word: &str) -> bool {
    let lower = word.to_lowercase();
    PROSE.contains(&lower.as_str()) || STATES.contains(&lower.as_str())
}

/// What a machine's secret is said to be: `secret: exists`, `token: ERR_EXPIRED`, `credentials: default`.
fn is_state(kind: &str, value: &str) -> bool {
    let constant = value.contains('_') && value.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    matches!(kind, "secret" | "token" | "credentials" | "api_key" | "access_key" | "private_key")
        && (constant || STATES.contains(&value.to_lowercase().as_str()))
}

/// Where a secret is kept, not the secret.
pub(super) fn is_reference(value: &str) -> bool {
    const SCHEMES: &[&str] = &[
        "arn:aws:",
        "alias/",
        "vault:",
        "op://",
        "secretsmanager:",
        "aws-sm://",
        "gcp-sm://",
        "projects/",
        "ssm:",
        "keyvault:",
        "@Microsoft.KeyVault(",
        "file:/",
        "env:",
        "sops:",
        "kms:",
        "secret://",
        "secrets://",
        "ENC[",
    ];
    value.len() <= 256
        && SCHEMES.iter().any(|scheme| value.starts_with(scheme))
        && !value.contains(['@', '?', '='].as_slice())
        || value.starts_with("@Microsoft.KeyVault(")
}

/// A path where a file is expected: keys and working folders (`PWD=/home/me`).
pub(super) fn is_path(kind: &str, name: &str, value: &str) -> bool {
    let path = value.starts_with(['/', '~']) || value.starts_with("./") || value.starts_with("../");
    let files = matches!(kind, "private_key" | "access_key") || name.to_ascii_lowercase().ends_with("pwd");
    let mounted = ["/run/", "/etc/", "/var/", "/home/", "/mnt/", "/opt/", "/secrets/", "/tmp/", "~/"];
    path && (files && (value.len() < 40 || worded(value) >= 0.5)
        || mounted.iter().any(|root| value.starts_with(root)))
}

/// `Passwords: 12 checked`, `token: 3 of 5`.
pub(super) fn is_count(kind: &str, name: &str, value: &str, after: &str) -> bool {
    let digits = value.len() <= 3 && value.bytes().all(|b| b.is_ascii_digit());
    let plural = name.ends_with(['s', 'S']);
    digits
        && matches!(kind, "password" | "token" | "secret" | "cookie" | "credentials")
        && (word_follows(after) || plural)
}

fn word_follows(after: &str) -> bool {
    after.strip_prefix(' ').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// `secrets:read` names a permission, `python3-jwt:all` a package.
pub(super) fn is_permission(name: &str, value: &str) -> bool {
    const VERBS: &[&str] =
        &["read", "write", "list", "get", "create", "delete", "update", "manage", "admin", "view", "*"];
    name.ends_with(['s', 'S']) && VERBS.contains(&value) || name.contains('-') && value == "all"
}

/// What a value is compared with in a program: `token == expected`.
pub(super) fn is_identifier(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'.' | b'(' | b')'))
}

/// `password: user: bob`: an empty value, and the next name.
pub(super) fn is_next_name(value: &str, after: &str) -> bool {
    let plain = value.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    plain && value.len() <= 24 && after.starts_with(": ")
}

/// Words about a secret, not the secret: a known opening word, or plain words in a row.
pub(super) fn is_prose(kind: &str, value: &str, after: &str) -> bool {
    let lower = value.to_lowercase();
    if PROSE.contains(&lower.as_str())
        || is_state(kind, value)
        || word_follows(after) && PROSE_GOING_ON.contains(&lower.as_str())
    {
        return true;
    }
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .enumerate()
                .all(|(at, b)| b.is_ascii_lowercase() || at == 0 && b.is_ascii_uppercase())
    };
    let next =
        after.strip_prefix(' ').map(|rest| rest.split([' ', ',', '.', ';', ':', ')']).next().unwrap_or(""));
    is_word(value)
        && next.is_some_and(|word| {
            is_word(word)
                && !matches!(
                    word,
                    "for" | "on" | "at" | "by" | "from" | "and" | "user" | "in" | "with" | "to"
                )
        })
}

/// Names that also mean something else: `pass: 12`, `clave: valor`.
pub(super) fn is_doubtful(name: &str, before: &str) -> bool {
    let quoted = before.ends_with(['/', '"', '\'']);
    !quoted && (name.eq_ignore_ascii_case("pass") || name.eq_ignore_ascii_case("clave"))
}

/// What can stand after such a name and is no count, duration, test or version: six signs or more, with letters
/// and digits.
pub(crate) fn is_password_like(value: &str) -> bool {
    let has = |class: fn(&u8) -> bool| value.as_bytes().iter().any(class);
    value.len() >= 6
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !value.contains(['/', '.', ':', '_', '(', '[', '<', '='])
        && !value.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("test"))
}

/// The length of a phrase of three plain words or more, to the end of the words: `correct horse battery`.
pub(super) fn phrase_length(name: &str, rest: &str) -> Option<usize> {
    const MOST: usize = 24;
    let name = name.to_ascii_lowercase();
    if !["passphrase", "phrase", "mnemonic"].iter().any(|end| name.ends_with(end)) {
        return None;
    }
    let (mut length, mut count) = (0, 0);
    for word in rest.split(' ').take(MOST) {
        let plain = word.trim_end_matches(['"', '\'', '.', ',']);
        let legal = !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if !legal {
            break;
        }
        if is_remark(plain) {
            return None;
        }
        (length, count) = (length + usize::from(count > 0) + plain.len(), count + 1);
        if plain.len() < word.len() {
            break;
        }
    }
    (count >= 3).then_some(length)
}
