//! The rules of the house that a compiler does not know.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom, tests aside. `xtask` and the test crates stand outside.
const ARROWS: [(&str, &[&str]); 10] = [
    ("tanist-core", &[]),
    ("tanist-spark", &[]),
    ("tanist-etcd-sim", &[]),
    ("tanist-proto", &["tanist-core"]),
    ("tanist-store", &["tanist-core"]),
    ("tanist-web", &["tanist-core"]),
    ("tanist-master", &["tanist-core", "tanist-proto", "tanist-store", "tanist-web", "tanist-spark"]),
    ("tanist-worker", &["tanist-core", "tanist-proto", "tanist-web", "tanist-spark"]),
    ("tanist-client", &["tanist-core", "tanist-proto"]),
    (
        "tanist",
        &[
            "tanist-core",
            "tanist-proto",
            "tanist-store",
            "tanist-web",
            "tanist-master",
            "tanist-worker",
            "tanist-client",
            "tanist-spark",
        ],
    ),
];

/// What the core may never depend on, directly.
const CORE_MAY_USE: [&str; 1] = ["thiserror"];

/// Longest file of product code, in lines, tests aside.
const MAX_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn dependencies() -> BTreeMap<String, Vec<String>> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--locked".to_owned(), "--offline".to_owned()])
        .exec()
        .unwrap();
    let normal = |package: &cargo_metadata::Package| {
        let kept = package.dependencies.iter().filter(|d| d.kind == cargo_metadata::DependencyKind::Normal);
        kept.map(|d| d.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), normal(package))).collect()
}

/// All files below these folders with one of these extensions, with what stands in them.
fn files(folders: &[&str], extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted)) {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(found.len() > 50, "the files were found");
    found
}

/// All Rust files of the product and of the harnesses, with what stands in them.
fn sources() -> Vec<(PathBuf, String)> {
    files(&["crates", "chaos"], &["rs"])
}

fn is_test(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.contains("/tests/") || text.contains("/tests.") || text.ends_with("_tests.rs") || text.contains("/benches/")
}

/// A file without its inline tests.
fn product_part(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod ").next().unwrap_or(source)
}

#[test]
fn arrows_between_crates_point_one_way() {
    let dependencies = dependencies();
    for (package, allowed) in ARROWS {
        let used = dependencies.get(package).unwrap_or_else(|| panic!("{package} is a member"));
        let ours =
            used.iter().filter(|name| ARROWS.iter().any(|(member, _)| member == name) || name.starts_with("tanist"));
        for name in ours {
            assert!(allowed.contains(&name.as_str()), "{package} must not use {name}");
        }
    }
}

#[test]
fn the_core_uses_nothing_that_acts() {
    for name in &dependencies()["tanist-core"] {
        assert!(CORE_MAY_USE.contains(&name.as_str()), "tanist-core must not use {name}");
    }
    for (path, source) in sources() {
        let core = path.to_string_lossy().contains("/core/src/");
        if core && !is_test(&path) {
            for word in ["async fn", "std::fs", "std::net", "std::thread", "std::process", "std::env"] {
                assert!(!product_part(&source).contains(word), "{}: {word}", path.display());
            }
        }
    }
}

#[test]
fn files_stay_small() {
    let too_long: Vec<String> = sources()
        .iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, source)| (path, product_part(source).lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines, at most {MAX_LINES}", path.display()))
        .collect();
    assert!(too_long.is_empty(), "{too_long:#?}");
}

#[test]
fn every_file_says_what_lives_in_it() {
    let silent: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|(path, source)| !is_test(path) && !source.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "no //! at the top: {silent:#?}");
}

/// `select!` without `biased;` polls in random order: no run could be repeated.
#[test]
fn select_is_always_biased() {
    for (path, source) in sources() {
        for (at, _) in source.match_indices("select! {") {
            let next = source[at + "select! {".len()..].trim_start();
            assert!(next.starts_with("biased;"), "{}: select! without biased;", path.display());
        }
    }
}

#[test]
fn nothing_is_left_to_do() {
    for (path, source) in sources() {
        for word in ["TODO", "FIXME", "XXX", "unimplemented!"] {
            assert!(!source.contains(word), "{}: {word}", path.display());
        }
    }
}

/// What the ids in the code mean.
const BEHAVIOURS: &str = "docs/behaviours.md";

/// Two capitals, a hyphen and two digits that are no id.
const NO_IDS: [&str; 1] = ["UTF-16"];

/// `RC-13` is (`RC`, 13), and `T-MS-27` (`T-MS`, 27).
fn id(word: &str) -> Option<(&str, u8)> {
    let (group, number) = word.rsplit_once('-')?;
    let letters = group.strip_prefix("T-").unwrap_or(group);
    let is_group = (2..=3).contains(&letters.len()) && letters.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_group && number.len() == 2 && !NO_IDS.contains(&word)).then_some((group, number.parse().ok()?))
}

