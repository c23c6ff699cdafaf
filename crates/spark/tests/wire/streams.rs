//! Object streams made by hand: what is allowed by the grammar and does not occur, and what is built to hurt.

use tanist_spark::Error;
use tanist_spark::java::{self, Node, Value};

const START: &[u8] = &[0xAC, 0xED, 0, 5];
/// The handle of the first class or object of a stream.
const FIRST: [u8; 5] = [0x71, 0, 0x7E, 0, 0];

fn stream(parts: &[&[u8]]) -> Vec<u8> {
    [START, &parts.concat()].concat()
}

pub(crate) fn utf(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

/// A description of a class without fields, up to what it extends.
fn class(name: &str, flags: u8) -> Vec<u8> {
    [&[0x72][..], &utf(name), &[0; 8], &[flags, 0, 0, 0x78]].concat()
}

fn problem(bytes: &[u8]) -> String {
    java::read(bytes).unwrap_err().to_string()
}

#[test]
fn objects_may_refer_to_themselves() {
    let own = [
        &[0x73, 0x72][..],
        &utf("Own"),
        &[0; 8],
        &[2, 0, 1, b'L'],
        &utf("self"),
        &[0x74],
        &utf("LOwn;"),
        &[0x78, 0x70],
    ]
    .concat();
    let tree = java::read(&stream(&[&own, &[0x71, 0, 0x7E, 0, 2]])).unwrap();
    let root = tree.root().unwrap();
    let itself = tree.object(root.field("self").unwrap()).unwrap();
    assert_eq!((itself.class(), itself.field("self"), root.field("other")), ("Own", root.field("self"), None));
}

#[test]
fn blocks_that_follow_each_other_are_one() {
    let bytes = stream(&[
        &[0x73],
        &class("C", 3),
        &[0x70],
        &[0x77, 2, 1, 2],
        &[0x7A, 0, 0, 0, 1, 3],
        &[0x74, 0, 0],
        &[0x77, 1, 4, 0x78],
    ]);
    let tree = java::read(&bytes).unwrap();
    let contents = &tree.root().unwrap().parts()[0].annotation;
    let nodes: Vec<&Node> = contents.iter().map(|content| tree.node(*content).unwrap()).collect();
    assert_eq!(nodes, [&Node::Block(vec![1, 2, 3]), &Node::Text(String::new()), &Node::Block(vec![4])]);
}

#[test]
fn a_reset_forgets_every_handle() {
    let twice = |between: &[u8]| {
        java::read(&stream(&[&[0x73], &class("C", 3), &[0x70, 0x74, 0, 1, b'a'], between, &FIRST, &[0x78]]))
    };
    let with_reset = [&[0x79][..], &[0x74, 0, 1, b'b']].concat();
    let tree = twice(&with_reset).unwrap();
    let contents = &tree.root().unwrap().parts()[0].annotation;
    assert_eq!((contents.len(), tree.text(contents[2])), (3, Some("b")));
    assert!(twice(&[]).unwrap_err().to_string().contains("a description of a class where a value is expected"));
}

#[test]
fn primitive_values_are_read_as_what_they_are() {
    let array = |kind: u8, value: &[u8]| {
        let class = [&[0x72][..], &utf(&format!("[{}", char::from(kind))), &[0; 8], &[2, 0, 0, 0x78, 0x70]].concat();
        let tree = java::read(&stream(&[&[0x75], &class, &[0, 0, 0, 1], value])).unwrap();
        match tree.node(tree.value()) {
            Some(Node::Array(array)) => array.elements[0],
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(array(b'Z', &[1]), Value::Boolean(true));
    assert_eq!(array(b'B', &[0xFF]), Value::Byte(-1));
    assert_eq!(array(b'C', &[0, 65]), Value::Char(65));
    assert_eq!(array(b'S', &[0xFF, 0xFE]), Value::Short(-2));
    assert_eq!(array(b'I', &[0, 0, 1, 0]), Value::Int(256));
    assert_eq!(array(b'J', &[0xFF; 8]), Value::Long(-1));
    assert_eq!(array(b'F', &1.5f32.to_be_bytes()), Value::Float(1.5));
    assert_eq!(array(b'D', &(-0.25f64).to_be_bytes()), Value::Double(-0.25));
}

#[test]
fn what_breaks_the_grammar_is_named() {
    for (bytes, expected) in [
        (b"GET / HTTP/1.1".to_vec(), "does not begin as one"),
        (stream(&[&[0x00]]), "unknown tag of a content"),
        (stream(&[&[0x7B]]), "unknown tag of a content"),
        (stream(&[&FIRST]), "has not come yet"),
        (stream(&[&[0x71, 0, 0, 0, 0]]), "has not come yet"),
        (stream(&[&[0x73, 0x70]]), "no class where one is expected"),
        (stream(&[&[0x73], &class("C", 2), &FIRST]), "a class that is a part of itself"),
        (stream(&[&[0x73], &class("C", 6), &[0x70]]), "unknown form"),
        (stream(&[&[0x73], &class("C", 4), &[0x70]]), "unknown form"),
        (stream(&[&[0x75], &class("C", 2), &[0x70]]), "none of arrays"),
        (stream(&[&[0x75], &class("[C", 2), &[0x70, 0xFF, 0xFF, 0xFF, 0xFF]]), "length of an array -1"),
        (stream(&[&[0x7E], &class("E", 0x12), &[0x70, 0x70]]), "name is no string"),
        (stream(&[&[0x74, 0, 1, 0xFF]]), "no text in modified UTF-8"),
        (stream(&[&[0x7C, 0xFF, 0, 0, 0, 0, 0, 0, 0]]), "end in the middle of string"),
    ] {
        assert!(problem(&bytes).contains(expected), "{expected}: {}", problem(&bytes));
    }
}

/// An array says how long it is before its elements come: nothing is made ready for them.
#[test]
fn a_promised_length_takes_no_memory() {
    for class_name in ["[J", "[Ljava.lang.Object;"] {
        let bytes = stream(&[&[0x75], &class(class_name, 2), &[0x70, 0x7F, 0xFF, 0xFF, 0xFF, 0x70]]);
        assert!(matches!(java::read(&bytes), Err(Error::Truncated { .. })));
    }
}

#[test]
fn depth_levels_and_number_are_limited() {
    let array = [&[0x75][..], &class("[Ljava.lang.Object;", 2), &[0x70, 0, 0, 0, 1]].concat();
    let inner = [&[0x75][..], &FIRST, &[0, 0, 0, 1]].concat();
    let nested = |times| stream(&[&array, &inner.repeat(times), &[0x70]]);
    assert!(java::read(&nested(90)).is_ok());
    assert!(problem(&nested(100_000)).contains("too many contents in each other"));

    let classes = |times| stream(&[&[0x73], &class("C", 2).repeat(times), &[0x70]]);
    assert!(java::read(&classes(32)).is_ok());
    assert!(problem(&classes(33)).contains("too many classes that extend each other"));
    assert!(problem(&classes(1000)).contains("too many contents in each other"));

    let nulls = |count: u32| stream(&[&array[..array.len() - 4], &count.to_be_bytes(), &vec![0x70; count as usize]]);
    assert!(java::read(&nulls(200_000)).is_ok());
    assert!(problem(&nulls(300_000)).contains("too many objects and values"));
}
