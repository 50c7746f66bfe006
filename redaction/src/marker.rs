//! What stands in the place of a secret: `[redacted:KIND]`.

/// How a marker starts; the kind and `]` follow.
pub(crate) const MARKER: &str = "[redacted:";

/// Longer than any marker, in bytes.
pub(crate) const LONGEST: usize = 48;

/// The marker of a kind.
pub(crate) fn marker(kind: &str) -> String {
    format!("{MARKER}{kind}]")
}

/// The length of the marker that the text starts with, 0 when it starts with none.
pub(crate) fn marker_len(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(MARKER) else {
        return 0;
    };
    let kind = rest.bytes().take(LONGEST).take_while(|b| b.is_ascii_lowercase() || *b == b'_').count();
    if kind > 0 && rest.as_bytes().get(kind) == Some(&b']') { MARKER.len() + kind + 1 } else { 0 }
}

/// Whether the text is one marker and nothing else.
pub(crate) fn is_marker(text: &str) -> bool {
    !text.is_empty() && marker_len(text) == text.len()
}

/// Whether the text is a marker, or a marker and then something that ends a value.
pub(crate) fn starts_with_whole_marker(text: &str) -> bool {
    const ENDS: &str = "\"'`\\,;&)]}<>@.:…#|?!/[%";
    let length = marker_len(text);
    length > 0 && text[length..].chars().next().is_none_or(|c| c.is_whitespace() || ENDS.contains(c))
}
