//! Custom resources: wanted amounts and given addresses.

use std::collections::BTreeMap;

use tanist_core::model::{Addresses, Amounts};

use super::DecodeError;
use super::fields::{at_most, fits};
use crate::limits::{MAX_RESOURCE_ADDRESSES, MAX_RESOURCE_TEXT_BYTES, MAX_RESOURCES};
use crate::v1;

/// Resource amounts for the wire.
pub(super) fn from_amounts(amounts: &Amounts) -> BTreeMap<String, u32> {
    amounts.iter().map(|(name, amount)| (name.to_owned(), amount)).collect()
}

/// Resource amounts from the wire.
pub(super) fn to_amounts(field: &str, wire: BTreeMap<String, u32>) -> Result<Amounts, DecodeError> {
    at_most(field, wire.len(), MAX_RESOURCES)?;
    for name in wire.keys() {
        fits(field, name.len(), MAX_RESOURCE_TEXT_BYTES)?;
    }
    Ok(Amounts::new(wire))
}

/// Resource addresses for the wire.
pub(super) fn from_addresses(addresses: &Addresses) -> BTreeMap<String, v1::AddressList> {
    addresses.iter().map(|(name, all)| (name.to_owned(), v1::AddressList { addresses: all.to_vec() })).collect()
}

/// Resource addresses from the wire.
pub(super) fn to_addresses(field: &str, wire: BTreeMap<String, v1::AddressList>) -> Result<Addresses, DecodeError> {
    at_most(field, wire.len(), MAX_RESOURCES)?;
    for (name, list) in &wire {
        fits(field, name.len(), MAX_RESOURCE_TEXT_BYTES)?;
        at_most(&format!("{field}[{name:?}].addresses"), list.addresses.len(), MAX_RESOURCE_ADDRESSES)?;
        for address in &list.addresses {
            fits(&format!("{field}[{name:?}].addresses"), address.len(), MAX_RESOURCE_TEXT_BYTES)?;
        }
    }
    Ok(Addresses::new(wire.into_iter().map(|(name, list)| (name, list.addresses))))
}
