//! TLS towards programs of Spark, from files in PEM.

use std::path::Path;
use std::sync::Arc;

use tanist_master::SparkTls;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::vouched::Vouched;
use crate::cmd::secret;
use crate::config::{AuthSettings, Resolved};
use crate::exit::Failure;

/// How TLS is spoken with programs of Spark; `None` = it is not. The files are not looked at again.
///
/// # Errors
/// Settings that do not go together, or files that cannot be used.
pub(in crate::cmd) fn tls(resolved: &Resolved<AuthSettings>) -> Result<Option<SparkTls>, Failure> {
    resolved.go_together()?;
    let Some((certificates, key)) = identity(resolved)? else { return Ok(None) };
    let unusable =
        |error: &dyn std::error::Error| resolved.problem("tls_cert", format!("a certificate of its key ({error})"));
    let roots = roots(resolved)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let builder = match roots.clone().filter(|_| resolved.settings.tls_client_auth) {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| unusable(&error))?)
        }
        None => builder.with_no_client_auth(),
    };
    let accepts = builder.with_single_cert(certificates.clone(), key.clone_key()).map_err(|error| unusable(&error))?;
    let dials = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Vouched { roots, provider: provider() }))
        .with_client_auth_cert(certificates, key)
        .map_err(|error| unusable(&error))?;
    Ok(Some(SparkTls { accepts: Arc::new(accepts), dials: Arc::new(dials) }))
}

/// The certificate of this host and its key.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(resolved: &Resolved<AuthSettings>) -> Result<Option<Identity>, Failure> {
    let settings = &resolved.settings;
    let (Some(cert), Some(key)) = (&settings.tls_cert, &settings.tls_key) else { return Ok(None) };
    secret::warn_if_open(key);
    let pem = secret::read(resolved, "tls_key", key)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        resolved.problem("tls_key", format!("a file with one private key in PEM, not encrypted ({error})"))
    })?;
    Ok(Some((certificates(resolved, "tls_cert", cert)?, key)))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Who may vouch for programs of Spark; `None` = anybody.
fn roots(resolved: &Resolved<AuthSettings>) -> Result<Option<RootCertStore>, Failure> {
    let Some(path) = &resolved.settings.tls_ca else { return Ok(None) };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(resolved, "tls_ca", path)? {
        let unusable = |error| resolved.problem("tls_ca", format!("certificates of authorities ({error})"));
        roots.add(certificate).map_err(unusable)?;
    }
    Ok(Some(roots))
}

/// All certificates of a file, at least one.
fn certificates(
    resolved: &Resolved<AuthSettings>,
    key: &str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = secret::read(resolved, key, path)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| resolved.problem(key, format!("a file with certificates in PEM ({error})")))?;
    if found.is_empty() {
        return Err(resolved.problem(key, "a file with certificates in PEM (there is none in it)").into());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{Flags, Layers};

    fn read(flags: &[(&'static str, &str)]) -> Result<bool, String> {
        let flags = flags.iter().fold(Flags::default(), |flags, (key, text)| flags.with(key, text));
        let resolved = Layers::default().resolve(&flags).map_err(|problems| problems.to_string())?;
        tls(&resolved).map(|config| config.is_some()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn se_01_tls_is_spoken_where_there_is_a_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["host".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["host".to_owned()]).unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (cert, key) = (file("cert", &own.cert.pem()), file("key", &own.signing_key.serialize_pem()));
        let (wrong, empty) = (file("wrong", &other.signing_key.serialize_pem()), file("empty", "nothing"));
        assert_eq!(read(&[]), Ok(false));
        assert_eq!(read(&[("tls_cert", &cert), ("tls_key", &key)]), Ok(true));
        let with_ca = [("tls_cert", &*cert), ("tls_key", &*key), ("tls_client_auth", "true"), ("tls_ca", &*cert)];
        assert_eq!(read(&with_ca), Ok(true));
        let refused = |flags: &[(&'static str, &str)], parts: &[&str]| {
            let text = read(flags).unwrap_err();
            for part in parts {
                assert!(text.contains(part), "{part:?} is missing in {text}");
            }
        };
        refused(&[("tls_cert", &cert)], &["auth.tls_key = \"none\"", "key of auth.tls_cert"]);
        refused(&[("tls_key", &key)], &["auth.tls_cert = \"none\"", "certificate of auth.tls_key"]);
        refused(&[("tls_ca", &cert)], &["auth.tls_cert = \"none\"", "where another auth.tls_* is set"]);
        refused(&with_ca[..3], &["auth.tls_client_auth", "in auth.tls_ca"]);
        refused(&[("tls_required", "true")], &["auth.tls_required", "key stores of Java are not read"]);
        assert_eq!(read(&[("tls_required", "true"), ("tls_cert", &cert), ("tls_key", &key)]), Ok(true));
        refused(&[("tls_cert", &empty), ("tls_key", &key)], &["auth.tls_cert", "there is none in it"]);
        refused(&[("tls_cert", &cert), ("tls_key", &empty)], &["auth.tls_key", "private key in PEM"]);
        refused(&[("tls_cert", &cert), ("tls_key", &wrong)], &["auth.tls_cert", "a certificate of its key"]);
        refused(&[("tls_cert", "/no/such/file"), ("tls_key", &key)], &["auth.tls_cert = \"/no/such/file\""]);
    }
}
