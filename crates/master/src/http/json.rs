//! `/json/`: the published view in the original's words and order (UI-10 … UI-14, UI-16).
//!
//! Two of our states do not exist in the original, whose clients may know its list only: a SUSPENDED leader is shown as
//! RECOVERING, an UNREACHABLE application as UNKNOWN.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use tanist_core::master::{AppView, DriverView, MasterView, WorkerView};
use tanist_core::model::{Addresses, ApplicationState, DriverState, MasterRole, Program, WorkerState};
use tanist_core::time::Wall;
use tanist_core::units::{Cores, Memory};
use tanist_web::resources;
use tanist_web::tree::Json;

use super::rest::describe::{DRIVER_WRAPPER, WRAPPED_CLASS};

/// The form of dates: `EEE MMM dd HH:mm:ss zzz yyyy`.
const DATE: &str = "%a %b %d %H:%M:%S %Z %Y";

/// What is shown, and by which names and times.
pub(super) struct Shown<'a> {
    /// `host:port` of this master.
    pub(super) address: &'a str,
    /// Its role now: a view that waits for the store may be older.
    pub(super) role: MasterRole,
    pub(super) view: &'a MasterView,
    /// In which dates are given.
    pub(super) zone: &'a TimeZone,
}

/// One field of the whole.
type Field = (&'static str, fn(&Shown<'_>) -> Json);

/// All of them, in order (UI-11).
const FIELDS: [Field; 14] = [
    ("url", |shown| Json::Text(format!("spark://{}", shown.address))),
    ("workers", |shown| Json::list(shown.view.workers.iter().map(worker))),
    ("aliveworkers", |shown| alive(shown).count().into()),
    ("cores", |shown| cores(alive(shown).map(|worker| worker.cores))),
    ("coresused", |shown| cores(alive(shown).map(|worker| worker.cores_used))),
    ("memory", |shown| memory(alive(shown).map(|worker| worker.memory))),
    ("memoryused", |shown| memory(alive(shown).map(|worker| worker.memory_used))),
    ("resources", |shown| Json::list(alive(shown).map(|worker| resources(&worker.resources, &worker.resources)))),
    ("resourcesused", |shown| {
        Json::list(alive(shown).map(|worker| resources(&worker.resources, &worker.resources_used)))
    }),
    ("activeapps", |shown| Json::list(shown.view.apps.iter().map(|each| app(each, shown)))),
    ("completedapps", |shown| Json::list(shown.view.ended_apps.iter().map(|each| app(each, shown)))),
    ("activedrivers", |shown| Json::list(shown.view.drivers.iter().map(|each| driver(each, shown)))),
    ("completeddrivers", |shown| Json::list(shown.view.ended_drivers.iter().map(|each| driver(each, shown)))),
    ("status", |shown| status(shown.role).into()),
];

/// What the path behind `/json/` asks for: the letters it begins with name a field, what follows them is ignored. Without a
/// letter it is the whole. A field that does not exist is an empty text (UI-10).
pub(super) fn answer(shown: &Shown<'_>, rest: &str) -> Json {
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let name = &rest[..letters];
    if name.is_empty() {
        return Json::object(FIELDS.map(|(name, of)| (name, of(shown))));
    }
    if name == "clusterutilization" {
        return utilization(shown);
    }
    match FIELDS.iter().find(|(known, _)| *known == name) {
        Some((known, of)) => Json::object([(*known, of(shown))]),
        None => Json::named([(name.to_owned(), "".into())]),
    }
}

/// UI-16. What is not there is fully used.
fn utilization(shown: &Shown<'_>) -> Json {
    let sum = |of: fn(&WorkerView) -> u64| alive(shown).map(of).fold(0, u64::saturating_add);
    let (cores, cores_used) = (sum(|worker| worker.cores.0.into()), sum(|worker| worker.cores_used.0.into()));
    let (memory, memory_used) = (sum(|worker| worker.memory.as_mib()), sum(|worker| worker.memory_used.as_mib()));
    let percent = |used: u64, all: u64| used.saturating_mul(100).checked_div(all).unwrap_or(100);
    let waiting = shown.view.drivers.iter().filter(|driver| driver.state == DriverState::Submitted);
    Json::object([
        ("waitingDrivers", waiting.count().into()),
        ("cores", cores.into()),
        ("coresused", cores_used.into()),
        ("coresutilization", percent(cores_used, cores).into()),
        ("memory", memory.into()),
        ("memoryused", memory_used.into()),
        ("memoryutilization", percent(memory_used, memory).into()),
    ])
}

