//! The files that pages load. They are part of the program, and named by their content, so that a browser
//! may keep them for ever and gets new ones with a new program.

use std::sync::LazyLock;

use api::problem::Problem;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::texts;

/// The script's modules. The first is the one that pages load; it imports the others.
const MODULES: [(&str, &str); 9] = [
    ("hub.js", include_str!("../assets/hub/hub.js")),
    ("crumbs.js", include_str!("../assets/hub/crumbs.js")),
    ("fresh.js", include_str!("../assets/hub/fresh.js")),
    ("notice.js", include_str!("../assets/hub/notice.js")),
    ("patch.js", include_str!("../assets/hub/patch.js")),
    ("pause.js", include_str!("../assets/hub/pause.js")),
    ("reader.js", include_str!("../assets/hub/reader.js")),
    ("slider.js", include_str!("../assets/hub/slider.js")),
    ("stream.js", include_str!("../assets/hub/stream.js")),
];

struct Asset {
    path: String,
    content_type: &'static str,
    content: Bytes,
    tag: String,
}

impl Asset {
    fn new(stem: &str, ending: &str, content_type: &'static str, content: &'static str) -> Self {
        let hash = hex::encode(Sha256::digest(content));
        let version = hash.get(..16).unwrap_or(&hash);
        let (path, tag) = (format!("/assets/{stem}-{version}.{ending}"), format!("\"{version}\""));
        Self { path, content_type, content: content.into(), tag }
    }
}

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("hub", "css", "text/css; charset=utf-8", include_str!("../assets/hub.css")));
static SCRIPTS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    // Modules name each other by their plain names, so they share a folder that is named by all of them.
    let files = MODULES.iter().map(|(name, content)| (*name, Bytes::from_static(content.as_bytes())));
    let modules: Vec<_> = files.chain([("texts.js", Bytes::from(texts::script()))]).collect();
    let hash = modules.iter().fold(Sha256::new(), |hash, (_, content)| hash.chain_update(content));
    let hash = hex::encode(hash.finalize());
    let version = hash.get(..16).unwrap_or(&hash);
    let asset = |(name, content)| Asset {
        path: format!("/assets/hub-{version}/{name}"),
        content_type: "text/javascript; charset=utf-8",
        content,
        tag: format!("\"{version}\""),
    };
    modules.into_iter().map(asset).collect()
});
static STRIP: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("strip", "js", "text/javascript; charset=utf-8", include_str!("../assets/strip.js"))
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("../assets/icon.svg")));

/// Where the style sheet is.
pub(super) fn style() -> &'static str {
    &STYLE.path
}

/// Where the script is.
pub(super) fn script() -> &'static str {
    SCRIPTS.first().map_or("", |script| &script.path)
}

/// Where the script of the strip of hours is.
pub(super) fn strip() -> &'static str {
    &STRIP.path
}

/// Where the icon is.
pub(super) fn icon() -> &'static str {
    &ICON.path
}

/// `GET /assets/{*name}`.
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let mut known = [&*STYLE, &*STRIP, &*ICON].into_iter().chain(SCRIPTS.iter());
    let asset = known.find(|asset| asset.path.strip_prefix("/assets/") == Some(name.as_str()));
    let asset = asset.ok_or_else(|| Problem::not_found("There is no such file; reload the page."))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
        (header::ETAG, HeaderValue::from_str(&asset.tag).map_err(|error| Problem::internal(&error))?),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    Ok((headers, asset.content.clone()).into_response())
}
