//! The stored form of the core's records, field by field: what an operator reads in the store, and what a later version
//! must still be able to read. A changed field needs a new [`envelope::VERSION`] and a reader for the old one.
//!
//! The compiler holds each form and its core type together: a field that is missing here does not build. Unknown
//! fields are refused, so that nothing is dropped silently when a record is written again. A new field that may be absent
//! is written only where it says something: an older version then reads what it can know, and refuses the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use tanist_core::ids::{
    AppId, AppToken, Attempt, DriverId, Epoch, ExecutorId, Incarnation, ProfileId, RequestId, Term, WorkerId,
};
use tanist_core::model::{
    Addresses, Amounts, AppEndpoint, ApplicationDescription, ApplicationState, Booking, Command, DriverDescription,
    DriverOutcome, DriverState, ForeignClient, JavaProgram, OnIsolation, Program, ResourceProfile, WorkerKind,
};
use tanist_core::record::{AppRecord, DoneApp, DoneDriver, DriverRecord, PlacementRecord, RequestRecord, WorkerRecord};
use tanist_core::time::Wall;
use tanist_core::units::{Cores, Memory};

use crate::envelope::{self, DecodeError};
use crate::form::{self, Form, Read, Writing};
use crate::key::{Key, Name};

/// Seals a record of the core for the term that writes it.
pub(crate) fn encode<T: Form>(term: &Term, record: &T) -> Result<Bytes, serde_json::Error> {
    envelope::encode(term.epoch, &term.nonce, &Writing(record))
}

/// A record of the core that lies under a key of its own.
pub(crate) trait Keyed: Form {
    fn name(&self) -> Name;
}

/// Opens what lies under a key. A record that says it belongs under another key is refused.
pub(crate) fn decode<T: Keyed>(key: &Key, value: &[u8]) -> Result<T, DecodeError> {
    let Read(record) = envelope::decode::<Read<T>>(value)?.record;
    let own = Key::from(record.name());
    if own == *key {
        Ok(record)
    } else {
        Err(DecodeError::Field { field: "id", value: own.to_string(), why: format!("it lies under {key}") })
    }
}

macro_rules! form {
    ($($record:ty: $form:ident),* $(,)?) => {
        $(impl Form for $record {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $form::serialize(self, serializer)
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $form::deserialize(deserializer)
            }
        })*
    };
}

macro_rules! keyed {
    ($($record:ty: $name:ident),* $(,)?) => {
        $(impl Keyed for $record {
            fn name(&self) -> Name {
                Name::$name(self.id.clone())
            }
        })*
    };
}

form! {
    WorkerRecord: WorkerForm,
    AppRecord: AppForm,
    DriverRecord: DriverForm,
    PlacementRecord: PlacementForm,
    RequestRecord: RequestForm,
    DoneApp: DoneAppForm,
    DoneDriver: DoneDriverForm,
    ApplicationDescription: ApplicationDescriptionForm,
    ApplicationState: ApplicationStateForm,
    ResourceProfile: ResourceProfileForm,
    DriverDescription: DriverDescriptionForm,
    DriverOutcome: DriverOutcomeForm,
    DriverState: DriverStateForm,
    OnIsolation: OnIsolationForm,
    Command: CommandForm,
    Program: ProgramForm,
    JavaProgram: JavaProgramForm,
    Booking: BookingForm,
}

keyed! {
    WorkerRecord: Worker,
    AppRecord: App,
    DriverRecord: Driver,
    RequestRecord: Request,
    DoneApp: DoneApp,
    DoneDriver: DoneDriver,
}

impl Form for Amounts {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::new)
    }
}

impl Form for Addresses {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::new)
    }
}

impl Form for BTreeMap<ProfileId, u32> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(profile, wanted)| (profile.0, wanted)))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = BTreeMap::<u32, u32>::deserialize(deserializer)?;
        Ok(found.into_iter().map(|(profile, wanted)| (ProfileId(profile), wanted)).collect())
    }
}

