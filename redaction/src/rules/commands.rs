//! Secrets on command lines whose flags do not say so: `mysql -pSECRET`, `curl -u user:SECRET`.

use std::sync::LazyLock;

use regex::Regex;

use crate::find::{Find, Rank};
use crate::marker::{is_marker, starts_with_whole_marker};
use crate::pairs::{bare_length, is_placeholder, quoted};
use crate::view::{VALUE, View};

/// Programs, and which of their arguments are secrets.
pub(crate) struct Command {
    /// Their names, in lower case.
    pub programs: &'static [&'static str],
    /// The word that must have come before, where the flags mean something else without it.
    needs: &'static str,
    /// Flags in front of a secret.
    flags: &'static [&'static str],
    /// Flags that a secret is glued to.
    glued: &'static [&'static str],
    /// What of the value is secret.
    secret: Part,
    /// Arguments without flags: a pattern for what follows the program, whose group is the secret.
    arguments: &'static str,
    /// A command line with a secret in `«»`.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    pub leak: &'static str,
    /// A command line without one.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    pub miss: &'static str,
}

/// What of a flag's value is secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// What follows the first of these signs; nothing without one.
    After(char),
}

#[rustfmt::skip]
pub(crate) static COMMANDS: &[Command] = &[
    Command { programs: &["mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlshow", "mysqlcheck", "mysqlbinlog", "mysqlsh", "mariadb", "mariadb-dump", "mariadb-admin", "xtrabackup", "mariabackup", "7z", "7za", "rar", "unrar"], needs: "", flags: &[], glued: &["-p"], secret: Part::Whole, arguments: "", leak: "mysql -uroot -p«{A10}» shop", miss: "mysql -p failed" },
    Command { programs: &["sshpass"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r#"^\s+(?:-v\s+)*-p\s*["']?([^\s"']+)"#, leak: "sshpass -p «{A10}» ssh box", miss: "sshpass -f file ssh -p 22 box" },
    Command { programs: &["mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport", "mongostat", "cqlsh", "cypher-shell", "beeline", "psexec", "smbmap", "crackmapexec", "evil-winrm", "svnrdump", "twine"], needs: "", flags: &["-p"], glued: &[], secret: Part::Whole, arguments: "", leak: "mongo -u root -p «{A10}» db", miss: "mongo -u $USER -p $PASS db" },
    Command { programs: &["docker", "podman", "helm", "buildah", "skopeo", "nerdctl", "oras", "crane", "oc", "az", "cf", "ibmcloud", "npm", "rancher", "vagrant", "jf"], needs: "login", flags: &["-p"], glued: &["-p"], secret: Part::Whole, arguments: "", leak: "docker login -u bob -p «{A10}» registry.example.com", miss: "docker run -p 8080:80 app" },
    Command { programs: &["redis-cli", "valkey-cli", "keydb-cli"], needs: "", flags: &["-a"], glued: &[], secret: Part::Whole, arguments: "", leak: "redis-cli -h cache -a «{A10}» ping", miss: "redis-cli -h cache ping" },
    Command { programs: &["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami", "ldapmodrdn", "ldapcompare", "security", "ipa", "dsconf"], needs: "", flags: &["-w"], glued: &[], secret: Part::Whole, arguments: "", leak: "ldapsearch -x -D cn=admin -w «{A10}» -b dc=x", miss: "ldapsearch -x -W -D cn=admin" },
    Command { programs: &["ldappasswd"], needs: "", flags: &["-w", "-s", "-a"], glued: &[], secret: Part::Whole, arguments: "", leak: "ldappasswd -s «{A10}» uid=x", miss: "ldappasswd -S uid=x" },
    Command { programs: &["sqlcmd", "bcp", "osql", "isql", "tsql", "ipmitool", "mosquitto_pub", "mosquitto_sub", "zip", "unzip"], needs: "", flags: &["-P"], glued: &["-P"], secret: Part::Whole, arguments: "", leak: "sqlcmd -S db -U sa -P «{A10}» -Q x", miss: "sqlcmd -S db -E -Q x" },
    Command { programs: &["curl", "wget"], needs: "", flags: &["-u", "--user", "-U", "--proxy-user"], glued: &["-u"], secret: Part::After(':'), arguments: "", leak: "curl --user bob:«{A10}» https://x", miss: "curl -u $USER:$PASS https://x" },
    Command { programs: &["http", "https", "xh", "httpie", "jenkins-cli", "jenkins-cli.jar"], needs: "", flags: &["-a", "--auth", "-auth"], glued: &[], secret: Part::After(':'), arguments: "", leak: "http -a bob:«{A10}» GET https://x", miss: "http GET https://x" },
    Command { programs: &["ab", "hey"], needs: "", flags: &["-A", "-P", "-a"], glued: &[], secret: Part::After(':'), arguments: "", leak: "ab -n 9 -A bob:«{A10}» https://x/", miss: "ab -n 9 https://x/" },
    Command { programs: &["smbclient", "rpcclient", "smbget", "smbcacls", "net", "winexe", "wmic"], needs: "", flags: &["-U", "--user"], glued: &["-U"], secret: Part::After('%'), arguments: "", leak: "smbclient //srv/x -U bob%«{A10}»", miss: "smbclient //srv/x -U bob" },
    Command { programs: &["lftp"], needs: "", flags: &["-u"], glued: &[], secret: Part::After(','), arguments: "", leak: "lftp -u bob,«{A10}» ftp.example.com", miss: "lftp -u bob ftp.example.com" },
    Command { programs: &["snmpwalk", "snmpget", "snmpset", "snmpbulkwalk", "snmptrap", "snmpinform"], needs: "", flags: &["-c", "-A", "-X"], glued: &[], secret: Part::Whole, arguments: "", leak: "snmpwalk -v2c -c «{A10}» 10.0.0.1", miss: "snmpwalk -v3 10.0.0.1" },
    Command { programs: &["openssl"], needs: "", flags: &["-passin", "-passout", "-pass", "-k", "-K"], glued: &[], secret: Part::Whole, arguments: "", leak: "openssl rsa -passin «pass:{A10}» -in k", miss: "openssl rsa -passin file:/run/k" },
    Command { programs: &["ssh-keygen"], needs: "", flags: &["-N", "-P"], glued: &[], secret: Part::Whole, arguments: "", leak: "ssh-keygen -N «{A10}» -f x", miss: "ssh-keygen -t ed25519 -f x" },
    Command { programs: &["useradd", "usermod"], needs: "", flags: &["-p"], glued: &[], secret: Part::Whole, arguments: "", leak: "useradd -m -p «{A10}» bob", miss: "useradd -m bob" },
    Command { programs: &["sqlplus", "sqlplus64", "sqlldr", "expdp", "impdp", "rman", "sqlcl"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r#"^(?:\s+(?:-\S+|target|catalog|userid=))*\s*["']?[A-Za-z][\w$#.]*/(?:"([^"]+)"|([^@\s"'/]+))"#, leak: "sqlplus -s scott/«{A10}»@db", miss: "sqlplus / as sysdba" },
    Command { programs: &["rabbitmqctl"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r"^\s+(?:-\S+\s+)*(?:add_user|change_password|authenticate_user)\s+\S+\s+(\S+)", leak: "rabbitmqctl add_user bob «{A10}»", miss: "rabbitmqctl list_users" },
    Command { programs: &["htpasswd"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r"^\s+-\w*n\w*b\w*\s+\S+\s+(\S+)|^\s+-\w*b\w*n\w*\s+\S+\s+(\S+)|^\s+-\w*b\w*\s+\S+\s+\S+\s+(\S+)", leak: "htpasswd -cb .htpasswd bob «{A10}»", miss: "htpasswd -c .htpasswd bob" },
    Command { programs: &["vault"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r"^\s+(?:login|unwrap|operator\s+unseal)\s+(?:-\S+\s+)*(?:token=)?([^\s=-][^\s=]*[0-9][^\s=]{3,})", leak: "vault login «{A26}»", miss: "vault login -method=oidc" },
    Command { programs: &["aws"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r"^\s+configure\s+set\s+\S*(?:secret_access_key|session_token)\s+(\S+)", leak: "aws configure set aws_secret_access_key «{B40}»", miss: "aws configure set region eu-west-1" },
    Command { programs: &["net user", "net.exe user"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r"^\s+[\w.-]+\s+([A-Za-z]\S*[0-9!@#$^&]\S*|[0-9]\S*[A-Za-z]\S*)", leak: "net user bob «{A10}» /add", miss: "net user bob /active:no" },
    Command { programs: &["net use"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r"^\s+(?:\w:\s+)?\\\\\S+\s+(?:/user:\S+\s+)?([^\s/*]\S*)", leak: r"net use Z: \\srv\x «{A10}» /user:bob", miss: r"net use Z: \\srv\x" },
    Command { programs: &["env"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r"^\s+\w*(?:PASSWORD|PASSWD|TOKEN|SECRET|_KEY)\s+(\S+)", leak: "ENV API_TOKEN «{A24}»", miss: "ENV API_TOKEN" },
    Command { programs: &["wpa_passphrase"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r"^\s+\S+\s+(\S+)", leak: "wpa_passphrase home «{A10}»", miss: "wpa_passphrase home" },
    Command { programs: &["snowsql"], needs: "", flags: &["-p"], glued: &[], secret: Part::Whole, arguments: "", leak: "snowsql -u bob -p «{A10}»", miss: "snowsql -u bob" },
    Command { programs: &["pdftk"], needs: "", flags: &["user_pw", "owner_pw", "input_pw"], glued: &[], secret: Part::Whole, arguments: "", leak: "pdftk a.pdf input_pw «{A10}» output b.pdf", miss: "pdftk a.pdf output b.pdf" },
    Command { programs: &["convertto-securestring"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r#"^\s+(?:-String\s+)?(?:"([^"]+)"|'([^']+)'|([^\s"'$(-][^\s"']*)\s+-AsPlainText)"#, leak: "ConvertTo-SecureString \"«{A10}»\" -AsPlainText -Force", miss: "ConvertTo-SecureString $plain -AsPlainText -Force" },
    Command { programs: &["echo", "printf"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r#"^\s+(?:-[ne]+\s+)?(?:["']?%s(?:\\n)?["']?\s+)?["']?(?:[\w.-]+:)?([^\s"'|:]+)["']?\s*\|\s*(?:sudo\s+)?(?:(?:/\S*/)?chpasswd|[^|]{0,160}--password-stdin|[^|]{0,160}--stdin|sudo\s+-S|kinit|[^|]{0,160}--passphrase-fd)"#, leak: "echo «{A10}» | docker login --password-stdin", miss: "echo $TOKEN | docker login --password-stdin" },
    Command { programs: &["sftp", "scp", "ssh", "rsync"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r"^\s+(?:-\S+\s+){0,8}[\w.-]+:([^\s@:/]+)@[\w.-]+", leak: "sftp bob:«{A10}»@h:/x", miss: "sftp bob@h:/x" },
    Command { programs: &["create secret generic"], needs: "", flags: &["--from-literal"], glued: &[], secret: Part::After('='), arguments: "", leak: "kubectl create secret generic x --from-literal=db=«{A10}»", miss: "kubectl create secret generic x --from-literal=db=$DB" },
    Command { programs: &["vault kv put", "vault kv patch"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r"^\s+(?:-\S+\s+){0,8}\S+\s+[\w.-]+=([^\s@]\S*)", leak: "vault kv put secret/x value=«{A10}»", miss: "vault kv put secret/x @data.json" },
    Command { programs: &["exp", "imp", "connect", "conn"], needs: "", flags: &[], glued: &[], secret: Part::Whole, arguments: r"^\s+[A-Za-z][\w$#]*/([^\s/@]+)(?:@\w|\s+\w+=)", leak: "exp bob/«{A10}» file=x.dmp", miss: "connect bob@db" },
    Command { programs: &["xfreerdp", "wfreerdp", "mstsc", "cmdkey", "schtasks", "signtool"], needs: "", flags: &["/p", "/rp"], glued: &["/p:", "/pass:"], secret: Part::Whole, arguments: "", leak: "xfreerdp /v:srv /u:bob /p:«{A10}»", miss: "xfreerdp /v:srv /u:bob" },
];

static PATTERNS: LazyLock<Vec<Option<Regex>>> = LazyLock::new(|| {
    let compiled = COMMANDS.iter().map(|command| {
        #[allow(clippy::expect_used)] // The patterns are constants and the tests compile every one.
        (!command.arguments.is_empty()).then(|| Regex::new(command.arguments).expect("a constant pattern"))
    });
    compiled.collect()
});

/// A command whose arguments are being read. It ends at a pipe, at `;` and with its line.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    command: &'static Command,
    /// Whether the word that it needs has come.
    met: bool,
}

impl Run {
    /// The command that a program's name at `start..end` begins, and the secret among its plain arguments.
    pub(crate) fn begin(
        view: &View<'_>,
        command: &'static Command,
        start: usize,
        end: usize,
    ) -> Option<(Self, Option<Find>)> {
        let before = view.before(start);
        let begins = before.is_none_or(|b| b.is_ascii_whitespace() || b"/\\\"'`($[,:;|&={>".contains(&b));
        let after = view.ahead(end, 5);
        let length = if after.starts_with(".exe") { 4 } else { 0 };
        let ends = after[length..].starts_with([' ', '\t', '"', '\'', ',']);
        if !begins || !ends {
            return None;
        }
        let index = COMMANDS.iter().position(|other| std::ptr::eq(other, command))?;
        let find = PATTERNS.get(index)?.as_ref().and_then(|pattern| {
            let found = pattern.captures(view.ahead(end + length, VALUE))?;
            let value = found.iter().skip(1).flatten().next()?;
            secret(end + length + value.start(), value.as_str())
        });
        Some((Self { command, met: command.needs.is_empty() }, find))
    }

    /// Takes in the argument that begins at `at`, after white space, and tells the secret that it holds or
    /// that follows it.
    pub(crate) fn argument(&mut self, view: &View<'_>, at: usize) -> Option<Find> {
        let window = view.ahead(at, 64);
        let plain = window.trim_start_matches(['"', '\'']);
        let quotes = window.len() - plain.len();
        if !self.met {
            let needs = self.command.needs;
            self.met = plain
                .strip_prefix(needs)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '"', '\'']));
            return None;
        }
        for flag in self.command.flags {
            let Some(rest) = plain.strip_prefix(flag).or_else(|| self.clustered(plain, flag)) else {
                continue;
            };
            let rest = rest.trim_start_matches(['"', '\'']);
            let value = rest.trim_start_matches([' ', '=', ',']);
            if value.len() == rest.len() {
                continue;
            }
            let from = at + window.len() - value.len();
            return self.value(view, from);
        }
        let glued = self.command.glued.iter().find_map(|flag| {
            let rest = plain.strip_prefix(flag)?;
            (!plain.starts_with("-password"))
                .then_some(rest)?
                .starts_with(|c: char| !c.is_whitespace() && !matches!(c, '"' | '\'' | '-' | ':' | ','))
                .then_some(at + quotes + flag.len())
                .or_else(|| rest.starts_with(['"', '\'']).then_some(at + quotes + flag.len()))
        });
        self.value(view, glued?)
    }

    /// `-sSfu bob:secret`: the flag at the end of several. Only where the value's form says that it is one.
    fn clustered<'t>(&self, plain: &'t str, flag: &str) -> Option<&'t str> {
        const MOST: usize = 12;
        let letter = flag
            .strip_prefix('-')
            .filter(|letter| letter.len() == 1 && self.command.secret != Part::Whole)?;
        let cluster = plain.strip_prefix('-')?;
        let length = cluster.bytes().take(MOST).take_while(u8::is_ascii_alphabetic).count();
        let ends = length > 1 && cluster[..length].ends_with(letter);
        cluster.get(length..).filter(|rest| ends && rest.starts_with(' '))
    }

    fn value(&self, view: &View<'_>, from: usize) -> Option<Find> {
        let window = view.ahead(from, VALUE);
        let (open, close) = match quoted(window) {
            Some(span) => span,
            None => (0, bare_length(window)),
        };
        let mut value = &window[open..close];
        let mut start = from + open;
        if let Part::After(sign) = self.command.secret {
            let at = value.find(sign)? + sign.len_utf8();
            // `curl -u user:'secret'`, and the scheme of a URL is no user.
            let rest = &window[open + at..];
            if sign == ':' && rest.starts_with("//") {
                return None;
            }
            start += at;
            value = &value[at..];
            if let Some((open, close)) = quoted(rest).filter(|_| open == 0) {
                start += open;
                value = &rest[open..close];
            }
        }
        let next_flag = value.starts_with("--") || value.len() <= 2 && value.starts_with('-');
        let elsewhere = ["file:", "env:", "fd:", "stdin"].iter().any(|place| value.starts_with(place));
        if next_flag || elsewhere || value == "prompt" {
            return None;
        }
        let mut find = secret(start, value)?;
        if find.end == from + window.len() {
            find.end = view.run_end(find.end, |b| b.is_ascii_whitespace());
        }
        Some(find)
    }
}

fn secret(start: usize, value: &str) -> Option<Find> {
    let secret =
        !value.is_empty() && !is_marker(value) && !starts_with_whole_marker(value) && !is_placeholder(value);
    secret.then_some(Find { start, end: start + value.len(), kind: "password", rank: Rank::Phrase })
}
