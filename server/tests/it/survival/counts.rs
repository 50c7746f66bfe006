//! How much of each there is, from the environment.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Instant;

/// The variable's value, or the default of the short form.
pub fn count<T: FromStr + Display>(name: &str, short: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text:?}")),
        Err(_) => short,
    }
}

/// When the first of these tests said something.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Tells what was seen, and how many seconds after the first. Shown with `--nocapture`, as
/// `scripts/soak` does.
pub fn say(what: impl Display) {
    println!("survival {:6.1} s: {what}", BEGUN.elapsed().as_secs_f64());
}
