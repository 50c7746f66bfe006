//! One artifact of a Maven repository: which versions there are, and the archive of one, checked against its SHA-512.

use std::error::Error;
use std::time::Duration;

use reqwest::StatusCode;
use sha2::{Digest, Sha512};

/// How often a request is sent again that failed for the moment. The pauses are 1, 2 and 4 s.
const REPEATS: u32 = 3;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a repository may send nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// What went wrong on the way to an archive.
pub(super) type Problem = Box<dyn Error + Send + Sync>;

/// A major version, and what follows it.
type Version = [u32; 3];

/// An artifact by its folder in a repository.
pub(super) struct Artifact<'a> {
    url: &'a str,
    http: reqwest::Client,
}

impl<'a> Artifact<'a> {
    pub(super) fn new(url: &'a str) -> Result<Self, Problem> {
        let agent = concat!("runledger/", env!("CARGO_PKG_VERSION"));
        let http = reqwest::Client::builder().user_agent(agent);
        let http = http.connect_timeout(CONNECT_TIMEOUT).read_timeout(SILENCE).build()?;
        Ok(Self { url, http })
    }

    /// The newest release of a major version.
    pub(super) async fn newest(&self, major: u32) -> Result<String, Problem> {
        let index = self.get("maven-metadata.xml").await?;
        let newest = versions(&String::from_utf8_lossy(&index)).filter(|version| version[0] == major).max();
        let [major, minor, patch] = newest.ok_or_else(|| format!("there is no version {major}"))?;
        Ok(format!("{major}.{minor}.{patch}"))
    }

    /// The archive of a version, if it has the hash that was published with it.
    pub(super) async fn archive(&self, version: &str) -> Result<Vec<u8>, Problem> {
        let name = self.url.rsplit('/').next().unwrap_or_default();
        let path = format!("{version}/{name}-{version}.jar");
        let published = self.get(&format!("{path}.sha512")).await?;
        let published = String::from_utf8_lossy(&published).trim().to_ascii_lowercase();
        let archive = self.get(&path).await?;
        let hash = hex::encode(Sha512::digest(&archive));
        if hash != published {
            return Err(format!("{path} has the hash {hash}, published is {published}").into());
        }
        Ok(archive)
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, reqwest::Error> {
        let url = format!("{}/{path}", self.url);
        let mut failures = 0;
        loop {
            match self.try_get(&url).await {
                Err(error) if failures < REPEATS && is_for_the_moment(&error) => {
                    tracing::debug!(%error, %url, "asking again");
                    tokio::time::sleep(Duration::from_secs(1 << failures)).await;
                    failures += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn try_get(&self, url: &str) -> Result<Vec<u8>, reqwest::Error> {
        let answer = self.http.get(url).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.into())
    }
}

/// Whether it may go well the next time: there was no whole answer, or one that says so.
fn is_for_the_moment(error: &reqwest::Error) -> bool {
    let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    let says_so = |status: StatusCode| status.is_server_error() || busy.contains(&status);
    error.status().map_or(!error.is_builder(), says_so)
}

/// The releases that an index names. What has more to its number than three parts is a beta or the like.
fn versions(index: &str) -> impl Iterator<Item = Version> {
    index.split("<version>").skip(1).filter_map(|rest| {
        let mut parts = rest.split("</version>").next()?.trim().split('.').map(str::parse);
        let version = [parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?];
        parts.next().is_none().then_some(version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_releases_in_any_order() {
        let index = "<metadata><version>9.9.9</version><versions><version>17.9.0</version>\
                     <version> 17.10.0 </version><version>18.0.0-beta1</version><version>17</version>\
                     <version>17.1.2.3</version></versions></metadata>";
        assert_eq!(versions(index).collect::<Vec<_>>(), [[9, 9, 9], [17, 9, 0], [17, 10, 0]]);
        assert_eq!(versions("<html>not found</html>").count(), 0);
    }
}
