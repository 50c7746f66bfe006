//! Public things with a random look.

use crate::proof::has_base58_checksum;
use crate::view::View;

/// Public things with a random look.
pub(super) fn is_known_harmless(view: &View<'_>, start: usize, end: usize) -> bool {
    // SSH public keys, mail items and drives of Microsoft Graph, mangled names of C++ and Rust symbols.
    const STARTS: &[&str] = &["AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh", "AAMk", "AQMk", "_ZN", "_RN"];
    // Digests, Go's sums, drives, identifiers that are public keys.
    const BEFORE: &[&str] = &[
        "sha1",
        "sha224",
        "sha256",
        "sha384",
        "sha512",
        "md5",
        "h1",
        "blake2b",
        "b!",
        "did:key",
        "did:plc",
        "/by-id/",
        "/by-path/",
        "/by-uuid/",
        "/by-partuuid/",
        "/dev/mapper/",
        "ipfs://",
        "ipfs/",
        "ipfs",
        "pin-sha256=\"",
        "nix/store/",
        "r10k",
    ];
    const DIGESTS: &[&str] = &["sha1-", "sha256-", "sha384-", "sha512-"];
    let run = view.ahead(start, 48);
    let behind = view.behind(start, 64);
    let before = behind.trim_end_matches([':', '=', '-', ' ']);
    let lower = run.to_ascii_lowercase();
    let after = view.ahead(end, 64);
    STARTS.iter().any(|begin| run.starts_with(begin))
        || DIGESTS.iter().any(|name| lower.starts_with(name))
        || BEFORE.iter().any(|name| ends_with_word(before, name) || behind.ends_with(name))
        || is_device(view, start, end)
        || is_media(behind)
        || is_open_angle(behind) && is_mail_host(after)
        || end - start <= 35 && has_base58_checksum(view.taken(start, end))
}

fn ends_with_word(text: &str, word: &str) -> bool {
    let at = text.len().saturating_sub(word.len());
    text.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(word))
        && !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// Drives and volumes are named by their serial numbers.
fn is_device(view: &View<'_>, start: usize, end: usize) -> bool {
    let run = view.ahead(start, 32.min(end - start));
    run.starts_with("/dev/") || run.starts_with("dev/disk/") || run.starts_with("dm-uuid-LVM-")
}

/// Images and fonts in a page: `data:image/png;base64,`.
fn is_media(behind: &str) -> bool {
    let Some(media) = behind.strip_suffix(";base64,") else { return false };
    let kind = media.rfind("data:").map_or("", |at| &media[at + "data:".len()..]);
    ["image/", "font/", "audio/", "video/", "application/font"].iter().any(|name| kind.starts_with(name))
}

/// Whether the text ends within `<...`, without a blank.
fn is_open_angle(behind: &str) -> bool {
    let word = behind.rsplit(char::is_whitespace).next().unwrap_or_default();
    word.rfind('<').is_some_and(|at| !word[at..].contains(['>', '/', '"', '=']))
}

/// `<random@host.example>`: the id of a message (RFC 5322, 3.6.4).
fn is_mail_host(after: &str) -> bool {
    after.strip_prefix('@').and_then(|host| host.split_once('>')).is_some_and(|(host, _)| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
    })
}

/// `<random>.jpg` is a file with a random name, `<random>.com` may be anything.
pub(super) fn has_known_extension(after: &str) -> bool {
    const KNOWN: &[&str] = &[
        "jpg", "jpeg", "png", "gif", "webp", "svg", "pdf", "csv", "tsv", "parquet", "avro", "orc", "gz",
        "tar", "tgz", "zip", "zst", "lz4", "bz2", "xz", "log", "html", "mp4", "mp3", "wav", "docx", "xlsx",
        "pptx", "bak", "dump", "sqlite", "iso", "img", "vmdk", "qcow2", "ova", "dll", "exe", "jar", "whl",
        "css", "js", "map", "woff2",
    ];
    let name: &str = after.strip_prefix('.').unwrap_or_default();
    let length = name.bytes().take_while(u8::is_ascii_alphanumeric).count();
    KNOWN.contains(&name[..length].to_ascii_lowercase().as_str())
}

pub(super) fn has_extension(after: &str) -> bool {
    let Some(rest) = after.strip_prefix('.') else {
        return false;
    };
    let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
    (1..=5).contains(&length)
}
