//! Java's syntax for properties, as Spark reads its `spark-defaults.conf`: UTF-8, and without white space at the end of a
//! value.

use std::iter::Peekable;
use std::str::Chars;

/// One property of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    /// Its key.
    pub(super) key: String,
    /// Its value.
    pub(super) value: String,
    /// On which line it begins, from 1.
    pub(super) line: usize,
}

/// A `\u` that is not followed by four hexadecimal digits; everything else is a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadEscape {
    /// On which line the property begins, from 1.
    pub(super) line: usize,
    /// What stands there.
    pub(super) found: String,
}

/// The properties of a text, in their order. One that is given twice is in it twice.
pub(super) fn parse(text: &str) -> Result<Vec<Property>, BadEscape> {
    logical_lines(text).into_iter().map(|(line, text)| property(&text, line)).collect()
}

const BLANK: [char; 3] = [' ', '\t', '\u{c}'];

/// Lines without comments and blank ones. A backslash at the end of a line joins it with the next one, whose white space
/// at the beginning does not count; a comment has no next one.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.split('\n').zip(1..).map(|(line, number)| (line.trim_start_matches(BLANK), number));
    let mut logical = Vec::new();
    while let Some((first, number)) = lines.next() {
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = first.to_owned();
        while let Some(shorter) = continued(&whole).map(str::to_owned) {
            whole = shorter;
            match lines.next() {
                Some((next, _)) => whole.push_str(next),
                None => break,
            }
        }
        logical.push((number, whole));
    }
    logical
}

/// The line without its last backslash, if that joins it with the next one: of two, the first is for the second.
fn continued(line: &str) -> Option<&str> {
    let backslashes = line.chars().rev().take_while(|&c| c == '\\').count();
    if backslashes % 2 == 1 { line.strip_suffix('\\') } else { None }
}

/// `key=value`, `key: value` or `key value`.
fn property(text: &str, line: usize) -> Result<Property, BadEscape> {
    let mut chars = text.chars().peekable();
    let ends_key = |c: char| BLANK.contains(&c) || c == '=' || c == ':';
    let key = unescaped(&mut chars, ends_key).map_err(|found| BadEscape { line, found })?;
    skip_blanks(&mut chars);
    if chars.next_if(|&c| c == '=' || c == ':').is_some() {
        skip_blanks(&mut chars);
    }
    let value = unescaped(&mut chars, |_| false).map_err(|found| BadEscape { line, found })?;
    // What Spark trims from both ends.
    let value = value.trim_matches(|c: char| c <= ' ' && c != '\r' && c != '\n').to_owned();
    Ok(Property { key, value, line })
}

fn skip_blanks(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| BLANK.contains(c)).is_some() {}
}

/// What stands there up to an end that no backslash precedes.
fn unescaped(chars: &mut Peekable<Chars<'_>>, ends: impl Fn(char) -> bool) -> Result<String, String> {
    let mut units = Vec::new();
    let mut plain = [0; 2];
    while let Some(c) = chars.next_if(|&c| !ends(c)) {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('u')) => units.push(unicode(chars)?),
            ('\\', Some(escaped)) => units.extend_from_slice(control(escaped).encode_utf16(&mut plain)),
            // Nothing can follow a backslash only at the end of the file, where Java drops it.
            ('\\', None) => {}
            (c, _) => units.extend_from_slice(c.encode_utf16(&mut plain)),
        }
    }
    Ok(String::from_utf16_lossy(&units))
}

fn control(escaped: char) -> char {
    match escaped {
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        'f' => '\u{c}',
        other => other,
    }
}

/// The four digits after `\u`: one unit of UTF-16, of which two may make one character.
fn unicode(chars: &mut Peekable<Chars<'_>>) -> Result<u16, String> {
    let digits: String = chars.by_ref().take(4).collect();
    let good = digits.len() == 4 && digits.chars().all(|c| c.is_ascii_hexdigit());
    let unit = good.then(|| u16::from_str_radix(&digits, 16).ok()).flatten();
    unit.ok_or_else(|| format!("\\u{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, usize)> {
        parse(text).unwrap().into_iter().map(|property| (property.key, property.value, property.line)).collect()
    }

    #[track_caller]
    fn assert_reads(text: &str, wanted: &[(&str, &str, usize)]) {
        let wanted: Vec<_> = wanted.iter().map(|(k, v, line)| ((*k).to_owned(), (*v).to_owned(), *line)).collect();
        assert_eq!(read(text), wanted, "{text:?}");
    }

    #[test]
    fn white_space_equals_sign_and_colon_separate() {
        for text in ["a b", "a\tb", "a=b", "a:b", "a = b", "a : b", "  a   b", "a\u{c}b  ", "a=b\t "] {
            assert_reads(text, &[("a", "b", 1)]);
        }
        assert_reads("a b = c", &[("a", "b = c", 1)]);
        assert_reads("a==b", &[("a", "=b", 1)]);
        assert_reads("a", &[("a", "", 1)]);
        assert_reads("a=", &[("a", "", 1)]);
        assert_reads("=b", &[("", "b", 1)]);
        assert_reads("spark.master spark://m1:7077,m2:7077", &[("spark.master", "spark://m1:7077,m2:7077", 1)]);
    }

    #[test]
    fn comments_and_blank_lines_are_none_of_them() {
        assert_reads("# a b\n\n  ! c d\n \t\ne f # no comment\n", &[("e", "f # no comment", 5)]);
        assert_reads("# ends here \\\na b", &[("a", "b", 2)]);
    }

    #[test]
    fn lines_go_on_after_an_odd_number_of_backslashes() {
        assert_reads("a b,\\\n   c,\\\r\n\td\ne f", &[("a", "b,c,d", 1), ("e", "f", 4)]);
        assert_reads("a b\\\\\nc d", &[("a", "b\\", 1), ("c", "d", 2)]);
        assert_reads("a b\\\n# c", &[("a", "b# c", 1)]);
        assert_reads("a b\\\n\nc d", &[("a", "b", 1), ("c", "d", 3)]);
        assert_reads("a b\\", &[("a", "b", 1)]);
        assert_reads("a\rb\r\nc", &[("a", "", 1), ("b", "", 2), ("c", "", 3)]);
    }

    #[test]
    fn escapes_are_java_s() {
        assert_reads(r"a\ b\=\:c d", &[("a b=:c", "d", 1)]);
        assert_reads(r"a \u00e4\uD83D\uDE00\q\\", &[("a", "ä😀q\\", 1)]);
        assert_reads(r"a x\n\t\r\fy", &[("a", "x\n\t\r\u{c}y", 1)]);
        assert_reads("a x\\n \\n", &[("a", "x\n \n", 1)]);
        for (text, found) in [("\na \\u12", "\\u12"), ("\na \\u12xy z", "\\u12xy"), ("\n\\u b", "\\u b")] {
            assert_eq!(parse(text), Err(BadEscape { line: 2, found: found.to_owned() }), "{text:?}");
        }
    }

    #[test]
    fn the_same_key_twice_is_there_twice() {
        assert_reads("a 1\na 2", &[("a", "1", 1), ("a", "2", 2)]);
    }
}
