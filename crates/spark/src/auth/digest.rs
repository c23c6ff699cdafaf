//! SASL's DIGEST-MD5 as far as Spark uses it: to prove that one knows the secret, with nothing protected afterwards
//! (quality of protection `auth`).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::secret::MARK;
use super::{Secret, USER};
use crate::Error;

/// The realm of everybody.
const REALM: &str = "default";
/// Which service is asked for: Java's text for a protocol that has no name, and the realm.
const SERVICE: &str = "null/default";
/// Each nonce of a server is used once.
const COUNT: &str = "00000001";
/// What is protected after the proof.
const QUALITY: &str = "auth";
/// The only algorithm.
const ALGORITHM: &str = "md5-sess";
/// What is hashed with the service in the client's proof, and not in the server's.
const CLIENT: &str = "AUTHENTICATE";
const SERVER: &str = "";

/// Random bytes of a nonce.
pub(super) const NONCE: usize = 30;

/// A random text.
pub(super) fn nonce(random: [u8; NONCE]) -> String {
    STANDARD.encode(random)
}

/// One that is recognised by whoever knows the secret: its last bytes follow from the others.
pub(super) fn nonce_of_cluster(mut random: [u8; NONCE], secret: &Secret) -> Result<String, Error> {
    let (drawn, mark) = random.split_at_mut(NONCE - MARK);
    mark.copy_from_slice(&secret.mark(drawn)?);
    Ok(nonce(random))
}

/// Whether a nonce is of that kind.
pub(super) fn is_of_cluster(nonce: &str, secret: &Secret) -> Result<bool, Error> {
    let Ok(bytes) = <[u8; NONCE]>::try_from(STANDARD.decode(nonce).unwrap_or_default()) else { return Ok(false) };
    let (drawn, mark) = bytes.split_at(NONCE - MARK);
    Ok(mark == secret.mark(drawn)?)
}

/// What a server asks.
pub(super) fn challenge(nonce: &str) -> String {
    format!(r#"realm="{REALM}",nonce="{nonce}",qop="{QUALITY}",charset=utf-8,algorithm={ALGORITHM}"#)
}

/// One proof: the secret and both random texts.
#[derive(Debug)]
pub(super) struct Proof<'a> {
    pub(super) secret: &'a Secret,
    /// The server's.
    pub(super) nonce: &'a str,
    /// The client's.
    pub(super) cnonce: &'a str,
}

impl Proof<'_> {
    /// In hexadecimal digits.
    fn of(&self, who: &str) -> String {
        let Self { secret, nonce, cnonce } = self;
        let password = Zeroizing::new(STANDARD.encode(secret.expose()));
        let known = Md5::new().chain_update(user()).chain_update(format!(":{REALM}:")).chain_update(&*password);
        let session = Md5::new().chain_update(known.finalize()).chain_update(format!(":{nonce}:{cnonce}"));
        let asked = Md5::digest(format!("{who}:{SERVICE}"));
        let (session, asked) = (hex(&session.finalize()), hex(&asked));
        hex(&Md5::digest(format!("{session}:{nonce}:{COUNT}:{cnonce}:{QUALITY}:{asked}")))
    }

    /// What a client says to the challenge.
    pub(super) fn response(&self) -> String {
        let Self { nonce, cnonce, .. } = self;
        let (user, response) = (user(), self.of(CLIENT));
        format!(
            "charset=utf-8,username=\"{user}\",realm=\"{REALM}\",nonce=\"{nonce}\",nc={COUNT},cnonce=\"{cnonce}\",\
             digest-uri=\"{SERVICE}\",maxbuf=65536,response={response},qop={QUALITY}"
        )
    }

    /// What a server says to a good response.
    pub(super) fn final_word(&self) -> String {
        format!("rspauth={}", self.of(SERVER))
    }
}

/// What is answered to a client's response to the challenge with this nonce.
///
/// # Errors
/// It proves nothing.
pub(super) fn final_word(response: &[u8], nonce: &str, secret: &Secret) -> Result<String, Error> {
    let said = Directives::read(response)?;
    // What is left out is in the proof all the same.
    said.check("username", |found| found == user())?;
    said.check("realm", |found| found == REALM)?;
    said.check("nonce", |found| found == nonce)?;
    said.check("nc", |found| found == COUNT)?;
    said.check("digest-uri", |found| found.eq_ignore_ascii_case(SERVICE))?;
    said.check("qop", |found| found == QUALITY)?;
    if said.get("authzid").is_some() {
        return Err(unexpected("a response for somebody else (authzid)".to_owned()));
    }
    let cnonce = said.required("cnonce")?;
    let proof = Proof { secret, nonce, cnonce };
    verify(said.required("response")?, &proof.of(CLIENT), "client")?;
    Ok(proof.final_word())
}

/// The nonce of a server's challenge.
///
/// # Errors
/// It wants more than a proof, or is none at all.
pub(super) fn asked(challenge: &[u8]) -> Result<String, Error> {
    let said = Directives::read(challenge)?;
    said.check("algorithm", |found| found == ALGORITHM)?;
    said.check("realm", |found| found == REALM)?;
    said.check("qop", |offered| offered.split(',').any(|one| one.trim() == QUALITY))?;
    let nonce = said.required("nonce")?;
    // It goes back within quotes.
    if nonce.contains(['"', '\\']) { Err(unexpected("a nonce with quotes".to_owned())) } else { Ok(nonce.to_owned()) }
}

/// Checks the server's proof.
///
/// # Errors
/// It proves nothing.
pub(super) fn check_final(word: &[u8], proof: &Proof<'_>) -> Result<(), Error> {
    verify(Directives::read(word)?.required("rspauth")?, &proof.of(SERVER), "server")
}

/// In time that does not depend on where they differ.
fn verify(found: &str, wanted: &str, who: &'static str) -> Result<(), Error> {
    verify_slices_are_equal(found.as_bytes(), wanted.as_bytes()).map_err(|_| Error::Secret { who })
}

fn user() -> String {
    STANDARD.encode(USER)
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

fn unexpected(found: String) -> Error {
    Error::Unexpected { found, wanted: "DIGEST-MD5 with qop=auth" }
}

/// `name=value` or `name="value"`, with commas between.
struct Directives(Vec<(String, String)>);

impl Directives {
    fn read(token: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(token).map_err(|_| unexpected("a token that is no text".to_owned()))?;
        let mut directives: Vec<(String, String)> = Vec::new();
        let mut rest = text;
        while let Some((name, after)) = rest.split_once('=') {
            let name = name.trim_matches([',', ' ', '\t']).to_ascii_lowercase();
            let (value, after) = value(after).ok_or_else(|| unexpected(format!("an open quote behind {name:?}")))?;
            if directives.iter().any(|(known, _)| *known == name) {
                return Err(unexpected(format!("{name:?} twice")));
            }
            directives.push((name, value));
            rest = after;
        }
        if rest.trim_matches([',', ' ', '\t']).is_empty() {
            Ok(Self(directives))
        } else {
            Err(unexpected(format!("{rest:?}")))
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, Error> {
        self.get(name).ok_or_else(|| unexpected(format!("a token without {name}")))
    }

    /// What is not there is not wrong.
    fn check(&self, name: &str, is_right: impl FnOnce(&str) -> bool) -> Result<(), Error> {
        match self.get(name) {
            Some(found) if !is_right(found) => Err(unexpected(format!("{name}={found:?}"))),
            _ => Ok(()),
        }
    }
}

/// The value that a text begins with, and what stands behind it. `None` = it is in quotes that do not end.
fn value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start_matches([' ', '\t']);
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
        return Some((value.trim_end().to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}
