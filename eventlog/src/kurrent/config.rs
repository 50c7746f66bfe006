//! Where the cluster is, and how it is spoken to.

use std::fmt;
use std::time::Duration;

use eventstore::ClientSettings;

/// Where the cluster is, and how it is spoken to. `Debug` shows no credentials.
#[derive(Clone)]
pub struct KurrentConfig {
    pub(super) settings: ClientSettings,
    /// Begins the name of each of our streams; empty for `run-...` as it is.
    pub prefix: String,
    /// How long a call is tried again while the cluster is not there.
    pub patience: Duration,
    /// How many appends are in hand at once; more are refused.
    pub max_appends: usize,
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
    #[must_use]
    pub fn is_meant_by(address: &str) -> bool {
        SCHEMES.iter().any(|scheme| address.starts_with(scheme))
    }

    /// Reads a connection string of EventStoreDB or KurrentDB, with its parameters (`tls`, `tlsVerifyCert`,
    /// `tlsCaFile`, `userCertFile`, `userKeyFile`, `keepAliveInterval` and so on) and one of ours:
    /// `streamPrefix` begins the name of each stream, so that several ledgers share a cluster.
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
        let settings: ClientSettings = format!("{base}?{}", others.join("&"))
            .parse()
            .map_err(|_| ConfigError("its host, port or a parameter is wrong"))?;
        Ok(Self { settings, prefix, patience: Duration::from_secs(10), max_appends: 4_096 })
    }
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
        assert!(config.settings.default_authenticated_user().is_some());
        assert_eq!(config.settings.node_preference(), eventstore::NodePreference::Leader);
        let shown = format!("{config:?}");
        assert!(
            shown.contains("a.example:2113") && !shown.contains("chang") && !shown.contains("admin"),
            "{shown}"
        );
        assert!(KurrentConfig::parse("esdb://h?tls=false").unwrap().prefix.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for bad in [
            "postgres://admin:hidden@h/d",
            "kurrentdb://admin:hidden@",
            "kurrentdb://admin:hidden@h:port",
            "kurrentdb://admin:hidden@h?tls=hidden",
            "kurrentdb://admin:hidden@h?userCertFile=a",
            "kurrentdb://admin:hidden@h?streamPrefix=hidden%20",
        ] {
            let error = KurrentConfig::parse(bad).unwrap_err();
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
    }
}
