use proptest::prelude::*;

use super::*;

fn nonce() -> Nonce {
    Nonce::new("n-1").unwrap()
}

fn sealed(record: &str) -> Bytes {
    encode(Epoch(7), &nonce(), &record).unwrap()
}

#[test]
fn a_record_is_opened_as_it_was_sealed() {
    let opened: Opened<String> = decode(&sealed("héllo \"x\"")).unwrap();
    assert_eq!(opened, Opened { epoch: Epoch(7), nonce: nonce(), record: "héllo \"x\"".to_owned() });
    assert_eq!(
        std::str::from_utf8(&sealed("a")).unwrap().split_once(",\"crc32c\":").unwrap().0,
        "{\"v\":1,\"epoch\":7,\"nonce\":\"n-1\"",
        "an operator can read it"
    );
}

#[test]
fn another_version_is_named_whatever_its_fields_are() {
    let found = decode::<String>(br#"{"v":2,"payload":"x"}"#);
    assert!(matches!(found, Err(DecodeError::Version { found: 2 })), "{found:?}");
}

#[test]
fn an_intact_envelope_with_another_record_is_told_apart_from_damage() {
    let found = decode::<u64>(&sealed("form"));
    assert!(matches!(found, Err(DecodeError::Record { .. })), "{found:?}");
}

/// Every single byte, replaced by every other value: an error, or the record as written (a blank inside the frame
/// of the envelope changes nothing), never another one.
#[test]
fn no_damaged_byte_gives_another_record() {
    let original = sealed("driver-20261120140000-0001");
    let expected: Opened<String> = decode(&original).unwrap();
    for at in 0..original.len() {
        for byte in 0..=u8::MAX {
            let mut damaged = original.to_vec();
            damaged[at] = byte;
            if let Ok(opened) = decode::<String>(&damaged) {
                assert_eq!(opened, expected, "byte {at} set to {byte}");
            }
        }
    }
}

#[test]
fn a_value_cut_short_is_an_error() {
    let original = sealed("driver-1");
    for length in 0..original.len() {
        assert!(decode::<String>(&original[..length]).is_err(), "cut to {length}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_or_a_record(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(decode::<serde_json::Value>(&bytes));
    }

    #[test]
    fn any_record_is_opened_as_it_was_sealed(text in ".*", epoch in any::<u64>()) {
        let opened: Opened<String> = decode(&encode(Epoch(epoch), &nonce(), &text).unwrap()).unwrap();
        prop_assert_eq!(opened, Opened { epoch: Epoch(epoch), nonce: nonce(), record: text });
    }
}
