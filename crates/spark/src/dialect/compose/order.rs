//! What workers are told, as objects.

use super::Composer;
use crate::Address;
use crate::dialect::classes;
use crate::dialect::order::ToWorker;
use crate::java::{Tree, Value};
use crate::message::{Command, DriverDescription};

/// Into how many parts an address is divided: only those of tasks are.
const WHOLE: i32 = 1;

impl Composer<'_> {
    pub(in crate::dialect) fn ordered(mut self, message: &ToWorker<'_>) -> Tree {
        let root = match *message {
            ToWorker::Registered { master, ui_url, called, duplicate } => {
                let fields = [
                    ("duplicate", Value::Boolean(duplicate)),
                    ("master", self.reference(master)),
                    ("masterAddress", self.address(called)),
                    ("masterWebUiUrl", self.text(ui_url)),
                ];
                self.object(&classes::REGISTERED_WORKER, &fields)
            }
            ToWorker::RegisterFailed { message } => {
                let fields = [("message", self.text(message))];
                self.object(&classes::REGISTER_WORKER_FAILED, &fields)
            }
            ToWorker::MasterInStandby => self.singleton(&classes::MASTER_IN_STANDBY),
            ToWorker::Reconnect { master } => {
                let fields = [("masterUrl", self.url(master))];
                self.object(&classes::RECONNECT_WORKER, &fields)
            }
            ToWorker::MasterChanged { master, ui_url } => self.master_changed(master, ui_url),
            ToWorker::LaunchExecutor { master, app, executor, profile, description, cores, memory_mib, resources } => {
                // The description comes last: of a class that both have described, it is the worker's word that counts.
                let class = self.class(&classes::LAUNCH_EXECUTOR);
                let fields = [
                    ("cores", Value::Int(cores)),
                    ("execId", Value::Int(executor)),
                    ("memory", Value::Int(memory_mib)),
                    ("rpId", Value::Int(profile)),
                    ("appId", self.text(app)),
                    ("masterUrl", self.url(master)),
                    ("resources", self.resources(resources)),
                    ("appDesc", self.tree.graft(description.tree())),
                ];
                self.tree.add_object(class, &fields)
            }
            ToWorker::KillExecutor { master, app, executor } => {
                let fields =
                    [("execId", Value::Int(executor)), ("appId", self.text(app)), ("masterUrl", self.url(master))];
                self.object(&classes::KILL_EXECUTOR, &fields)
            }
            ToWorker::ApplicationFinished { app } => {
                let fields = [("id", self.text(app))];
                self.object(&classes::APPLICATION_FINISHED, &fields)
            }
            ToWorker::LaunchDriver { driver, description, resources } => {
                let fields = [
                    ("driverDesc", self.driver(description)),
                    ("driverId", self.text(driver)),
                    ("resources", self.resources(resources)),
                ];
                self.object(&classes::LAUNCH_DRIVER, &fields)
            }
            ToWorker::KillDriver { driver } => {
                let fields = [("driverId", self.text(driver))];
                self.object(&classes::KILL_DRIVER, &fields)
            }
            ToWorker::Decommission => self.singleton(&classes::DECOMMISSION_WORKER),
        };
        self.tree.with_root(root)
    }

    /// As a worker compares it with that of the master it follows.
    fn url(&mut self, master: &Address) -> Value {
        self.text(&format!("spark://{master}"))
    }

    fn driver(&mut self, driver: &DriverDescription) -> Value {
        let fields = [
            ("cores", int(driver.cores)),
            ("mem", int(driver.memory_mib)),
            ("supervise", Value::Boolean(driver.supervise)),
            ("command", self.command(&driver.command)),
            ("jarUrl", self.text(&driver.jar_url)),
            ("resourceReqs", self.requirements(&driver.resources)),
        ];
        self.object(&classes::DRIVER_DESCRIPTION, &fields)
    }

    fn command(&mut self, command: &Command) -> Value {
        let environment = command.environment.iter();
        let environment = environment.map(|(name, value)| (self.text(name), self.text(value))).collect();
        let fields = [
            ("arguments", self.texts(&command.arguments)),
            ("classPathEntries", self.texts(&command.class_path)),
            ("environment", self.map(environment)),
            ("javaOpts", self.texts(&command.java_options)),
            ("libraryPathEntries", self.texts(&command.library_path)),
            ("mainClass", self.text(&command.main_class)),
        ];
        self.object(&classes::COMMAND, &fields)
    }

    fn requirements(&mut self, resources: &[(String, u32)]) -> Value {
        let mut requirements = Vec::new();
        for (name, amount) in resources {
            let fields = [("amount", int(*amount)), ("numParts", Value::Int(WHOLE)), ("resourceName", self.text(name))];
            requirements.push(self.object(&classes::RESOURCE_REQUIREMENT, &fields));
        }
        self.list(requirements)
    }
}

/// Java counts in 31 bits.
fn int(count: u32) -> Value {
    Value::Int(i32::try_from(count).unwrap_or(i32::MAX))
}
