//! The options in a variable such as `SPARK_WORKER_OPTS`, split as Spark's launcher splits them.

/// What an option that sets a property begins with.
const PROPERTY: &str = "-D";

/// The properties of Spark's that are set in it, the last one first. What else stands there is for a Java machine.
pub(super) fn properties(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let words = words(text).ok_or("options whose quotes are closed")?;
    let property = |word: &String| {
        let (name, value) = word.strip_prefix(PROPERTY)?.split_once('=')?;
        name.starts_with(super::KEYS).then(|| (name.to_owned(), value.to_owned()))
    };
    Ok(words.iter().rev().filter_map(property).collect())
}

/// Words are separated by white space. Quotes keep it in; a backslash keeps what follows it, but not in single quotes.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quote != Some('\'') => word.get_or_insert_default().push(chars.next()?),
            '"' | '\'' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            c if quote == Some(c) => quote = None,
            c if quote.is_none() && c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_as_the_launcher_does() {
        let table: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("  -Da=b\t-Xmx1g\n-Dc=d ", &["-Da=b", "-Xmx1g", "-Dc=d"]),
            (r#"-Da="b c" '-Dd=e f'"#, &["-Da=b c", "-Dd=e f"]),
            (r#"-Da="b\"c\\" 'd\e'"#, &[r#"-Da=b"c\"#, r"d\e"]),
            (r#"-Da='' """#, &["-Da=", ""]),
            (r"a\ b", &["a b"]),
        ];
        for (text, wanted) in table {
            assert_eq!(words(text).unwrap(), wanted, "{text:?}");
        }
        for text in ["-Da=\"b", "'", "a\\"] {
            assert_eq!(words(text), None, "{text:?}");
        }
    }

    #[test]
    fn properties_of_spark_s_are_taken_the_last_one_first() {
        let text = "-Dspark.a=1 -Xmx2g -Dother=2 -Dspark.b -Dspark.a=x=y";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(properties(text).unwrap(), [pair("spark.a", "x=y"), pair("spark.a", "1")]);
        assert!(properties("-Dspark.a='1").is_err());
    }
}
