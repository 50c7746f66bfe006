#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;

use super::*;

fn program(dir: &Path, name: &str, script: &str) {
    fs::create_dir_all(dir).unwrap();
    let file = dir.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn server(dir: &Path, major: u32) {
    program(dir, "initdb", &format!("echo 'initdb (PostgreSQL) {major}.1'"));
    program(dir, "postgres", &format!("echo 'postgres (PostgreSQL) {major}.1 (Debian)'"));
}

fn nothing() -> Search {
    Search { bin_dir: None, path: vec![], install_folders: vec![] }
}

fn find(search: &Search, major: Option<u32>) -> Result<Binaries, Vec<Attempt>> {
    search.run(&RunAs::Ourselves, major).unwrap()
}

#[test]
fn reads_versions() {
    assert_eq!(version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
    assert_eq!(version("postgres (PostgreSQL) 18beta2\n"), Some(18));
    assert_eq!(version("nonsense"), None);
}

#[test]
fn sorts_versions_by_number() {
    let root = tempfile::tempdir().unwrap();
    for name in ["9.6", "16", "9", "17", "common", "notes.txt"] {
        fs::create_dir(root.path().join(name)).unwrap();
    }
    let names: Vec<_> = ["17", "16", "9.6", "9"].iter().map(|v| root.path().join(v).join("bin")).collect();
    assert_eq!(versions(root.path(), "", "bin"), names);
    assert_eq!(versions(&root.path().join("missing"), "", "bin"), Vec::<PathBuf>::new());
}

#[test]
fn the_order_is_pg_config_then_install_folders_then_path() {
    let root = tempfile::tempdir().unwrap();
    let [tools, configured, installed] =
        ["tools", "configured", "installed"].map(|name| root.path().join(name));
    program(&tools, "pg_config", &format!("echo {}", configured.display()));
    let search = Search { path: vec![tools.clone()], install_folders: vec![installed.clone()], ..nothing() };

    server(&tools, 14);
    assert_eq!(find(&search, None).unwrap().dir(), tools);
    server(&installed, 16);
    assert_eq!(find(&search, None).unwrap().dir(), installed);
    server(&configured, 15);
    assert_eq!(find(&search, None).unwrap().dir(), configured);
    // A cluster of another version needs the server that made it.
    assert_eq!(find(&search, Some(16)).unwrap().dir(), installed);
    assert_eq!(find(&search, Some(14)).unwrap().dir(), tools);
}

#[test]
fn a_folder_counts_only_when_both_programs_run() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bin");
    let check = |major| Binaries::check(&dir, &RunAs::Ourselves, major);
    fs::create_dir(&dir).unwrap();
    assert_eq!(check(None).unwrap_err(), "holds no initdb");
    program(&dir, "initdb", "echo 'initdb (PostgreSQL) 16.1'");
    assert_eq!(check(None).unwrap_err(), "holds no postgres");
    program(&dir, "postgres", "echo 'libxml2.so.2: not found' >&2; exit 127");
    assert!(check(None).unwrap_err().contains("libxml2.so.2: not found"));
    server(&dir, 9);
    assert_eq!(check(None).unwrap_err(), "is Postgres 9, and 14 or newer is needed");
    server(&dir, 16);
    assert_eq!(check(Some(15)).unwrap_err(), "is Postgres 16, but the cluster was made by Postgres 15");
    assert_eq!(check(None).unwrap().major(), 16);
}

#[test]
fn says_what_was_tried() {
    let root = tempfile::tempdir().unwrap();
    program(root.path(), "pg_config", "echo /nowhere/bin");
    let search = Search { path: vec![root.path().into()], ..nothing() };
    let attempts = find(&search, None).unwrap_err();
    let error = PostgresError::NotFound { major: None, attempts }.to_string();
    for part in [
        "PG_BIN_DIR: not set",
        "pg_config --bindir: /nowhere/bin: holds no initdb",
        "the usual install folders: there are none",
        "PATH: no folder in it holds postgres",
        "apt-get install postgresql",
        "brew install postgresql",
        "DATABASE_URL",
    ] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
}

#[test]
fn a_useless_pg_bin_dir_is_an_error_even_if_there_is_a_server_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    let installed = root.path().join("installed");
    server(&installed, 16);
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let search = Search { bin_dir: Some(empty), install_folders: vec![installed], ..nothing() };
    let error = search.run(&RunAs::Ourselves, None).unwrap_err().to_string();
    assert!(error.contains("empty: holds no initdb"), "{error}");
}
