//! A knock at the door of an endpoint that is reached by TLS, before a client is made for it.
//!
//! With TLS 1.3 our side is done with the handshake before the other side has looked at our certificate. If it refuses
//! that, the connection breaks under the first request, and of the reason nothing is left when it has come through
//! HTTP/2. So a connection of its own is opened first, and its first byte waited for: etcd begins to talk by itself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tonic::transport::Uri;

use crate::etcd::options::{EtcdTls, InvalidOption};

use super::endpoint::{CONNECT_WITHIN, TLS_WITHIN};

/// How long the first byte is waited for. Something between us and etcd may be of the kind that listens first; then
/// whatever is wrong shows later, in poorer words.
const FIRST_BYTE_WITHIN: Duration = Duration::from_millis(300);

/// As HTTP/2 is called in a handshake.
const HTTP2: &[u8] = b"h2";

/// What we know better than the other side says: most versions of etcd have one alert for every trouble.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Known {
    #[error("it breaks off the handshake: does it speak TLS?")]
    NoTls,
    #[error("it asks for a certificate of ours, and none is configured")]
    Missing,
    #[error("it refuses our certificate: that has expired")]
    Expired,
}

/// How to knock at one endpoint.
pub(super) struct Knock {
    connector: TlsConnector,
    /// Our certificates, the one of this master first.
    ours: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    host: String,
    port: u16,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Knock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Knock").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Knock {
    /// # Errors
    /// If the certificates or the key cannot be used.
    pub(super) fn new(uri: &Uri, tls: &EtcdTls) -> Result<Self, InvalidOption> {
        // An address of IPv6 stands in brackets there.
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = tls.server_name.clone().unwrap_or_else(|| host.clone());
        let name = ServerName::try_from(name).map_err(|error| InvalidOption::tls(&error))?;
        let ours = tls.identity.as_ref().map_or(Ok(Vec::new()), |(chain, _)| certificates(chain))?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(&tls.ca)? {
            roots.add(authority).map_err(|error| InvalidOption::tls(&error))?;
        }
        let roots = Arc::new(roots);
        let connector = TlsConnector::from(Arc::new(config(tls, Arc::clone(&roots), ours.clone())?));
        Ok(Self { connector, ours, roots, host, port: uri.port_u16().unwrap_or_default(), name })
    }

    /// Whether the door opens.
    ///
    /// # Errors
    /// What the other side, or our own look at its certificate, has against it.
    pub(super) async fn at_the_door(&self) -> io::Result<()> {
        self.knock().await.map_err(|error| self.known(&error).map_or(error, io::Error::other))
    }

    async fn knock(&self) -> io::Result<()> {
        let connect = TcpStream::connect((self.host.as_str(), self.port));
        let stream = timeout(CONNECT_WITHIN, connect).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let handshake = self.connector.connect(self.name.clone(), stream);
        let shaken = timeout(TLS_WITHIN, handshake).await.map_err(|_| io::ErrorKind::TimedOut)?;
        let mut stream = shaken.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => io::Error::other(Known::NoTls),
            _ => error,
        })?;
        let mut byte = [0];
        match timeout(FIRST_BYTE_WITHIN, stream.read(&mut byte)).await {
            Ok(read) => read.map(drop),
            Err(_) => Ok(()),
        }
    }

    /// Whether our own certificate is what the other side minds.
    fn known(&self, error: &io::Error) -> Option<Known> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        let rustls::Error::AlertReceived(alert) = error else { return None };
        let Some((own, chain)) = self.ours.split_first() else {
            let missed = matches!(alert, AlertDescription::CertificateRequired | AlertDescription::BadCertificate);
            return missed.then_some(Known::Missing);
        };
        // Whom they trust is theirs to know; the dates are looked at first, and are all that counts here.
        let roots = Arc::clone(&self.roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build().ok()?;
        let verdict = verifier.verify_client_cert(own, chain, UnixTime::now());
        let expired = |error: &CertificateError| {
            matches!(error, CertificateError::Expired | CertificateError::ExpiredContext { .. })
        };
        let expired = matches!(verdict, Err(rustls::Error::InvalidCertificate(error)) if expired(&error));
        expired.then_some(Known::Expired)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidOption> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| InvalidOption::tls(&error))
}

fn config(
    tls: &EtcdTls,
    roots: Arc<RootCertStore>,
    ours: Vec<CertificateDer<'static>>,
) -> Result<ClientConfig, InvalidOption> {
    let invalid = |error: &dyn std::error::Error| InvalidOption::tls(error);
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(&error))?
        .with_root_certificates(roots);
    let mut config = match &tls.identity {
        Some((_, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| invalid(&error))?;
            builder.with_client_auth_cert(ours, key).map_err(|error| invalid(&error))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols.push(HTTP2.to_vec());
    Ok(config)
}
