//! Records about the cluster itself.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use tanist_core::ids::{ClusterId, Epoch, Generation};
use tanist_core::master::LAST_GENERATION;

use crate::form;

/// `meta/cluster`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterRecord {
    /// Random, made once.
    #[serde(with = "form")]
    pub id: ClusterId,
    /// The name that its masters are given, where they share the store with other clusters. Older records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version of the layout of keys and values.
    pub schema: u32,
    /// Wall clock, milliseconds since 1970.
    pub created_at: u64,
}

/// `meta/generation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationRecord {
    /// Restores of the store so far. People raise it; one whose ids would not fit is refused.
    #[serde(serialize_with = "form::serialize", deserialize_with = "generation")]
    pub number: Generation,
}

fn generation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Generation, D::Error> {
    let number = form::deserialize(deserializer)?;
    if number > LAST_GENERATION {
        let why = format!("number: {number} is not allowed; allowed: a generation of at most {LAST_GENERATION}");
        return Err(D::Error::custom(why));
    }
    Ok(number)
}

/// `ha/epoch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// The last epoch issued.
    #[serde(with = "form")]
    pub last: Epoch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_whose_ids_do_not_fit_is_refused() {
        let read = |number: u64| serde_json::from_str::<GenerationRecord>(&format!("{{\"number\":{number}}}"));
        assert_eq!(read(LAST_GENERATION.0).unwrap(), GenerationRecord { number: LAST_GENERATION });
        let refused = read(20_000_000).unwrap_err().to_string();
        assert!(
            refused.starts_with("number: 20000000 is not allowed; allowed: a generation of at most 18446743"),
            "{refused}"
        );
    }
}
