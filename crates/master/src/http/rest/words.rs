//! A line of options split into words as a shell would, without a shell: quotes hold words together, a backslash inside
//! double quotes takes the next character as it is. Nothing is expanded.

/// The words of a line. A quote that is not closed ends with the line.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does_without_expanding_anything() {
        let cases: [(&str, &[&str]); 9] = [
            ("", &[]),
            ("  \t ", &[]),
            ("-Dmy.opt=1  -XX:+UseSerialGC", &["-Dmy.opt=1", "-XX:+UseSerialGC"]),
            ("-Da='x y' -Db=\"u v\"", &["-Da=x y", "-Db=u v"]),
            (r#""a \"b\" \\c""#, &[r#"a "b" \c"#]),
            (r"'a \b'", &[r"a \b"]),
            (r"C:\dir", &[r"C:\dir"]),
            ("'' \"\"", &["", ""]),
            ("$(rm -rf /) `x` ; 'open", &["$(rm", "-rf", "/)", "`x`", ";", "open"]),
        ];
        for (line, wanted) in cases {
            assert_eq!(split(line), wanted, "{line:?}");
        }
    }
}
