//! The words that names of secrets are made of.

/// One of these is in every name of a secret.
#[rustfmt::skip]
pub(super) const STEMS: &[&str] = &[
    "pass", "pw", "secret", "token", "jwt", "key", "string", "sig", "sas", "cred", "auth", "cookie", "sid",
    "sess", "otp", "pin", "pwd", "kennw", "contras", "senha", "wort", "parol", "cvv", "cvc", "mfa", "code",
    "seed", "jfrog", "totp", "_pat", "psk", "community", "woord", "senord", "psw", "bearer", "mnemonic", "kek", "2fa", "heslo",
    "phrase", "clave", "salasana", "lozinka",
];

/// Names that say it only as a whole, whatever joins their words.
pub(super) const WHOLE: &[(&str, &str)] = &[
    ("auth", "auth"),
    ("otp", "otp"),
    ("otpcode", "otp"),
    ("totp", "otp"),
    ("onetimepassword", "password"),
    ("pin", "otp"),
    ("pincode", "otp"),
    ("mfacode", "otp"),
    ("verificationcode", "otp"),
    ("securitycode", "otp"),
    ("recoverycode", "otp"),
    ("recoverycodes", "secret"),
    ("cvv", "otp"),
    ("cvc", "otp"),
    ("basicauth", "credentials"),
    ("userpass", "password"),
    ("xjfrogartapi", "api_key"),
    ("motdepasse", "password"),
    ("seedphrase", "secret"),
    ("psk", "password"),
    ("githubpat", "token"),
    ("azuredevopspat", "token"),
    ("azptoken", "token"),
    ("codeverifier", "secret"),
    ("snmpcommunity", "password"),
    ("rocommunity", "password"),
    ("rwcommunity", "password"),
    ("bearer", "token"),
    ("mnemonic", "mnemonic"),
    ("kek", "access_key"),
    ("dek", "access_key"),
    ("backupcode", "otp"),
    ("backupcodes", "secret"),
    ("scratchcodes", "secret"),
    ("totpseed", "secret"),
    ("totpsecret", "secret"),
    ("otpsecret", "secret"),
    ("otpseed", "secret"),
    ("walletseed", "secret"),
    ("2fa", "otp"),
    ("2facode", "otp"),
    ("communitystring", "password"),
    ("ntlmhash", "password_hash"),
    ("nthash", "password_hash"),
];

/// Words after a secret's name that say which of several it is, or how it is written.
#[rustfmt::skip]
pub(super) const VARIANTS: &[&str] = &[
    "value", "values", "old", "new", "current", "previous", "prev", "next", "confirm", "confirmation",
    "repeat", "again", "verify", "raw", "plain", "plaintext", "text", "string", "data", "content", "base64",
    "b64", "encoded", "prod", "production", "dev", "development", "stage", "staging", "test", "testing",
    "qa", "uat", "live", "sandbox", "backup", "primary", "secondary", "main", "temp", "tmp", "default",
    "root", "admin", "a", "b", "json", "pem", "hex", "bytes", "literal", "env", "header", "master",
    "replica", "readonly", "base",
];

/// Last words that make a name one about a password, not of it.
#[rustfmt::skip]
pub(super) const ABOUT: &[&str] = &[
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
pub(super) const NOT_SECRET: &[&str] = &["file", "path", "name", "policy", "length", "count", "arn"];

/// Words in front of `secret` that make it the name of one: `existingSecret: redis-auth`.
pub(super) const HARMLESS_SECRETS: &[&str] =
    &["existing", "pull", "imagepull", "from", "no", "without", "kubernetes", "k8s"];

/// Words in front of `tokens` that make them secrets: most tokens are counted.
pub(super) const SECRET_TOKENS: &[&str] =
    &["access", "api", "auth", "refresh", "bearer", "session", "bot", "device"];

/// Words in front of `token` that make it a name, not a secret.
#[rustfmt::skip]
pub(super) const HARMLESS_TOKENS: &[&str] = &[
    "page", "next", "continuation", "key", "client", "idempotency", "sync", "skip", "cancellation",
    "cancel", "resume", "pagination", "delta", "max", "min", "unexpected", "expected", "expecting",
    "unknown", "illegal", "starting", "fencing", "lexer", "end", "start", "previous", "prev",
    "unrecognized", "invalidated", "per", "nft", "stop", "eos", "bos", "pad", "watch", "nextpage", "change",
    "symbol", "first", "last", "invalid",
];

/// Words in front of `key` that make it a secret.
#[rustfmt::skip]
pub(super) const SECRET_KEYS: &[&str] = &[
    "api", "access", "secret", "private", "account", "signing", "encryption", "master", "shared", "auth",
    "storage", "subscription", "app", "decryption", "license", "licence", "service", "admin", "hmac", "ssh",
    "tls", "ssl", "rsa", "client", "webhook", "session", "jwt", "cookie", "crypto", "cipher", "aes",
    "unseal", "recovery", "deploy", "function", "functions", "gpg", "pgp", "ca", "vault", "wg", "wireguard",
    "openai", "anthropic", "stripe", "sendgrid", "datadog", "google", "maps", "aws", "azure", "twilio",
    "mailgun", "consumer", "bearer", "rails", "django", "laravel", "sas",
];

/// Words that end in `pass` and are none.
#[rustfmt::skip]
pub(super) const WORDS_IN_PASS: &[&str] = &[
    "compass", "bypass", "encompass", "trespass", "surpass", "overpass", "underpass", "allpass", "lowpass",
    "highpass", "bandpass", "renderpass", "keepass", "gopass", "fullpass", "onepass", "multipass",
    "firstpass",
];

/// Names written in one word.
pub(super) const GLUED: &[(&str, &str)] = &[
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
