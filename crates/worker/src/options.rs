//! What a worker process is started with.

use std::env;
use std::path::{self, PathBuf};
use std::sync::Arc;

use tanist_core::address::is_host;
use tanist_core::ids::{IdPattern, Incarnation, InvalidId, PatternArg, WorkerId, time_stamp};
use tanist_core::model::Addresses;
use tanist_core::time::Wall;
use tanist_core::tracking::TrackingConfig;
use tanist_core::units::{Cores, Memory};
use tanist_core::worker::{Behaviour, WorkerConfig, WorkerIdentity};
use tanist_spark::auth::Auth;
use tokio_rustls::rustls::ServerConfig;

use crate::disk::BYTES_PER_MIB;
use crate::error::WorkerError;
use crate::homes::Homes;
use crate::runner::RunnerError;
use crate::runner::artifact::FetchLimits;
use crate::runner::host::{detect_cores, detect_memory};
use crate::runner::logs::Rolling;
use crate::runner::process::KeeperProgram;
use crate::runner::resources::{self, ResourceRequest, SCRIPT_TIME_OUT};

/// Settings of one worker process; [`WorkerOptions::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Host name or address by which masters and applications reach this worker.
    pub host: String,
    /// Port by which they reach it; `None` = the port of the listener.
    pub advertised_port: Option<u16>,
    /// How it is called.
    pub naming: Naming,
    /// Address of its web pages; empty = none (WR-18).
    pub ui_url: String,
    /// The masters, and how to look for them.
    pub tracking: TrackingConfig,
    /// Where drivers and executors run and write (DIR-01). Made if needed; used by one worker at a time.
    pub work_dir: PathBuf,
    /// Roots of the scratch directories of applications (WL-03).
    pub local_dirs: Vec<PathBuf>,
    /// What it offers.
    pub offer: Offer,
    /// Rolling of executors' logs (LOG-01); `None` = they do not roll. Those of drivers never do.
    pub rolling: Option<Rolling>,
    /// Where Spark is installed, for its programs (CMD-01).
    pub homes: Homes,
    /// Whether applications of Spark may run something else than Spark's own executors.
    pub any_executor_class: bool,
    /// What programs of Spark must know to be let in, and are given to know (SE-01); `None` = nothing.
    pub auth: Option<Arc<Auth>>,
    /// How they speak TLS; `None` = they do not.
    pub tls: Option<Arc<ServerConfig>>,
    /// How long and how much the fetching of a driver's file may take; what it must leave free is
    /// [`Behaviour::disk_floor`].
    pub fetch: FetchLimits,
    /// What stands between this process and the programs it starts.
    pub keeper: KeeperProgram,
    /// Limits and waits of the machine.
    pub behaviour: Behaviour,
}

/// How a worker is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Naming {
    /// `worker-<yyyyMMddHHmmss>-<host>-<port>`, anew at every start (WR-01).
    #[default]
    Original,
    /// By a pattern for [`IdPattern::STAMP_HOST_PORT`], anew at every start.
    Pattern(IdPattern),
    /// Always so.
    Fixed(WorkerId),
}

/// What a worker offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Cores; `None` = those that this process may use (CL-02).
    pub cores: Option<Cores>,
    /// Memory; `None` = that of the host minus 1 GiB (CL-02).
    pub memory: Option<Memory>,
    /// Custom resources, and the scripts that find them (RS-01).
    pub resources: Vec<ResourceRequest>,
    /// File that says which addresses the custom resources have (RS-01).
    pub resources_file: Option<PathBuf>,
}

impl Naming {
    /// A pattern with `%s` (time stamp), `%s` (host) and `%d` (port), or their `%<position>$` forms.
    ///
    /// # Errors
    /// Names the pattern and what is allowed (T-WK-19).
    pub fn pattern(text: &str) -> Result<Self, InvalidId> {
        IdPattern::new("worker id pattern", text, IdPattern::STAMP_HOST_PORT).map(Self::Pattern)
    }

    fn id(&self, started_at: Wall, host: &str, port: u16) -> Result<WorkerId, InvalidId> {
        let stamp = time_stamp(started_at);
        match self {
            Self::Original => WorkerId::new(&format!("worker-{stamp}-{host}-{port}")),
            Self::Fixed(id) => Ok(id.clone()),
            Self::Pattern(pattern) => {
                let arguments = [PatternArg::Text(&stamp), PatternArg::Text(host), PatternArg::Number(port.into())];
                WorkerId::new(&pattern.format(&arguments))
            }
        }
    }
}