fn alive<'a>(shown: &Shown<'a>) -> impl Iterator<Item = &'a WorkerView> {
    shown.view.workers.iter().filter(|worker| worker.state == WorkerState::Alive)
}

fn cores(all: impl Iterator<Item = Cores>) -> Json {
    all.map(|cores| u64::from(cores.0)).fold(0, u64::saturating_add).into()
}

fn memory(all: impl Iterator<Item = Memory>) -> Json {
    all.map(Memory::as_mib).fold(0, u64::saturating_add).into()
}

/// UI-12.
fn worker(worker: &WorkerView) -> Json {
    let mut free = worker.resources.clone();
    free.take_exact(&worker.resources_used);
    Json::object([
        ("id", worker.id.as_str().into()),
        ("host", (&worker.host).into()),
        ("port", worker.port.into()),
        ("webuiaddress", (&worker.ui_url).into()),
        ("cores", worker.cores.0.into()),
        ("coresused", worker.cores_used.0.into()),
        ("coresfree", worker.cores.minus(worker.cores_used).0.into()),
        ("memory", worker.memory.as_mib().into()),
        ("memoryused", worker.memory_used.as_mib().into()),
        ("memoryfree", worker.memory.minus(worker.memory_used).as_mib().into()),
        ("resources", resources(&worker.resources, &worker.resources)),
        ("resourcesused", resources(&worker.resources, &worker.resources_used)),
        ("resourcesfree", resources(&worker.resources, &free)),
        ("state", worker.state.name().into()),
        ("lastheartbeat", worker.last_heartbeat.0.into()),
    ])
}

/// Those of `some` under every name of `all`, also where there are none of it.
fn resources(all: &Addresses, some: &Addresses) -> Json {
    resources::addresses(all.iter().map(|(name, _)| (name, some.of(name))))
}

/// UI-13.
fn app(app: &AppView, shown: &Shown<'_>) -> Json {
    let profile = &app.description.default_profile;
    let memory = profile.memory.unwrap_or_default().as_mib();
    let end = app.ended_at.unwrap_or(shown.view.taken_at);
    Json::object([
        ("id", app.id.as_str().into()),
        ("starttime", app.registered_at.0.into()),
        ("name", (&app.description.name).into()),
        ("cores", app.cores_granted.0.into()),
        ("user", (&app.description.user).into()),
        ("memoryperexecutor", memory.into()),
        ("memoryperslave", memory.into()),
        ("resourcesperexecutor", resources::amounts(profile.resources.iter())),
        ("resourcesperslave", resources::amounts(profile.resources.iter())),
        ("submitdate", date(app.registered_at, shown.zone).into()),
        ("state", app_state(app.state).into()),
        ("duration", end.0.saturating_sub(app.registered_at.0).into()),
    ])
}

/// UI-14. Its start time is a text.
fn driver(driver: &DriverView, shown: &Shown<'_>) -> Json {
    Json::object([
        ("id", driver.id.as_str().into()),
        ("starttime", driver.submitted_at.0.to_string().into()),
        ("state", driver.state.name().into()),
        ("cores", driver.description.cores.0.into()),
        ("memory", driver.description.memory.as_mib().into()),
        ("resources", resources(&driver.resources, &driver.resources)),
        ("submitdate", date(driver.submitted_at, shown.zone).into()),
        ("worker", driver.worker.as_ref().map_or("None", |worker| worker.as_str()).into()),
        ("mainclass", main_class(driver).into()),
    ])
}

/// Of a Java driver: the class that was submitted. Of any other: its program.
fn main_class(driver: &DriverView) -> &str {
    let command = &driver.description.command;
    match &command.program {
        Program::Java(java) if java.main_class == DRIVER_WRAPPER => {
            command.arguments.get(WRAPPED_CLASS).map_or(DRIVER_WRAPPER, String::as_str)
        }
        program => program.name(),
    }
}

fn status(role: MasterRole) -> &'static str {
    match role {
        MasterRole::Suspended => MasterRole::Recovering.name(),
        role => role.name(),
    }
}

pub(super) fn app_state(state: ApplicationState) -> &'static str {
    match state {
        ApplicationState::Unreachable => ApplicationState::Unknown.name(),
        state => state.name(),
    }
}

/// A time beyond the calendar is shown as its milliseconds.
fn date(at: Wall, zone: &TimeZone) -> String {
    let timestamp = i64::try_from(at.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(|| at.0.to_string(), |at| at.to_zoned(zone.clone()).strftime(DATE).to_string())
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
