//! Where the cluster is, and how it is spoken to.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use eventstore::{ClientSettings, Credentials};
use percent_encoding::percent_decode_str;

/// Where the cluster is, and how it is spoken to. `Debug` shows no credentials.
#[derive(Clone)]
pub struct KurrentConfig {
    pub(super) settings: ClientSettings,
    pub(super) user: Option<Credentials>,
    /// Begins the name of each of our streams; empty for `run-...` as it is.
    pub prefix: String,
    /// How long a call is tried again while the cluster is not there.
    pub patience: Duration,
    /// How many appends are in hand at once; more are refused.
    pub(super) max_appends: usize,
}

impl fmt::Debug for KurrentConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> =
            self.settings.hosts().iter().map(|at| format!("{}:{}", at.host, at.port)).collect();
        f.debug_struct("KurrentConfig")
            .field("hosts", &hosts)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// A connection string that can't be right. It is not repeated here: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the address of the event log can't be read: {0}; it looks like kurrentdb://user:password@host:2113?tls=true"
)]
pub struct ConfigError(&'static str);

/// A parameter of ours in the connection string: what begins the names of all streams.
const PREFIX: &str = "streamprefix";

/// How connection strings begin.
const SCHEMES: [&str; 8] = [
    "esdb://",
    "esdb+discover://",
    "kurrentdb://",
    "kurrentdb+discover://",
    "kurrent://",
    "kurrent+discover://",
    "kdb://",
    "kdb+discover://",
];

impl KurrentConfig {
    /// Whether the address is one of such a cluster.
    fn is_meant_by(address: &str) -> bool {
        SCHEMES.iter().any(|scheme| address.starts_with(scheme))
    }

    /// Reads a connection string of EventStoreDB or KurrentDB, with its parameters (`tls`, `tlsVerifyCert`,
    /// `tlsCaFile`, `userCertFile`, `userKeyFile`, `keepAliveInterval` and so on) and one of ours:
    /// `streamPrefix` begins the name of each stream, so that several ledgers share a cluster. What in the
    /// user's name or password would mean something in an address is written as `%` and two digits.
    ///
    /// # Errors
    /// [`ConfigError`], which does not repeat the string.
    pub fn parse(address: &str) -> Result<Self, ConfigError> {
        if !Self::is_meant_by(address) {
            return Err(ConfigError("it does not begin with kurrentdb:// or esdb://"));
        }
        let (base, query) = address.split_once('?').unwrap_or((address, ""));
        let mut prefix = String::new();
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some((name, value)) if name.eq_ignore_ascii_case(PREFIX) => prefix = value.to_owned(),
                _ => others.push(pair),
            }
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if prefix.len() > 100 || !prefix.chars().all(plain) {
            return Err(ConfigError(
                "streamPrefix has at most 100 letters, digits, hyphens, underscores and dots",
            ));
        }
        // Whatever is read must be what was appended last, and only the leader knows.
        others.retain(|pair| !pair.to_ascii_lowercase().starts_with("nodepreference="));
        others.push("nodePreference=leader");
        // The client waits that long before each try to connect, the first included; the pauses that grow are
        // ours.
        if !others.iter().any(|pair| pair.to_ascii_lowercase().starts_with("discoveryinterval=")) {
            others.push("discoveryInterval=20");
        }
        let (base, user) = without_user(base)?;
        let settings: ClientSettings = format!("{base}?{}", others.join("&"))
            .parse()
            .map_err(|_| ConfigError("its host, port or a parameter is wrong"))?;
        Ok(Self { settings, user, prefix, patience: Duration::from_secs(10), max_appends: 4_096 })
    }
}

/// The address for the client, and the user that calls are made for.
///
/// The client (1.2.0) takes name and password as they are in the address, where most characters must be
/// written as `%` and digits, and never reads these. So they are taken out, and given to each call. Only
/// what means the same to it is left, for the one call that takes no user of its own: asking for the members.
fn without_user(base: &str) -> Result<(String, Option<Credentials>), ConfigError> {
    let wrong = ConfigError("its user or password can't be read: write special characters as %40 and so on");
    let Some((scheme, rest)) = base.split_once("://") else { return Ok((base.to_owned(), None)) };
    let Some((user, hosts)) = rest.rsplit_once('@') else { return Ok((base.to_owned(), None)) };
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let (Some(name), Some(password)) = (decoded(name), decoded(password)) else { return Err(wrong) };
    let plain = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.~".contains(&c));
    let left =
        if plain(user.split(':').collect::<String>().as_str()) { format!("{user}@") } else { String::new() };
    Ok((format!("{scheme}://{left}{hosts}"), Some(Credentials::new(name, password))))
}

/// With `%` and two digits for each byte that could not be written as it is (RFC 3986, section 2.1).
fn decoded(text: &str) -> Option<String> {
    let is_byte =
        |after: &str| after.as_bytes().get(..2).is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit));
    // As browsers do, the library takes a `%` without digits for itself. In a password it is a mistake.
    let whole = text.split('%').skip(1).all(is_byte);
    whole.then(|| percent_decode_str(text).decode_utf8().ok())?.map(Cow::into_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_passwords_kept() {
        let config = KurrentConfig::parse(
            "kurrentdb://admin:chang%40eit@a.example:2113,b.example:2114?tls=false&streamPrefix=t1-&nodePreference=follower",
        )
        .unwrap();
        assert_eq!(config.prefix, "t1-");
        assert_eq!(config.settings.hosts().len(), 2);
        assert_eq!(config.user, Some(Credentials::new("admin", "chang@eit")));
        // What the client would misread it is not given.
        assert!(config.settings.default_authenticated_user().is_none());
        assert_eq!(config.settings.node_preference(), eventstore::NodePreference::Leader);
        let shown = format!("{config:?}");
        assert!(
            shown.contains("a.example:2113") && !shown.contains("chang") && !shown.contains("admin"),
            "{shown}"
        );
        let plain = KurrentConfig::parse("esdb://admin:changeit@h?tls=false").unwrap();
        assert!(plain.prefix.is_empty() && plain.settings.default_authenticated_user().is_some());
        assert_eq!(plain.user, Some(Credentials::new("admin", "changeit")));
        assert_eq!(KurrentConfig::parse("esdb://h?tls=false").unwrap().user, None);
        let odd = KurrentConfig::parse("esdb://a:p@ss,w+%25%3F%C3%A4@h:1,i:2?tls=false").unwrap();
        assert_eq!(odd.user, Some(Credentials::new("a", "p@ss,w+%?ä")));
        assert_eq!(odd.settings.hosts().len(), 2);
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for bad in [
            "postgres://admin:hidden@h/d",
            "kurrentdb://admin:hidden@",
            "kurrentdb://admin:hidden@h:port",
            "kurrentdb://admin:hidden@h?tls=hidden",
            "kurrentdb://admin:hidden@h?userCertFile=a",
            "kurrentdb://admin:hidden%@h",
            "kurrentdb://admin:hidden%FF@h",
            "kurrentdb://admin:hidden%+7@h",
            "kurrentdb://admin:hidden%4@h",
            "kurrentdb://admin:hidden@h?streamPrefix=hidden%20",
        ] {
            let error = KurrentConfig::parse(bad).unwrap_err();
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
    }
}
