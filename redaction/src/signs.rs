//! A cheap look at a text: which rules can find anything at all.

/// What one pass over the bytes has seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Signs {
    /// `:` or `=`.
    pub separator: bool,
    /// `%3D` or `%3A` may be there.
    pub percent: bool,
    pub at: bool,
    pub space: bool,
    /// `--` somewhere.
    pub dashes: bool,
    /// `>`.
    pub angle: bool,
    /// The longest run of letters, digits, `-`, `_`, `.`, `+`, `/`.
    pub longest_run: usize,
}

impl Signs {
    pub fn of(text: &str) -> Self {
        let mut signs = Self::default();
        let mut run = 0;
        let mut before = 0;
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'+' | b'/' => run += 1,
                b'-' => {
                    run += 1;
                    signs.dashes |= before == b'-';
                }
                other => {
                    signs.longest_run = signs.longest_run.max(run);
                    run = 0;
                    match other {
                        b':' | b'=' => signs.separator = true,
                        b'%' => signs.percent = true,
                        b'@' => signs.at = true,
                        b'>' => signs.angle = true,
                        // Any white space, also the last byte of a wide one.
                        b' ' | b'\t' | b'\n' | b'\r' | 0x80.. => signs.space = true,
                        _ => {}
                    }
                }
            }
            before = byte;
        }
        signs.longest_run = signs.longest_run.max(run);
        signs
    }
}
