//! The numbers of classes, from class files and jars.

use std::fs;
use std::io::{Cursor, Write as _};

use tanist_spark::uids::{class_file, jar};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::captured::{folder, unhex};

/// Classes with their numbers, as Java tells them, and their class files.
fn classes() -> Vec<(String, i64, Vec<u8>)> {
    let folder = folder().join("classes");
    let told = fs::read_to_string(folder.join("uids.txt")).unwrap();
    let class = |line: &str| {
        let (name, uid) = line.split_once(' ').unwrap();
        let file = folder.join(format!("{}.hex", name.rsplit('.').next().unwrap()));
        (name.to_owned(), uid.parse().unwrap(), unhex(&fs::read_to_string(file).unwrap()))
    };
    let classes: Vec<_> = told.lines().filter(|line| !line.starts_with('#')).map(class).collect();
    assert_eq!(classes.len(), 7);
    classes
}

#[test]
fn every_class_has_the_number_java_gives_it() {
    for (name, uid, file) in classes() {
        assert_eq!(class_file::uid(&file), Ok(uid), "{name}");
    }
}

#[test]
fn a_broken_class_file_is_refused_wherever_it_ends() {
    for (name, _, file) in classes() {
        for end in 0..file.len() {
            assert!(class_file::uid(&file[..end]).is_err(), "{name} of {end} bytes");
        }
    }
    let error = class_file::uid(b"PK\x03\x04 is a jar, not a class").unwrap_err().to_string();
    assert_eq!(error, "the class file is broken at 4: it does not begin as one");
}

#[test]
fn numbers_come_out_of_a_jar_by_the_names_of_classes() {
    let mut written = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, _, file) in classes() {
        let entry = format!("{}.class", name.replace('.', "/"));
        written.start_file(entry, SimpleFileOptions::default()).unwrap();
        written.write_all(&file).unwrap();
    }
    let bytes = written.finish().unwrap().into_inner();
    let names: Vec<String> = classes().into_iter().map(|(name, ..)| name).collect();
    let uids = jar::read(Cursor::new(&bytes), names.iter().map(String::as_str)).unwrap();
    for (name, uid, _) in classes() {
        assert_eq!(uids.get(&name), Some(uid), "{name}");
    }
    let missing = jar::read(Cursor::new(&bytes), ["sample.Other"]).unwrap_err().to_string();
    assert!(missing.starts_with("the sample/Other.class of the jar cannot be read: "), "{missing}");
    let none = jar::read(Cursor::new(b"no jar"), ["sample.Other"]).unwrap_err().to_string();
    assert!(none.starts_with("the index of the jar cannot be read: "), "{none}");
}
