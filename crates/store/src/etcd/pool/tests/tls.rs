//! Certificates, good and bad.

use std::path::Path;
use std::time::Duration;

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
    let brief = Call::READ.within(Duration::from_secs(1), Duration::from_millis(500));
    look(&Pool::new(&options).unwrap(), brief).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let etcd = etcd(directory.path(), &ours.sign("127.0.0.1", VALID), &ours);
    println!("{:?}", outcome(&etcd, &ours, Some(ours.sign("master", VALID))).await);
    println!("{:?}", outcome(&etcd, &ours, Some(ours.sign("master", EXPIRED))).await);
    println!("{:?}", outcome(&etcd, &ours, Some(other.sign("master", VALID))).await);
    println!("{:?}", outcome(&etcd, &ours, None).await);
    println!("{:?}", outcome(&etcd, &other, None).await);
}