impl Form for BTreeMap<WorkerId, BTreeSet<ExecutorId>> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let numbers = |ids: &BTreeSet<ExecutorId>| ids.iter().map(|id| id.0).collect::<Vec<u32>>();
        serializer.collect_map(self.iter().map(|(worker, ids)| (worker.as_str(), numbers(ids))))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = BTreeMap::<String, Vec<u32>>::deserialize(deserializer)?;
        let checked = |(worker, ids): (String, Vec<u32>)| {
            let worker = worker.parse().map_err(D::Error::custom)?;
            Ok((worker, ids.into_iter().map(ExecutorId).collect()))
        };
        found.into_iter().map(checked).collect()
    }
}

/// One of our own is stored as its address alone.
impl Form for AppEndpoint {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Own(address) => serializer.serialize_str(address),
            Self::Foreign(client) => {
                let registration = BASE64_STANDARD.encode(&client.registration);
                ForeignForm { address: client.address.clone(), registration }.serialize(serializer)
            }
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match EndpointForm::deserialize(deserializer)? {
            EndpointForm::Own(address) => Ok(Self::Own(address)),
            EndpointForm::Foreign(ForeignForm { address, registration }) => {
                let registration = BASE64_STANDARD.decode(registration).map_err(D::Error::custom)?;
                Ok(Self::Foreign(Arc::new(ForeignClient { address, registration })))
            }
        }
    }
}

/// One of our own is stored without it.
impl Form for WorkerKind {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Own => serializer.serialize_none(),
            Self::Foreign(registration) => serializer.serialize_str(&BASE64_STANDARD.encode(registration)),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let registration = BASE64_STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        Ok(Self::Foreign(registration.into()))
    }
}

fn is_own(kind: &WorkerKind) -> bool {
    !kind.is_foreign()
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an address, or an address with a registration")]
enum EndpointForm {
    Own(String),
    Foreign(ForeignForm),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignForm {
    address: String,
    registration: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "WorkerRecord", deny_unknown_fields)]
struct WorkerForm {
    #[serde(with = "form")]
    id: WorkerId,
    #[serde(with = "form")]
    incarnation: Incarnation,
    host: String,
    port: u16,
    #[serde(with = "form", rename = "foreign_registration", default, skip_serializing_if = "is_own")]
    kind: WorkerKind,
    ui_url: String,
    #[serde(with = "form")]
    cores: Cores,
    #[serde(with = "form", rename = "memory_mib")]
    memory: Memory,
    #[serde(with = "form")]
    resources: Addresses,
    decommissioned: bool,
    #[serde(with = "form")]
    registered_at: Wall,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AppRecord", deny_unknown_fields)]
struct AppForm {
    #[serde(with = "form")]
    id: AppId,
    #[serde(with = "form")]
    token: AppToken,
    #[serde(with = "form::shared")]
    description: Arc<ApplicationDescription>,
    #[serde(with = "form::list")]
    profiles: Vec<ResourceProfile>,
    #[serde(with = "form")]
    targets: BTreeMap<ProfileId, u32>,
    #[serde(with = "form")]
    endpoint: AppEndpoint,
    #[serde(with = "form")]
    registered_at: Wall,
    #[serde(with = "form")]
    executor_ids_below: ExecutorId,
    #[serde(with = "form::optional", default, skip_serializing_if = "Option::is_none")]
    executors: Option<BTreeMap<WorkerId, BTreeSet<ExecutorId>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "DriverRecord", deny_unknown_fields)]
struct DriverForm {
    #[serde(with = "form")]
    id: DriverId,
    #[serde(with = "form::shared")]
    description: Arc<DriverDescription>,
    #[serde(with = "form")]
    submitted_at: Wall,
    #[serde(with = "form::optional")]
    request: Option<RequestId>,
    #[serde(with = "form")]
    attempt: Attempt,
    #[serde(with = "form::optional")]
    placement: Option<PlacementRecord>,
    kill_requested: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PlacementRecord", deny_unknown_fields)]
struct PlacementForm {
    #[serde(with = "form")]
    worker: WorkerId,
    #[serde(with = "form")]
    booking: Booking,
    #[serde(with = "form")]
    epoch: Epoch,
    started: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "RequestRecord", deny_unknown_fields)]
struct RequestForm {
    #[serde(with = "form")]
    id: RequestId,
    #[serde(with = "form")]
    driver: DriverId,
    #[serde(with = "form")]
    at: Wall,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "DoneApp", deny_unknown_fields)]
