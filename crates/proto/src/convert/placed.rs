//! What runs on a worker: executors, driver attempts, and what they occupy.

use tanist_core::ids::{Attempt, ExecutorId, ExecutorRef, ProfileId};
use tanist_core::model::{Booking, DriverOnWorker, ExecutorDescription, Inventory};
use tanist_core::units::{Cores, Memory};

use super::DecodeError;
use super::fields::{at_most, choice, id, list, required};
use super::resources::{from_addresses, to_addresses};
use crate::limits::MAX_INVENTORY;
use crate::v1;

impl From<&ExecutorRef> for v1::ExecutorRef {
    fn from(executor: &ExecutorRef) -> Self {
        Self { app_id: executor.app.to_string(), executor_id: executor.id.0 }
    }
}

impl TryFrom<v1::ExecutorRef> for ExecutorRef {
    type Error = DecodeError;
    fn try_from(wire: v1::ExecutorRef) -> Result<Self, DecodeError> {
        Ok(Self { app: id("app_id", &wire.app_id)?, id: ExecutorId(wire.executor_id) })
    }
}

impl From<&ExecutorDescription> for v1::ExecutorDescription {
    fn from(executor: &ExecutorDescription) -> Self {
        Self {
            executor: Some((&executor.executor).into()),
            profile_id: executor.profile.0,
            cores: executor.cores.0,
            memory_mib: executor.memory.as_mib(),
            resources: from_addresses(&executor.resources),
            state: v1::ExecutorState::from(executor.state).into(),
        }
    }
}

impl TryFrom<v1::ExecutorDescription> for ExecutorDescription {
    type Error = DecodeError;
    fn try_from(wire: v1::ExecutorDescription) -> Result<Self, DecodeError> {
        Ok(Self {
            executor: required("executor", wire.executor)?,
            profile: ProfileId(wire.profile_id),
            cores: Cores(wire.cores),
            memory: Memory::mib(wire.memory_mib),
            resources: to_addresses("resources", wire.resources)?,
            state: choice("state", wire.state)?,
        })
    }
}

impl From<&Booking> for v1::Booking {
    fn from(booking: &Booking) -> Self {
        Self {
            cores: booking.cores.0,
            memory_mib: booking.memory.as_mib(),
            resources: from_addresses(&booking.resources),
        }
    }
}

impl TryFrom<v1::Booking> for Booking {
    type Error = DecodeError;
    fn try_from(wire: v1::Booking) -> Result<Self, DecodeError> {
        Ok(Self {
            cores: Cores(wire.cores),
            memory: Memory::mib(wire.memory_mib),
            resources: to_addresses("resources", wire.resources)?,
        })
    }
}

impl From<&DriverOnWorker> for v1::DriverOnWorker {
    fn from(driver: &DriverOnWorker) -> Self {
        Self {
            driver_id: driver.driver.to_string(),
            attempt: driver.attempt.0,
            state: v1::DriverState::from(driver.state).into(),
            booking: Some((&driver.booking).into()),
        }
    }
}

impl TryFrom<v1::DriverOnWorker> for DriverOnWorker {
    type Error = DecodeError;
    fn try_from(wire: v1::DriverOnWorker) -> Result<Self, DecodeError> {
        Ok(Self {
            driver: id("driver_id", &wire.driver_id)?,
            attempt: Attempt(wire.attempt),
            state: choice("state", wire.state)?,
            booking: required("booking", wire.booking)?,
        })
    }
}

impl From<&Inventory> for v1::Inventory {
    fn from(inventory: &Inventory) -> Self {
        Self {
            executors: inventory.executors.iter().map(Into::into).collect(),
            drivers: inventory.drivers.iter().map(Into::into).collect(),
            scratch_of: inventory.scratch_of.iter().take(MAX_INVENTORY).map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<v1::Inventory> for Inventory {
    type Error = DecodeError;
    fn try_from(wire: v1::Inventory) -> Result<Self, DecodeError> {
        at_most("scratch_of", wire.scratch_of.len(), MAX_INVENTORY)?;
        Ok(Self {
            executors: list("executors", MAX_INVENTORY, wire.executors)?,
            drivers: list("drivers", MAX_INVENTORY, wire.drivers)?,
            scratch_of: wire.scratch_of.iter().map(|app| id("scratch_of", app)).collect::<Result<_, _>>()?,
        })
    }
}
