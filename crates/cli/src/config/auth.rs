//! Settings of how masters and workers on the one hand and programs of Spark on the other prove themselves to each other
//! (SE-01). They must be the same on all of a cluster, and are those its applications have.

use std::path::PathBuf;

use tanist_spark::auth::{Cipher, EngineVersion, Secret};
use tanist_worker::runner::redact::REDACTED;

use super::resolve::{Problems, Resolved};
use super::section::{Section, section};
use super::value::{Refused, Value, scalar_value};

section! {
    /// Settings of how programs of Spark prove themselves.
    struct AuthSettings in "auth", flags: "auth-", conflicts: |_| Vec::new();

    /// Let only those programs of Spark in that know the cluster's secret, and prove it to them (SE-01).
    enabled: bool = false;
    /// The secret itself, where it is in no file. There is no flag for it: everybody on a host can read those.
    secret: Option<Secret> = None;
    /// File with the secret, one line; read once, at the start.
    secret_file: Option<PathBuf> = None;
    /// Encrypt what is said after that.
    encrypt: bool = false;
    /// Version of the handshake that agrees on keys: 1 or 2.
    engine_version: EngineVersion = EngineVersion::One;
    /// Cipher: AES/CTR/NoPadding, or AES/GCM/NoPadding, which also notices changes.
    cipher: Cipher = Cipher::Ctr;
    /// Let those in that do not encrypt, as Spark does unless told otherwise: what they say and hear can then be read.
    sasl_fallback: bool = false;

    /// Do not start without TLS, as where spark.ssl.rpc.enabled says that it is spoken.
    tls_required: bool = false;
    /// Certificate of this host, PEM, with those that vouch for it. Once set, programs of Spark must speak TLS
    /// (spark.ssl.rpc.enabled).
    tls_cert: Option<PathBuf> = None;
    /// Key of that certificate, PEM, not encrypted.
    tls_key: Option<PathBuf> = None;
    /// Certificate authorities that may vouch for programs of Spark that are called, and with tls_client_auth for those that
    /// come; PEM. Unset: anybody may, as in Spark.
    tls_ca: Option<PathBuf> = None;
    /// Let only those in that have a certificate themselves.
    tls_client_auth: bool = false;
}

impl Resolved<AuthSettings> {
    /// That they go together. Spark's own settings need not, and are shown all the same. That there is a secret is asked
    /// at the start alone: a file of settings may leave it to the environment.
    ///
    /// # Errors
    /// All that do not.
    pub(crate) fn go_together(&self) -> Result<(), Problems> {
        const CERTIFICATE: &str =
            "false, or true with auth.tls_cert and auth.tls_key in PEM: key stores of Java are not read";
        const AUTHORITIES: &str = "false, or true with the certificates in auth.tls_ca that may vouch for programs";
        let auth = &self.settings;
        let two_secrets = auth.secret.is_some() && auth.secret_file.is_some();
        let (cert, key, ca) = (auth.tls_cert.is_some(), auth.tls_key.is_some(), auth.tls_ca.is_some());
        let checks = [
            (auth.encrypt && !auth.enabled, "encrypt", "false, or true with auth.enabled = true"),
            (auth.enabled && two_secrets, "secret_file", "none, where auth.secret is set"),
            (auth.tls_required && !cert && !key, "tls_required", CERTIFICATE),
            (cert && !key, "tls_key", "the file of the key of auth.tls_cert"),
            (key && !cert, "tls_cert", "the file of the certificate of auth.tls_key"),
            (!cert && !key && (ca || auth.tls_client_auth), "tls_cert", "a file, where another auth.tls_* is set"),
            (auth.tls_client_auth && !ca, "tls_client_auth", AUTHORITIES),
        ];
        let broken = checks.into_iter().filter(|(is_broken, ..)| *is_broken);
        Problems::all(broken.map(|(_, key, allowed)| self.problem(key, allowed)))
    }

    /// Strangers are let in by no section where there is a secret: who may run a program on the workers is given it.
    ///
    /// # Errors
    /// That section lets them in.
    pub(crate) fn keeps_the_secret<S: Section>(
        &self,
        section: &Resolved<S>,
        allow_unauthenticated: bool,
    ) -> Result<(), Problems> {
        const ALLOWED: &str = "false, or true without auth.enabled: whoever submits a program is told the secret";
        if self.settings.enabled && allow_unauthenticated {
            return Err(section.problem("allow_unauthenticated", ALLOWED));
        }
        Ok(())
    }
}

impl Value for Secret {
    const SECRET: bool = true;
    const FLAG: bool = false;

    fn allowed() -> String {
        "a text that is not empty, itself and not what stands in its place".to_owned()
    }

    fn read(texts: &[String]) -> Result<Self, Refused> {
        let text = texts.first().filter(|text| texts.len() == 1 && *text != REDACTED);
        let refused = || Refused { value: REDACTED.to_owned(), allowed: Self::allowed() };
        text.and_then(|text| Self::new(text.clone())).ok_or_else(refused)
    }

    fn show(&self) -> String {
        REDACTED.to_owned()
    }
}

const VERSIONS: [(&str, EngineVersion); 2] = [("1", EngineVersion::One), ("2", EngineVersion::Two)];
/// In Spark's words.
const CIPHERS: [(&str, Cipher); 2] = [("AES/CTR/NoPadding", Cipher::Ctr), ("AES/GCM/NoPadding", Cipher::Gcm)];

fn named<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
}

fn name<T: PartialEq>(names: &[(&str, T)], value: &T) -> String {
    names.iter().filter(|(_, named)| named == value).map(|(name, _)| *name).collect()
}

scalar_value!(EngineVersion, "1 or 2", |text| named(&VERSIONS, text), |version| name(&VERSIONS, version));
scalar_value!(Cipher, "AES/CTR/NoPadding or AES/GCM/NoPadding", |text| named(&CIPHERS, text), |cipher| name(
    &CIPHERS, cipher
));
