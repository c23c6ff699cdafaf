//! Schemathesis, which makes up requests from a description of a face: in an environment of Python's own, in the target
//! directory.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run;

/// Where it is installed; the test that uses it looks for it there.
const PLACE: &str = "target/tools/schemathesis";
/// The package, in the version that the test was written with. Its own dependencies are whatever pip finds that day.
const PACKAGE: &str = "schemathesis==4.32.5";

/// Sees to it that the test finds it.
pub(crate) fn provide() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the root of the workspace")?;
    let place = root.join(PLACE);
    if place.join("bin/schemathesis").is_file() {
        return Ok(());
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
    run(Command::new(place.join("bin/pip")).args(["install", "--quiet", PACKAGE]))
}
