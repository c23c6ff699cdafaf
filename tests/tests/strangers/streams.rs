//! Object streams that are built to hurt, cut off, damaged, or none at all.

use tanist_spark::Message;
use tanist_spark::message;
use tanist_testkit::captured::{
    ACKNOWLEDGEMENT, Captured, KILL, ONE_EXECUTOR, OPTIONS, REGISTRATION, SUBMISSION, UNREGISTRATION, text,
};

use crate::damage::{Numbers, mutant};
use crate::driver::{Driver, Line, captured, cluster, framed};

const ALL: [&str; 7] = [REGISTRATION, OPTIONS, ONE_EXECUTOR, KILL, SUBMISSION, UNREGISTRATION, ACKNOWLEDGEMENT];

/// How many damaged ones are made of each.
const MUTANTS: usize = 40;

/// Streams of no message.
const RANDOM: usize = 40;

/// The beginning of an object stream.
const START: &[u8] = &[0xAC, 0xED, 0, 5];

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
    let originals = ALL.map(|name| captured(name).payload);
    for original in &originals {
        streams.extend((0..original.len()).step_by(original.len() / 16).map(|end| original[..end].to_vec()));
        streams.extend((0..MUTANTS).map(|_| mutant(original, &originals, &mut numbers)));
    }
    for _ in 0..RANDOM {
        let length = numbers.below(2_000);
        let noise: Vec<u8> = (0..length).map(|_| u8::try_from(numbers.below(256)).unwrap()).collect();
        streams.push([START, &noise].concat());
    }
    // What is still a registration is an application like any other, wherever its driver is by now.
    streams.retain(|stream| !matches!(message::read(stream), Ok(Message::RegisterApplication(_))));
    let said = |payload: &Vec<u8>| [false, true].map(|is_question| Captured { payload: payload.clone(), is_question });
    let mut frames: Vec<Vec<u8>> = streams.iter().flat_map(said).map(|message| framed(&message)).collect();
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
