//! Names that speak of secrets (SE-04): their values are in no log, answer or page.

/// What stands in for a secret; the original's text, so that people find it.
pub const REDACTED: &str = "*********(redacted)";

/// Parts of a name that mark its value as secret, in lower case.
const SECRET_WORDS: [&str; 7] = ["secret", "password", "token", "accesskey", "access.key", "access_key", "credential"];

/// Whether a name speaks of a secret, in any case of letters.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}
