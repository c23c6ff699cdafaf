//! What can be stored, checked before the machine believes in it. The wire has limits of its own; what is stored is
//! text, in which some characters take up to six times their place.

use tanist_core::model::{ApplicationDescription, Command, DriverDescription, Program, ResourceProfile, WorkerKind};
use tanist_core::msg::RegisterWorker;
use tanist_store::engine::MAX_BYTES;

/// Room in a transaction for everything that is stored beside a description: ids, placement, final messages.
const ROOM_BESIDE: usize = 128 << 10;

/// Largest description in its stored form, in bytes.
pub(crate) const MAX_STORED_DESCRIPTION: usize = MAX_BYTES - ROOM_BESIDE;

/// Quotes, separators and the name of a field.
const AROUND_A_TEXT: usize = 32;

/// Quotes and separator of a text in a list.
const AROUND_AN_ITEM: usize = 3;

/// Something that is too large to be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {bytes} bytes in its stored form are too many; at most {MAX_STORED_DESCRIPTION} are allowed")]
pub(crate) struct TooLargeToStore {
    what: &'static str,
    bytes: usize,
}

const DESCRIPTION: &str = "description";
const WORKER: &str = "resources of the worker";

/// Whether a driver can be stored.
pub(crate) fn check_driver(driver: &DriverDescription) -> Result<(), TooLargeToStore> {
    let resources: usize = driver.resources.iter().map(|(name, _)| field(name)).sum();
    check(DESCRIPTION, command(&driver.command) + resources + driver.artifact.as_deref().map_or(0, field))
}

/// Whether an application can be stored, together with the profiles that it has named and so many bytes of the
/// registration that a face keeps.
pub(crate) fn check_app(
    app: &ApplicationDescription,
    profiles: &[ResourceProfile],
    registration: usize,
) -> Result<(), TooLargeToStore> {
    let optional = [&app.event_log_dir, &app.event_log_codec].into_iter().flatten().map(|text| field(text));
    let texts = [&app.name, &app.user, &app.ui_url].into_iter().map(|text| field(text));
    let profiles = profiles.iter().chain([&app.default_profile]).map(profile);
    let registration = in_base64(registration);
    check(DESCRIPTION, command(&app.command) + optional.chain(texts).chain(profiles).sum::<usize>() + registration)
}

/// Whether a worker can be stored.
pub(crate) fn check_worker(worker: &RegisterWorker) -> Result<(), TooLargeToStore> {
    let texts = [worker.id.as_str(), &worker.host, &worker.ui_url].into_iter().map(field);
    let resources = worker.resources.iter().map(|(name, addresses)| field(name) + items(addresses));
    let registration = match &worker.kind {
        WorkerKind::Own => 0,
        WorkerKind::Foreign(registration) => in_base64(registration.len()),
    };
    check(WORKER, texts.chain(resources).sum::<usize>() + registration)
}

fn in_base64(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

fn check(what: &'static str, bytes: usize) -> Result<(), TooLargeToStore> {
    if bytes <= MAX_STORED_DESCRIPTION { Ok(()) } else { Err(TooLargeToStore { what, bytes }) }
}

fn command(command: &Command) -> usize {
    let program = match &command.program {
        Program::Executable(path) => field(path),
        Program::Java(java) => {
            let lists = [&java.class_path, &java.library_path, &java.java_options];
            let family = java.spark_family.as_deref().map_or(0, field);
            field(&java.main_class) + family + lists.into_iter().map(|list| items(list)).sum::<usize>()
        }
    };
    let environment =
        command.environment.iter().map(|(name, value)| escaped(name) + escaped(value) + 2 * AROUND_AN_ITEM);
    program + items(&command.arguments) + environment.sum::<usize>()
}

fn profile(profile: &ResourceProfile) -> usize {
    4 * AROUND_A_TEXT + profile.resources.iter().map(|(name, _)| field(name)).sum::<usize>()
}

fn items(list: &[String]) -> usize {
    list.iter().map(|text| escaped(text) + AROUND_AN_ITEM).sum()
}

fn field(text: &str) -> usize {
    escaped(text) + AROUND_A_TEXT
}

/// Bytes of a text inside JSON quotes.
fn escaped(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
            0..0x20 => 6,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_measured_as_it_is_stored() {
        assert_eq!(escaped("plain"), 5);
        assert_eq!(escaped("ä\"\\\n\u{1}"), 2 + 2 + 2 + 2 + 6);
    }
}
