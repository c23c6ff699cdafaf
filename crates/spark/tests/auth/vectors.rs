//! What Spark itself has said, and what an implementation has said that Spark 3.5.9, 4.1.4 and 4.3.0 understood.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use tanist_spark::Frame;
use tanist_spark::auth::{Channel, Cipher, Encryption, EngineVersion};

use crate::pair::{LIMIT, SASL, auth, bring, frames, one_way, read, scripted};

fn fixture(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn vectors() -> Json {
    serde_json::from_str(&fixture("auth-vectors.json")).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// Bytes that count up from the first one.
fn count(from: u8, bytes: u8) -> Vec<u8> {
    (from..from + bytes).collect()
}

fn body(bytes: &[u8]) -> Vec<u8> {
    match read(bytes) {
        Frame::Request { body, .. } | Frame::Response { body, .. } => body.into_owned(),
        frame => panic!("{frame:?}"),
    }
}

/// The token within a request of SASL.
fn token(bytes: &[u8]) -> String {
    String::from_utf8(body(bytes).split_off(1 + 4 + "sparkSaslUser".len() + 4)).unwrap()
}

/// The value of `name="value"`.
fn quoted<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, after) = text.split_once(&format!("{name}=\"")).unwrap();
    after.split_once('"').unwrap().0
}

fn response(body: &str) -> Vec<u8> {
    Frame::Response { id: 0, body: body.as_bytes().into() }.to_bytes()
}

#[test]
fn se_01_a_client_proves_itself_by_sasl_as_spark_does() {
    let vector = &vectors()["sasl_digest_md5"];
    let text = |name: &str| vector[name].as_str().unwrap();
    let cnonce = STANDARD.decode(quoted(text("response"), "cnonce")).unwrap();
    let mut client = Channel::dialled(Some(auth(text("secret"), SASL, scripted(cnonce))), LIMIT).unwrap();
    assert_eq!(token(&client.outgoing()), "");
    client.receive(&response(text("challenge")));
    assert_eq!(client.frame(), Ok(None));
    assert_eq!(token(&client.outgoing()), text("response"));
    assert!(!client.is_open(), "the server has not proven anything yet");
    client.receive(&response(text("final")));
    assert_eq!(client.frame(), Ok(None));
    assert!(client.is_open() && client.outgoing().is_empty());
}

#[test]
fn se_01_drivers_of_spark_prove_themselves_by_sasl() {
    for (version, first, secret) in [("3.5.9", 30, "hunter2"), ("4.1.4", 31, "hunter2")] {
        let captured = |number: usize, who: &str, what: &str| {
            let text = fixture(&format!("{version}/{number}-sasl-{who}-{what}.hex"));
            unhex(&text.lines().filter(|line| !line.starts_with('#')).collect::<String>())
        };
        let proof = captured(first + 2, "driver-to-master", "RpcRequest-SaslMessage");
        let nonce = STANDARD.decode(quoted(&token(&proof), "nonce")).unwrap();
        let mut server = Channel::accepted(Some(auth(secret, SASL, scripted(nonce))), LIMIT);
        server.receive(&captured(first, "driver-to-master", "RpcRequest-SaslMessage"));
        assert_eq!(server.frame(), Ok(None));
        assert!(String::from_utf8(body(&server.outgoing())).unwrap().contains("qop=\"auth\""));
        // The driver's next message is there at once.
        let question = captured(first + 4, "driver-to-master", "RpcRequest-CheckExistence");
        server.receive(&[proof, question.clone()].concat());
        assert_eq!(server.frame(), Ok(Some(read(&question))));
        assert_eq!(server.outgoing(), captured(first + 3, "master-to-driver", "RpcResponse-SaslToken"));
    }
}

#[test]
fn se_01_auth_engine_says_what_spark_understands() {
    for vector in vectors()["authengine"].as_array().unwrap() {
        let bytes = |name: &str| unhex(vector[name].as_str().unwrap());
        let (engine, key) = match vector["authEngineVersion"].as_u64().unwrap() {
            1 => (EngineVersion::One, 32),
            _ => (EngineVersion::Two, 16),
        };
        for (cipher, sealed) in [(Cipher::Ctr, "ctr_client_to_server"), (Cipher::Gcm, "gcm_sealed")] {
            let auth = |random| auth("hunter2", Some(Encryption { engine, cipher, sasl_fallback: false }), random);
            let theirs = [bytes("client_private"), count(0x10, 16), count(0x20, 12), count(0x50, key), count(0x60, 7)];
            let mut client = Channel::dialled(Some(auth(scripted(theirs.concat()))), LIMIT).unwrap();
            let ours = [bytes("server_private"), count(0x30, 16), count(0x40, 12), count(0x50, key), count(0x60, 7)];
            let mut server = Channel::accepted(Some(auth(scripted(ours.concat()))), LIMIT);

            let challenge = client.outgoing();
            assert_eq!(body(&challenge), bytes("challenge_message"));
            server.receive(&challenge);
            assert_eq!(server.frame(), Ok(None));
            let answer = server.outgoing();
            assert_eq!(body(&answer), bytes("response_message"));
            client.receive(&answer);
            assert_eq!(client.frame(), Ok(None));

            let plain = bytes("plain_frame");
            client.send(&read(&plain)).unwrap();
            let said = client.outgoing();
            assert_eq!(said, bytes(sealed), "{engine:?} {cipher:?}");
            server.receive(&said);
            assert_eq!(server.frame(), Ok(Some(read(&plain))));
        }
    }
}

#[test]
fn se_01_the_random_bytes_may_end() {
    for encryption in [SASL, Some(Encryption { engine: EngineVersion::One, cipher: Cipher::Gcm, sasl_fallback: true })]
    {
        let mut server = Channel::accepted(Some(auth("hunter2", encryption, scripted(Vec::new()))), LIMIT);
        let all = [count(0, 100), count(100, 100)].concat();
        let mut client = Channel::dialled(Some(auth("hunter2", encryption, scripted(all))), LIMIT).unwrap();
        let error = bring(&mut client, &mut server, usize::MAX).unwrap_err();
        assert_eq!(error.to_string(), "cannot draw random bytes");
        assert!(server.send(&one_way(1)).is_err() && frames(&mut server).is_err());
    }
    let none = Channel::dialled(Some(auth("hunter2", crate::pair::all()[1], scripted(Vec::new()))), LIMIT);
    assert_eq!(none.unwrap_err().to_string(), "cannot draw random bytes");
}
