//! Terms, leaders, and a master that does not lead.

use tanist_core::ids::{Epoch, Generation, Term};
use tanist_core::model::LeaderInfo;
use tanist_core::msg::NotLeading;

use super::DecodeError;
use super::fields::{choice, id, name, optional, required};
use crate::v1;

impl From<&Term> for v1::Term {
    fn from(term: &Term) -> Self {
        Self { generation: term.generation.0, epoch: term.epoch.0, nonce: term.nonce.to_string() }
    }
}

impl TryFrom<v1::Term> for Term {
    type Error = DecodeError;
    fn try_from(wire: v1::Term) -> Result<Self, DecodeError> {
        Ok(Self { generation: Generation(wire.generation), epoch: Epoch(wire.epoch), nonce: id("nonce", &wire.nonce)? })
    }
}

impl From<&LeaderInfo> for v1::LeaderInfo {
    fn from(leader: &LeaderInfo) -> Self {
        Self {
            cluster_id: leader.cluster.to_string(),
            term: Some((&leader.term).into()),
            master_id: leader.master.to_string(),
            address: leader.address.clone(),
            ui_url: leader.ui_url.clone(),
        }
    }
}

impl TryFrom<v1::LeaderInfo> for LeaderInfo {
    type Error = DecodeError;
    fn try_from(wire: v1::LeaderInfo) -> Result<Self, DecodeError> {
        Ok(Self {
            cluster: id("cluster_id", &wire.cluster_id)?,
            term: required("term", wire.term)?,
            master: id("master_id", &wire.master_id)?,
            address: name("address", wire.address)?,
            ui_url: name("ui_url", wire.ui_url)?,
        })
    }
}

impl From<&NotLeading> for v1::NotLeading {
    fn from(answer: &NotLeading) -> Self {
        Self { role: v1::MasterRole::from(answer.role).into(), leader: answer.leader.as_ref().map(Into::into) }
    }
}

impl TryFrom<v1::NotLeading> for NotLeading {
    type Error = DecodeError;
    fn try_from(wire: v1::NotLeading) -> Result<Self, DecodeError> {
        Ok(Self { role: choice("role", wire.role)?, leader: optional("leader", wire.leader)? })
    }
}
