//! Keys whose maker gave them a shape of their own.

use std::sync::LazyLock;

use regex::Regex;

use crate::redact::Find;
use crate::rules::fixed;

/// Prefix and kind. The first prefix that fits names the kind.
const KINDS: &[(&str, &str)] = &[
    ("AKIA", "aws_key"),
    ("ASIA", "aws_key"),
    ("AIza", "gcp_key"),
    ("ya29.", "gcp_token"),
    ("1//0", "gcp_token"),
    ("GOCSPX-", "gcp_key"),
    ("gh", "github_token"),
    ("github_pat_", "github_token"),
    ("gl", "gitlab_token"),
    ("xox", "slack_token"),
    ("xapp-", "slack_token"),
    ("hooks.slack.com", "slack_webhook"),
    ("sk_", "stripe_key"),
    ("rk_", "stripe_key"),
    ("whsec_", "stripe_key"),
    ("sk-", "api_key"),
    ("npm_", "npm_token"),
    ("pypi-", "pypi_token"),
    ("do", "digitalocean_token"),
    ("dckr_pat_", "docker_token"),
    ("SG.", "sendgrid_key"),
    ("SK", "twilio_key"),
    ("rlg_", "runledger_token"),
    ("hvs.", "vault_token"),
    ("shp", "shopify_token"),
    ("dapi", "databricks_token"),
    ("ATATT3", "atlassian_token"),
    ("hf_", "huggingface_token"),
    ("AGE-SECRET-KEY-", "age_key"),
];

/// Prefixes that also end ordinary words (`task-`), so a letter or digit before one rules it out.
const AFTER_BOUNDARY: &[&str] = &["sk-", "SK", "AKIA", "ASIA", "dapi", "hf_", "1//0", "do", "SG.", "rk_"];

static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"A[KS]IA[0-9A-Z]{16,}",
        r"|AIza[0-9A-Za-z_-]{30,}",
        r"|ya29\.[0-9A-Za-z_.-]{20,}",
        r"|1//0[0-9A-Za-z_-]{30,}",
        r"|GOCSPX-[0-9A-Za-z_-]{20,}",
        r"|gh[pousr]_[0-9A-Za-z]{30,}",
        r"|github_pat_[0-9A-Za-z_]{22,}",
        r"|gl(?:pat|ptt|dt|rt|cbt|soat|ft|agent|oas)-[0-9A-Za-z_-]{20,}",
        r"|xox[a-z](?:\.xox[a-z])?-[0-9A-Za-z-]{10,}",
        r"|xapp-[0-9A-Za-z-]{10,}",
        r"|hooks\.slack\.com/(?:services|workflows)/[0-9A-Za-z_/-]{20,}",
        r"|[sr]k_(?:live|test|prod)_[0-9A-Za-z]{10,}",
        r"|whsec_[0-9A-Za-z+/=]{20,}",
        r"|sk-[0-9A-Za-z_-]{20,}",
        r"|npm_[0-9A-Za-z]{30,}",
        r"|pypi-[0-9A-Za-z_-]{30,}",
        r"|do[oprt]_v1_[0-9a-fA-F]{32,}",
        r"|dckr_pat_[0-9A-Za-z_-]{20,}",
        r"|SG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}",
        r"|SK[0-9a-f]{32}",
        r"|rlg_[0-9A-Za-z_-]{12,}",
        r"|hvs\.[0-9A-Za-z_-]{20,}",
        r"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32,}",
        r"|dapi[0-9a-f]{32}",
        r"|ATATT3[0-9A-Za-z_=-]{20,}",
        r"|hf_[0-9A-Za-z]{30,}",
        r"|AGE-SECRET-KEY-1[0-9A-Z]{40,}",
    ))
});

/// Finds provider keys.
pub(crate) fn keys(text: &str) -> Vec<Find> {
    let mut finds = Vec::new();
    let mut from = 0;
    while let Some(found) = SHAPES.find_at(text, from) {
        let kind = KINDS.iter().find(|(prefix, _)| found.as_str().starts_with(prefix));
        match kind {
            Some(&(prefix, kind)) if fits(text, found.start(), prefix, found.as_str()) => {
                finds.push(Find { start: found.start(), end: found.end(), kind });
                from = found.end();
            }
            // Shapes begin with ASCII, so the next byte is a character boundary.
            _ => from = found.start() + 1,
        }
    }
    finds
}

fn fits(text: &str, start: usize, prefix: &str, found: &str) -> bool {
    let glued = text[..start].ends_with(|c: char| c.is_ascii_alphanumeric());
    if glued && AFTER_BOUNDARY.contains(&prefix) {
        return false;
    }
    // `sk-` also starts plain hyphenated names; a key mixes all three classes.
    prefix != "sk-"
        || found.bytes().any(|b| b.is_ascii_digit())
            && found[3..].bytes().any(|b| b.is_ascii_uppercase())
            && found.bytes().any(|b| b.is_ascii_lowercase())
        || found[3..].len() >= 32 && found[3..].bytes().all(|b| b.is_ascii_alphanumeric())
}