/// The row of an id: test cases of the original have one for each group.
fn row((group, number): (&str, u8)) -> String {
    if group.starts_with("T-") { group.to_owned() } else { format!("{group}-{number:02}") }
}

/// Ids as they are written in sentences: `RC-13`, `RE-02 … RE-04`, `DIR-01…03`.
fn ids_in_sentences(text: &str) -> Vec<String> {
    let text = text.replace('…', " … ");
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && !"-…".contains(c)).filter(|w| !w.is_empty()).collect();
    let mut rows = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Some((group, first)) = id(word) else { continue };
        let end = words.get(at + 2).filter(|_| words[at + 1] == "…");
        let last = end.and_then(|end| end.trim_start_matches(group).trim_start_matches('-').parse().ok());
        rows.extend((first..=last.unwrap_or(first)).map(|number| row((group, number))));
    }
    rows
}

/// Ids at the end of a test's name, or at its beginning: `…_rc_13`, `…_t_ms_27`. Only known groups count.
fn ids_in_names(text: &str, groups: &BTreeSet<String>) -> Vec<String> {
    let mut rows = Vec::new();
    for name in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|name| name.contains('_')) {
        let parts: Vec<&str> = name.split('_').collect();
        for (at, pair) in parts.windows(2).enumerate() {
            let of_the_original = at > 0 && parts[at - 1] == "t";
            let group = format!("{}{}", if of_the_original { "T-" } else { "" }, pair[0].to_uppercase());
            if groups.contains(&group) && pair[1].len() == 2 {
                rows.extend(pair[1].parse().ok().map(|number| row((group.as_str(), number))));
            }
        }
    }
    rows
}

#[test]
fn ids_of_behaviours_have_rows_and_rows_are_cited() {
    let page = fs::read_to_string(root().join(BEHAVIOURS)).unwrap();
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let rows: BTreeSet<String> =
        cells.filter(|cell| id(cell).is_some() || cell.starts_with("T-")).map(str::to_owned).collect();
    assert!(rows.len() > 100, "the rows were found");
    let groups = rows.iter().map(|row| id(row).map_or_else(|| row.clone(), |(group, _)| group.to_owned())).collect();
    let mut cited = BTreeSet::new();
    for (path, text) in files(&[""], &["rs", "md", "toml", "proto", "yaml"]) {
        if path.ends_with(BEHAVIOURS) {
            continue;
        }
        for row in ids_in_sentences(&text).into_iter().chain(ids_in_names(&text, &groups)) {
            assert!(rows.contains(&row), "{} cites {row}, which has no row in {BEHAVIOURS}", path.display());
            cited.insert(row);
        }
    }
    let idle: Vec<&String> = rows.difference(&cited).collect();
    assert!(idle.is_empty(), "nothing cites these rows of {BEHAVIOURS}: {idle:?}");
}

/// `4.5 …` is section 4.5; what does not begin with a digit is none.
fn section(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let whole = number.trim_end_matches('.');
    (!whole.is_empty()).then_some((whole, rest))
}

/// `protocol 5`, `protocol 4 and 6`, and in the name of a test `…_protocol_4_5`.
fn sections_cited(text: &str) -> Vec<String> {
    let mut cited = Vec::new();
    for (at, word) in text.match_indices("protocol ") {
        let mut next = section(&text[at + word.len()..]);
        while let Some((number, rest)) = next {
            cited.push(number.to_owned());
            next = rest.strip_prefix(" and ").or_else(|| rest.strip_prefix(", ")).and_then(section);
        }
    }
    for (at, word) in text.match_indices("_protocol_") {
        let name = text[at + word.len()..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
        let numbers: Vec<&str> = name.split('_').take_while(|part| part.parse::<u8>().is_ok()).collect();
        cited.extend((!numbers.is_empty()).then(|| numbers.join(".")));
    }
    cited
}

#[test]
fn cited_sections_of_the_protocol_are_there_and_so_are_the_files_that_it_names() {
    let page = fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    let headings: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with('#'))
        .filter_map(|line| Some(section(line.trim_start_matches('#').trim_start())?.0))
        .collect();
    let mut all = BTreeSet::new();
    for (path, text) in files(&[""], &["rs", "md"]) {
        for number in sections_cited(&text) {
            assert!(headings.contains(&*number), "{} cites section {number} of the protocol", path.display());
            all.insert(number);
        }
    }
    assert!(all.len() > 5, "citations were found: {all:?}");
    for named in page.split('`').filter(|quoted| quoted.starts_with("crates/") || quoted.starts_with("chaos/")) {
        assert!(root().join(named).exists(), "docs/protocol.md names {named}");
    }
}
