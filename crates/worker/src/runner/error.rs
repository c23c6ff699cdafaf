//! What can go wrong on a worker's host, always with the object it went wrong on.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::wire::StartFailure;
use crate::homes::InvalidFamily;

/// Any failure of the runner.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// A file operation failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb phrase.
        operation: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The program was not started.
    #[error(transparent)]
    Start(#[from] StartFailure),
    /// A Java program, and no Java on this host (CMD-01).
    #[error(
        "cannot start Java program {main_class}: no Java, tried {tried:?}; set JAVA_HOME in the environment of this worker or of the program, or put java into PATH"
    )]
    NoJava {
        /// The program's main class.
        main_class: String,
        /// Where it was looked for.
        tried: String,
    },
    /// A Java program, and no Spark on this host (CMD-01).
    #[error(
        "cannot start Java program {main_class}: no Spark on this worker's host ({}); set spark.homes or worker.spark_home, or SPARK_HOME in the worker's environment, to a directory that has Spark's jars in its directory jars",
        home.as_ref().map_or_else(|| "none is set".to_owned(), |home| format!("there is no directory {}", home.join("jars").display()))
    )]
    NoSpark {
        /// The program's main class.
        main_class: String,
        /// As set.
        home: Option<PathBuf>,
    },
    /// A program of another release of Spark than there are on this host.
    #[error(
        "cannot start Java program {main_class}: it runs with Spark {wanted}, and this worker's host has {installed}; set the directory of such a release in spark.homes"
    )]
    OtherSpark {
        /// The program's main class.
        main_class: String,
        /// Families of releases, any of which would do.
        wanted: String,
        /// What there is, and where.
        installed: String,
    },
    /// A program that does not tell which of several installations it runs with.
    #[error(
        "cannot start Java program {main_class}: it may be of any of several releases of Spark on this worker's host: {fitting}; name one of these directories in spark.executorEnv.SPARK_HOME, or make one of them worker.spark_home"
    )]
    SeveralSparks {
        /// The program's main class.
        main_class: String,
        /// Releases and directories.
        fitting: String,
    },
    /// A program that would end at once, because this worker does not let it watch.
    #[error(
        "cannot start Java program {main_class}: it watches this worker, which {worker}, and ends when it is not let in; set {property} = {wanted} for it"
    )]
    NotLetIn {
        /// The program's main class.
        main_class: String,
        /// What the worker does.
        worker: &'static str,
        /// What the program must know.
        property: &'static str,
        /// As what.
        wanted: bool,
    },
    /// A program of a release that is none.
    #[error(
        "cannot start Java program {main_class}: {value:?} is not allowed for its release, but only {}",
        InvalidFamily
    )]
    NoRelease {
        /// The program's main class.
        main_class: String,
        /// As told.
        value: String,
    },
    /// An application's own program in place of Spark's executor.
    #[error(
        "cannot start {main_class} as an executor of Spark: only {allowed} is, unless spark.any_executor_class = true on this worker"
    )]
    OtherExecutor {
        /// The program's main class.
        main_class: String,
        /// What it must be.
        allowed: &'static str,
    },
    /// The keeper, our own binary, could not be started.
    #[error("cannot start keeper {}: {source}", binary.display())]
    Keeper {
        /// The binary.
        binary: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The order for the keeper could not be written as JSON: a path is not UTF-8.
    #[error("cannot describe program {program:?} to its keeper: {source}")]
    Order {
        /// The program.
        program: String,
        /// What is wrong with the order.
        source: serde_json::Error,
    },
    /// The keeper ended, or spoke nonsense, before the program was started.
    #[error("keeper of program {program:?} ended before the program was started")]
    KeeperLost {
        /// The program.
        program: String,
    },
    /// It was to end before it ran.
    #[error("the program was told to end before it had started")]
    GivenUp,

    /// An id cannot be the name of a directory or file.
    #[error(
        "{what} {name:?} cannot be a file name: 1 to 255 bytes, no '/' or control characters, not starting with '.'"
    )]
    BadName {
        /// What the name is of.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A work directory that is there but no directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// No scratch directory could be made in any of the local roots (WL-03).
    #[error("no usable local directory for application {app}; tried: {tried}")]
    NoLocalRoot {
        /// The application.
        app: String,
        /// Every root with its error.
        tried: String,
    },
    /// A directory that is not ours was about to be deleted.
    #[error("refusing to delete {}: {reason}", path.display())]
    NotOwned {
        /// The directory.
        path: PathBuf,
        /// What speaks against it.
        reason: String,
    },

    /// A location is neither a path nor a URL that can be fetched.
    #[error("cannot fetch {location:?}: {problem}; allowed are an absolute path, file:, http: and https:")]
    BadLocation {
        /// The location, without credentials.
        location: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The server answered, but not with the file.
    #[error("cannot fetch {url}: HTTP status {status}")]
    HttpStatus {
        /// The URL, without credentials and query.
        url: String,
        /// The status code.
        status: u16,
    },
    /// No answer, or one that broke off.
    #[error("cannot fetch {url}: {problem}")]
    Http {
        /// The URL, without credentials and query.
        url: String,
        /// What happened.
        problem: String,
    },
    /// The other side was silent for too long.
    #[error("cannot fetch {url}: nothing heard for {idle:?}")]
    HttpIdle {
        /// The URL, without credentials and query.
        url: String,
        /// The time-out.
        idle: Duration,
    },
    /// A chain of redirects that is too long or leads from https to http.
    #[error("cannot fetch {url}: {problem}")]
    HttpRedirect {
        /// The URL, without credentials and query.
        url: String,
        /// What is wrong with the redirect.
        problem: String,
    },
    /// A file above the limit.
    #[error("cannot fetch {location}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// The location, without credentials.
        location: String,
        /// The limit in bytes.
        limit: u64,
    },

    /// A file for which there is no room.
    #[error(
        "cannot fetch {location}: {bytes} more bytes would leave less than {keep_free} free in {}, where {free} are",
        dir.display()
    )]
    NoRoom {
        /// The location, without credentials.
        location: String,
        /// Where it was to go.
        dir: PathBuf,
        /// How many bytes were to be written next.
        bytes: u64,
        /// How many bytes are free.
        free: u64,
        /// How many must stay so.
        keep_free: u64,
    },

    /// A resources file that does not parse.
    #[error(
        "resources file {} is not a list of {{\"id\":{{\"componentName\":…,\"resourceName\":…}},\"addresses\":[…]}}: {source}",
        path.display()
    )]
    ResourcesFile {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A discovery script that gave no usable answer.
    #[error("discovery script {} for resource {resource:?}: {problem}", script.display())]
    ResourceScript {
        /// The resource.
        resource: String,
        /// The script.
        script: PathBuf,
        /// What happened.
        problem: ScriptProblem,
    },
    /// A resource is wanted that neither file nor script offers.
    #[error("resource {resource:?}: {wanted} wanted, but no resources file and no discovery script offers it")]
    ResourceUnknown {
        /// The resource.
        resource: String,
        /// The requested amount.
        wanted: usize,
    },
    /// Fewer addresses than wanted.
    #[error("resource {resource:?}: {wanted} wanted, only {found} found in {}", origin.display())]
    ResourceTooFew {
        /// The resource.
        resource: String,
        /// The requested amount.
        wanted: usize,
        /// The offered amount.
        found: usize,
        /// The file or script that offered them.
        origin: PathBuf,
    },
    /// An address offered twice would be given to two programs.
    #[error("resource {resource:?}: address {address:?} is listed twice in {}", origin.display())]
    ResourceTwice {
        /// The resource.
        resource: String,
        /// The address.
        address: String,
        /// The file or script that offered it.
        origin: PathBuf,
    },
}

