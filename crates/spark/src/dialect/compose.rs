//! From what is said to objects of Java, in the form the other side has.

mod collections;
mod order;

use super::classes::{self, Shape};
use super::said::{Answer, ToDriver};
use super::{Dialect, Scala};
use crate::Address;
use crate::java::{ClassId, Tree, Value};

/// The endpoint of a master.
const MASTER: &str = "Master";

/// A message that is being made.
pub(super) struct Composer<'d> {
    dialect: &'d Dialect,
    tree: Tree,
    /// The one `None`, once it was needed.
    none: Option<Value>,
}

impl<'d> Composer<'d> {
    pub(super) fn new(dialect: &'d Dialect) -> Self {
        Self { dialect, tree: dialect.learnt.clone(), none: None }
    }

    pub(super) fn told(mut self, message: &ToDriver<'_>) -> Tree {
        let root = match *message {
            ToDriver::Registered { app, master } => {
                let fields = [("appId", self.text(app)), ("master", self.reference(master))];
                self.object(&classes::REGISTERED_APPLICATION, &fields)
            }
            ToDriver::ExecutorAdded { id, worker, worker_address, cores, memory_mib } => {
                let fields = [
                    ("cores", Value::Int(cores)),
                    ("id", Value::Int(id)),
                    ("memory", Value::Int(memory_mib)),
                    ("hostPort", self.text(worker_address)),
                    ("workerId", self.text(worker)),
                ];
                self.object(&classes::EXECUTOR_ADDED, &fields)
            }
            ToDriver::ExecutorUpdated { id, state, message, exit_status, worker_host } => {
                let fields = [
                    ("id", Value::Int(id)),
                    ("exitStatus", self.optional_int(exit_status)),
                    ("message", self.optional_text(message)),
                    ("state", self.constant(&classes::EXECUTOR_STATE, state as i32)),
                    ("workerHost", self.optional_text(worker_host)),
                ];
                self.object(&classes::EXECUTOR_UPDATED, &fields)
            }
            ToDriver::WorkerRemoved { worker, host, message } => {
                let fields = [("host", self.text(host)), ("id", self.text(worker)), ("message", self.text(message))];
                self.object(&classes::WORKER_REMOVED, &fields)
            }
            ToDriver::MasterChanged { master, ui_url } => self.master_changed(master, ui_url),
            ToDriver::ApplicationRemoved { message } => {
                let fields = [("message", self.text(message))];
                self.object(&classes::APPLICATION_REMOVED, &fields)
            }
        };
        self.tree.with_root(root)
    }

    pub(super) fn answered(mut self, answer: &Answer<'_>) -> Tree {
        let root = match *answer {
            Answer::SubmitDriver { master, driver, message } => {
                let fields = [
                    ("success", Value::Boolean(driver.is_some())),
                    ("driverId", self.optional_text(driver)),
                    ("master", self.reference(master)),
                    ("message", self.text(message)),
                ];
                self.object(&classes::SUBMIT_DRIVER_RESPONSE, &fields)
            }
            Answer::KillDriver { master, driver, success, message } => {
                let fields = [
                    ("success", Value::Boolean(success)),
                    ("driverId", self.text(driver)),
                    ("master", self.reference(master)),
                    ("message", self.text(message)),
                ];
                self.object(&classes::KILL_DRIVER_RESPONSE, &fields)
            }
            Answer::DriverStatus { state, worker, exception } => {
                let exception = exception.map(|message| {
                    let fields = [("detailMessage", self.text(message))];
                    self.object(&classes::EXCEPTION, &fields)
                });
                let constant = state.map(|state| self.constant(&classes::DRIVER_STATE, state as i32));
                let fields = [
                    ("found", Value::Boolean(state.is_some())),
                    ("exception", self.option(exception)),
                    ("state", self.option(constant)),
                    ("workerHostPort", self.optional_text(worker.map(|worker| worker.address))),
                    ("workerId", self.optional_text(worker.map(|worker| worker.id))),
                ];
                self.object(&classes::DRIVER_STATUS_RESPONSE, &fields)
            }
        };
        self.tree.with_root(root)
    }

    fn master_changed(&mut self, master: &Address, ui_url: &str) -> Value {
        let fields = [("master", self.reference(master)), ("masterWebUiUrl", self.text(ui_url))];
        self.object(&classes::MASTER_CHANGED, &fields)
    }

    /// As the other side has described it; if it has not, as it is known.
    fn class(&mut self, shape: &'static Shape) -> ClassId {
        if let Some(known) = self.tree.find_class(shape.name) {
            return known;
        }
        let parent = shape.parent.map(|parent| self.class(parent));
        let fields = shape.fields_in(self.dialect.scala);
        self.tree.add_class(shape.name, self.dialect.uid(shape), shape.flags, &fields, parent)
    }

    fn object(&mut self, shape: &'static Shape, fields: &[(&str, Value)]) -> Value {
        let class = self.class(shape);
        self.tree.add_object(class, fields)
    }

    fn text(&mut self, text: &str) -> Value {
        self.tree.add_text(text)
    }

    fn option(&mut self, value: Option<Value>) -> Value {
        match (value, self.none) {
            (Some(value), _) => self.object(&classes::SOME, &[("value", value)]),
            (None, Some(none)) => none,
            (None, None) => {
                let none = self.singleton(&classes::NONE);
                self.none = Some(none);
                none
            }
        }
    }

    fn optional_text(&mut self, text: Option<&str>) -> Value {
        let text = text.map(|text| self.text(text));
        self.option(text)
    }

    fn optional_int(&mut self, number: Option<i32>) -> Value {
        let boxed = number.map(|number| self.object(&classes::INTEGER, &[("value", Value::Int(number))]));
        self.option(boxed)
    }

    /// The reader puts its own in the place of this.
    fn singleton(&mut self, shape: &'static Shape) -> Value {
        match self.dialect.scala {
            Scala::V2_12 => self.object(shape, &[]),
            Scala::V2_13 => {
                let class = self.class(shape);
                let class = self.tree.add_class_value(class);
                self.object(&classes::MODULE, &[("moduleClass", class)])
            }
        }
    }

    /// A value of an enumeration. Spark writes all others with it; the reader looks at the number only.
    fn constant(&mut self, enumeration: &'static Shape, number: i32) -> Value {
        let holder = self.singleton(enumeration);
        let fields = [("$outer", holder), ("scala$Enumeration$$outerEnum", holder), ("i", Value::Int(number))];
        self.object(&classes::ENUMERATION_VAL, &fields)
    }

    fn address(&mut self, address: &Address) -> Value {
        let fields = [("port", Value::Int(address.port.into())), ("host", self.text(&address.host))];
        self.object(&classes::RPC_ADDRESS, &fields)
    }

    /// A reference to the master: the other side's own, but for the address.
    fn reference(&mut self, master: &Address) -> Value {
        let address = self.address(master);
        let shown = format!("spark://{MASTER}@{master}");
        let fields = [("name", self.text(MASTER)), ("rpcAddress", address), ("toString", self.text(&shown))];
        let address = self.object(&classes::RPC_ENDPOINT_ADDRESS, &fields);
        let own = self.dialect.learnt.value();
        let changed = self.tree.add_changed(own, "endpointAddress", address);
        changed.unwrap_or_else(|| self.object(&classes::REFERENCE_ALONE, &[("endpointAddress", address)]))
    }
}
