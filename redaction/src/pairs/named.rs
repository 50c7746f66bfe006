//! A name that promises a secret.

/// What stands between name and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// `=`, `:=`, `==`.
    Equals,
    /// `:`.
    Colon,
    /// A space after `--name`.
    Flag,
}

/// A name that promises a secret, and what stands between it and the value.
#[derive(Clone, Copy)]
pub(super) struct Named<'t> {
    pub kind: &'static str,
    pub sign: Sign,
    /// What stands before the name.
    pub before: &'t str,
    /// The name.
    pub name: &'t str,
}
