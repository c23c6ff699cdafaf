//! Records about the cluster itself.

use serde::{Deserialize, Serialize};

use tanist_core::ids::{ClusterId, Epoch, Generation};

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
    /// Restores of the store so far.
    #[serde(with = "form")]
    pub number: Generation,
}

/// `ha/epoch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// The last epoch issued.
    #[serde(with = "form")]
    pub last: Epoch,
}
