//! Ends that lie, repeat, cut off and talk nonsense. Each is refused with a reason, and nothing grows without a limit.

use proptest::prelude::*;
use tanist_spark::auth::Channel;
use tanist_spark::{Error, Frame};

use crate::pair::{SECRET, all, bring, client, frames, one_way, opened, random, read, server};

/// The frames of a client up to the end of the handshake, and one message.
fn recorded(encryption: Option<tanist_spark::auth::Encryption>) -> Vec<Vec<u8>> {
    let (mut client, mut server) = (client(SECRET, encryption), server(SECRET, encryption));
    let mut said = Vec::new();
    while !client.is_open() {
        said.push(client.outgoing());
        server.receive(said.last().unwrap());
        frames(&mut server).unwrap();
        bring(&mut server, &mut client, usize::MAX).unwrap();
    }
    client.send(&one_way(500)).unwrap();
    said.push(client.outgoing());
    said
}

#[test]
fn se_01_what_was_recorded_proves_nothing() {
    for encryption in all() {
        let auth = crate::pair::auth(SECRET, encryption, random(99));
        let mut server = Channel::accepted(Some(auth), crate::pair::LIMIT);
        let heard: Result<Vec<_>, Error> = recorded(encryption).iter().try_fold(Vec::new(), |mut heard, bytes| {
            server.receive(bytes);
            heard.extend(frames(&mut server)?);
            Ok(heard)
        });
        // Who cannot know the keys of the new connection says nothing that can be understood.
        let error = heard.unwrap_err();
        let told = matches!(&error, Error::FrameLength { .. } | Error::FrameType { .. } | Error::Sealed)
            || error.to_string().contains("nonce=");
        assert!(told, "{encryption:?}: {error}");
    }
}

#[test]
fn se_01_messages_that_are_cut_off_are_refused() {
    for encryption in all() {
        let whole = recorded(encryption);
        for (number, bytes) in whole.iter().enumerate().take(whole.len() - 1) {
            let Frame::Request { body, .. } = read(bytes) else { panic!("a client asks") };
            // At the end of a proof stands what is meant anyway.
            let needed = body.strip_suffix(b",qop=auth").unwrap_or(&body).len();
            for length in 0..needed {
                let mut server = server(SECRET, encryption);
                for before in whole.iter().take(number) {
                    server.receive(before);
                    assert_eq!(frames(&mut server), Ok(Vec::new()));
                }
                server.receive(&Frame::Request { id: 1, body: body[..length].into() }.to_bytes());
                let answer = frames(&mut server);
                assert!(answer.is_err() && !server.is_open(), "{length} bytes: {answer:?}");
                assert_eq!(frames(&mut server), answer, "the same again");
            }
        }
    }
}

#[test]
fn se_01_messages_that_are_too_long_are_refused_at_once() {
    for encryption in all() {
        let mut server = server(SECRET, encryption);
        server.receive(&8193u64.to_be_bytes());
        assert_eq!(server.frame(), Err(Error::FrameLength { length: 8193, least: 9, limit: 8192 }));
        server.receive(&[0; 1000]);
        assert!(server.frame().is_err());

        let (_, mut other) = opened(encryption);
        other.receive(&u64::MAX.to_be_bytes());
        let error = other.frame().unwrap_err();
        assert!(matches!(error, Error::FrameLength { .. } | Error::SealedLength { .. }), "{error}");
    }
}

