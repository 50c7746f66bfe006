//! Which names say that their value is a secret.

/// The kind of secret that a name promises: `db_password`, `X-Api-Key`, `clientSecret`.
///
/// The last words count: `token_count` and `password_policy` are no secrets. What says only which of several
/// secrets it is (`password_old`, `secret_1`) does not count as a last word; of a password nothing does that is
/// not known to be about it.
pub(crate) fn secret_kind(name: &str) -> Option<&'static str> {
    if !may_be_secret(name) {
        return None;
    }
    if let Some((_, kind)) = WHOLE.iter().find(|(whole, _)| name.eq_ignore_ascii_case(whole)) {
        return Some(kind);
    }
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut last = words.len();
    while last > 0 {
        let (word, before) = (words[last - 1], last.checked_sub(2).map_or("", |at| words[at]));
        if let Some(kind) = kind(word, before) {
            // `pass_through` is none.
            let any = kind == "password"
                && word.len() > "pass".len()
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
    const STEMS: &[&str] = &[
        "pass",
        "pw",
        "secret",
        "token",
        "jwt",
        "key",
        "string",
        "sig",
        "sas",
        "cred",
        "auth",
        "cookie",
        "sid",
        "sess",
        "otp",
        "pin",
        "pwd",
        "kennw",
        "contras",
        "senha",
        "wort",
        "parol",
        "cvv",
        "cvc",
        "mfa",
        "code",
        "seed",
        "jfrog",
        "totp",
        "_pat",
        "psk",
        "community",
    ];
    let bytes = name.as_bytes();
    !name.is_ascii()
        || STEMS
            .iter()
            .any(|stem| bytes.windows(stem.len()).any(|window| window.eq_ignore_ascii_case(stem.as_bytes())))
}

/// Names that say it only as a whole.
const WHOLE: &[(&str, &str)] = &[
    ("auth", "auth"),
    ("_auth", "auth"),
    ("otp", "otp"),
    ("otp_code", "otp"),
    ("totp", "otp"),
    ("one_time_password", "password"),
    ("pin", "otp"),
    ("pin_code", "otp"),
    ("pincode", "otp"),
    ("mfa_code", "otp"),
    ("mfacode", "otp"),
    ("verification_code", "otp"),
    ("verificationCode", "otp"),
    ("security_code", "otp"),
    ("recovery_code", "otp"),
    ("recovery_codes", "otp"),
    ("cvv", "otp"),
    ("cvc", "otp"),
    ("basicauth", "credentials"),
    ("basic_auth", "credentials"),
    ("basic-auth", "credentials"),
    ("userpass", "password"),
    ("x-jfrog-art-api", "api_key"),
    ("mot_de_passe", "password"),
    ("motdepasse", "password"),
    ("seed_phrase", "secret"),
    ("seedphrase", "secret"),
    ("psk", "password"),
    ("github_pat", "token"),
    ("azure_devops_pat", "token"),
    ("azp_token", "token"),
    ("code_verifier", "secret"),
    ("snmp_community", "password"),
    ("rocommunity", "password"),
    ("rwcommunity", "password"),
];

/// Words after a secret's name that say which of several it is, or how it is written.
fn is_variant(word: &str) -> bool {
    const VARIANTS: &[&str] = &[
        "value",
        "values",
        "old",
        "new",
        "current",
        "previous",
        "prev",
        "next",
        "confirm",
        "confirmation",
        "repeat",
        "again",
        "verify",
        "raw",
        "plain",
        "plaintext",
        "text",
        "string",
        "data",
        "content",
        "base64",
        "b64",
        "encoded",
        "prod",
        "production",
        "dev",
        "development",
        "stage",
        "staging",
        "test",
        "testing",
        "qa",
        "uat",
        "live",
        "sandbox",
        "backup",
        "primary",
        "secondary",
        "main",
        "temp",
        "tmp",
        "default",
        "root",
        "admin",
        "a",
        "b",
        "json",
        "pem",
        "hex",
        "bytes",
        "literal",
        "env",
        "header",
        "master",
        "replica",
        "readonly",
        "base",
    ];
    word.bytes().all(|b| b.is_ascii_digit()) || VARIANTS.contains(&word)
}

/// Last words that make a name one about a password, not of it.
#[rustfmt::skip]
const ABOUT: &[&str] = &[
    "policy", "policies", "expired", "expires", "expiry", "expiration", "expire", "age", "count", "counts",
    "length", "len", "min", "max", "minimum", "maximum", "complexity", "strength", "score", "rule", "rules",
    "hint", "prompt", "field", "label", "placeholder", "required", "enabled", "disabled", "changed",
    "change", "reset", "resets", "attempt", "attempts", "retries", "history", "file", "files", "path",
    "paths", "url", "uri", "link", "page", "form", "manager", "type", "types", "name", "names", "id", "ids",
    "format", "encoding", "algorithm", "encryption", "authentication", "authenticator", "provider", "store",
    "version", "versions", "updated", "at", "on", "date", "time", "timestamp", "rotation", "rotated",
    "source", "ref", "reference", "arn", "valid", "invalid", "incorrect", "mismatch", "missing", "error",
    "errors", "failed", "failure", "failures", "protected", "status", "state", "set", "used", "usage",
    "limit", "limits", "grant", "auth", "login", "based", "less", "free", "only", "command", "cmd",
    "helper", "generator", "class", "namespace", "engine", "backend", "mount", "dir", "directory", "exists",
    "ttl", "lifetime", "secs", "seconds", "days", "hours", "minutes", "needed", "last", "checked",
    "present", "checks", "stdin", "fd", "from", "warning", "warnings", "ask", "selector", "service", "kind",
    "index", "position", "size", "encoder", "decoder", "factory", "filter", "validator", "handler",
    "controller", "exception", "builder", "dialog", "view", "util", "utils", "java", "go", "rs", "py", "js",
    "ts", "kt", "cs", "cpp", "rb", "php", "scala", "swift", "yml", "yaml", "xml", "html", "md", "txt",
    "conf", "cfg", "ini", "toml", "sh", "sql", "log",
];

/// Ends of words that do the same.
const NOT_SECRET: &[&str] = &["file", "path", "name", "policy", "length", "count", "arn"];

fn kind(word: &str, before: &str) -> Option<&'static str> {
    match word {
        "password" | "passwords" | "passwd" | "pwd" | "passphrase" | "passphrases" | "passcode"
        | "passwort" | "kennwort" | "pass" | "pw" | "contraseña" | "contrasena" | "senha" | "wachtwoord"
        | "parola" | "пароль" | "hasło" | "密码" | "パスワード" | "비밀번호" | "motdepasse" =>
        {
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

/// Words in front of `secret` that make it the name of one: `existingSecret: redis-auth`.
const HARMLESS_SECRETS: &[&str] =
    &["existing", "pull", "imagepull", "from", "no", "without", "kubernetes", "k8s"];

/// Words in front of `tokens` that make them secrets: most tokens are counted.
const SECRET_TOKENS: &[&str] = &["access", "api", "auth", "refresh", "bearer", "session", "bot", "device"];

/// Words in front of `token` that make it a name, not a secret.
#[rustfmt::skip]
const HARMLESS_TOKENS: &[&str] = &[
    "page", "next", "continuation", "key", "client", "idempotency", "sync", "skip", "cancellation",
    "cancel", "resume", "pagination", "delta", "max", "min", "unexpected", "expected", "expecting",
    "unknown", "illegal", "starting", "fencing", "lexer", "end", "start", "previous", "prev",
    "unrecognized", "invalidated", "per", "nft", "stop", "eos", "bos", "pad", "watch", "nextpage", "change",
    "symbol", "first", "last", "invalid",
];

/// Words in front of `key` that make it a secret.
#[rustfmt::skip]
const SECRET_KEYS: &[&str] = &[
    "api", "access", "secret", "private", "account", "signing", "encryption", "master", "shared", "auth",
    "storage", "subscription", "app", "decryption", "license", "licence", "service", "admin", "hmac", "ssh",
    "tls", "ssl", "rsa", "client", "webhook", "session", "jwt", "cookie", "crypto", "cipher", "aes",
    "unseal", "recovery", "deploy", "function", "functions", "gpg", "pgp", "ca", "vault", "wg", "wireguard",
    "openai", "anthropic", "stripe", "sendgrid", "datadog", "google", "maps", "aws", "azure", "twilio",
    "mailgun", "consumer", "bearer", "rails", "django", "laravel", "sas",
];

/// Words that end in `pass` and are none.
#[rustfmt::skip]
const WORDS_IN_PASS: &[&str] = &[
    "compass", "bypass", "encompass", "trespass", "surpass", "overpass", "underpass", "allpass", "lowpass",
    "highpass", "bandpass", "renderpass", "keepass", "gopass", "fullpass", "onepass", "multipass",
    "firstpass",
];

/// Names written in one word.
const GLUED: &[(&str, &str)] = &[
    ("password", "password"),
    ("passwd", "password"),
    ("passphrase", "password"),
    ("passwort", "password"),
    ("pwd", "password"),
    ("pass", "password"),
    ("passcode", "password"),
    ("kennwort", "password"),
    ("passwords", "password"),
    ("密码", "password"),
    ("パスワード", "password"),
    ("пароль", "password"),
    ("apitoken", "token"),
    ("bottoken", "token"),
    ("devicetoken", "token"),
    ("registrationtoken", "token"),
    ("apikeys", "api_key"),
    ("authkey", "api_key"),
    ("clientkey", "access_key"),
    ("masterkey", "access_key"),
    ("signingkey", "access_key"),
    ("encryptionkey", "access_key"),
    ("sharedkey", "access_key"),
    ("sessionkey", "access_key"),
    ("secretkeybase", "access_key"),
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
            "password_old",
            "password_confirmation",
            "passwordConfirmation",
            "password_super_secure",
            "userpass",
            "basicAuth",
            "session_id",
            "sessionId",
            "otp",
            "tls.key",
            "Kennwort",
            "contraseña",
            "x-jfrog-art-api",
            "apiKeys",
            "storepass",
            "token_prod",
            "SECRET_KEY_BASE",
            "client-key-data",
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
            "existingSecret",
            "imagePullSecrets",
            "secretName",
            "secretArn",
            "secretKeyRef",
            "password_length",
            "password_reset_url",
            "passwordFile",
            "token_bucket",
            "tokens_per_second",
            "ticket_key",
            "passing",
            "trespass",
            "public_key",
            "encompass",
        ] {
            assert_eq!(secret_kind(name), None, "{name}");
        }
    }
}
