//! Object streams that are built to hurt, cut off, damaged, or none at all.

use tanist_spark::Message;
use tanist_spark::message;

use crate::driver::{
    ACKNOWLEDGEMENT, Driver, KILL, Line, OPTIONS, REGISTRATION, SUBMISSION, TARGETS, UNREGISTRATION, captured, cluster,
    framed, text,
};

const ALL: [&str; 7] = [REGISTRATION, OPTIONS, TARGETS, KILL, SUBMISSION, UNREGISTRATION, ACKNOWLEDGEMENT];

/// How many damaged ones are made of each.
const MUTANTS: usize = 40;

/// Streams of no message.
const RANDOM: usize = 40;

/// The beginning of an object stream.
const START: &[u8] = &[0xAC, 0xED, 0, 5];

/// The same numbers every time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[3]
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// A message with some of its bytes other ones, doubled or left out.
fn damaged(original: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=numbers.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = numbers.below(bytes.len());
        let part = at..(at + numbers.below(64)).min(bytes.len());
        match numbers.below(3) {
            0 => bytes[at] = numbers.byte(),
            1 => drop(bytes.splice(at..at, bytes[part].to_vec())),
            _ => drop(bytes.drain(part)),
        }
    }
    bytes
}

/// A registration whose parts are itself.
fn cyclic() -> Vec<u8> {
    let class = text("org.apache.spark.deploy.DeployMessages$RegisterApplication");
    let field = |name, class: &str| [b"L", &text(name)[..], b"t", &text(class)].concat();
    let application = field("appDescription", "Lorg/apache/spark/deploy/ApplicationDescription;");
    let driver = field("driver", "Lorg/apache/spark/rpc/RpcEndpointRef;");
    let itself = [0x71, 0, 0x7E, 0, 3];
    let fields = [&[2, 0, 2][..], &application, &driver, b"xp"].concat();
    [START, b"sr", &class, &[0; 8], &fields, &itself, &itself].concat()
}

/// Arrays in arrays.
fn nested(depth: usize) -> Vec<u8> {
    let class = [&b"ur"[..], &text("[Ljava.lang.Object;"), &[0; 8], &[2, 0, 0], b"xp", &[0, 0, 0, 1]].concat();
    let inner = [&b"uq"[..], &[0, 0x7E, 0, 0], &[0, 0, 0, 1]].concat();
    [START, &class, &inner.repeat(depth), b"p"].concat()
}

#[test]
fn streams_that_are_built_to_hurt_are_refused_and_hurt_nobody() {
    let cluster = cluster();
    let master = &cluster.masters[0];
    let mut beside = Driver::served(&master.address);
    let mut numbers = Numbers(0x5EED_0006);
    let mut streams = vec![cyclic(), nested(100_000), START.to_vec(), Vec::new()];
    for name in ALL {
        let original = captured(name);
        streams.extend((0..original.len()).step_by(original.len() / 16).map(|end| original[..end].to_vec()));
        streams.extend((0..MUTANTS).map(|_| damaged(&original, &mut numbers)));
    }
    for _ in 0..RANDOM {
        let length = numbers.below(2_000);
        let noise: Vec<u8> = (0..length).map(|_| numbers.byte()).collect();
        streams.push([START, &noise].concat());
    }
    // What is still a registration is an application like any other, wherever its driver is by now.
    streams.retain(|stream| !matches!(message::read(stream), Ok(Message::RegisterApplication(_))));
    let frames = streams.iter().flat_map(|stream| [framed(stream, false), framed(stream, true)]);
    let mut frames: Vec<Vec<u8>> = frames.collect();
    // The same without an envelope around them.
    frames.extend(
        streams.iter().map(|stream| [&(stream.len() as u64 + 13).to_be_bytes()[..], &[9, 0, 0, 0, 0], stream].concat()),
    );
    assert!(frames.len() > 1_000, "{}", frames.len());
    for frame in &frames {
        let mut line = Line::to(&master.address);
        line.say(frame);
        line.says_no_more();
        while line.hear().is_some() {}
    }
    assert!(!master.said().contains("panicked"), "{}", master.said());
    assert!(beside.is_answered());
    drop(Driver::served(&master.address));
}
