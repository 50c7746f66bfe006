//! Takes pictures of every page of a running `runledger dev --demo`, light and dark, on a desktop and a
//! phone: `scripts/screenshots` starts one and calls this.
//!
//! Arguments: the data directory of the running program, and the folder for the pictures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure is a panic")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::browser::{Browser, Tab};

/// Name, width and height of a screen in CSS pixels.
const SCREENS: [(&str, i64, i64); 2] = [("desktop", 1280, 800), ("phone", 390, 844)];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (data_dir, folder) = (arguments.next().unwrap(), arguments.next().unwrap());
    fs::create_dir_all(&folder).unwrap();
    let dev: Value = serde_json::from_slice(&fs::read(data_dir.join("dev.json")).unwrap()).unwrap();
    let base = dev["base_url"].as_str().unwrap();
    let token = dev["tokens"]["operator"].as_str().unwrap();

    let browser = Browser::open().await;
    let tab = browser.tab(&format!("{base}/sign-in")).await;
    pictures(&tab, &folder, "sign-in").await;
    tab.sign_in(base, token).await;
    pictures(&tab, &folder, "runs").await;

    let partial =
        "document.querySelector('.badge.partially_succeeded').closest('tr').querySelector('a.title').href";
    let run = tab.run(partial).await.as_str().unwrap().to_owned();
    tab.go(&run).await;
    pictures(&tab, &folder, "run").await;
    tab.go(&format!("{run}?revision=9")).await;
    pictures(&tab, &folder, "run-as-it-was").await;
    tab.go(&format!("{base}/t/demo/notifications")).await;
    pictures(&tab, &folder, "notifications").await;
    tab.go(&format!("{base}/t/demo/nothing")).await;
    pictures(&tab, &folder, "not-found").await;
    browser.close().await;
}

async fn pictures(tab: &Tab, folder: &Path, name: &str) {
    for (screen, width, height) in SCREENS {
        for (scheme, dark) in [("light", false), ("dark", true)] {
            tab.screen(width, height, dark).await;
            let file = folder.join(format!("{name}-{screen}-{scheme}.png"));
            fs::write(&file, tab.picture().await).unwrap();
        }
    }
    tab.screen(1280, 800, false).await;
}
