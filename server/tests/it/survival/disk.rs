//! A disk that is full: a small tmpfs below the log's tables, or below the write-ahead log. And a slow one.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use super::audit::audit;
use super::counts::{count, say};
use super::health::{lives, ready, unready};
use super::load::Load;
use super::program::LOOK_AGAIN;
use super::site::{Site, TENANT, signal_all};

/// A tmpfs that is unmounted when dropped.
struct Small(PathBuf);

impl Small {
    /// Mounts one for the owner of `like`; none where that is not permitted.
    fn mount(at: &Path, like: &Path, mebibytes: usize) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let owner = std::fs::metadata(like).unwrap();
        let options = format!("size={mebibytes}m,uid={},gid={},mode=0700", owner.uid(), owner.gid());
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                say(format!("SKIPPED: no small disk: {}", String::from_utf8_lossy(&output.stderr).trim()));
                None
            }
            Err(error) => {
                say(format!("SKIPPED: no small disk: {error}"));
                None
            }
        }
    }

    fn grow(&self, mebibytes: usize) {
        let options = format!("remount,size={mebibytes}m");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.0.join("ballast")).unwrap();
        let full = std::io::copy(&mut std::io::repeat(0), &mut ballast).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_tablespace_refuses_and_recovers() {
    let mut site = Site::start_on_postgres().await;
    let folder = site.data().with_file_name("small");
    let Some(small) = Small::mount(&folder, &site.data(), 64) else { return };
    let db = site.db().await;
    let space = format!("CREATE TABLESPACE small LOCATION '{}'", folder.display());
    sqlx::query(sqlx::AssertSqlSafe(space)).execute(&db).await.unwrap();
    sqlx::query("ALTER TABLE log.events SET TABLESPACE small").execute(&db).await.unwrap();

    let api = site.serve(&[]).await;
    let mut load = Load::start(16, vec![api.url.clone()], TENANT, &site.token);
    for _ in 0..2 {
        load.acknowledged(100).await;
        small.fill();
        load.refused(32).await;
        lives(&api).await;
        let told = unready(&api).await;
        assert_eq!((&told["log"], &told["appends"]), (&"ok".into(), &"unavailable".into()), "{told}");
        small.free();
        load.acknowledged(100).await;
        ready(&api).await;
    }
    let seen = load.finish().await;
    audit(&site.url, &site.event_log, &seen).await;
    db.close().await;
    api.stop().await;
    site.stop_postgres().await;
}

#[tokio::test]
async fn a_full_write_ahead_log_refuses_and_recovers() {
    let mut site = Site::start().await;
    site.stop_postgres().await;
    let wal = site.data().join("pg_wal");
    let aside = wal.with_file_name("pg_wal.aside");
    std::fs::rename(&wal, &aside).unwrap();
    let Some(small) = Small::mount(&wal, &aside, 80) else { return };
    let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(&wal).status().unwrap();
    assert!(copied.success());
    site.start_postgres().await;

    let api = site.serve(&[]).await;
    let mut load = Load::start(16, vec![api.url.clone()], TENANT, &site.token);
    load.acknowledged(100).await;
    small.fill();
    // The segment at hand has room left; a new one can't be made, and Postgres gives up.
    let db = site.db().await;
    let _gone = sqlx::query("SELECT pg_switch_wal()").execute(&db).await;
    db.close().await;
    unready(&api).await;
    load.refused(16).await;
    let at_rest = load.total();
    load.refused(16).await;
    assert!(!site.is_on_postgres() || load.total() == at_rest, "acknowledged without a disk");
    lives(&api).await;
    small.grow(400);
    small.free();
    site.mend_postgres().await;
    ready(&api).await;
    load.acknowledged(100).await;
    let seen = load.finish().await;
    audit(&site.url, &site.event_log, &seen).await;
    api.stop().await;
    site.stop_postgres().await;
}

/// The server's processes stand still nine tenths of the time, as they do while a slow disk works.
#[tokio::test]
async fn a_slow_disk_slows_down_and_loses_nothing() {
    let mut site = Site::start().await;
    let api = site.serve(&[]).await;
    let mut load = Load::start(16, vec![api.url.clone()], TENANT, &site.token);
    load.acknowledged(50).await;
    let stop_all = |signal| signal_all(&site.processes(), signal);
    for _ in 0..count("RUNLEDGER_SOAK_PULSES", 20) {
        stop_all(Signal::STOP);
        tokio::time::sleep(LOOK_AGAIN * 9).await;
        stop_all(Signal::CONT);
        load.acknowledged(1).await;
        lives(&api).await;
    }
    ready(&api).await;
    let seen = load.finish().await;
    assert!(seen.refusals.is_empty(), "slow is not away: {:?}", seen.refusals);
    audit(&site.url, &site.event_log, &seen).await;
    api.stop().await;
    site.stop_postgres().await;
}
