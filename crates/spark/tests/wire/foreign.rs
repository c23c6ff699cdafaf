//! Bytes that are not Spark's: whatever they are, they are answered or refused, and take no more memory than allowed.

use proptest::prelude::*;
use tanist_spark::verifier::answer;
use tanist_spark::{Envelope, Frame, java};

use crate::captured::{all, payload};

const LIMIT: usize = 64 * 1024;

/// Goes through everything that is done with what arrives.
fn take(mut bytes: &[u8]) {
    while let Ok(Some((frame, length))) = Frame::first(bytes, LIMIT) {
        assert!((9..=bytes.len()).contains(&length));
        assert!(!answer(&frame, &["Worker"]).is_some_and(|frame| matches!(frame, Frame::Request { .. })));
        if let Frame::Request { body, .. } | Frame::OneWay { body } = &frame
            && let Ok(envelope) = Envelope::open(body)
        {
            let _ = java::read(envelope.payload);
        }
        bytes = &bytes[length..];
    }
}

/// A captured payload, with some bytes changed, and cut off somewhere.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let payloads: Vec<Vec<u8>> = all().iter().filter_map(|(_, bytes, _)| payload(bytes)).collect();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    (prop::sample::select(payloads), changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(mut bytes, changes, cut, is_cut)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_end_with_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        take(&bytes);
        let _ = java::read(&bytes);
        let _ = Envelope::open(&bytes);
        for kind in [3, 4, 5, 9] {
            let length = (bytes.len() as u64 + 9).to_be_bytes();
            take(&[&length[..], &[kind], &bytes].concat());
        }
    }

    #[test]
    fn any_stream_of_known_tags_ends_with_a_value_or_an_error(
        tags in prop::collection::vec(prop_oneof![0x70u8..=0x7E, Just(0), Just(0x7E), Just(1), Just(2), Just(b'L')], 0..300)
    ) {
        let _ = java::read(&[&[0xAC, 0xED, 0, 5][..], &tags].concat());
    }

    #[test]
    fn damaged_objects_end_with_a_value_or_an_error(bytes in damaged()) {
        let _ = java::read(&bytes);
    }
}

#[test]
fn a_captured_object_is_whole_or_refused() {
    for (name, bytes, _) in all() {
        let Some(payload) = payload(&bytes) else { continue };
        for cut in (0..payload.len()).step_by(7) {
            assert!(java::read(&payload[..cut]).is_err(), "{name} cut at {cut}");
        }
        let more = [&payload[..], &[0x70]].concat();
        assert!(java::read(&more).unwrap_err().to_string().contains("something follows"), "{name}");
    }
}
