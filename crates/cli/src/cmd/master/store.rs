//! The store of a master: files of this host, or etcd.

use std::path::Path;
use std::sync::Arc;

use tanist_master::Backend;
use tanist_store::EmbeddedStore;
use tanist_store::etcd::{Credentials, EtcdOptions, EtcdStore, EtcdTls};

use crate::cmd::secret;
use crate::config::{MasterSettings, Resolved};
use crate::exit::Failure;

/// Opens the store that the settings name. That etcd cannot be reached is no failure: it is waited for.
///
/// # Errors
/// If none is named, or it cannot be used: which setting, and what is allowed.
pub(super) async fn open(resolved: &Resolved<MasterSettings>) -> Result<Backend, Failure> {
    let settings = &resolved.settings;
    match &settings.store {
        _ if !settings.etcd.is_empty() => etcd(resolved),
        Some(directory) => embedded(resolved, directory).await,
        None => Err(Failure::Usage(
            "neither master.store nor master.etcd is set; give --store DIR, or TANIST_MASTER_STORE, where all masters run on \
             this host, or --etcd URL,URL, or TANIST_MASTER_ETCD, where they run on several"
                .to_owned(),
        )),
    }
}

async fn embedded(resolved: &Resolved<MasterSettings>, directory: &Path) -> Result<Backend, Failure> {
    let store = EmbeddedStore::open(directory).await.map_err(|error| {
        resolved.problem("store", format!("a directory that this process can write ({:#})", anyhow::Error::new(error)))
    })?;
    Ok(Backend::on_this_host(Arc::new(store)))
}

fn etcd(resolved: &Resolved<MasterSettings>) -> Result<Backend, Failure> {
    let options = options(resolved)?;
    options.check().map_err(|invalid| resolved.problem(key_of(invalid.field), invalid.why))?;
    let store = EtcdStore::open(options).map_err(|error| {
        resolved.problem("etcd", format!("members of etcd that this process can use ({:#})", anyhow::Error::new(error)))
    })?;
    Ok(Backend::shared(Arc::new(store)))
}

/// The setting that an option of the store was made of.
fn key_of(option: &str) -> &'static str {
    match option {
        "cluster" => "cluster",
        "prefix" => "etcd_prefix",
        "ttl" => "lease_ttl",
        "credentials.user" => "etcd_user",
        "credentials.password" => "etcd_password_file",
        "tls" | "tls.ca" => "etcd_ca",
        "tls.identity certificate" => "etcd_cert",
        "tls.identity key" => "etcd_key",
        _ => "etcd",
    }
}

/// With the files read: they are not looked at again while the process lives.
fn options(resolved: &Resolved<MasterSettings>) -> Result<EtcdOptions, Failure> {
    let settings = &resolved.settings;
    let read = |key, path: Option<&Path>| path.map(|path| secret::read(resolved, key, path)).transpose();
    let password = settings.etcd_password_file.as_deref();
    let password = password.map(|path| secret::read_line(resolved, "etcd_password_file", path)).transpose()?;
    let certificate = read("etcd_cert", settings.etcd_cert.as_deref())?;
    let key = read("etcd_key", settings.etcd_key.as_deref())?;
    if let Some(path) = &settings.etcd_key {
        secret::warn_if_open(path);
    }
    let tls = read("etcd_ca", settings.etcd_ca.as_deref())?.map(|ca| EtcdTls {
        ca,
        identity: certificate.zip(key),
        server_name: settings.etcd_server_name.clone(),
    });
    Ok(EtcdOptions {
        endpoints: settings.etcd.iter().map(ToString::to_string).collect(),
        cluster: settings.cluster.0.clone(),
        prefix: settings.prefix(),
        ttl: settings.lease_ttl,
        credentials: settings.etcd_user.clone().zip(password).map(|(user, password)| Credentials { user, password }),
        tls,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{Flags, Layers};

    fn resolved(flags: &[(&'static str, &str)]) -> Resolved<MasterSettings> {
        let base = Flags::default().with("etcd", "http://127.0.0.1:1");
        Layers::default().resolve(&flags.iter().fold(base, |flags, (key, text)| flags.with(key, text))).unwrap()
    }

    #[test]
    fn options_of_etcd_come_from_the_settings_and_their_files() {
        let directory = tempfile::tempdir().unwrap();
        let password = directory.path().join("password");
        fs::write(&password, "s3cret \n").unwrap();
        let made = options(&resolved(&[
            ("cluster", "prod"),
            ("lease_ttl", "4s"),
            ("etcd_user", "tanist"),
            ("etcd_password_file", password.to_str().unwrap()),
        ]))
        .unwrap();
        assert_eq!((made.endpoints, made.cluster.as_str()), (vec!["http://127.0.0.1:1".to_owned()], "prod"));
        assert_eq!((made.prefix.as_str(), made.ttl.as_secs()), ("/tanist/prod/v1/", 4));
        let credentials = made.credentials.unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("tanist", "s3cret "));
    }

    #[test]
    fn files_that_cannot_be_used_are_blamed_on_their_setting() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        let path = file.to_str().unwrap();
        let user = ("etcd_user", "tanist");
        let failure = options(&resolved(&[user, ("etcd_password_file", path)])).unwrap_err();
        assert_eq!(failure.code(), crate::exit::USAGE);
        assert!(failure.to_string().contains(&format!("master.etcd_password_file = {path:?}")), "{failure}");
        for bad in [b"".as_slice(), b"\n", b"two\nlines", &[0xff]] {
            fs::write(&file, bad).unwrap();
            let failure = options(&resolved(&[user, ("etcd_password_file", path)])).unwrap_err();
            assert!(failure.to_string().contains("one line of UTF-8 text"), "{bad:?}: {failure}");
        }
    }

    /// Every option of the store that can be refused is one of ours.
    #[test]
    fn what_the_store_refuses_is_blamed_on_a_setting() {
        let good = || EtcdOptions::new(vec!["http://e:1".to_owned()], "c");
        let bad = [
            (EtcdOptions { cluster: "a b".to_owned(), ..good() }, "cluster"),
            (EtcdOptions { prefix: "x".to_owned(), ..good() }, "etcd_prefix"),
            (EtcdOptions { ttl: std::time::Duration::ZERO, ..good() }, "lease_ttl"),
            (EtcdOptions { endpoints: vec!["http://e:1".to_owned(); 2], ..good() }, "etcd"),
        ];
        for (options, key) in bad {
            assert_eq!(key_of(options.check().unwrap_err().field), key);
        }
        let tls = |ca: &str, identity: Option<(&str, &str)>| EtcdOptions {
            tls: Some(EtcdTls {
                ca: ca.into(),
                identity: identity.map(|(certificate, key)| (certificate.into(), key.into())),
                server_name: None,
            }),
            ..EtcdOptions::new(vec!["https://e:1".to_owned()], "c")
        };
        let pem = "-----BEGIN CERTIFICATE-----";
        for (options, key) in [
            (tls("", None), "etcd_ca"),
            (tls(pem, Some(("", ""))), "etcd_cert"),
            (tls(pem, Some((pem, ""))), "etcd_key"),
        ] {
            assert_eq!(key_of(options.check().unwrap_err().field), key);
        }
    }
}
