//! Certificate and key of the API: read from PEM files at start, and again on SIGHUP, so that a renewed
//! certificate needs no restart.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error as TlsError, InconsistentKeys, ServerConfig};
use tokio_util::sync::CancellationToken;

use crate::cli::TlsArgs;
use crate::error::Error;

/// What is offered in the handshake, the better first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificate that new connections are shown. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Certificate {
    files: TlsArgs,
    shown: Arc<Shown>,
}

#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Certificate {
    /// Reads it; none where there are no files.
    ///
    /// # Errors
    /// [`Error::Tls`] when a file is not there, holds something else, or the key belongs to another certificate.
    pub fn read(files: &TlsArgs) -> Result<Option<Self>, Error> {
        let Some(certified) = certified(files)? else { return Ok(None) };
        let shown = Arc::new(Shown(RwLock::new(Arc::new(certified))));
        Ok(Some(Self { files: files.clone(), shown }))
    }

    /// How connections are encrypted with it.
    ///
    /// # Errors
    /// [`Error::Tls`] when TLS can't be set up at all.
    pub fn config(&self) -> Result<Arc<ServerConfig>, Error> {
        let set_up = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions();
        let set_up = set_up.map_err(|error| wrong(Path::new("TLS"), error.to_string()))?;
        let mut config = set_up.with_no_client_auth().with_cert_resolver(self.shown.clone());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Arc::new(config))
    }

    /// Reads it anew at each SIGHUP, until `stop`. What can't be read is told, and changes nothing.
    ///
    /// # Errors
    /// When the system gives no signals.
    pub async fn keep_up(self, stop: CancellationToken) -> Result<(), Error> {
        let mut hangups = signal(SignalKind::hangup()).map_err(Error::file("signals"))?;
        while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
            match certified(&self.files) {
                Ok(Some(certified)) => {
                    *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
                    tracing::info!("the certificate was read anew");
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "the certificate stays as it was"),
            }
        }
        Ok(())
    }
}

fn certified(files: &TlsArgs) -> Result<Option<CertifiedKey>, Error> {
    let (Some(cert), Some(key)) = (&files.tls_cert, &files.tls_key) else { return Ok(None) };
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unreadable(cert, &error))?;
    if chain.is_empty() {
        return Err(unreadable(cert, &pem::Error::NoItemsFound));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    let certified = CertifiedKey::from_der(chain, secret, &ring::default_provider());
    certified.map(Some).map_err(|error| match error {
        TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => wrong(
            key,
            format!(
                "this key belongs to another certificate than the first one in {}; the server's own stands first \
                 there, before those that vouch for it",
                cert.display()
            ),
        ),
        TlsError::InvalidCertificate(reason) => wrong(cert, format!("a certificate can't be used: {reason:?}")),
        other => wrong(key, format!("the key can't be used: {other}")),
    })
}

fn unreadable(path: &Path, error: &pem::Error) -> Error {
    let what = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it holds none of what is wanted in the form of PEM: certificates as \
            -----BEGIN CERTIFICATE-----, a key as -----BEGIN PRIVATE KEY----- (PKCS #8), RSA PRIVATE KEY (PKCS #1) \
            or EC PRIVATE KEY (SEC 1), without a passphrase"
            .to_owned(),
        other => format!("it is not PEM that can be read: {other}"),
    };
    wrong(path, what)
}

fn wrong(path: &Path, reason: String) -> Error {
    Error::Tls { path: path.to_owned(), reason }
}
