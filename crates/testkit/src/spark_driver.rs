//! A driver of Spark that runs beside a test: `spark-submit` in client mode.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::Finished;
use crate::spark::{Spark, java_options};
use crate::wait::wait_for;

/// What the driver writes down of all that happens to it.
const EVENTS: &str = "events";

/// One that runs, or has ended. It ends with the value.
#[derive(Debug)]
pub struct SparkDriver {
    child: Child,
    directory: TempDir,
}

impl Spark {
    /// Starts `spark-submit` with these arguments, which are not those of cluster mode.
    pub fn start(&self, logging: &Path, arguments: &[&str]) -> Result<SparkDriver> {
        let directory = tempfile::Builder::new().prefix("tanist-driver-").tempdir()?;
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path(EVENTS))?;
        let mut command = self.program("spark-submit");
        let events = format!("spark.eventLog.dir=file:{}", path(EVENTS).display());
        // One file that can be read while it is written.
        let written =
            ["spark.eventLog.enabled=true", "spark.eventLog.rolling.enabled=false", "spark.eventLog.compress=false"];
        for property in written.into_iter().chain([events.as_str()]) {
            command.args(["--conf", property]);
        }
        command.env("SPARK_SUBMIT_OPTS", java_options(logging, directory.path()));
        let (stdout, stderr) = (File::create(path("stdout"))?, File::create(path("stderr"))?);
        command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let child = command.spawn().with_context(|| format!("running {command:?}"))?;
        Ok(SparkDriver { child, directory })
    }
}

impl SparkDriver {
    /// A path of its own, for what a test tells its program.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What it has said so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.path("stdout")).unwrap_or_default()
    }

    /// What it has logged so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    /// All events of this kind so far, such as `TaskEnd`, up to the one that the application ends. Some kinds are written
    /// with a delay; at its end there are all.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let files = fs::read_dir(self.path(EVENTS)).into_iter().flatten().flatten();
        let text: String = files.filter_map(|file| fs::read_to_string(file.path()).ok()).collect();
        let name = format!("SparkListener{kind}");
        // The last line may not be whole yet.
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let events = events.take_while(|event| event["Event"] != "SparkListenerApplicationEnd");
        events.filter(|event| event["Event"] == name.as_str()).collect()
    }

    /// `kill -9`, and waits until the kernel has done it.
    pub fn kill_nine(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// If it has not ended after `limit`.
    #[track_caller]
    pub fn wait_for_end(&mut self, limit: Duration) -> Finished {
        let what = "the end of a driver of Spark";
        let status = wait_for(what, limit, || self.child.try_wait().ok().flatten());
        Finished { code: status.code().unwrap_or(-1), stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for SparkDriver {
    fn drop(&mut self) {
        self.kill_nine();
        if std::thread::panicking() {
            eprintln!("--- a driver of Spark has said:\n{}\n--- and logged:\n{}", self.stdout(), self.stderr());
        }
    }
}
