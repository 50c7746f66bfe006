//! Postgres over TLS: a server of the test's own, with certificates that the test has made.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::support::site::{program, serve, terminated};
use crate::support::{LOOK_AGAIN, PATIENCE, runledger};
use loopback::Loopback;
use private_postgres::{PrivatePostgres, PrivatePostgresConfig};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

/// Who may come in: over the network only with TLS, `badge` only with a certificate of its own.
const WHO: &str = "
    local   all all                  scram-sha-256
    hostssl all badge 127.0.0.1/32   cert
    hostssl all all   127.0.0.1/32   scram-sha-256
";

/// An authority, and a certificate of another that did not sign anything here.
struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    fn make(folder: &Path) -> Self {
        let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
        for (authority, members) in
            [("ca", &[("server", "localhost"), ("badge", "badge")][..]), ("other", &[])]
        {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, authority);
            write(&format!("{authority}.crt"), params.self_signed(&key).unwrap().pem());
            let issuer = Issuer::new(params, key);
            for (name, host) in members {
                let key = KeyPair::generate().unwrap();
                let mut params = CertificateParams::new(vec![(*host).to_owned()]).unwrap();
                params.distinguished_name.push(DnType::CommonName, *name);
                params.extended_key_usages =
                    vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
                write(&format!("{name}.crt"), params.signed_by(&key, &issuer).unwrap().pem());
                write(&format!("{name}.key"), key.serialize_pem());
            }
        }
        Self { folder: folder.to_owned() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }
}

/// A cluster that listens on the network, with TLS or without.
struct Server {
    child: Child,
    place: Loopback,
    password: String,
    socket: PathBuf,
}

