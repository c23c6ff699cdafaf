use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::java;

/// The collections of one version of Spark, and so of Scala, by name.
fn collections(version: &str) -> Vec<(String, Tree)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version).join("collections.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let read = |(name, hex): (&str, &str)| {
        let digits: Vec<u8> = hex.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
        let bytes: Vec<u8> = digits.as_chunks().0.iter().map(|&[high, low]| high << 4 | low).collect();
        (name.to_owned(), java::read(&bytes).unwrap())
    };
    text.lines().filter_map(|line| line.split_once(' ')).map(read).collect()
}

/// How many elements its name says it has.
fn size(name: &str) -> usize {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn every_sequence_and_map_has_its_elements() {
    let mut read = 0;
    for version in ["3.5.9", "4.1.4"] {
        for (name, tree) in collections(version) {
            if name.starts_with("seq") {
                let found = elements(&tree, tree.value());
                if (version, name.as_str()) == ("3.5.9", "seq3.iterator") {
                    assert_eq!(found, None, "a lazy one, whose rest is a function");
                    continue;
                }
                let found: Vec<&str> = found
                    .unwrap_or_else(|| panic!("{version} {name}"))
                    .iter()
                    .map(|e| tree.text(*e).unwrap())
                    .collect();
                let expected: Vec<String> = (1..=size(&name)).map(|at| format!("s{at}")).collect();
                assert_eq!(found, expected, "{version} {name}");
            } else if !name.starts_with("opt") {
                let found = entries(&tree, tree.value()).unwrap_or_else(|| panic!("{version} {name}"));
                let entry = |(key, value): &(Value, Value)| (tree.text(*key).unwrap(), unboxed(&tree, *value));
                let found: BTreeMap<&str, Value> = found.iter().map(entry).collect();
                assert_eq!(found.len(), size(&name), "{version} {name}");
                for (key, value) in found {
                    assert_eq!(Value::Int(key[1..].parse().unwrap()), value, "{version} {name}");
                }
            }
            read += 1;
        }
    }
    assert_eq!(read, 81);
}

#[test]
fn every_option_holds_what_it_holds() {
    for version in ["3.5.9", "4.1.4"] {
        let collections: BTreeMap<String, Tree> = collections(version).into_iter().collect();
        let held = |name: &str| {
            let tree = &collections[name];
            option(tree, tree.value()).unwrap().map(|value| (tree.text(value), unboxed(tree, value)))
        };
        assert_eq!(held("opt.none"), None, "{version}");
        assert!(matches!(held("opt.some"), Some((Some(_), _))), "{version}");
        assert!(matches!(held("opt.int"), Some((None, Value::Int(_)))), "{version}");
        assert!(matches!(held("opt.long"), Some((None, Value::Long(_)))), "{version}");
        assert_eq!(option(&collections["seq3.list"], collections["seq3.list"].value()), None);
    }
}

/// A vector whose arrays hold themselves has as many elements as it likes to say.
#[test]
fn a_vector_that_holds_itself_is_refused() {
    let sound = |end: i32| {
        let mut tree = Tree::empty();
        let fields = [("depth", "I"), ("endIndex", "I"), ("startIndex", "I"), ("display5", "[Ljava/lang/Object;")];
        let class = tree.add_class("scala.collection.immutable.Vector", 0, 2, &fields, None);
        let array = tree.add_endless_array();
        let fields = [
            ("depth", Value::Int(6)),
            ("endIndex", Value::Int(end)),
            ("startIndex", Value::Int(0)),
            ("display5", array),
        ];
        let vector = tree.add_object(class, &fields);
        elements(&tree, vector).map(|elements| elements.len())
    };
    assert_eq!(sound(5), Some(5));
    assert_eq!(sound(i32::MAX), None);
    assert_eq!(sound(-1), None);
}
