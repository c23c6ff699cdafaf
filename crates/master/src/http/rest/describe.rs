//! From a submission to the description of its driver (RE-11 … RE-14).

use std::collections::{BTreeMap, BTreeSet};

use tanist_core::model::{Amounts, Command, DriverDescription, JavaProgram, OnIsolation, Program};
use tanist_core::units::{Cores, Memory, parse_size};

use super::Variables;
use super::request::{Malformed, Submission};
use super::words;

/// What runs every driver: it follows its worker and calls the user's class (DW-01).
pub(in crate::http) const DRIVER_WRAPPER: &str = "org.apache.spark.deploy.worker.DriverWrapper";

/// Place of the user's class among its arguments.
pub(in crate::http) const WRAPPED_CLASS: usize = 2;

/// The main class of submissions that are no Java program, such as Python applications.
const SPARK_SUBMIT: &str = "org.apache.spark.deploy.SparkSubmit";

/// Variables that tell a host its own address: the client's are wrong on a worker (RE-13).
const ADDRESSES_OF_THE_CLIENT: [&str; 2] = ["SPARK_LOCAL_IP", "SPARK_LOCAL_HOSTNAME"];

const DEFAULT_MEMORY: Memory = Memory::mib(1024);
const RESOURCE_PREFIX: &str = "spark.driver.resource.";

/// What Spark asks of a Java virtual machine since 17; older ones pass over what they do not know (CMD-04, SPARK-45197).
pub(crate) const MODULE_OPTIONS: [&str; 20] = [
    "-XX:+IgnoreUnrecognizedVMOptions",
    "--add-modules=jdk.incubator.vector",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.invoke=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/java.net=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.cs=ALL-UNNAMED",
    "--add-opens=java.base/sun.security.action=ALL-UNNAMED",
    "--add-opens=java.base/sun.util.calendar=ALL-UNNAMED",
    "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "--enable-native-access=ALL-UNNAMED",
];

/// The master that a submission came to.
#[derive(Debug, Clone)]
pub(super) struct Here {
    /// `host:port` of its gRPC services.
    pub(super) rpc: String,
    /// Port of its REST server.
    pub(super) rest_port: u16,
    /// What `{{NAME}}` may stand for (RE-13).
    pub(super) variables: Variables,
}

/// The driver that a submission asks for.
///
/// # Errors
/// Which property has a value that it cannot have.
pub(super) fn describe(submission: &Submission, here: &Here) -> Result<DriverDescription, Malformed> {
    let all = filled_in(submission, here);
    // The original checks values before it fills anything in, so that none of these can be a `{{NAME}}`.
    let (asked, properties) = (Properties(&submission.properties), Properties(&all));
    asked.check()?;
    Ok(DriverDescription {
        artifact: Some(submission.app_resource.clone()).filter(|resource| !resource.trim().is_empty()),
        memory: asked.memory()?,
        cores: asked.cores()?,
        supervise: asked.supervise()?,
        resources: properties.resources()?,
        command: Command {
            arguments: arguments(submission, &properties),
            environment: environment(submission, here),
            program: Program::Java(JavaProgram {
                main_class: DRIVER_WRAPPER.to_owned(),
                class_path: properties.path("spark.driver.extraClassPath"),
                library_path: properties.path("spark.driver.extraLibraryPath"),
                java_options: properties.java_options(),
                spark_family: family(&submission.spark_version),
            }),
        },
        on_isolation: OnIsolation::default(),
    })
}

/// The properties that a driver gets (RE-12, RE-13).
fn filled_in(submission: &Submission, here: &Here) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> =
        submission.properties.iter().map(|(name, value)| (name.clone(), here.substituted(value))).collect();
    let masters = all.get("spark.master").map_or_else(|| format!("spark://{}", here.rpc), |m| here.rewritten(m));
    all.insert("spark.master".to_owned(), masters);
    all
}

/// The releases of Spark that a driver runs with: its client's. The original never looks at that version, so requests that are
/// written by hand have any; those of old examples (1.x, 2.x) and what is none leave the choice to the worker.
fn family(version: &str) -> Option<String> {
    let (major, rest) = version.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let (major, minor): (u16, u16) = (major.parse().ok()?, minor.parse().ok()?);
    (major >= 3).then(|| format!("{major}.{minor}"))
}

/// `DriverWrapper`'s own arguments in their fixed order, the user's class at [`WRAPPED_CLASS`], then the program's (RE-14).
fn arguments(submission: &Submission, properties: &Properties<'_>) -> Vec<String> {
    let mut arguments = vec!["{{WORKER_URL}}".to_owned(), "{{USER_JAR}}".to_owned(), submission.main_class.clone()];
    if let Some(name) = properties.get("spark.app.name").filter(|_| submission.main_class == SPARK_SUBMIT) {
        arguments.extend(["-c".to_owned(), format!("spark.app.name={name}")]);
    }
    arguments.extend(submission.app_args.iter().cloned());
    arguments
}

