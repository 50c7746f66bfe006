//! Made-up secrets. `{A36}` is 36 letters and digits, and so on: so that no secret, nor anything that looks like
//! one to a scanner, stands in this repository.

use crate::proof::crc62;

/// Fills in a template. The same template gives the same text; `seed` gives others.
pub(crate) fn fill(template: &str, seed: u64) -> String {
    filled(template, seed, true)
}

/// As [`fill`], by chance alone and with every sign of a class.
pub(crate) fn random(template: &str, seed: u64) -> String {
    filled(template, seed, false)
}

fn filled(template: &str, seed: u64, mixed: bool) -> String {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    for byte in template.bytes() {
        random = (random ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut next = move || {
        // xorshift64*
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        (random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize
    };
    let mut out = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let close = open + rest[open..].find('}').unwrap_or(0);
        out.push_str(&rest[..open]);
        let inner = &rest[open + 1..close.max(open + 1)];
        match (
            inner.get(..1).and_then(if mixed { signs } else { all_signs }),
            inner.get(1..).and_then(|n| n.parse::<usize>().ok()),
        ) {
            (Some(signs), Some(count)) => {
                let mut run: String = (0..count).map(|_| char::from(signs[next() % signs.len()])).collect();
                if inner.starts_with('C') {
                    run.truncate(count - 6);
                    run.push_str(&crc62(&run));
                } else if mixed && count >= 6 {
                    // By chance a short one may lack a digit, a capital or a small letter.
                    mix(&mut run, signs, count);
                }
                out.push_str(&run);
            }
            _ => {
                out.push('{');
                rest = &rest[open + 1..];
                continue;
            }
        }
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    out
}

fn mix(run: &mut String, signs: &[u8], count: usize) {
    for (at, wanted) in [(1, b'7'), (3, b'K'), (4, b'w'), (5, b'2')] {
        if signs.contains(&wanted) && at < count {
            run.replace_range(at..=at, char::from(wanted).encode_utf8(&mut [0; 4]));
        }
    }
}

fn signs(class: &str) -> Option<&'static [u8]> {
    Some(match class {
        "D" => b"0123456789",
        "h" => b"0123456789abcdef",
        "l" => b"0123456789abcdefghijklmnopqrstuvwxyz",
        "U" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "A" | "C" => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "W" | "T" => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_",
        "B" => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+",
        "5" => b"abcdefghijklmnopqrstuvwxyz234567",
        _ => return None,
    })
}

fn all_signs(class: &str) -> Option<&'static [u8]> {
    Some(match class {
        "W" => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-",
        "T" => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.~-",
        "B" => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/",
        _ => return signs(class),
    })
}