impl WorkerOptions {
    /// The defaults for a worker on this host that looks for these masters, `host:port` each.
    pub fn new(host: &str, masters: Vec<String>, work_dir: PathBuf) -> Self {
        Self {
            host: host.to_owned(),
            advertised_port: None,
            naming: Naming::default(),
            ui_url: String::new(),
            tracking: TrackingConfig { masters, ..TrackingConfig::default() },
            work_dir,
            local_dirs: vec![env::temp_dir()],
            offer: Offer::default(),
            rolling: None,
            homes: Homes::default(),
            any_executor_class: false,
            auth: None,
            tls: None,
            fetch: FetchLimits::default(),
            keeper: KeeperProgram::this_binary(),
            behaviour: Behaviour::default(),
        }
    }

    /// Refuses what cannot work, before anything is touched.
    pub(crate) fn check(&self) -> Result<(), WorkerError> {
        let unusable_host = !is_host(&self.host) || self.host.contains(|c: char| c.is_whitespace() || c == '/');
        let text = |text: &str| Some(text.to_owned());
        let checks = [
            (
                "host",
                text(&self.host).filter(|_| unusable_host),
                "a host name or address, without a port, white space and '/'",
            ),
            ("advertised port", text("0").filter(|_| self.advertised_port == Some(0)), "1 to 65535"),
            ("cores", text("0").filter(|_| self.offer.cores == Some(Cores::ZERO)), "a whole number, at least 1"),
            ("memory", text("0m").filter(|_| self.offer.memory == Some(Memory::ZERO)), "at least 1 MiB"),
            ("masters", text("").filter(|_| self.tracking.masters.is_empty()), "host:port, at least one"),
            ("local directories", text("").filter(|_| self.local_dirs.is_empty()), "paths, at least one"),
        ];
        let dirs = self.local_dirs.iter().map(|dir| ("local directory", dir));
        let dirs = dirs.chain([("work directory", &self.work_dir)]);
        let dirs = dirs
            .chain(self.homes.usual.iter().chain(self.homes.by_family.values()).map(|home| ("Spark home", home)))
            .map(|(field, dir)| {
                let not_text = dir.to_str().is_none().then(|| dir.to_string_lossy().into_owned());
                (field, not_text, "a path in UTF-8, since programs are told it")
            });
        match checks.into_iter().chain(dirs).find_map(|(field, value, allowed)| Some((field, value?, allowed))) {
            Some((field, value, allowed)) => Err(WorkerError::Invalid { field, value, allowed }),
            None => Ok(()),
        }
    }

    /// Programs are told these directories and run in others: relative ones are from here.
    ///
    /// # Errors
    /// For a directory that is no path at all.
    pub(crate) fn absolute(mut self) -> Result<Self, WorkerError> {
        let homes =
            self.homes.usual.iter_mut().chain(self.homes.by_family.values_mut()).map(|home| ("Spark home", home));
        for (field, dir) in self.local_dirs.iter_mut().map(|dir| ("local directory", dir)).chain(homes) {
            *dir = path::absolute(&dir).map_err(|_| {
                let allowed = "a path, absolute or from the directory in which the worker was started";
                WorkerError::Invalid { field, value: dir.display().to_string(), allowed }
            })?;
        }
        Ok(self)
    }

    /// Who this process is, once it is known by which port it is reached.
    pub(crate) fn identity(
        &self,
        incarnation: Incarnation,
        port: u16,
        started_at: Wall,
    ) -> Result<WorkerIdentity, WorkerError> {
        Ok(WorkerIdentity {
            id: self.naming.id(started_at, &self.host, port)?,
            incarnation,
            host: self.host.clone(),
            port,
            ui_url: self.ui_url.clone(),
        })
    }

    /// The custom resources, found (RS-01).
    pub(crate) async fn find_resources(&self) -> Result<Addresses, RunnerError> {
        let file = self.offer.resources_file.as_deref();
        resources::discover(&self.offer.resources, file, SCRIPT_TIME_OUT).await.map(Addresses::new)
    }

