//! What texts are found by, whatever case they are written in.

use unicode_normalization::UnicodeNormalization;

/// The key by which a text is found: alike for texts that differ in case only, in any script, or in how their accents
/// are composed. The key of a text's beginning is the beginning of its key.
///
/// Each character is taken to upper and then to lower case by itself (Unicode, section 5.18), in the composed form
/// (NFC). So ß is found as ss, and the two small sigmas are one. No language has rules of its own here: the key is the
/// same in each database and on each machine.
///
/// ```
/// use domain::search_key;
/// assert_eq!(search_key("ÄRZTE in Groß-Umstadt"), "ärzte in gross-umstadt");
/// ```
#[must_use]
pub fn search_key(text: &str) -> String {
    text.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}
