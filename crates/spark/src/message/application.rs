//! What an application says about itself.

use std::collections::BTreeMap;

use super::Command;
use crate::fields::Fields;
use crate::{Address, Error};

/// An application that comes (`RegisterApplication` with its `ApplicationDescription`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name.
    pub name: String,
    /// Who runs it; it says so itself.
    pub user: String,
    /// Where its driver shows its state; may be empty.
    pub ui_url: String,
    /// What an executor of it is.
    pub command: Command,
    /// How large one is that no task wants otherwise.
    pub profile: Profile,
    /// Cores of all its executors together; `None` = as many as the master allows.
    pub max_cores: Option<u32>,
    /// How many executors it has at first; `None` = as many as its cores allow, 0 = it will ask for them.
    pub initial_executor_limit: Option<u32>,
    /// Where it writes what happens.
    pub event_log_dir: Option<String>,
    /// How that is compressed.
    pub event_log_codec: Option<String>,
    /// Where its driver can be reached by a master that takes over; `None` = nowhere.
    pub driver: Option<Address>,
}

/// How large an executor is (`ResourceProfile`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its number; the one an application registers with is 0.
    pub id: u32,
    /// How much of each resource. Some have a meaning, the others are resources such as `gpu`.
    pub amounts: BTreeMap<String, u32>,
}

impl Profile {
    /// Name of the heap, in MiB.
    pub const MEMORY: &str = "memory";
    /// Name of cores. Without it an executor takes all it gets of a worker.
    pub const CORES: &str = "cores";
    /// Name of memory outside the heap, in MiB.
    pub const OFF_HEAP: &str = "offHeap";
    /// Name of what the JVM and others take beside it, in MiB.
    pub const MEMORY_OVERHEAD: &str = "memoryOverhead";
    /// Name of the memory of Python, in MiB.
    pub const PYSPARK_MEMORY: &str = "pyspark.memory";

    /// How much of a resource.
    pub fn amount(&self, resource: &str) -> Option<u32> {
        self.amounts.get(resource).copied()
    }

    /// The resources that only a worker's configuration gives a meaning.
    pub fn custom(&self) -> impl Iterator<Item = (&str, u32)> {
        let known = [Self::MEMORY, Self::CORES, Self::OFF_HEAP, Self::MEMORY_OVERHEAD, Self::PYSPARK_MEMORY];
        let amounts = self.amounts.iter().map(|(name, amount)| (name.as_str(), *amount));
        amounts.filter(move |(name, _)| !known.contains(name))
    }

    pub(super) fn read(profile: Fields<'_>) -> Result<Self, Error> {
        const FIELD: &str = "executorResources";
        let id = profile.count("_id")?;
        let mut amounts = BTreeMap::new();
        for (_, request) in profile.entries(FIELD)? {
            let request = profile.object_of(FIELD, request)?;
            amounts.insert(request.text("resourceName")?, request.count("amount")?);
        }
        Ok(Self { id, amounts })
    }
}

impl Registration {
    pub(super) fn read(message: Fields<'_>) -> Result<Self, Error> {
        let app = message.object("appDescription")?;
        let folder = app.option("eventLogDir")?;
        Ok(Self {
            name: app.text("name")?,
            user: app.text("user")?,
            ui_url: app.text("appUiUrl")?,
            command: Command::read(app.object("command")?)?,
            profile: Profile::read(app.object("defaultProfile")?)?,
            max_cores: app.optional_count("maxCores")?,
            initial_executor_limit: app.optional_count("initialExecutorLimit")?,
            event_log_dir: folder.map(|uri| app.object_of("eventLogDir", uri)?.text("string")).transpose()?,
            event_log_codec: app.optional_text("eventLogCodec")?,
            driver: message.address("driver")?,
        })
    }
}
