//! Members that are about the secret in an object that is called one.

#[rustfmt::skip]
const VISIBLE: &[&str] = &[
    "name", "user", "username", "user_name", "id", "type", "kind", "version", "namespace", "created_at",
    "updated_at", "expires_at", "expires", "expires_in", "created", "updated", "url", "uri", "host",
    "hostname", "port", "enabled", "region", "scope", "scopes", "role", "roles", "arn", "path", "file",
    "database", "db", "dbname", "engine", "status", "state", "provider", "source", "ref", "description",
    "label", "labels", "tags", "owner", "algorithm", "alg", "length", "count", "email", "account", "tenant",
    "domain", "method", "mode", "format", "optional", "required", "secretname", "secret_name", "secretref",
    "keyid", "key_id", "rotated_at", "rotation", "title", "client_id", "clientid", "project", "project_id",
    "key", "service", "schema", "login", "realm", "issuer", "audience",
];

pub(super) fn is_visible(name: &str) -> bool {
    VISIBLE.contains(&name.to_ascii_lowercase().as_str())
}