#[test]
fn se_01_messages_in_another_order_are_refused() {
    let [sasl, engine, ..] = all();
    let (by_sasl, by_engine) = (recorded(sasl), recorded(engine));
    let once = |order: &[&[u8]], encryption| {
        let mut server = server(SECRET, encryption);
        order.iter().try_for_each(|bytes| {
            server.receive(bytes);
            frames(&mut server).map(drop)
        })
    };
    let refused = |order: &[&[u8]], encryption, why: &str| {
        let error = once(order, encryption).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(&[&by_sasl[1]], sasl, "a proof that nobody asked for");
    refused(&[&by_sasl[0], &by_sasl[0]], sasl, "a token without");
    refused(&[&by_sasl[0], &by_engine[0]], sasl, "a message of AuthEngine");
    refused(&[&by_engine[0], &by_engine[0]], sasl, "a message of AuthEngine");
    refused(&[&by_sasl[0], &by_engine[0]], engine, "a message of AuthEngine");
    assert_eq!(once(&[&by_engine[0], &by_sasl[0], &by_sasl[1]], sasl), Ok(()), "declined once");

    for frame in [one_way(3), Frame::Response { id: 0, body: b""[..].into() }] {
        refused(&[&frame.to_bytes()], engine, "before both ends know each other");
    }
    for frame in
        [one_way(3), Frame::Request { id: 0, body: b""[..].into() }, Frame::Response { id: 1, body: b""[..].into() }]
    {
        let mut client = client(SECRET, sasl);
        client.receive(&frame.to_bytes());
        assert!(client.frame().unwrap_err().to_string().contains("before both ends know each other"));
    }
}

#[test]
fn se_01_no_bit_of_a_sealed_message_can_be_changed() {
    for encryption in [all()[3], all()[4]] {
        let (mut client, mut server) = opened(encryption);
        client.send(&one_way(33_000)).unwrap();
        let sealed = client.outgoing();
        for at in (0..80).chain((80..sealed.len()).step_by(997)).chain([sealed.len() - 1]) {
            let (_, mut other) = opened(encryption);
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            other.receive(&changed);
            // One that claims to be longer is waited for.
            let came = frames(&mut other);
            assert!(came.is_err() || (at < 8 && came == Ok(Vec::new())), "byte {at}: {came:?}");
        }
        server.receive(&sealed);
        assert_eq!(frames(&mut server).unwrap(), [one_way(33_000)]);
    }
}

/// What a server of SASL may say that a client must not follow.
#[test]
fn se_01_challenges_that_want_something_else_are_refused() {
    let challenge = |text: &str| {
        let mut client = client(SECRET, None);
        client.receive(&Frame::Response { id: 0, body: text.as_bytes().into() }.to_bytes());
        client.frame().map(drop)
    };
    assert_eq!(challenge(r#"realm="default" , nonce=abc,, qop="auth-int, auth",x="=,\"""#), Ok(()));
    for (text, why) in [
        ("", "without nonce"),
        (r#"realm="default",nonce="n",qop="auth-conf""#, "auth-conf"),
        (r#"realm="other",nonce="n""#, "other"),
        (r#"nonce="n",algorithm=md5"#, "md5"),
        (r#"nonce="n",nonce="m""#, "twice"),
        (r#"nonce="n\"m""#, "a nonce with quotes"),
        (r#"nonce="n"#, "open quote"),
        (r#"nonce="n\"#, "open quote"),
        (r#"nonce="n",and the rest"#, "and the rest"),
    ] {
        let error = challenge(text).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("DIGEST-MD5"), "{text}: {error}");
    }
}

proptest! {
    /// Whatever comes, a channel ends with frames or an error.
    #[test]
    fn se_01_no_bytes_do_any_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        kind in prop::sample::select(vec![3u8, 4, 5, 9]),
        mark in prop::sample::select(vec![0xEAu8, 0xFB, 0]),
        way in 0usize..5,
        framed in any::<bool>(),
        piece in 1usize..50,
    ) {
        let body = [&[mark, 0, 0, 0, 13][..], b"sparkSaslUser", &bytes].concat();
        let length = u64::try_from(8 + 1 + 8 + 4 + body.len()).unwrap();
        let frame = [&length.to_be_bytes()[..], &[kind], &[0; 12], &body].concat();
        let said = if framed { frame } else { bytes };
        for mut channel in [server(SECRET, all()[way]), client(SECRET, all()[way])] {
            for bytes in said.chunks(piece) {
                channel.receive(bytes);
                let _ = frames(&mut channel);
            }
            prop_assert!(!channel.is_open());
        }
    }

    /// An end that is known may talk nonsense all the same.
    #[test]
    fn se_01_no_bytes_do_any_harm_later(bytes in prop::collection::vec(any::<u8>(), 0..300), way in 0usize..5) {
        let (_, mut other) = opened(all()[way]);
        other.receive(&[&[0; 6][..], &bytes].concat());
        let _ = frames(&mut other);
    }

    /// A handshake of which one bit was changed ends with an error on one of the ends, or says the same.
    #[test]
    fn se_01_a_changed_handshake_opens_nothing(at in 21usize..123, bit in 0u32..8, way in 1usize..5, forth in any::<bool>()) {
        let (mut one, mut other) = (client(SECRET, crate::pair::strict(all()[way])), server(SECRET, all()[way]));
        let mut said = one.outgoing();
        let turn = |bytes: &mut Vec<u8>| {
            let at = at % bytes.len();
            bytes[at] ^= 1u8.rotate_left(bit);
        };
        if forth { turn(&mut said); }
        other.receive(&said);
        let first = frames(&mut other);
        let mut answer = other.outgoing();
        if !forth { turn(&mut answer); }
        one.receive(&answer);
        let second = frames(&mut one);
        prop_assert!(first.is_err() || second.is_err());
    }
}