impl Server {
    async fn start(folder: &TempDir, tls: bool) -> Self {
        // The private server makes the cluster; this one runs it otherwise.
        let config = PrivatePostgresConfig { data_dir: folder.path().to_owned(), ..Default::default() };
        let private = PrivatePostgres::start(config).await.unwrap();
        let db = PgPool::connect(&private.url()).await.unwrap();
        let badge = "DO $$ BEGIN CREATE ROLE badge SUPERUSER LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
        sqlx::raw_sql(badge).execute(&db).await.unwrap();
        db.close().await;
        private.stop().await.unwrap();

        let home = folder.path().join("postgres").canonicalize().unwrap();
        let (data, owner) = (home.join("data"), fs::metadata(&home).unwrap());
        let password = fs::read_to_string(home.join("password")).unwrap().trim().to_owned();
        fs::write(data.join("pg_hba.conf"), WHO.lines().map(str::trim).collect::<Vec<_>>().join("\n") + "\n")
            .unwrap();
        for name in ["server.crt", "server.key", "ca.crt"] {
            let (from, to) = (folder.path().join(name), data.join(name));
            fs::copy(from, &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
            chown(&to, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        let place = Loopback::take();
        let socket = home.join("socket");
        let mut command = std::process::Command::new(program("postgres"));
        command.current_dir("/").arg("-D").arg(&data).arg("-k").arg(&socket);
        for setting in
            ["listen_addresses=127.0.0.1", "ssl_ca_file=ca.crt", if tls { "ssl=on" } else { "ssl=off" }]
        {
            command.args(["-c", setting]);
        }
        command
            .args(["-c", &format!("port={}", place.address().port())])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let server = Self { child: command.spawn().unwrap(), place, password, socket };
        let up = async {
            while PgPool::connect(&server.by_socket()).await.is_err() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("Postgres starts");
        server
    }

    fn by_socket(&self) -> String {
        let (port, Self { password, socket, .. }) = (self.place.address().port(), self);
        format!("postgres://runledger:{password}@localhost/runledger?host={}&port={port}", socket.display())
    }

    fn url(&self, host: &str, more: &str) -> String {
        format!(
            "postgres://runledger:{}@{host}:{}/runledger?{more}",
            self.password,
            self.place.address().port()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT: at once.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        let _reaped = self.child.wait();
    }
}

fn folder() -> (TempDir, Certificates) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let certificates = Certificates::make(folder.path());
    (folder, certificates)
}

async fn run(url: &str, args: &[&str]) -> Result<String, String> {
    let mut command = runledger();
    command.env("DATABASE_URL", url).args(args).stdin(Stdio::null());
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test]
async fn every_connection_is_checked_and_encrypted() {
    let (folder, certificates) = folder();
    let server = Server::start(&folder, true).await;
    let url =
        server.url("localhost", &format!("sslmode=verify-full&sslrootcert={}", certificates.path("ca.crt")));
    run(&url, &["migrate"]).await.unwrap();
    run(&url, &["tenant", "create", "acme"]).await.unwrap();
    let args = ["token", "create", "--tenant", "acme", "--role", "producer", "--principal", "p"];
    let token = run(&url, &args).await.unwrap().trim().to_owned();

    let (api, base) = serve(&url, &[]).await;
    let http = reqwest::Client::new();
    let runs = format!("{base}/v1/tenants/acme/runs");
    let body = json!({"kind": "backup", "context": {}});
    let started = http.post(&runs).bearer_auth(&token).json(&body).send().await.unwrap();
    assert_eq!(started.status(), 201);
    let started: Value = started.json().await.unwrap();
    // Appended, projected, announced, read.
    let run_url = format!("{runs}/{}?after={}", started["run_id"].as_str().unwrap(), started["position"]);
    let row = http.get(run_url).bearer_auth(&token).send().await.unwrap();
    assert_eq!(row.status(), 200);

    let db = PgPool::connect(&server.by_socket()).await.unwrap();
    let (open, encrypted): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE s.ssl) FROM pg_stat_activity AS a JOIN pg_stat_ssl AS s USING (pid)
         WHERE a.application_name = 'runledger'",
    )
    .fetch_one(&db)
    .await
    .unwrap();
    assert!(open >= 5 && encrypted == open, "{encrypted} of {open}");
    db.close().await;
    assert!(terminated(api).await);

    // A certificate of the client's own instead of a password.
    let badge = format!(
        "postgres://badge@localhost:{}/runledger?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
        server.place.address().port(),
        certificates.path("ca.crt"),
        certificates.path("badge.crt"),
        certificates.path("badge.key")
    );
    assert!(run(&badge, &["tenant", "list"]).await.unwrap().contains("acme"));
}

#[tokio::test]
async fn what_is_not_safe_is_refused_with_what_mends_it() {
    let (folder, certificates) = folder();
    let server = Server::start(&folder, true).await;
    let (ours, other) = (certificates.path("ca.crt"), certificates.path("other.crt"));
    let absent = certificates.path("absent.crt");
    for (host, settings, words) in [
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={other}"),
            &["UnknownIssuer", "sslrootcert"][..],
        ),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={other}"), &["UnknownIssuer", "sslrootcert"]),
        // As with libpq, a root certificate is there to check with.
        ("localhost", format!("sslmode=require&sslrootcert={other}"), &["UnknownIssuer", "sslrootcert"]),
        ("localhost", "sslmode=verify-full".to_owned(), &["UnknownIssuer", "sslrootcert"]),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ours}"), &["another name than 127.0.0.1"]),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={absent}"),
            &["sslrootcert can't be read", &absent],
        ),
        (
            "localhost",
            format!("sslmode=require&sslcert={absent}&sslkey={absent}"),
            &["sslcert can't be read", &absent],
        ),
        ("localhost", "sslmode=disable".to_owned(), &["no encryption"]),
        ("localhost", "sslmode=verify-fully".to_owned(), &["sslmode=verify-full"]),
    ] {
        let url = server.url(host, &settings);
        for args in [&["migrate"][..], &["serve", "--listen", "127.0.0.1:0"], &["tenant", "list"]] {
            let said = run(&url, args).await.unwrap_err();
            assert!(words.iter().all(|words| said.contains(words)), "{args:?} {settings}: {said}");
            assert!(!said.contains(&server.password), "{said}");
        }
    }
    // The weaker ones take what they get.
    for (host, settings) in [
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ours}")),
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("localhost", String::new()),
    ] {
        run(&server.url(host, &settings), &["migrate"]).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    let (folder, _certificates) = folder();
    let server = Server::start(&folder, false).await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let said = run(&server.url("localhost", &format!("sslmode={mode}")), &["migrate"]).await.unwrap_err();
        assert!(said.contains("does not support TLS") && said.contains("sslmode"), "{mode}: {said}");
    }
}
