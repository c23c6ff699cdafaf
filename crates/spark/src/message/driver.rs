//! What a program that submits a driver says about it.

use super::Command;
use crate::Error;
use crate::fields::Fields;

/// A driver (`DriverDescription`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverDescription {
    /// Where its jar is.
    pub jar_url: String,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Cores.
    pub cores: u32,
    /// Whether it is started again when it fails.
    pub supervise: bool,
    /// What is run: `DriverWrapper`, which is told the driver's own class.
    pub command: Command,
    /// Other resources, such as `gpu`, and how much of each.
    pub resources: Vec<(String, u32)>,
}

impl DriverDescription {
    pub(super) fn read(driver: Fields<'_>) -> Result<Self, Error> {
        const RESOURCES: &str = "resourceReqs";
        let resource = |value| {
            let resource = driver.object_of(RESOURCES, value)?;
            Ok((resource.text("resourceName")?, resource.count("amount")?))
        };
        Ok(Self {
            jar_url: driver.text("jarUrl")?,
            memory_mib: driver.count("mem")?,
            cores: driver.count("cores")?,
            supervise: driver.boolean("supervise")?,
            command: Command::read(driver.object("command")?)?,
            resources: driver.elements(RESOURCES)?.into_iter().map(resource).collect::<Result<_, _>>()?,
        })
    }
}
