//! Words in the place of a value.

/// Values that hold nothing worth hiding.
#[rustfmt::skip]
pub(super) const PLACEHOLDERS: &[&str] = &[
    "null", "none", "nil", "undefined", "true", "false", "yes", "no", "redacted", "hidden", "masked", "filtered",
    "empty", "omitted", "unset", "not_set", "n/a", "sensitive", "sensitive_value", "protected", "blank", "unknown",
    "removed", "string", "str", "&str", "secretstring", "option<string", "secret<string", "varchar", "bytes", "disabled", "enabled", "required", "optional", "xxx", "<nil>", "i32", "i64", "u8", "u32", "u64", "usize", "int", "bool", "boolean", "number", "any", "object", "text", "&[u8", "vec<u8", "amd64", "arm64",
];

/// Words that open a remark about a secret instead of the secret.
#[rustfmt::skip]
pub(super) const PROSE: &[&str] = &[
    "a", "access", "already", "an", "and", "are", "argument", "authentication", "authorization", "bad",
    "basic", "bearer", "can", "can't", "cannot", "changed", "could", "credentials", "decode", "denied",
    "does", "doesn't", "eof", "error", "expected", "expired", "expires", "failed", "field", "flag", "for",
    "found", "from", "has", "header", "illegal", "in", "incorrect", "insufficient", "invalid", "is", "it",
    "length", "lifetime", "malformed", "mismatch", "missing", "must", "no", "not", "of", "ok", "on", "one",
    "only", "option", "or", "parse", "refresh", "refreshed", "rejected", "required", "requires", "reset",
    "revoked", "rotated", "rotation", "should", "signature", "that", "the", "this", "to", "token", "too",
    "unable", "unauthorized", "unexpected", "unknown", "unsupported", "update", "updated", "use", "valid",
    "validation", "value", "verification", "was", "when", "which", "will", "with", "wrong", "you", "your",
    "please", "enter", "exists", "exist", "confirmed", "accepted", "forgotten",
    // German, French, Spanish, Italian and Dutch
    "geändert", "abgelaufen", "ungültig", "falsch", "fehlt", "fehlerhaft", "gesperrt", "erforderlich", "leer",
    "unbekannt", "zurückgesetzt", "nicht", "ist", "wurde", "muss", "darf", "läuft", "vergessen", "stimmt",
    "abgelehnt", "benötigt", "bestätigt", "gesetzt", "gültig", "wird", "zu", "kein", "keine", "für",
    "incorrecte", "invalide", "expiré", "expirée", "manquant", "manquante", "requis", "refusé", "oublié",
    "modifié", "erroné", "vide", "est", "incorrecta", "incorrecto", "inválida", "inválido", "caducada",
    "caducado", "expirada", "expirado", "requerida", "requerido", "cambiada", "vacía", "falta", "errata",
    "scaduta", "mancante", "onjuist", "verlopen", "ongeldig", "ontbreekt", "vereist", "gewijzigd", "felaktigt",
];

/// What a machine's secret is said to be.
#[rustfmt::skip]
pub(super) const STATES: &[&str] = &[
    "absent", "active", "anonymous", "created", "default", "deleted", "disabled", "enabled", "environment",
    "exists", "expiring", "generated", "granted", "inactive", "inherited", "instance", "issued", "loaded",
    "locked", "managed", "match", "matches", "pending", "present", "profile", "provided", "ready", "received",
    "refused", "retrieved", "set", "skipped", "stale", "static", "synced", "system", "unchanged", "uptodate",
    "up-to-date", "valid", "verified", "ok",
];

/// Words that open a remark if it goes on after them.
#[rustfmt::skip]
pub(super) const PROSE_GOING_ON: &[&str] = &[
    "as", "at", "be", "been", "before", "after", "but", "by", "changes", "check", "checks", "configured",
    "contains", "created", "deleted", "did", "do", "exists", "expiring", "file", "generated", "had", "have",
    "hash", "if", "into", "issued", "key", "keys", "loaded", "lookup", "matches", "may", "mounted", "needs",
    "never", "none", "now", "password", "passwords", "pending", "policy", "present", "provided", "provider",
    "read", "received", "refused", "request", "requests", "retrieved", "secret", "sent", "set", "skipped",
    "store", "synced", "than", "then", "there", "type", "until", "uses", "using", "via", "were", "without",
    "would", "yet",
];

/// Schemes that stand before the credentials in an authorization header.
#[rustfmt::skip]
pub(super) const SCHEMES: &[&str] = &[
    "bearer", "basic", "token", "digest", "negotiate", "apikey", "aws4-hmac-sha256", "sharedkey",
    "sharedkeylite", "hmac", "oauth", "sharedaccesssignature", "splunk", "key", "dpop",
];