    /// The machine's settings.
    pub(crate) fn machine(&self, identity: WorkerIdentity, resources: Addresses) -> WorkerConfig {
        let detected_cores = || Cores(u32::try_from(detect_cores().get()).unwrap_or(u32::MAX));
        let detected_memory = || Memory::mib(detect_memory() / BYTES_PER_MIB);
        WorkerConfig {
            identity,
            cores: self.offer.cores.unwrap_or_else(detected_cores),
            memory: self.offer.memory.unwrap_or_else(detected_memory),
            resources,
            tracking: self.tracking.clone(),
            heard: None,
            behaviour: self.behaviour.clone(),
        }
    }
}

/// 64 random bits of the operating system's. The fixed bits of the two halves of a UUID do not meet.
pub(crate) fn random() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn options() -> WorkerOptions {
        WorkerOptions::new("host1", vec!["m1:7077".to_owned()], PathBuf::from("work"))
    }

    #[test]
    fn wr_01_ids_follow_the_pattern() {
        let at = Wall(1_795_183_200_999);
        let identity = options().identity(Incarnation(1), 7078, at).unwrap();
        assert_eq!(identity.id.as_str(), "worker-20261120140000-host1-7078");
        let named =
            |naming| WorkerOptions { naming, ..options() }.identity(Incarnation(1), 1, at).unwrap().id.to_string();
        assert_eq!(named(Naming::pattern("w-%2$s-%3$05d").unwrap()), "w-host1-00001");
        assert_eq!(named(Naming::Fixed(WorkerId::new("me").unwrap())), "me");
        let error = Naming::pattern("my worker").unwrap_err().to_string();
        assert!(error.contains("worker id pattern") && error.contains("Whitespace is not allowed"), "{error}");
    }

    #[test]
    fn the_machine_gets_its_own_defaults() {
        let identity = options().identity(Incarnation(1), 1, Wall(0)).unwrap();
        let config = options().machine(identity.clone(), Addresses::default());
        assert!(config.cores >= Cores(1) && config.memory >= Memory::mib(1024), "CL-02");
        let mut expected = WorkerConfig::new(identity, config.cores, config.memory);
        expected.tracking.masters = vec!["m1:7077".to_owned()];
        assert_eq!(format!("{config:?}"), format!("{expected:?}"));
    }

    #[test]
    fn directories_that_programs_are_told_are_absolute_wl_03() {
        let mut relative = options();
        relative.local_dirs = vec![PathBuf::from("scratch"), PathBuf::from("/tmp")];
        relative.homes.usual = Some(PathBuf::from("spark"));
        relative.homes.by_family.insert("3.5".parse().unwrap(), PathBuf::from("spark-3.5"));
        let here = env::current_dir().unwrap();
        let absolute = relative.clone().absolute().unwrap();
        assert_eq!(absolute.local_dirs, [here.join("scratch"), PathBuf::from("/tmp")]);
        assert_eq!(absolute.homes.usual, Some(here.join("spark")));
        assert_eq!(absolute.homes.by_family.values().collect::<Vec<_>>(), [&here.join("spark-3.5")]);
        relative.local_dirs.push(PathBuf::new());
        let message = relative.absolute().unwrap_err().to_string();
        assert!(message.contains("local directory") && message.contains("\"\""), "{message}");
    }

    #[test]
    fn bad_input_names_field_value_and_what_is_allowed() {
        let refused = |change: fn(&mut WorkerOptions)| {
            let mut options = options();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        options().check().unwrap();
        for (message, field, value) in [
            (refused(|o| o.host = "a b".to_owned()), "host", "a b"),
            (refused(|o| o.host.clear()), "host", ""),
            (refused(|o| o.host = "h:7078".to_owned()), "host", "h:7078"),
            (refused(|o| o.advertised_port = Some(0)), "advertised port", "0"),
            (refused(|o| o.offer.cores = Some(Cores::ZERO)), "cores", "0"),
            (refused(|o| o.offer.memory = Some(Memory::ZERO)), "memory", "0m"),
            (refused(|o| o.tracking.masters.clear()), "masters", ""),
            (refused(|o| o.local_dirs.clear()), "local directories", ""),
        ] {
            assert!(message.contains(field) && message.contains(&format!("{value:?}")), "{message}");
            assert!(message.contains("allowed"), "{message}");
        }
        let mut options = options();
        options.work_dir = PathBuf::from(std::ffi::OsString::from_vec(vec![b'w', 0xff]));
        assert!(options.check().unwrap_err().to_string().contains("work directory"));
    }
}