struct DoneAppForm {
    #[serde(with = "form")]
    id: AppId,
    #[serde(with = "form::shared")]
    description: Arc<ApplicationDescription>,
    #[serde(with = "form")]
    registered_at: Wall,
    #[serde(with = "form")]
    ended_at: Wall,
    #[serde(with = "form")]
    state: ApplicationState,
    message: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "DoneDriver", deny_unknown_fields)]
struct DoneDriverForm {
    #[serde(with = "form")]
    id: DriverId,
    #[serde(with = "form::shared")]
    description: Arc<DriverDescription>,
    #[serde(with = "form")]
    submitted_at: Wall,
    #[serde(with = "form")]
    ended_at: Wall,
    #[serde(with = "form")]
    attempt: Attempt,
    #[serde(with = "form::optional")]
    worker: Option<WorkerId>,
    worker_address: Option<String>,
    #[serde(with = "form")]
    outcome: DriverOutcome,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ApplicationDescription", deny_unknown_fields)]
struct ApplicationDescriptionForm {
    name: String,
    user: String,
    #[serde(with = "form::optional")]
    max_cores: Option<Cores>,
    #[serde(with = "form")]
    command: Command,
    ui_url: String,
    #[serde(with = "form")]
    default_profile: ResourceProfile,
    initial_executor_limit: Option<u32>,
    event_log_dir: Option<String>,
    event_log_codec: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ResourceProfile", deny_unknown_fields)]
struct ResourceProfileForm {
    #[serde(with = "form")]
    id: ProfileId,
    #[serde(with = "form::optional", rename = "memory_mib")]
    memory: Option<Memory>,
    #[serde(with = "form::optional", rename = "overhead_mib", default, skip_serializing_if = "Option::is_none")]
    overhead: Option<Memory>,
    #[serde(with = "form::optional")]
    cores: Option<Cores>,
    #[serde(with = "form")]
    resources: Amounts,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ApplicationState", rename_all = "SCREAMING_SNAKE_CASE")]
enum ApplicationStateForm {
    Waiting,
    Running,
    Finished,
    Failed,
    Killed,
    Unknown,
    Unreachable,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "DriverDescription", deny_unknown_fields)]
struct DriverDescriptionForm {
    artifact: Option<String>,
    #[serde(with = "form", rename = "memory_mib")]
    memory: Memory,
    #[serde(with = "form")]
    cores: Cores,
    supervise: bool,
    #[serde(with = "form")]
    command: Command,
    #[serde(with = "form")]
    resources: Amounts,
    #[serde(with = "form")]
    on_isolation: OnIsolation,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OnIsolation", rename_all = "snake_case")]
enum OnIsolationForm {
    Continue,
    Kill,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "DriverOutcome", deny_unknown_fields)]
struct DriverOutcomeForm {
    #[serde(with = "form")]
    state: DriverState,
    exit_code: Option<i32>,
    message: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "DriverState", rename_all = "SCREAMING_SNAKE_CASE")]
enum DriverStateForm {
    Submitted,
    Running,
    Finished,
    Relaunching,
    Unknown,
    Killed,
    Failed,
    Error,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Command", deny_unknown_fields)]
struct CommandForm {
    #[serde(with = "form")]
    program: Program,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Program", rename_all = "snake_case")]
enum ProgramForm {
    Executable(String),
    Java(#[serde(with = "form")] JavaProgram),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "JavaProgram", deny_unknown_fields)]
struct JavaProgramForm {
    main_class: String,
    class_path: Vec<String>,
    library_path: Vec<String>,
    java_options: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spark_family: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Booking", deny_unknown_fields)]
struct BookingForm {
    #[serde(with = "form")]
    cores: Cores,
    #[serde(with = "form", rename = "memory_mib")]
    memory: Memory,
    #[serde(with = "form")]
    resources: Addresses,
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
