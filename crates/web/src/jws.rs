//! Bearer tokens signed with a shared key (RE-18): JSON web signatures with HMAC.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

/// Shortest key, in bytes: 256 bits.
const LEAST_KEY: usize = 32;

/// Each algorithm with the shortest key that it may be used with, in bytes.
const ALGORITHMS: [(Algorithm, usize); 3] =
    [(Algorithm::HS256, LEAST_KEY), (Algorithm::HS384, 48), (Algorithm::HS512, 64)];

/// A key for tokens. It is never shown.
#[derive(Clone)]
pub struct JwsKey {
    key: DecodingKey,
    validation: Validation,
}

/// Why a text is no key. Says nothing of the text itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is not base64url.
    #[error("it is not base64url (letters, digits, '-' and '_')")]
    NotBase64,
    /// It is too short to sign with.
    #[error("it has {} bits; at least {} are needed", bytes * 8, LEAST_KEY * 8)]
    TooShort {
        /// What it has.
        bytes: usize,
    },
}

/// Why a request is not let in. The texts are the original's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthorized {
    /// It shows nothing.
    #[error("Authorization header is missing.")]
    Missing,
    /// It shows something else than a bearer token.
    #[error("Malformed Authorization header.")]
    Malformed,
    /// Its token is not one of ours, or out of its time.
    #[error("JWT Validate Fail")]
    Invalid,
}

impl JwsKey {
    /// Reads a key in base64url, with or without padding.
    ///
    /// # Errors
    /// Why it is none.
    pub fn from_base64url(text: &str) -> Result<Self, InvalidKey> {
        let secret = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).map_err(|_| InvalidKey::NotBase64)?;
        if secret.len() < LEAST_KEY {
            return Err(InvalidKey::TooShort { bytes: secret.len() });
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.algorithms = ALGORITHMS
            .into_iter()
            .filter(|(_, least)| secret.len() >= *least)
            .map(|(algorithm, _)| algorithm)
            .collect();
        // A token without claims is good for ever; one that names a time is good in that time.
        validation.required_spec_claims.clear();
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.leeway = 0;
        Ok(Self { key: DecodingKey::from_secret(&secret), validation })
    }

    /// Whether a request with these headers may come in.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Unauthorized> {
        let header = headers.get(AUTHORIZATION).ok_or(Unauthorized::Missing)?;
        let token =
            header.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).ok_or(Unauthorized::Malformed)?;
        match decode::<serde_json::Map<String, serde_json::Value>>(token.trim(), &self.key, &self.validation) {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::debug!(%error, "a token is refused");
                Err(Unauthorized::Invalid)
            }
        }
    }
}

impl fmt::Debug for JwsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwsKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn key() -> JwsKey {
        JwsKey::from_base64url(&URL_SAFE_NO_PAD.encode(SECRET)).unwrap()
    }

    fn token(algorithm: Algorithm, claims: &serde_json::Value, secret: &[u8]) -> String {
        format!("Bearer {}", encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap())
    }

    fn check(value: &str) -> Result<(), Unauthorized> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        key().check(&headers)
    }

    #[test]
    fn a_key_is_base64url_of_256_bits_and_never_shown_t_jw_01_t_jw_02() {
        assert_eq!(JwsKey::from_base64url("").unwrap_err(), InvalidKey::TooShort { bytes: 0 });
        assert_eq!(JwsKey::from_base64url("%%%").unwrap_err(), InvalidKey::NotBase64);
        let short = JwsKey::from_base64url(&URL_SAFE_NO_PAD.encode([7; 31])).unwrap_err();
        assert_eq!(short.to_string(), "it has 248 bits; at least 256 are needed");
        let padded = format!("{}=\n", URL_SAFE_NO_PAD.encode(SECRET));
        assert_eq!(format!("{:?}", JwsKey::from_base64url(&padded).unwrap()), "JwsKey(..)");
    }

    #[test]
    fn no_header_and_a_malformed_one_are_refused_in_the_original_s_words_t_jw_03() {
        let missing = key().check(&HeaderMap::new()).unwrap_err();
        assert_eq!(missing.to_string(), "Authorization header is missing.");
        for malformed in ["Invalid", "Basic dXNlcjpwdw==", "bearer", ""] {
            assert_eq!(check(malformed).unwrap_err().to_string(), "Malformed Authorization header.", "{malformed}");
        }
        assert_eq!(check("Bearer a.b.c").unwrap_err().to_string(), "JWT Validate Fail");
    }

    #[test]
    fn a_token_signed_with_the_key_is_let_in_t_jw_04() {
        assert_eq!(check(&token(Algorithm::HS256, &json!({}), &SECRET)), Ok(()));
        assert_eq!(check(&token(Algorithm::HS256, &json!({"aud": "x", "sub": "y"}), &SECRET)), Ok(()));
    }

    #[test]
    fn another_key_another_algorithm_and_another_time_are_refused_re_18() {
        let refused = Err(Unauthorized::Invalid);
        assert_eq!(check(&token(Algorithm::HS256, &json!({}), &[8; 32])), refused);
        assert_eq!(check(&token(Algorithm::HS512, &json!({}), &SECRET)), refused, "the key is too short for it");
        assert_eq!(check(&token(Algorithm::HS256, &json!({"exp": 1}), &SECRET)), refused, "expired");
        assert_eq!(check(&token(Algorithm::HS256, &json!({"nbf": 9_999_999_999_u64}), &SECRET)), refused, "not yet");
        let unsigned =
            format!("Bearer {}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode("{}"));
        assert_eq!(check(&unsigned), refused);
    }
}
