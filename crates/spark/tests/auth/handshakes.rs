//! Both ends against each other: who may talk to whom, and what is said after that.

use tanist_spark::auth::{Channel, Secret, Side};
use tanist_spark::{Error, Frame};

use crate::pair::{
    LIMIT, SASL, SECRET, all, auth, bring, client, failure, of, one_way, opened, random, server, strict, talk,
};

#[test]
fn se_01_frames_go_both_ways_whatever_lies_between() {
    for encryption in all() {
        for piece in [1, 7, usize::MAX] {
            let (mut client, mut server) = (client(SECRET, encryption), server(SECRET, encryption));
            let question = Frame::Request { id: 7, body: b"who"[..].into() };
            // What is said before the handshake is over waits for it.
            client.send(&question).unwrap();
            let mut came = Vec::new();
            for _ in 0..3 {
                came.extend(bring(&mut client, &mut server, piece).unwrap());
                bring(&mut server, &mut client, piece).unwrap();
            }
            assert!(client.is_open() && server.is_open());
            assert_eq!(came, [question]);
            let answers = [Frame::Response { id: 7, body: b"me"[..].into() }, one_way(0)];
            for answer in &answers {
                server.send(answer).unwrap();
            }
            assert_eq!(bring(&mut server, &mut client, piece).unwrap(), answers, "{encryption:?}");
        }
    }
}

/// Around the ends of the parts of a sealed message.
#[test]
fn se_01_frames_of_every_length_arrive() {
    const HEADER: usize = 13;
    for encryption in all() {
        let (mut client, mut server) = opened(encryption);
        let part = 32 * 1024 - 16;
        let ends = [24, 40].into_iter().flat_map(|header| [part - header, 2 * part - header]);
        let lengths = ends.flat_map(|end| [end - HEADER - 1, end - HEADER, end - HEADER + 1]);
        for length in lengths.chain([0, 1, LIMIT - HEADER]) {
            client.send(&one_way(length)).unwrap();
            assert_eq!(bring(&mut client, &mut server, 10_000).unwrap(), [one_way(length)], "{length} {encryption:?}");
        }
        client.send(&one_way(LIMIT - HEADER + 1)).unwrap();
        let error = bring(&mut client, &mut server, usize::MAX).unwrap_err();
        assert!(matches!(error, Error::FrameLength { .. } | Error::SealedLength { .. }), "{error}");
    }
}

#[test]
fn se_01_a_wrong_secret_is_told_on_both_ends() {
    for encryption in all() {
        let (mut client, mut server) = (client("hunter3", strict(encryption)), server(SECRET, encryption));
        let (at_client, at_server) = talk(&mut client, &mut server);
        assert_eq!(at_server, Err(Error::Secret { who: "client" }), "{encryption:?}");
        let error = at_client.unwrap_err().to_string();
        let sparks = if encryption.is_some() { "Authentication failed." } else { "Mismatched response." };
        assert!(error.contains("refused to authenticate") && error.ends_with(sparks), "{error}");
        assert!(!client.is_open() && !server.is_open());
        assert_eq!(server.send(&one_way(1)), Err(Error::Secret { who: "client" }));
    }
}

#[test]
fn se_01_a_server_must_know_the_secret_too() {
    for encryption in all() {
        // It takes every client, since it knows the client's secret, and then answers with another one.
        let (mut real, mut victim) = (server(SECRET, encryption), client(SECRET, strict(encryption)));
        let mut liar = server("hunter3", encryption);
        bring(&mut victim, &mut real, usize::MAX).unwrap();
        if encryption.is_none() {
            bring(&mut real, &mut victim, usize::MAX).unwrap();
            victim.receive(
                &Frame::Response { id: 0, body: b"rspauth=00112233445566778899aabbccddeeff"[..].into() }.to_bytes(),
            );
        } else {
            // Its own answer, to a client of its own secret.
            let mut accomplice = client("hunter3", encryption);
            bring(&mut accomplice, &mut liar, usize::MAX).unwrap();
            victim.receive(&liar.outgoing());
        }
        assert_eq!(victim.frame(), Err(Error::Secret { who: "server" }));
    }
}

