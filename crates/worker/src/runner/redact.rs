//! The header a log starts with (DRN-05, ERN-05), and keeping secrets out of it (SE-04).

pub use tanist_core::secrets::{REDACTED, is_secret};

/// Length of the rule below the command.
const RULE_LENGTH: usize = 40;

/// Whose command a header shows; decides its first words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderOf {
    /// `Launch Command:` (DRN-05).
    Driver,
    /// `Spark Executor Command:` (ERN-05).
    Executor,
}

/// The command in quotes without its secrets, a rule of 40 `=`, and an empty line.
pub fn header(of: HeaderOf, command: &[String]) -> String {
    let title = match of {
        HeaderOf::Driver => "Launch Command",
        HeaderOf::Executor => "Spark Executor Command",
    };
    let quoted: Vec<String> = redact(command).iter().map(|word| format!("\"{word}\"")).collect();
    format!("{title}: {}\n{}\n\n", quoted.join(" "), "=".repeat(RULE_LENGTH))
}

/// The command with every secret replaced by [`REDACTED`]: the value of `-Dkey=value`, `--key=value` and `KEY=value`
/// if key or value speaks of a secret, and the word after an option without `=` whose name does.
pub fn redact(command: &[String]) -> Vec<String> {
    let mut value_of_secret_option = false;
    let redact_word = |word: &String| {
        let is_option = word.starts_with('-');
        if std::mem::take(&mut value_of_secret_option) && !is_option {
            return REDACTED.to_owned();
        }
        match word.split_once('=') {
            Some((key, value)) if is_secret(key) || is_secret(value) => format!("{key}={REDACTED}"),
            Some(_) => word.clone(),
            None => {
                value_of_secret_option = is_option && is_secret(word);
                word.clone()
            }
        }
    };
    command.iter().map(redact_word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn header_quotes_every_word_and_ends_with_rule_and_empty_line() {
        assert_eq!(
            header(HeaderOf::Driver, &words("/bin/echo hello")),
            format!("Launch Command: \"/bin/echo\" \"hello\"\n{}\n\n", "=".repeat(40)),
        );
        assert!(header(HeaderOf::Executor, &[]).starts_with("Spark Executor Command: \n===="));
    }

    #[test]
    fn secrets_are_replaced_in_every_form() {
        let redacted = |line| redact(&words(line)).join(" ");
        assert_eq!(redacted("-Dspark.my.PassWord=abc"), format!("-Dspark.my.PassWord={REDACTED}"));
        assert_eq!(redacted("--api-token=a=b next"), format!("--api-token={REDACTED} next"));
        assert_eq!(redacted("AWS_SECRET_KEY=x"), format!("AWS_SECRET_KEY={REDACTED}"));
        assert_eq!(redacted("-Dfs.s3a.access.key=x"), format!("-Dfs.s3a.access.key={REDACTED}"));
        assert_eq!(redacted("-Dfs.accessKey=x"), format!("-Dfs.accessKey={REDACTED}"));
        assert_eq!(redacted("--credential abc def"), format!("--credential {REDACTED} def"));
        assert_eq!(redacted("-Durl=jdbc:x?password=y"), format!("-Durl={REDACTED}"));
    }

    #[test]
    fn everything_else_stays() {
        for line in ["-Dspark.app.name=pi --cores 4", "java -Xmx1024M -cp a.jar:b.jar Main 100", "--token --verbose"] {
            assert_eq!(redact(&words(line)).join(" "), line);
        }
    }
}
