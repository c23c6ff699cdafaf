//! Frames and objects as Spark 3.5.9 and 4.1.4 have written them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tanist_spark::java::{self, Node};
use tanist_spark::verifier::{answer, asked_for};
use tanist_spark::{Address, Envelope, Frame};

use crate::shown::lines;

const LIMIT: usize = 64 * 1024;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// A captured frame; lines that begin with `#` say what it is.
pub(crate) fn frame(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    unhex(&text.lines().filter(|line| !line.starts_with('#')).collect::<String>())
}

/// All captured frames with what is known of them.
pub(crate) fn all() -> Vec<(String, Vec<u8>, Json)> {
    let index = fs::read_to_string(folder().join("index.json")).unwrap();
    let index: serde_json::Map<String, Json> = serde_json::from_str(&index).unwrap();
    assert_eq!(index.len(), 77);
    index.into_iter().map(|(name, known)| (name.clone(), frame(&name), known)).collect()
}

/// The object stream in a frame, if it has one: the messages that agree on authentication have none.
pub(crate) fn payload(bytes: &[u8]) -> Option<Vec<u8>> {
    let (frame, length) = Frame::first(bytes, LIMIT).unwrap().unwrap();
    assert_eq!(length, bytes.len());
    let payload = match frame {
        Frame::Request { body, .. } | Frame::OneWay { body } => Envelope::open(&body).ok()?.payload.to_vec(),
        Frame::Response { body, .. } => body.into_owned(),
        Frame::Failure { text, .. } => panic!("{text}"),
    };
    payload.starts_with(&[0xAC, 0xED]).then_some(payload)
}

/// The object streams that classes of one version have written, by the names in their file.
pub(crate) struct Written(pub(crate) Vec<(String, Vec<u8>)>);

impl Written {
    pub(crate) fn read(version: &str, file: &str) -> Self {
        let text = fs::read_to_string(folder().join(version).join(file)).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        Self(pairs.map(|(name, hex)| (name.to_owned(), unhex(hex))).collect())
    }

    pub(crate) fn payload(&self, name: &str) -> &[u8] {
        let (_, payload) = self.0.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}"));
        payload
    }
}

/// The same with something else in the place of some bytes, which it must have.
pub(crate) fn changed(payload: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = payload.windows(from.len()).rposition(|bytes| bytes == from).unwrap();
    [&payload[..at], to, &payload[at + from.len()..]].concat()
}

fn address(json: &Json) -> Option<Address> {
    let host = json.get(0)?.as_str()?.to_owned();
    Some(Address { host, port: u16::try_from(json.get(1)?.as_u64()?).unwrap() })
}

#[test]
fn every_captured_frame_is_what_it_is_known_to_be() {
    let mut envelopes = 0;
    for (name, bytes, known) in all() {
        let (frame, length) = Frame::first(&bytes, LIMIT).unwrap().unwrap();
        assert_eq!(length as u64, known["length"], "{name}");
        assert_eq!(frame.to_bytes(), bytes, "{name}");
        let (kind, id, body) = match frame {
            Frame::Request { id, body } => ("RpcRequest", Some(id), body),
            Frame::Response { id, body } => ("RpcResponse", Some(id), body),
            Frame::OneWay { body } => ("OneWayMessage", None, body),
            Frame::Failure { text, .. } => panic!("{text}"),
        };
        assert_eq!((kind, id), (known["frame_type"].as_str().unwrap(), known["request_id"].as_i64()), "{name}");
        if let Some(endpoint) = known["endpoint"].as_str() {
            let envelope = Envelope::open(&body).unwrap();
            assert_eq!(envelope.endpoint, endpoint, "{name}");
            assert_eq!(envelope.sender, address(&known["sender"]), "{name}");
            assert_eq!(envelope.receiver, address(&known["receiver"]), "{name}");
            envelopes += 1;
        }
    }
    assert!(envelopes > 50, "{envelopes}");
}

#[test]
fn every_captured_object_is_read_as_spark_means_it() {
    let mut objects = 0;
    for (name, bytes, known) in all() {
        let Some(payload) = payload(&bytes) else { continue };
        let tree = java::read(&payload).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected: Vec<&str> = known["tree"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let found = lines(&tree);
        for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "{name}, line {number}");
        }
        assert_eq!(found.len(), expected.len(), "{name}");
        objects += 1;
    }
    assert_eq!(objects, 69);
}

#[test]
fn every_collection_of_both_scalas_is_read() {
    let mut collections = 0;
    for version in ["3.5.9", "4.1.4"] {
        for (name, payload) in Written::read(version, "collections.txt").0 {
            let tree = java::read(&payload).unwrap_or_else(|error| panic!("{version} {name}: {error}"));
            assert!(tree.root().is_some(), "{version} {name}");
            collections += 1;
        }
    }
    assert!(collections >= 70, "{collections}");
}

/// The one class that describes fields and does not write them.
#[test]
fn a_list_buffer_of_scala_2_12_has_only_its_elements() {
    let tree = java::read(Written::read("3.5.9", "collections.txt").payload("seq3.listbuffer")).unwrap();
    let root = tree.root().unwrap();
    assert_eq!(root.class(), "scala.collection.mutable.ListBuffer");
    let part = root.parts().last().unwrap();
    assert!(part.values.is_empty());
    let first = part.annotation.first().copied().unwrap();
    assert!(matches!(tree.node(first), Some(Node::Text(_) | Node::Object(_))), "{:?}", tree.node(first));
}

#[test]
fn dw_05_a_watcher_is_told_whether_its_worker_is_there() {
    for version in ["3.5.9", "4.1.4"] {
        let asked = frame(&format!("{version}/01-client-driver-to-master-RpcRequest-CheckExistence.hex"));
        let answered = frame(&format!("{version}/02-client-master-to-driver-RpcResponse-Boolean.hex"));
        let (question, _) = Frame::first(&asked, LIMIT).unwrap().unwrap();
        assert_eq!(
            answer(&question, &["Master"]).unwrap().to_bytes(),
            answered,
            "{version}: byte for byte Spark's own"
        );
        let Frame::Request { body, .. } = &question else { panic!("{question:?}") };
        assert_eq!(asked_for(body).unwrap(), "Master");
        let Frame::Response { body, .. } = answer(&question, &["Worker"]).unwrap() else { panic!() };
        let no = java::read(&body).unwrap();
        assert_eq!(lines(&no), ["java.lang.Boolean [cd207280d59cfaee]", "  value: False"]);
    }
}

#[test]
fn other_questions_are_refused_in_words_and_statements_are_not_answered() {
    let reply = |name: &str| {
        let bytes = frame(name);
        answer(&Frame::first(&bytes, LIMIT).unwrap().unwrap().0, &["Worker"]).map(|frame| match frame {
            Frame::Failure { text, .. } => text.into_owned(),
            other => panic!("{other:?}"),
        })
    };
    let other = reply("4.1.4/15-client-worker-to-master-RpcRequest-ExecutorStateChanged.hex").unwrap();
    assert!(other.contains("\"Master\"") && other.contains("endpoint-verifier"), "{other}");
    assert!(reply("4.1.4/31-sasl-driver-to-master-RpcRequest-SaslMessage.hex").is_some());
    assert_eq!(reply("4.1.4/07-client-driver-to-master-OneWayMessage-UnregisterApplication.hex"), None);
    assert_eq!(reply("4.1.4/02-client-master-to-driver-RpcResponse-Boolean.hex"), None);
}
