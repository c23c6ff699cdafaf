//! Two channels with a wire between them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tanist_spark::auth::{Auth, Channel, Cipher, Encryption, EngineVersion, Random, Secret, Side};
use tanist_spark::{Error, Frame};

/// Longest frame that the channels take.
pub(crate) const LIMIT: usize = 256 * 1024;

pub(crate) const SECRET: &str = "hunter2";

pub(crate) const SASL: Option<Encryption> = None;

/// All four ways to encrypt, and none.
pub(crate) fn all() -> [Option<Encryption>; 5] {
    let engine = |engine, cipher| Some(Encryption { engine, cipher, sasl_fallback: true });
    let (one, two) = (EngineVersion::One, EngineVersion::Two);
    [SASL, engine(one, Cipher::Ctr), engine(two, Cipher::Ctr), engine(one, Cipher::Gcm), engine(two, Cipher::Gcm)]
}

pub(crate) fn strict(encryption: Option<Encryption>) -> Option<Encryption> {
    encryption.map(|encryption| Encryption { sasl_fallback: false, ..encryption })
}

pub(crate) fn auth(secret: &str, encryption: Option<Encryption>, random: Random) -> Arc<Auth> {
    of(Side::Application, secret, encryption, random)
}

pub(crate) fn of(side: Side, secret: &str, encryption: Option<Encryption>, random: Random) -> Arc<Auth> {
    Arc::new(Auth { secret: Secret::new(secret.to_owned()).unwrap(), encryption, side, random })
}

/// Numbers that look random, the same every time.
pub(crate) fn random(seed: u64) -> Random {
    let state = Mutex::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    Random::new(move |bytes| {
        let mut state = state.lock().unwrap();
        for byte in bytes {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            *byte = state.to_be_bytes()[0];
        }
        true
    })
}

/// These bytes and no more.
pub(crate) fn scripted(bytes: Vec<u8>) -> Random {
    let left = Mutex::new(VecDeque::from(bytes));
    Random::new(move |bytes| {
        let mut left = left.lock().unwrap();
        let is_enough = left.len() >= bytes.len();
        for byte in bytes {
            *byte = left.pop_front().unwrap_or_default();
        }
        is_enough
    })
}

pub(crate) fn server(secret: &str, encryption: Option<Encryption>) -> Channel {
    Channel::accepted(Some(auth(secret, encryption, random(1))), LIMIT)
}

pub(crate) fn client(secret: &str, encryption: Option<Encryption>) -> Channel {
    Channel::dialled(Some(auth(secret, encryption, random(2))), LIMIT).unwrap()
}

/// All frames that are there.
pub(crate) fn frames(channel: &mut Channel) -> Result<Vec<Frame<'static>>, Error> {
    let mut frames = Vec::new();
    while let Some(frame) = channel.frame()? {
        frames.push(frame.into_owned());
    }
    Ok(frames)
}

/// Brings what one says to the other, in pieces; the answer is what it made of it.
pub(crate) fn bring(from: &mut Channel, to: &mut Channel, piece: usize) -> Result<Vec<Frame<'static>>, Error> {
    let mut came = Vec::new();
    for bytes in from.outgoing().chunks(piece) {
        to.receive(bytes);
        came.extend(frames(to)?);
    }
    Ok(came)
}

/// Lets both talk until they are silent; the answer is what each of them has refused.
pub(crate) fn talk(client: &mut Channel, server: &mut Channel) -> (Result<(), Error>, Result<(), Error>) {
    let (mut at_client, mut at_server) = (Ok(()), Ok(()));
    for _ in 0..8 {
        at_server = at_server.and(bring(client, server, usize::MAX).map(drop));
        at_client = at_client.and(bring(server, client, usize::MAX).map(drop));
    }
    assert!(client.outgoing().is_empty() && server.outgoing().is_empty(), "they fall silent");
    (at_client, at_server)
}

/// Both ends after the handshake.
pub(crate) fn opened(encryption: Option<Encryption>) -> (Channel, Channel) {
    let (mut client, mut server) = (client(SECRET, encryption), server(SECRET, encryption));
    assert_eq!(talk(&mut client, &mut server), (Ok(()), Ok(())));
    (client, server)
}

/// A message with so many bytes.
pub(crate) fn one_way(bytes: usize) -> Frame<'static> {
    Frame::OneWay { body: (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect::<Vec<u8>>().into() }
}

/// The only frame in these bytes.
pub(crate) fn read(bytes: &[u8]) -> Frame<'_> {
    let (frame, length) = Frame::first(bytes, LIMIT).unwrap().unwrap();
    assert_eq!(length, bytes.len());
    frame
}

/// What a failure says.
pub(crate) fn failure(bytes: &[u8]) -> String {
    match read(bytes) {
        Frame::Failure { text, .. } => text.into_owned(),
        frame => panic!("{frame:?}"),
    }
}
