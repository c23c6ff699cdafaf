//! Certificates, good and bad.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use super::*;
use crate::etcd::EtcdTls;

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

struct Signed {
    pem: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str, expires: i32) -> Signed {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(expires, 1, 1));
        let key = KeyPair::generate().unwrap();
        Signed { pem: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

const VALID: i32 = 2100;
const EXPIRED: i32 = 2021;

fn etcd(directory: &Path, server: &Signed, clients: &Authority) -> Etcd {
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let flags = [
        format!("--cert-file={}", write("server.pem", &server.pem)),
        format!("--key-file={}", write("server.key", &server.key)),
        format!("--trusted-ca-file={}", write("clients.pem", &clients.pem)),
        "--client-cert-auth".to_owned(),
    ];
    Etcd::with_flags(1, &flags.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
}

async fn outcome(etcd: &Etcd, ca: &Authority, client: Option<Signed>) -> Result<i64, Fault> {
    let mut options = EtcdOptions::new(etcd.endpoints(), "test");
    let identity = client.map(|client| (client.pem.into_bytes(), client.key.into_bytes()));
    options.tls = Some(EtcdTls { ca: ca.pem.clone().into_bytes(), identity, server_name: None });
    look(&Pool::new(&options).unwrap(), ONE_TRY).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let etcd = etcd(directory.path(), &ours.sign("127.0.0.1", VALID), &ours);
    let good = || Some(ours.sign("master", VALID));
    assert_eq!(outcome(&etcd, &ours, good()).await.unwrap(), 0);
    let (expired, foreign) = (Some(ours.sign("master", EXPIRED)), Some(other.sign("master", VALID)));
    for (authority, client, expected) in [
        (&ours, expired, "it refuses our certificate: that has expired"),
        (&ours, foreign, "it refuses our certificate: "),
        (&ours, None, "it asks for a certificate of ours, and none is configured"),
        (&other, good(), "its certificate is not signed by any of the authorities that are trusted here"),
    ] {
        let (kind, text) = fault(outcome(&etcd, authority, client).await);
        assert_eq!(kind, Kind::NotSent, "{text}");
        assert!(text.starts_with(&format!("etcd at {}: {expected}", etcd.endpoints()[0])), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_etcd_are_looked_at() {
    let ours = Authority::new("ours");
    for (name, expires, expected) in [
        ("127.0.0.1", EXPIRED, "its certificate has expired"),
        ("etcd.example", VALID, "its certificate is for another name than 127.0.0.1, for "),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let etcd = etcd(directory.path(), &ours.sign(name, expires), &ours);
        let (kind, text) = fault(outcome(&etcd, &ours, Some(ours.sign("master", VALID))).await);
        assert_eq!(kind, Kind::NotSent, "{text}");
        assert!(text.starts_with(&format!("etcd at {}: {expected}", etcd.endpoints()[0])), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_without_tls_is_found_out() {
    let etcd = Etcd::start(1).unwrap();
    let mut options = EtcdOptions::new(vec![etcd.endpoints()[0].replace("http:", "https:")], "test");
    let ca = Authority::new("ours").pem.into_bytes();
    options.tls = Some(EtcdTls { ca, identity: None, server_name: None });
    let (kind, text) = fault(look(&Pool::new(&options).unwrap(), ONE_TRY).await);
    assert_eq!(kind, Kind::NotSent, "{text}");
    assert!(text.contains("speak TLS?"), "{text}");
}

#[test]
fn what_is_no_certificate_is_refused_before_anything_is_connected() {
    let authority = Authority::new("ours");
    let client = authority.sign("master", VALID);
    let broken = "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n".to_owned();
    let options = |ca: &str, identity: Option<(&str, &str)>| {
        let identity = identity.map(|(pem, key)| (pem.into(), key.into()));
        let tls = Some(EtcdTls { ca: ca.into(), identity, server_name: None });
        EtcdOptions { tls, ..EtcdOptions::new(vec!["https://127.0.0.1:1".to_owned()], "test") }
    };
    assert!(Pool::new(&options(&authority.pem, Some((&client.pem, &client.key)))).is_ok());
    let other = authority.sign("other", VALID);
    for (ca, identity) in [
        ("", None),
        (&*broken, None),
        (&*authority.pem, Some((&*broken, &*client.key))),
        (&*authority.pem, Some((&*client.pem, "none"))),
        (&*authority.pem, Some((&*client.pem, &*other.key))),
    ] {
        let error = Pool::new(&options(ca, identity)).unwrap_err();
        assert!(error.field.starts_with("tls"), "{error}");
    }
}