/// Why a discovery script gave no usable answer (RS-01).
#[derive(Debug, thiserror::Error)]
pub enum ScriptProblem {
    /// It could not be started.
    #[error("cannot be started: {0}")]
    Start(io::Error),
    /// Its output could not be read.
    #[error("output cannot be read: {0}")]
    Read(io::Error),
    /// It took too long and was killed.
    #[error("no answer within {0:?}")]
    TimeOut(Duration),
    /// It failed.
    #[error("{status}, with this on standard error: {stderr:?}")]
    Failed {
        /// How it ended.
        status: String,
        /// The beginning of its standard error.
        stderr: String,
    },
    /// It printed something else than `{"name":…,"addresses":[…]}`.
    #[error("printed something else than {{\"name\":…,\"addresses\":[…]}}: {0}")]
    Output(serde_json::Error),
    /// It spoke of another resource.
    #[error("answered for resource {0:?}")]
    OtherName(String),
}

impl RunnerError {
    /// Whether it is the same again however often it is tried, until this host is set up in another way.
    pub(crate) fn is_for_good(&self) -> bool {
        matches!(
            self,
            Self::NoSpark { home: None, .. }
                | Self::OtherSpark { .. }
                | Self::SeveralSparks { .. }
                | Self::NotLetIn { .. }
                | Self::NoRelease { .. }
                | Self::OtherExecutor { .. }
        )
    }

    pub(super) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { operation, path: path.to_owned(), source }
    }
}
