//! What a word announces: schemes of HTTP, keys in armour, URLs, remarks such as `password is ...`.

use regex::Regex;

use crate::find::Find;
use crate::view::View;

mod elements;
mod http;
mod keys;
mod settings;
mod spoken;
mod urls;

use elements::element;
use http::{credentials, digest, jwt};
use keys::{private_key, putty_key};
use settings::{auth, expected, login, setting, windows_hash};
use spoken::spoken;
use urls::{dsn_password, oracle_login, oracle_password, url_password};

/// Words, and what may follow them.
pub(crate) struct Phrase {
    /// What wakes the rule, in any case.
    pub words: &'static [&'static str],
    /// The secret that a word at `start..end` announces.
    pub find: fn(&View<'_>, usize, usize) -> Option<Find>,
    /// Where it is documented.
    #[cfg_attr(not(test), expect(dead_code, reason = "for people"))]
    pub source: &'static str,
    /// A text with a secret of this kind in `«»`.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    pub leak: &'static str,
    /// A text that only begins like one.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    pub miss: &'static str,
}

#[rustfmt::skip]
pub(crate) static PHRASES: &[Phrase] = &[
    Phrase { words: &["-----begin "], find: private_key, source: "RFC 7468, RFC 9580", leak: "«-----BEGIN EC PRIVATE KEY----- {A64} -----END EC PRIVATE KEY-----»", miss: "-----BEGIN CERTIFICATE----- MIIB" },
    Phrase { words: &["private-lines:"], find: putty_key, source: "the.earth.li/~sgtatham/putty/0.81/htmldoc/AppendixC.html", leak: "Private-Lines: 1 «{A64}»", miss: "Private-Lines:" },
    Phrase { words: &["eyj"], find: jwt, source: "RFC 7519", leak: "«eyJ{A20}.eyJ{A30}.{W43}»", miss: "eyJ{A6} was cut" },
    Phrase { words: &["bearer", "basic"], find: credentials, source: "RFC 6750, RFC 7617", leak: "Bearer «{A24}»", miss: "Bearer authentication is off" },
    Phrase { words: &["digest"], find: digest, source: "RFC 7616", leak: "Digest «username=\"u\", response=\"{h32}\"»", miss: "Digest is off" },
    Phrase { words: &["://", ":\\/\\/", "%3a%2f%2f"], find: url_password, source: "RFC 3986, 3.2.1", leak: "amqps://guest:«{A12}»@mq:5671", miss: "https://host:8443/a@b" },
    Phrase { words: &["@tcp(", "@tcp6(", "@unix("], find: dsn_password, source: "github.com/go-sql-driver/mysql", leak: "app:«{A12}»@tcp(db:3306)/x", miss: "app@tcp(db:3306)/x" },
    Phrase { words: &["jdbc:oracle:"], find: oracle_password, source: "docs.oracle.com/en/database/oracle/oracle-database/19/jjdbc", leak: "jdbc:oracle:thin:scott/«{A10}»@db:1521", miss: "jdbc:oracle:thin:@db:1521" },
    Phrase { words: &["@//"], find: oracle_login, source: "docs.oracle.com/en/database/oracle/oracle-database/19/netag (Easy Connect)", leak: "bob/«{A10}»@//db:1521/x", miss: "see user@//db" },
    Phrase { words: &["requirepass ", "masterauth ", "tacacs-server key ", "radius-server key ", "snmp-server community ", "community string ", "key-string ", "isakmp key ", "wpa-psk ", "pre-shared-key ", "authentication-key ", "set snmp community ", "auth sha ", "auth md5 ", "priv aes 128 ", "priv aes 256 ", "priv des "], find: setting, source: "redis.io/docs/latest/operate/oss_and_stack/management/config, cisco.com", leak: "snmp-server community «{A10}» RO", miss: "requirepass is not set" },
    Phrase { words: &["credentials", "creds", "zugangsdaten", "user/pass"], find: login, source: "what people write", leak: "credentials bob:«{A10}» rejected", miss: "credentials bob:expired" },
    Phrase { words: &["assword:\""], find: expected, source: "core.tcl-lang.org/expect", leak: "expect \"Password:\" send \"«{A10}»\\r\"", miss: "expect \"Password:\" then wait" },
    Phrase { words: &["auth "], find: auth, source: "redis.io/docs/latest/commands/auth, RFC 4954", leak: "AUTH «{A10}»", miss: "AUTH failed for bob1234" },
    Phrase { words: &["ntlm ", "nt hash", "lm hash", "nthash"], find: windows_hash, source: "learn.microsoft.com/windows-server/security/kerberos/passwords-technical-overview", leak: "NTLM hash: «{h32}»", miss: "NTLM is off" },
    Phrase { words: &[">", "&gt;"], find: element, source: "XML 1.0", leak: "<password>«{A10}»</password>", miss: "<password/> a > b" },
    Phrase { words: &["password", "passwd", "passphrase", "passwort", "kennwort", "passcode", "mot de passe", "contraseña", "contrasena", "senha", "wachtwoord", "lösenord", "identified by", "secret", "token", "api key", "apikey", "api-key", "api_key", "recovery code", "backup code", "pass", "pwd", "access key", "access_key", "secret_key", "session id", "session_id"], find: spoken, source: "what people write", leak: "the password is «{A10}»", miss: "the password is wrong" },
];

fn fixed(pattern: &str) -> Regex {
    #[allow(clippy::expect_used)] // The pattern is a constant and the tests compile every one.
    Regex::new(pattern).expect("a constant pattern")
}

fn is_inside_word(view: &View<'_>, start: usize) -> bool {
    view.before(start).is_some_and(|b| b.is_ascii_alphanumeric())
}