#[test]
fn se_01_ends_that_know_no_auth_engine_are_taken_where_that_is_allowed() {
    for encryption in all().into_iter().flatten().map(Some) {
        let (mut client, mut server) = (self::client(SECRET, SASL), self::server(SECRET, encryption));
        assert_eq!(talk(&mut client, &mut server), (Ok(()), Ok(())));
        client.send(&one_way(3)).unwrap();
        assert_eq!(client.outgoing(), one_way(3).to_bytes(), "nothing is sealed");
        // Whoever answers a call could say that it knows none.
        let (mut client, mut server) = (self::client(SECRET, encryption), self::server(SECRET, SASL));
        let (at_client, at_server) = talk(&mut client, &mut server);
        assert!(at_client.unwrap_err().to_string().contains("Expected SaslMessage"));
        assert_eq!((at_server, client.is_open(), server.is_open()), (Ok(()), false, false));
        let (mut client, mut server) = (self::client(SECRET, SASL), self::server(SECRET, strict(encryption)));
        let (at_client, at_server) = talk(&mut client, &mut server);
        assert!(at_client.unwrap_err().to_string().contains("Unknown challenge message."));
        assert_eq!(
            at_server.unwrap_err().to_string(),
            "a message of SASL is not allowed here, but only one of AuthEngine"
        );
    }
}

/// Who is called by a master could pass its proof on to another master, and be let in there.
#[test]
fn se_01_what_one_end_of_the_cluster_asks_another_does_not_answer() {
    let ends = |(dials, accepts)| {
        let client = Channel::dialled(Some(of(dials, SECRET, SASL, random(2))), LIMIT).unwrap();
        (client, Channel::accepted(Some(of(accepts, SECRET, SASL, random(1))), LIMIT))
    };
    for sides in [(Side::Cluster, Side::Application), (Side::Application, Side::Cluster)] {
        let (mut client, mut server) = ends(sides);
        assert_eq!(talk(&mut client, &mut server), (Ok(()), Ok(())), "{sides:?}");
    }
    let (mut client, mut server) = ends((Side::Cluster, Side::Cluster));
    let error = talk(&mut client, &mut server).0.unwrap_err().to_string();
    assert_eq!(error, "a question of the cluster itself is not allowed here, but only one of a program of Spark");
    assert!(!client.is_open() && !server.is_open());
}

#[test]
fn se_01_ends_that_were_told_different_ciphers_do_not_understand_each_other() {
    let all = all();
    let encryptions = all.iter().filter(|encryption| encryption.is_some());
    for (at_client, at_server) in encryptions.clone().flat_map(|one| encryptions.clone().map(move |other| (one, other)))
    {
        let (mut client, mut server) = (client(SECRET, *at_client), server(SECRET, *at_server));
        assert_eq!(talk(&mut client, &mut server), (Ok(()), Ok(())));
        client.send(&one_way(300)).unwrap();
        let came = bring(&mut client, &mut server, usize::MAX);
        assert_eq!(came == Ok(vec![one_way(300)]), at_client == at_server, "{at_client:?} {at_server:?} {came:?}");
    }
}

#[test]
fn se_01_without_authentication_everybody_is_believed() {
    let mut client = Channel::dialled(None, LIMIT).unwrap();
    let mut server = Channel::accepted(None, LIMIT);
    assert!(client.is_open() && server.is_open() && client.outgoing().is_empty());
    client.send(&one_way(5)).unwrap();
    assert_eq!(bring(&mut client, &mut server, 3).unwrap(), [one_way(5)]);
}

#[test]
fn se_01_who_authenticates_not_at_all_is_told_so() {
    for encryption in all() {
        let mut server = server(SECRET, encryption);
        server.receive(&Frame::Request { id: 9, body: b"\0\0\0\x06Master"[..].into() }.to_bytes());
        let error = server.frame().unwrap_err().to_string();
        assert!(error.contains("begins with 0x00") && error.contains("SASL (0xea)"), "{error}");
        let sparks = if encryption.is_some() { "Unknown challenge message." } else { "Expected SaslMessage" };
        assert!(failure(&server.outgoing()).contains(sparks));
    }
}

#[test]
fn se_04_secrets_are_not_shown() {
    for encryption in all() {
        let (client, server) = (client(SECRET, encryption), server(SECRET, encryption));
        let shown = format!("{:?} {client:?} {server:?}", auth(SECRET, encryption, random(1)));
        assert!(shown.contains("Secret(…)") && !shown.contains(SECRET), "{shown}");
        assert!(!format!("{:?} {client:?} {server:?}", opened(encryption)).contains(SECRET));
    }
    assert!(Secret::new(String::new()).is_none());
}
