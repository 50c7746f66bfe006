//! Where the cluster, the socket and the programs are.

use std::os::unix::fs::symlink;

use super::*;

#[tokio::test]
async fn a_long_path_gets_a_short_socket() {
    let dir = open_dir();
    let postgres = start(&dir.path().join("x".repeat(120))).await;
    create_numbers(&mut connect(&postgres).await).await;
    assert!(postgres.url().contains("host=/tmp/runledger-"), "{}", postgres.url());
    let options = PgConnectOptions::from_str(&postgres.url()).unwrap();
    options.connect().await.unwrap();
    let socket_dir = options.get_socket().unwrap().clone();
    postgres.stop().await.unwrap();
    fs::remove_dir_all(socket_dir).unwrap();
}

#[tokio::test]
async fn a_folder_that_the_servers_user_cannot_reach_gets_its_cluster_elsewhere() {
    if !rustix::process::geteuid().is_root() {
        // Then the server runs as ourselves, and reaches what we reach.
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let data_dir = dir.path().join(".runledger");
    let postgres = start(&data_dir).await;
    create_numbers(&mut connect(&postgres).await).await;
    postgres.stop().await.unwrap();
    let cluster = fs::read_link(data_dir.join("postgres")).unwrap();
    assert!(cluster.starts_with("/var/lib/runledger"), "{}", cluster.display());
    assert_eq!(
        fs::metadata(dir.path()).unwrap().mode() & 0o777,
        0o700,
        "a folder that is not ours was opened"
    );

    let postgres = start(&data_dir).await;
    assert_eq!(numbers(&postgres).await, [0; 0]);
    postgres.stop().await.unwrap();

    // A data folder that was removed is an empty one when it comes back; the old cluster is kept aside.
    fs::remove_dir_all(&data_dir).unwrap();
    let postgres = start(&data_dir).await;
    create_numbers(&mut connect(&postgres).await).await;
    postgres.stop().await.unwrap();

    let aside = |path: &Path| path.file_stem() == cluster.file_stem();
    let all = fs::read_dir(cluster.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let ours: Vec<PathBuf> = all.filter(|path| aside(path)).collect();
    assert_eq!(ours.len(), 2, "{ours:?}");
    ours.iter().for_each(|path| fs::remove_dir_all(path).unwrap());

    let error = PrivatePostgres::start(config(&data_dir)).await.unwrap_err();
    assert!(matches!(error, PostgresError::DanglingLink { .. }), "{error}");
}

#[tokio::test]
async fn a_link_to_a_closed_folder_is_refused_with_the_reason() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let [dir, closed] = [open_dir(), tempfile::tempdir().unwrap()];
    symlink(closed.path(), dir.path().join("postgres")).unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(closed.path().join("file"), "").unwrap();
    let error = PrivatePostgres::start(config(dir.path())).await.unwrap_err();
    assert!(matches!(error, PostgresError::WrongOwner { owner: 0, .. }), "{error}");
}

#[tokio::test]
async fn an_empty_pg_bin_dir_is_named_in_the_error() {
    let [dir, empty] = [open_dir(), open_dir()];
    let bin_dir = Some(empty.path().to_owned());
    let error =
        PrivatePostgres::start(PrivatePostgresConfig { bin_dir, ..config(dir.path()) }).await.unwrap_err();
    let expected = format!(
        "PG_BIN_DIR={}: holds no initdb. Set it to the folder that holds initdb and postgres, or unset it to \
         have them looked for",
        empty.path().display()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_pg_bin_dir_that_the_servers_user_cannot_reach_is_named_with_the_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let [dir, closed] = [open_dir(), tempfile::tempdir().unwrap()];
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["initdb", "postgres"] {
        fs::write(closed.path().join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(closed.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let bin_dir = Some(closed.path().to_owned());
    let error =
        PrivatePostgres::start(PrivatePostgresConfig { bin_dir, ..config(dir.path()) }).await.unwrap_err();
    assert!(matches!(error, PostgresError::BadBinDir { .. }), "{error}");
    assert!(error.to_string().contains("initdb can't be run by the user"), "{error}");
}
