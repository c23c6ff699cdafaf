//! `/json/` of a worker, in the original's words and order (UI-15).

use tanist_core::model::{Addresses, ApplicationDescription, Command, Program};
use tanist_core::units::Cores;
use tanist_core::worker::{ExecutorRunView, WorkerStatus};
use tanist_web::resources;
use tanist_web::tree::Json;

use crate::runner::redact::{REDACTED, is_secret, redact};

/// The whole. Drivers are not listed.
pub(super) fn whole(status: &WorkerStatus) -> Json {
    let leader = status.following.leader();
    Json::object([
        ("id", status.id.as_str().into()),
        ("masterurl", leader.map(|leader| format!("spark://{}", leader.address)).unwrap_or_default().into()),
        ("masterwebuiurl", leader.map_or("", |leader| leader.ui_url.as_str()).into()),
        ("cores", status.cores.0.into()),
        ("coresused", status.cores_used.0.into()),
        ("memory", status.memory.as_mib().into()),
        ("memoryused", status.memory_used.as_mib().into()),
        ("resources", resources(&status.resources, &status.resources)),
        ("resourcesused", resources(&status.resources, &status.resources_used)),
        ("executors", Json::list(status.executors.iter().map(executor))),
        ("finishedexecutors", Json::list(status.ended_executors.iter().map(executor))),
    ])
}

fn executor(run: &ExecutorRunView) -> Json {
    let description = &run.description;
    Json::object([
        ("id", description.executor.id.0.into()),
        ("memory", description.memory.as_mib().into()),
        ("resources", resources(&description.resources, &description.resources)),
        ("appid", description.executor.app.as_str().into()),
        ("appdesc", application(&run.app)),
    ])
}

fn application(app: &ApplicationDescription) -> Json {
    let profile = &app.default_profile;
    let memory = profile.memory.unwrap_or_default().as_mib();
    Json::object([
        ("name", (&app.name).into()),
        ("cores", app.max_cores.filter(|cores| *cores != Cores::UNLIMITED).unwrap_or(Cores::ZERO).0.into()),
        ("memoryperexecutor", memory.into()),
        ("resourcesperexecutor", resources::amounts(profile.resources.iter())),
        ("memoryperslave", memory.into()),
        ("resourcesperslave", resources::amounts(profile.resources.iter())),
        ("user", (&app.user).into()),
        ("command", command(&app.command).into()),
    ])
}

/// The original's debug form of a command, without what is secret in it (SE-04).
fn command(command: &Command) -> String {
    let list = |items: &[String]| redact(items).join(", ");
    let shown = |name: &str, value| if is_secret(name) || is_secret(value) { REDACTED } else { value };
    let environment: Vec<String> =
        command.environment.iter().map(|(name, value)| format!("{name} -> {}", shown(name, value))).collect();
    let (class_path, library_path, options) = match &command.program {
        Program::Java(java) => (list(&java.class_path), list(&java.library_path), list(&java.java_options)),
        Program::Executable(_) => Default::default(),
    };
    format!(
        "Command({},List({}),Map({}),List({class_path}),List({library_path}),ArraySeq({options}))",
        command.program.name(),
        list(&command.arguments),
        environment.join(", "),
    )
}

/// Those of `some` under every name of `all`, also where there are none of it.
fn resources(all: &Addresses, some: &Addresses) -> Json {
    resources::addresses(all.iter().map(|(name, _)| (name, some.of(name))))
}

#[cfg(test)]
#[path = "json_tests.rs"]
pub(super) mod tests;
