//! What a driver says about its application, in the core's terms.

use std::collections::BTreeMap;
use std::sync::Arc;

use tanist_core::ids::{AppToken, ProfileId};
use tanist_core::model::{
    Amounts, AppEndpoint, ApplicationDescription, Command, ForeignClient, JavaProgram, Program, ResourceProfile,
};
use tanist_core::msg::{PROTOCOL_VERSION, RegisterApplication};
use tanist_core::units::{Cores, Memory};
use tanist_proto::limits::{MAX_PROFILES, MAX_RESOURCE_TEXT_BYTES, MAX_RESOURCES};
use tanist_spark::message::{self, Command as SparkCommand, Message, Profile, Registration};
use tanist_spark::{Address, Dialect, Error};

use crate::limits;
use crate::spark::builds::Build;

/// Largest registration that is taken, in bytes: it is stored as it came. Spark's have four to six KiB.
pub(super) const MAX_REGISTRATION: usize = 256 << 10;

/// The number of the profile that an application registers with.
const DEFAULT_PROFILE: ProfileId = ProfileId(0);

/// Memory outside the heap, in MiB each.
const BESIDE_THE_HEAP: [&str; 3] = [Profile::OFF_HEAP, Profile::MEMORY_OVERHEAD, Profile::PYSPARK_MEMORY];

/// A driver, as its registration shows it.
#[derive(Debug, Clone)]
pub(super) struct Driver {
    /// Where it listens.
    pub(super) address: Address,
    /// How to speak to it.
    pub(super) dialect: Dialect,
    /// The releases of Spark that it can be, as far as that is known.
    pub(super) releases: Option<String>,
    /// What an executor has by default.
    pub(super) profile: Profile,
}

impl Driver {
    /// From a registration as it came, of this build.
    pub(super) fn of(payload: &[u8], build: &Build) -> Result<Self, Error> {
        let unexpected = |found: &str| Error::Unexpected { found: found.to_owned(), wanted: "a registration" };
        let Message::RegisterApplication(registration) = message::read(payload)? else {
            return Err(unexpected("another message"));
        };
        let address = registration.driver.ok_or_else(|| unexpected("a registration without the driver's address"))?;
        let dialect = build.dialect(payload)?;
        let releases = build.releases(dialect.family());
        Ok(Self { address, dialect, releases, profile: registration.profile })
    }
}

/// An application that comes, as the machine is told it. A driver has no name of its own: it is known by where it listens.
///
/// # Errors
/// What about it cannot be taken, as a sentence that names field, value and what is allowed.
pub(super) fn registration(
    told: &Registration,
    driver: &Driver,
    payload: &[u8],
    number: u64,
) -> Result<RegisterApplication, String> {
    if payload.len() > MAX_REGISTRATION {
        return Err(format!("registration: {} bytes; at most {MAX_REGISTRATION} are allowed", payload.len()));
    }
    check(&told.profile)?;
    let address = driver.address.to_string();
    let token = format!("AppClient@{address}");
    let token = AppToken::new(&token).map_err(|error| format!("driver's address {address:?}: {error}"))?;
    let description = description(told, driver.releases.clone());
    limits::check_app(&description, &[], payload.len()).map_err(|error| error.to_string())?;
    Ok(RegisterApplication {
        token,
        known_as: None,
        number,
        description: Arc::new(description),
        profiles: Vec::new(),
        targets: BTreeMap::new(),
        executors: Vec::new(),
        endpoint: AppEndpoint::Foreign(Arc::new(ForeignClient { address, registration: payload.to_vec() })),
        cluster: None,
        heard: None,
        protocol: PROTOCOL_VERSION,
    })
}

fn description(told: &Registration, releases: Option<String>) -> ApplicationDescription {
    ApplicationDescription {
        name: told.name.clone(),
        user: told.user.clone(),
        max_cores: told.max_cores.map(Cores),
        command: command(&told.command, releases),
        ui_url: told.ui_url.clone(),
        default_profile: profile(&told.profile, None),
        initial_executor_limit: told.initial_executor_limit,
        event_log_dir: told.event_log_dir.clone(),
        event_log_codec: told.event_log_codec.clone(),
    }
}

/// A program that runs under the releases of Spark that whoever asks for it has.
pub(super) fn command(told: &SparkCommand, releases: Option<String>) -> Command {
    Command {
        program: Program::Java(JavaProgram {
            main_class: told.main_class.clone(),
            class_path: told.class_path.clone(),
            library_path: told.library_path.clone(),
            java_options: told.java_options.clone(),
            spark_family: releases,
        }),
        arguments: told.arguments.clone(),
        environment: told.environment.iter().cloned().collect(),
    }
}