fn environment(submission: &Submission, here: &Here) -> BTreeMap<String, String> {
    let kept = submission.environment.iter().filter(|(name, _)| !ADDRESSES_OF_THE_CLIENT.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), here.substituted(value))).collect()
}

impl Here {
    /// The value that `{{NAME}}` stands for, if it is known here; any other value as it is.
    fn substituted(&self, value: &str) -> String {
        let name = value.strip_prefix("{{").and_then(|value| value.strip_suffix("}}"));
        name.and_then(|name| self.variables.0.get(name)).map_or_else(|| value.to_owned(), Clone::clone)
    }

    /// A client names REST ports where a driver needs the others (RE-12). Beyond the original, only whole ports count.
    fn rewritten(&self, masters: &str) -> String {
        let (from, to) = (format!(":{}", self.rest_port), self.rpc.rsplit(':').next().unwrap_or_default());
        let part = |part: &str| match part.strip_suffix(&from) {
            Some(host) => format!("{host}:{to}"),
            None => part.to_owned(),
        };
        masters.split(',').map(part).collect::<Vec<_>>().join(",")
    }
}

/// The properties of a submission.
struct Properties<'a>(&'a BTreeMap<String, String>);

impl Properties<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What the protocol checks although a driver's description does not need it (RE-07).
    fn check(&self) -> Result<(), Malformed> {
        let (memory, cores) = ("spark.executor.memory", "spark.cores.max");
        if let Some(value) = self.get(memory) {
            parse_size(value).map_err(|error| wrong(memory, value, error.wanted))?;
        }
        match self.get(cores) {
            Some(value) if value.trim().parse::<f64>().is_err() => Err(wrong(cores, value, "a number")),
            _ => Ok(()),
        }
    }

    /// The original takes a bare number for bytes here, and starts a virtual machine with less than a MiB in vain.
    fn memory(&self) -> Result<Memory, Malformed> {
        let name = "spark.driver.memory";
        let Some(value) = self.get(name) else { return Ok(DEFAULT_MEMORY) };
        let memory = parse_size(value).ok().and_then(Memory::of_bytes);
        memory.ok_or_else(|| wrong(name, value, "at least 1 MiB with its unit, such as 512m or 4g,"))
    }

    fn cores(&self) -> Result<Cores, Malformed> {
        let Some(value) = self.get("spark.driver.cores") else { return Ok(Cores(1)) };
        Cores::parse(value).map_err(|error| wrong("spark.driver.cores", value, error.wanted))
    }

    fn supervise(&self) -> Result<bool, Malformed> {
        let Some(value) = self.get("spark.driver.supervise") else { return Ok(false) };
        match value.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wrong("spark.driver.supervise", value, "true or false")),
        }
    }

    fn path(&self, name: &str) -> Vec<String> {
        let entries = self.get(name).into_iter().flat_map(|path| path.split(':'));
        entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    }

    /// Module options, then every property, then the options that a user has set (CMD-04).
    fn java_options(&self) -> Vec<String> {
        let set = ["spark.driver.defaultJavaOptions", "spark.driver.extraJavaOptions"];
        MODULE_OPTIONS
            .into_iter()
            .map(str::to_owned)
            .chain(self.0.iter().map(|(name, value)| format!("-D{name}={value}")))
            .chain(set.into_iter().filter_map(|name| self.get(name)).flat_map(words::split))
            .collect()
    }

    /// `spark.driver.resource.<name>.amount` of every resource that is named at all.
    fn resources(&self) -> Result<Amounts, Malformed> {
        let named = self.0.keys().filter_map(|key| key.strip_prefix(RESOURCE_PREFIX)?.split_once('.'));
        let names: BTreeSet<&str> = named.map(|(name, _)| name).collect();
        let amount = |name: &str| {
            let key = format!("{RESOURCE_PREFIX}{name}.amount");
            match self.get(&key).map(|value| (value, value.trim().parse())) {
                Some((_, Ok(amount))) => Ok((name.to_owned(), amount)),
                Some((value, Err(_))) => Err(wrong(&key, value, "a whole number, at least 0")),
                None => Err(Malformed::field(property(&key), "it is missing; a whole number, at least 0, is needed")),
            }
        };
        Ok(Amounts::new(names.into_iter().map(amount).collect::<Result<Vec<_>, _>>()?))
    }
}

fn property(name: &str) -> String {
    format!("sparkProperties.{name}")
}

fn wrong(name: &str, value: &str, wanted: &str) -> Malformed {
    Malformed::field(property(name), format!("{value:?} was given; {wanted} is needed"))
}
