//! What is asked for: programs, applications with their profiles, drivers.

use std::collections::BTreeMap;

use prost::Message;
use tanist_core::ids::ProfileId;
use tanist_core::model::{ApplicationDescription, Command, DriverDescription, JavaProgram, Program, ResourceProfile};
use tanist_core::units::{Cores, Memory};

use super::DecodeError;
use super::fields::{at_most, choice, fits, inside, list, name, optional_name, present, required};
use super::resources::{from_amounts, to_amounts};
use crate::limits::{MAX_PROFILES, MAX_SUBMISSION_BYTES};
use crate::v1;

impl From<&Command> for v1::Command {
    fn from(command: &Command) -> Self {
        let program = match &command.program {
            Program::Executable(path) => v1::command::Program::Executable(path.clone()),
            Program::Java(java) => v1::command::Program::Java(v1::JavaProgram {
                main_class: java.main_class.clone(),
                class_path: java.class_path.clone(),
                library_path: java.library_path.clone(),
                java_options: java.java_options.clone(),
                spark_family: java.spark_family.clone(),
            }),
        };
        Self { program: Some(program), arguments: command.arguments.clone(), environment: command.environment.clone() }
    }
}

/// Its size is bounded by that of the description it stands in.
impl TryFrom<v1::Command> for Command {
    type Error = DecodeError;
    fn try_from(wire: v1::Command) -> Result<Self, DecodeError> {
        let program = match present("program", wire.program)? {
            v1::command::Program::Executable(path) => Program::Executable(path),
            v1::command::Program::Java(java) => Program::Java(JavaProgram {
                main_class: java.main_class,
                class_path: java.class_path,
                library_path: java.library_path,
                java_options: java.java_options,
                spark_family: optional_name("spark_family", java.spark_family)?,
            }),
        };
        Ok(Self { program, arguments: wire.arguments, environment: wire.environment })
    }
}

impl From<&ResourceProfile> for v1::ResourceProfile {
    fn from(profile: &ResourceProfile) -> Self {
        Self {
            id: profile.id.0,
            memory_mib: profile.memory.map(Memory::as_mib),
            overhead_mib: profile.overhead.map(Memory::as_mib),
            cores: profile.cores.map(|cores| cores.0),
            resources: from_amounts(&profile.resources),
        }
    }
}

impl TryFrom<v1::ResourceProfile> for ResourceProfile {
    type Error = DecodeError;
    fn try_from(wire: v1::ResourceProfile) -> Result<Self, DecodeError> {
        Ok(Self {
            id: ProfileId(wire.id),
            memory: wire.memory_mib.map(Memory::mib),
            overhead: wire.overhead_mib.map(Memory::mib),
            cores: wire.cores.map(Cores),
            resources: to_amounts("resources", wire.resources)?,
        })
    }
}

/// The profiles that one message names; all of them together are stored, so that they share one limit.
pub(super) fn to_profiles(field: &str, wire: Vec<v1::ResourceProfile>) -> Result<Vec<ResourceProfile>, DecodeError> {
    fits(field, wire.iter().map(Message::encoded_len).sum(), MAX_SUBMISSION_BYTES)?;
    list(field, MAX_PROFILES, wire)
}

/// Executors wanted per profile, for the wire.
pub(super) fn from_targets(targets: &BTreeMap<ProfileId, u32>) -> BTreeMap<u32, u32> {
    targets.iter().map(|(profile, wanted)| (profile.0, *wanted)).collect()
}

/// Executors wanted per profile, from the wire.
pub(super) fn to_targets(field: &str, wire: BTreeMap<u32, u32>) -> Result<BTreeMap<ProfileId, u32>, DecodeError> {
    at_most(field, wire.len(), MAX_PROFILES)?;
    Ok(wire.into_iter().map(|(profile, wanted)| (ProfileId(profile), wanted)).collect())
}

impl From<&ApplicationDescription> for v1::ApplicationDescription {
    fn from(app: &ApplicationDescription) -> Self {
        Self {
            name: app.name.clone(),
            user: app.user.clone(),
            max_cores: app.max_cores.map(|cores| cores.0),
            command: Some((&app.command).into()),
            ui_url: app.ui_url.clone(),
            default_profile: Some((&app.default_profile).into()),
            initial_executor_limit: app.initial_executor_limit,
            event_log_dir: app.event_log_dir.clone(),
            event_log_codec: app.event_log_codec.clone(),
        }
    }
}

impl TryFrom<v1::ApplicationDescription> for ApplicationDescription {
    type Error = DecodeError;
    fn try_from(wire: v1::ApplicationDescription) -> Result<Self, DecodeError> {
        Ok(Self {
            name: name("name", wire.name)?,
            user: name("user", wire.user)?,
            max_cores: wire.max_cores.map(Cores),
            command: required("command", wire.command)?,
            ui_url: name("ui_url", wire.ui_url)?,
            default_profile: required("default_profile", wire.default_profile)?,
            initial_executor_limit: wire.initial_executor_limit,
            event_log_dir: optional_name("event_log_dir", wire.event_log_dir)?,
            event_log_codec: optional_name("event_log_codec", wire.event_log_codec)?,
        })
    }
}

impl From<&DriverDescription> for v1::DriverDescription {
    fn from(driver: &DriverDescription) -> Self {
        Self {
            artifact: driver.artifact.clone(),
            memory_mib: driver.memory.as_mib(),
            cores: driver.cores.0,
            supervise: driver.supervise,
            command: Some((&driver.command).into()),
            resources: from_amounts(&driver.resources),
            on_isolation: v1::OnIsolation::from(driver.on_isolation).into(),
        }
    }
}

impl TryFrom<v1::DriverDescription> for DriverDescription {
    type Error = DecodeError;
    fn try_from(wire: v1::DriverDescription) -> Result<Self, DecodeError> {
        Ok(Self {
            artifact: optional_name("artifact", wire.artifact)?,
            memory: Memory::mib(wire.memory_mib),
            cores: Cores(wire.cores),
            supervise: wire.supervise,
            command: required("command", wire.command)?,
            resources: to_amounts("resources", wire.resources)?,
            on_isolation: choice("on_isolation", wire.on_isolation)?,
        })
    }
}

/// A description that must be there and not be too large.
pub(super) fn bounded<W, C>(field: &str, value: Option<W>) -> Result<C, DecodeError>
where
    W: Message,
    C: TryFrom<W, Error = DecodeError>,
{
    let wire = present(field, value)?;
    fits(field, wire.encoded_len(), MAX_SUBMISSION_BYTES)?;
    inside(field, wire)
}

/// Refuses a driver that is too large to be submitted, with the same words as a master would: for submitters, and for
/// faces of a master other than gRPC.
pub fn check_submission(driver: &DriverDescription) -> Result<(), DecodeError> {
    fits("description", v1::DriverDescription::from(driver).encoded_len(), MAX_SUBMISSION_BYTES)
}
