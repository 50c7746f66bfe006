//! Why no node lets us in. The client says only that it gave up, so the way to each node is tried once more, as far
//! as a connection and its certificate.

use std::sync::Arc;
use std::time::Duration;

use eventstore::ClientSettings;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, Error as Tls, RootCertStore};

use crate::error::LogError;

/// How long one node may take.
const WITHIN: Duration = Duration::from_secs(2);

/// The nodes' addresses, and how they are known.
pub(super) struct Door {
    hosts: Vec<(String, u16)>,
    /// None where certificates are not asked for.
    tls: Option<Arc<ClientConfig>>,
}

impl Door {
    /// Reads the certificates that the settings name.
    ///
    /// # Errors
    /// [`LogError::Refused`]: which file is wrong. Waiting does not mend it.
    pub(super) fn new(settings: &ClientSettings) -> Result<Self, LogError> {
        let hosts = settings.hosts().iter().map(|host| {
            let port = u16::try_from(host.port).unwrap_or_default();
            (host.host.clone(), port)
        });
        let verified =
            settings.is_secure_mode_enabled() && settings.is_tls_certificate_verification_enabled();
        let tls = verified.then(|| tls(settings).map(Arc::new)).transpose()?;
        Ok(Self { hosts: hosts.collect(), tls })
    }

    /// What is wrong with the way to the nodes; none where it is open to one of them.
    pub(super) async fn knock(&self) -> Option<LogError> {
        let mut silent = Vec::new();
        for (host, port) in &self.hosts {
            match timeout(WITHIN, self.enter(host, *port)).await {
                Ok(Ok(())) => return None,
                Ok(Err(refused @ LogError::Refused(_))) => return Some(refused),
                Ok(Err(error)) => silent.push(format!("{host}:{port}: {error}")),
                Err(_) => silent.push(format!("{host}:{port}: nobody answers")),
            }
        }
        let silent = silent.join(", ");
        Some(LogError::Unavailable(format!(
            "no node lets us in ({silent}): are they up, and are the hosts and ports in its address right?"
        )))
    }

    async fn enter(&self, host: &str, port: u16) -> Result<(), LogError> {
        let away = |error: std::io::Error| LogError::Unavailable(error.to_string());
        let connection = TcpStream::connect((host, port)).await.map_err(away)?;
        let Some(tls) = self.tls.clone() else { return Ok(()) };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| LogError::Refused(format!("{host} is no name that a certificate can have")))?;
        let Err(error) = TlsConnector::from(tls).connect(name, connection).await else { return Ok(()) };
        let why = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>()).cloned();
        Err(match why {
            Some(why @ (Tls::InvalidCertificate(_) | Tls::NoCertificatesPresented)) => {
                LogError::Refused(format!(
                    "the certificate of {host}:{port} is not to be trusted ({why}): give the certificate of its \
                     authority with tlsCaFile=FILE in the address, and call the node by a name that it has"
                ))
            }
            Some(why @ Tls::AlertReceived(_)) => LogError::Refused(format!(
                "{host}:{port} does not let us in ({why}): does it want a certificate of ours, with \
                 userCertFile=FILE and userKeyFile=FILE in the address?"
            )),
            Some(Tls::InvalidMessage(_)) => LogError::Refused(format!(
                "{host}:{port} does not speak TLS: say tls=false in the address if that is meant"
            )),
            _ => away(error),
        })
    }
}

fn tls(settings: &ClientSettings) -> Result<ClientConfig, LogError> {
    let mut roots = RootCertStore::empty();
    match settings.tls_ca_file() {
        Some(path) => {
            for certificate in certificates("tlsCaFile", path)? {
                roots.add(certificate).map_err(|error| unreadable("tlsCaFile", path, &error))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let broken = |error: Tls| LogError::Refused(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(broken)?
        .with_root_certificates(roots);
    let mut tls = match settings.user_certificate() {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates("userCertFile", certificate)?;
            let secret = PrivateKeyDer::from_pem_file(key);
            let secret = secret.map_err(|error| unreadable("userKeyFile", key, &error))?;
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|error| unreadable("userCertFile", certificate, &error))?
        }
    };
    tls.alpn_protocols = vec![b"h2".to_vec()];
    Ok(tls)
}

fn certificates(parameter: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, LogError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| unreadable(parameter, path, &error))?;
    if found.is_empty() { Err(unreadable(parameter, path, &"it has no certificate")) } else { Ok(found) }
}

fn unreadable(parameter: &str, path: &str, why: &dyn std::fmt::Display) -> LogError {
    LogError::Refused(format!(
        "the file {path} that {parameter} in its address names can't be used: {why}; name a PEM file that can be read"
    ))
}
