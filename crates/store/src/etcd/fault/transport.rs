//! What happened on the way to etcd, dug out of the chain of errors and said in the words of who has to mend it.

use std::error::Error;
use std::io;

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

use super::Kind;

/// What hyper's connector says when a name has no address; its type is private.
const NO_ADDRESS: &str = "dns error";

/// What tonic says when a handshake of TLS takes too long; its type is private.
const SLOW_HANDSHAKE: &str = "TLS handshake timeout.";

/// Alerts by which the other side refuses our certificate, and what it says of it. etcd's older versions have the first
/// one for everything.
const OUR_CERTIFICATE: [(AlertDescription, &str); 7] = [
    (AlertDescription::BadCertificate, "see its log for the reason"),
    (AlertDescription::CertificateUnknown, "see its log for the reason"),
    (AlertDescription::CertificateExpired, "that has expired"),
    (AlertDescription::CertificateRevoked, "that is revoked"),
    (AlertDescription::UnknownCA, "that is signed by an authority that it does not know"),
    (AlertDescription::UnsupportedCertificate, "that is of a kind that it does not take"),
    (AlertDescription::AccessDenied, "that is valid, but not allowed"),
];

/// Sorts an error of the connection. `otherwise` describes it where nothing better is found.
pub(super) fn explain(error: &(dyn Error + 'static), otherwise: String) -> (Kind, String) {
    let connecting = chain(error).any(<dyn Error>::is::<tonic::ConnectError>);
    let kind = if connecting { Kind::NotSent } else { Kind::Ambiguous };
    (kind, chain(error).find_map(words).unwrap_or(otherwise))
}

/// The error and everything below it. An `io::Error` that wraps another one names only what lies below that.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

fn words(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(of_tls(error));
    }
    if let Some(error) = error.downcast_ref::<io::Error>().filter(|error| !wraps_tls(error)) {
        return of_io(error.kind()).map(str::to_owned);
    }
    let words = match error.to_string().as_str() {
        NO_ADDRESS => "its name has no address",
        SLOW_HANDSHAKE => "it does not go through with the handshake of TLS",
        _ => return None,
    };
    Some(words.to_owned())
}

fn wraps_tls(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(wrapped) if wrapped.is::<rustls::Error>())
}

fn of_io(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "connection refused: nothing listens there",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no way to that host",
        io::ErrorKind::TimedOut => "no connection in time: nobody answers there",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            "the connection was broken off"
        }
        _ => return None,
    })
}

fn of_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        rustls::Error::AlertReceived(alert) => of_alert(*alert),
        rustls::Error::InvalidMessage(_) => "it does not speak TLS: is it an http:// endpoint?".to_owned(),
        error => format!("the handshake of TLS failed: {error}"),
    }
}

fn of_alert(alert: AlertDescription) -> String {
    let known = OUR_CERTIFICATE.iter().find(|(known, _)| *known == alert);
    match known {
        Some((_, words)) => format!("it refuses our certificate: {words}"),
        None => format!("it ended the handshake of TLS: {alert:?}"),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: do the clocks agree?".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "its certificate is not signed by any of the authorities that are trusted here".to_owned()
        }
        CertificateError::NotValidForName => "its certificate is for another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let (expected, presented) = (expected.to_str(), presented.join(", "));
            format!("its certificate is for another name than {expected}, for {presented}")
        }
        error => format!("its certificate is not accepted: {error}"),
    }
}
