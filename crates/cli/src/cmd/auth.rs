//! How a master or a worker and programs of Spark prove themselves to each other.

mod tls;
mod vouched;

use std::sync::Arc;

use tanist_spark::auth::{Auth, Encryption, Random, Secret, Side};

use super::secret;
use crate::config::{AuthSettings, Resolved};
use crate::exit::Failure;

pub(super) use self::tls::tls;

/// What they must know; `None` = nothing.
///
/// # Errors
/// Settings that do not go together, or a secret that cannot be read.
pub(super) fn auth(resolved: &Resolved<AuthSettings>) -> Result<Option<Arc<Auth>>, Failure> {
    resolved.go_together()?;
    let settings = &resolved.settings;
    if !settings.enabled {
        return Ok(None);
    }
    let secret = match (&settings.secret, &settings.secret_file) {
        (Some(secret), _) => secret.clone(),
        (None, Some(path)) => {
            let text = secret::read_line(resolved, "secret_file", path)?;
            Secret::new(text).ok_or_else(|| resolved.problem("secret_file", "a file with a secret in it"))?
        }
        (None, None) => {
            let allowed = "false, or true with the secret of the cluster, in the file auth.secret_file or in \
                           TANIST_AUTH_SECRET";
            return Err(resolved.problem("enabled", allowed).into());
        }
    };
    let encryption = settings.encrypt.then_some(Encryption {
        engine: settings.engine_version,
        cipher: settings.cipher,
        sasl_fallback: settings.sasl_fallback,
    });
    tracing::info!(?encryption, "programs of Spark must know the secret of this cluster");
    let random = Random::new(|bytes| aws_lc_rs::rand::fill(bytes).is_ok());
    Ok(Some(Arc::new(Auth { secret, encryption, side: Side::Cluster, random })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Layers};

    fn read(flags: &[(&'static str, &str)]) -> Result<Option<Arc<Auth>>, String> {
        let flags = flags.iter().fold(Flags::default(), |flags, (key, text)| flags.with(key, text));
        let resolved = Layers::default().resolve(&flags).map_err(|problems| problems.to_string())?;
        auth(&resolved).map_err(|failure| failure.to_string())
    }

    #[test]
    fn se_01_the_secret_comes_from_one_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, "hunter2\n").unwrap();
        let file = path.to_str().unwrap();
        assert!(read(&[]).unwrap().is_none());
        assert!(read(&[("secret_file", file)]).unwrap().is_none(), "off is off");
        let auth = read(&[("enabled", "true"), ("secret_file", file)]).unwrap().unwrap();
        assert_eq!((auth.secret.expose(), auth.encryption), ("hunter2", None));
        assert_eq!(read(&[("enabled", "true"), ("secret", "x")]).unwrap().unwrap().secret.expose(), "x");

        let refused = |flags: &[(&'static str, &str)], parts: &[&str]| {
            let text = read(flags).unwrap_err();
            for part in parts {
                assert!(text.contains(part), "{part:?} is missing in {text}");
            }
            assert!(!text.contains("hunter2"), "{text}");
        };
        refused(&[("enabled", "true")], &["auth.enabled = \"true\"", "auth.secret_file", "TANIST_AUTH_SECRET"]);
        refused(
            &[("enabled", "true"), ("secret", "hunter2"), ("secret_file", file)],
            &["auth.secret_file", "where auth.secret is set"],
        );
        refused(&[("enabled", "true"), ("secret_file", "/no/such/file")], &["auth.secret_file = \"/no/such/file\""]);
        refused(&[("encrypt", "true")], &["auth.encrypt", "with auth.enabled = true"]);
        refused(&[("cipher", "AES/CBC/NoPadding")], &["auth.cipher", "AES/CTR/NoPadding or AES/GCM/NoPadding"]);
        refused(&[("engine_version", "3")], &["auth.engine_version", "1 or 2"]);
        refused(&[("secret", "*********(redacted)")], &["auth.secret", "not what stands in its place"]);
    }

    #[test]
    fn se_01_how_it_is_encrypted_is_said_in_sparks_words() {
        let flags = [("enabled", "true"), ("secret", "x"), ("encrypt", "true"), ("engine_version", "2")];
        let encryption = |more: &[(&'static str, &str)]| read(&[&flags, more].concat()).unwrap().unwrap().encryption;
        let found = encryption(&[("cipher", "AES/GCM/NoPadding"), ("sasl_fallback", "true")]);
        assert_eq!(format!("{found:?}"), "Some(Encryption { engine: Two, cipher: Gcm, sasl_fallback: true })");
        assert_eq!(
            format!("{:?}", encryption(&[])),
            "Some(Encryption { engine: Two, cipher: Ctr, sasl_fallback: false })"
        );
    }
}