/// What an executor needs. What the default profile has beside the heap holds for others as far as they do not say
/// otherwise, each kind by itself.
pub(super) fn profile(told: &Profile, default: Option<&Profile>) -> ResourceProfile {
    let mib = |amount: u32| Memory::mib(amount.into());
    let beside = |kind: &&str| told.amount(kind).or_else(|| default?.amount(kind)).unwrap_or(0);
    let overhead = BESIDE_THE_HEAP.iter().map(|kind| u64::from(beside(kind))).sum();
    ResourceProfile {
        id: ProfileId(told.id),
        memory: told.amount(Profile::MEMORY).map(mib),
        overhead: Some(Memory::mib(overhead)).filter(|overhead| *overhead != Memory::ZERO || default.is_some()),
        cores: told.amount(Profile::CORES).map(Cores),
        resources: Amounts::new(told.custom().map(|(name, amount)| (name.to_owned(), amount))),
    }
}

/// What a profile may name, as our own clients.
fn check(profile: &Profile) -> Result<(), String> {
    let (count, longest) = (profile.custom().count(), profile.custom().map(|(name, _)| name.len()).max());
    if count > MAX_RESOURCES {
        return Err(format!("resource profile {}: {count} resources; at most {MAX_RESOURCES} are allowed", profile.id));
    }
    match longest.filter(|bytes| *bytes > MAX_RESOURCE_TEXT_BYTES) {
        Some(bytes) => Err(format!(
            "resource profile {}: a resource's name of {bytes} bytes; at most {MAX_RESOURCE_TEXT_BYTES} are allowed",
            profile.id
        )),
        None => Ok(()),
    }
}

/// How many executors are wanted, and of what kinds.
///
/// # Errors
/// What about it cannot be taken, as a sentence that names field, value and what is allowed.
pub(super) fn targets(told: &[(Profile, u32)], default: &Profile) -> Result<Wanted, String> {
    if told.len() > MAX_PROFILES {
        return Err(format!("{} resource profiles; at most {MAX_PROFILES} are allowed", told.len()));
    }
    told.iter().try_for_each(|(profile, _)| check(profile))?;
    let profiles =
        told.iter().map(|(told, _)| profile(told, Some(default))).filter(|profile| profile.id != DEFAULT_PROFILE);
    Ok((profiles.collect(), told.iter().map(|(profile, wanted)| (ProfileId(profile.id), *wanted)).collect()))
}

/// The kinds of executors that are wanted, and how many of each.
type Wanted = (Vec<ResourceProfile>, BTreeMap<ProfileId, u32>);

#[cfg(test)]
mod tests {
    use super::*;

    fn told(id: u32, amounts: &[(&str, u32)]) -> Profile {
        Profile { id, amounts: amounts.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect() }
    }

    #[test]
    fn what_is_beside_the_heap_is_no_heap_rs_05() {
        let default = told(0, &[("memory", 1024), ("offHeap", 100), ("memoryOverhead", 384), ("gpu", 2), ("cores", 3)]);
        let found = profile(&default, None);
        assert_eq!((found.memory, found.overhead), (Some(Memory::mib(1024)), Some(Memory::mib(484))));
        assert_eq!((found.cores, found.resources.of("gpu")), (Some(Cores(3)), 2));
        let second = told(1, &[("memoryOverhead", 1000), ("pyspark.memory", 10)]);
        let found = profile(&second, Some(&default));
        assert_eq!((found.memory, found.overhead), (None, Some(Memory::mib(1110))));
        assert_eq!((found.cores, found.resources.is_empty()), (None, true), "never inherited");
        let plain = told(0, &[("memory", 1024), ("offHeap", 0)]);
        assert_eq!(profile(&plain, None).overhead, None, "nothing to be stored");
    }

    #[test]
    fn profiles_name_no_more_than_can_be_stored_ap_08() {
        let (default, long) = (told(0, &[]), "x".repeat(257));
        let names: Vec<String> = (0..101).map(|n| format!("r{n}")).collect();
        let amounts: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let refused = |profile: Profile| targets(&[(profile, 1)], &default).unwrap_err();
        assert!(refused(told(3, &[(&long, 1)])).starts_with("resource profile 3: a resource's name of 257 bytes"));
        assert!(refused(told(3, &amounts)).starts_with("resource profile 3: 101 resources"));
        assert!(targets(&[(told(3, &amounts[..100]), 1)], &default).is_ok());
    }

    #[test]
    fn the_default_profile_is_not_described_again_ap_08() {
        let default = told(0, &[("memory", 1)]);
        let (profiles, targets) = targets(&[(default.clone(), 2), (told(3, &[("memory", 1)]), 0)], &default).unwrap();
        assert_eq!(profiles.iter().map(|profile| profile.id.0).collect::<Vec<_>>(), [3]);
        assert_eq!(targets, BTreeMap::from([(ProfileId(0), 2), (ProfileId(3), 0)]));
    }
}
