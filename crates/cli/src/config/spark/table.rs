//! Which of Spark's names is which setting of ours, and which have no meaning here.
//!
//! Names that begin with `SPARK_` are environment variables (CL-04), all others are keys. A `*` stands for the name of a
//! resource.

use crate::config::ssl::one_entry;
use crate::config::value::NONE;

/// One of Spark's names that is a setting of ours.
pub(super) struct Row {
    /// Spark's name.
    pub(super) from: &'static str,
    /// Our key, with its section.
    pub(super) to: &'static str,
    /// The value in our words.
    pub(super) written: fn(&str) -> String,
    /// A key that must have one of these values for this one to count.
    pub(super) when: Option<(&'static str, &'static [&'static str])>,
}

const fn row(from: &'static str, to: &'static str, written: fn(&str) -> String) -> Row {
    Row { from, to, written, when: None }
}

impl Row {
    const fn when(self, key: &'static str, values: &'static [&'static str]) -> Self {
        Self { when: Some((key, values)), ..self }
    }
}

/// By what logs roll, and what it can be.
pub(super) const ROLLING: &str = "spark.executor.logs.rolling.strategy";
pub(super) const ROLLING_BY: [&str; 2] = ["time", "size"];

/// Whether programs of Spark speak TLS with each other, and with masters and workers.
const TLS: &str = "spark.ssl.rpc.enabled";

/// Where two rows are about one setting, the first that is given wins, as in the original.
pub(super) const ROWS: &[Row] = &[
    row("SPARK_MASTER_HOST", "master.host", same),
    row("SPARK_LOCAL_HOSTNAME", "master.host", same),
    row("SPARK_LOCAL_IP", "master.host", same),
    row("SPARK_MASTER_PORT", "master.port", same),
    row("spark.master.ui.port", "master.web_port", same),
    row("SPARK_MASTER_WEBUI_PORT", "master.web_port", same),
    row("SPARK_PUBLIC_DNS", "master.web_host", same),
    row("spark.deploy.recoveryDirectory", "master.store", same)
        .when("spark.deploy.recoveryMode", &["FILESYSTEM", "ROCKSDB"]),
    row("spark.deploy.spreadOutApps", "master.spread_out_apps", truth),
    row("spark.deploy.spreadOut", "master.spread_out_apps", truth),
    row("spark.deploy.spreadOutDrivers", "master.spread_out_drivers", truth),
    row("spark.deploy.workerSelectionPolicy", "master.worker_selection", same),
    row("spark.deploy.maxDrivers", "master.max_drivers", limit),
    row("spark.deploy.defaultCores", "master.default_cores", limit),
    row("spark.deploy.appIdPattern", "master.app_id_pattern", same),
    row("spark.deploy.driverIdPattern", "master.driver_id_pattern", same),
    row("spark.deploy.appNumberModulo", "master.app_number_modulo", same),
    row("spark.master.useAppNameAsAppId.enabled", "master.app_name_as_id", truth),
    row("spark.deploy.maxExecutorRetries", "master.max_executor_retries", unless_off),
    row("spark.deploy.retainedApplications", "master.retained_apps", same),
    row("spark.deploy.retainedDrivers", "master.retained_drivers", same),
    row("spark.worker.timeout", "master.worker_timeout", same),
    row("spark.dead.worker.persistence", "master.dead_worker_persistence", same),
    row("spark.deploy.recoveryTimeout", "master.recovery_timeout", same),
    row("spark.master.rest.enabled", "rest.enabled", truth),
    row("spark.master.rest.host", "rest.host", same),
    row("spark.master.rest.port", "rest.port", same),
    row("SPARK_LOCAL_HOSTNAME", "worker.host", same),
    row("SPARK_LOCAL_IP", "worker.host", same),
    row("SPARK_WORKER_PORT", "worker.port", same),
    row("spark.worker.ui.port", "worker.web_port", same),
    row("SPARK_WORKER_WEBUI_PORT", "worker.web_port", same),
    row("SPARK_PUBLIC_DNS", "worker.web_host", same),
    row("SPARK_WORKER_CORES", "worker.cores", same),
    row("SPARK_WORKER_MEMORY", "worker.memory", bytes),
    row("SPARK_WORKER_DIR", "worker.work_dir", same),
    row("SPARK_LOCAL_DIRS", "worker.local_dirs", same),
    row("spark.local.dir", "worker.local_dirs", same),
    row("SPARK_HOME", "worker.spark_home", same),
    row("spark.ssl.*", "worker.ssl_settings", one_entry),
    row("spark.worker.idPattern", "worker.id_pattern", same),
    row("spark.worker.resource.*.amount", "worker.resources", same),
    row("spark.worker.resource.*.discoveryScript", "worker.discovery_scripts", same),
    row("spark.worker.resourcesFile", "worker.resources_file", same),
    row("spark.worker.preferConfiguredMasterAddress", "worker.prefer_configured_master_address", truth),
    row("spark.worker.maxRegistrationRetries", "worker.max_registration_retries", same),
    row("spark.executor.logs.rolling.time.interval", "worker.roll_logs", same).when(ROLLING, &["time"]),
    row("spark.executor.logs.rolling.maxSize", "worker.roll_logs", bytes).when(ROLLING, &["size"]),
    row(ROLLING, "worker.roll_logs", default_of_strategy),
    row("spark.executor.logs.rolling.maxRetainedFiles", "worker.rolled_logs_kept", unless_off),
    row("spark.executor.logs.rolling.enableCompression", "worker.compress_rolled_logs", truth),
    row("spark.worker.ui.retainedExecutors", "worker.retained_executors", same),
    row("spark.worker.ui.retainedDrivers", "worker.retained_drivers", same),
    row("spark.worker.driverTerminateTimeout", "worker.driver_terminate_timeout", millis),
    row("spark.worker.cleanup.enabled", "worker.cleanup_enabled", truth),
    row("spark.worker.cleanup.interval", "worker.cleanup_interval", same),
    row("spark.worker.cleanup.appDataTtl", "worker.cleanup_ttl", same),
    row("spark.authenticate", "auth.enabled", truth),
    row("spark.authenticate.secret", "auth.secret", same),
    row("spark.network.crypto.enabled", "auth.encrypt", truth),
    row("spark.network.crypto.authEngineVersion", "auth.engine_version", same),
    row("spark.network.crypto.cipher", "auth.cipher", same),
    row("spark.network.crypto.saslFallback", "auth.sasl_fallback", truth),
    row(TLS, "auth.tls_required", truth),
    row("spark.ssl.rpc.certChain", "auth.tls_cert", same).when(TLS, &["true"]),
    row("spark.ssl.certChain", "auth.tls_cert", same).when(TLS, &["true"]),
    row("spark.ssl.rpc.privateKey", "auth.tls_key", same).when(TLS, &["true"]),
    row("spark.ssl.privateKey", "auth.tls_key", same).when(TLS, &["true"]),
    row("spark.ssl.rpc.needClientAuth", "auth.tls_client_auth", truth).when(TLS, &["true"]),
    row("spark.decommission.enabled", "worker.decommission_enabled", truth),
    row("spark.ui.reverseProxyUrl", "worker.reverse_proxy_url", same).when("spark.ui.reverseProxy", &["true"]),
];

const ETCD: &str = "masters on several hosts share etcd: set master.etcd and master.cluster";
const NO_SERVLETS: &str = "there is no servlet container; for JWSFilter set rest.jws_key_file";
const NO_THREADS: &str = "requests have no threads of their own; set rest.max_connections";
const NO_PAGES: &str = "there are no web pages for people";
const OPEN_PAGES: &str =
    "masters and workers ask nobody who reads their pages: keep strangers away by the network, or set web_port = none";
const PLAIN_PAGES: &str = "pages of masters and workers speak no TLS: put a proxy that does before them";
const NO_SHUFFLE: &str = "workers run no shuffle service; applications keep their shuffle files in their executors";
const NO_SASL_CIPHERS: &str = "SASL encrypts nothing here: set auth.encrypt, and auth.sasl_fallback = false";
const NO_JVM: &str = "masters and workers are no Java programs";
const SERVICE: &str = "whoever starts masters and workers decides it, such as systemd (deploy/)";

/// Names that mean something to Spark's masters and workers and nothing to ours, each with the reason. A `*` at the end
/// stands for any rest.
pub(super) const DROPPED: &[(&str, &str)] = &[
    ("spark.deploy.recoveryMode", "masters always keep their records: set master.etcd, or master.store on one host"),
    ("spark.deploy.recoveryMode.factory", "stores are built in: set master.etcd, or master.store on one host"),
    ("spark.deploy.recoveryCompressionCodec", "records are not compressed"),
    ("spark.deploy.zookeeper.*", ETCD),
    ("spark.master.rest.filters", NO_SERVLETS),
    ("spark.master.rest.maxThreads", NO_THREADS),
    ("spark.master.rest.virtualThread.enabled", NO_THREADS),
    ("spark.master.ui.title", NO_PAGES),
    ("spark.master.ui.historyServerUrl", NO_PAGES),
    ("spark.master.ui.visibleEnvVarPrefixes", NO_PAGES),
    ("spark.master.ui.decommission.allow.mode", NO_PAGES),
    ("spark.master.useDriverIdAsAppName.enabled", "applications have the names they give themselves"),
    ("spark.ui.filters", OPEN_PAGES),
    ("spark.acls.enable", OPEN_PAGES),
    ("spark.admin.acls*", OPEN_PAGES),
    ("spark.modify.acls*", OPEN_PAGES),
    ("spark.ui.view.acls*", OPEN_PAGES),
    (
        "spark.redaction.regex",
        "what is not shown is fixed: whatever speaks of secrets, passwords, tokens, keys or credentials",
    ),
    ("spark.metrics.conf*", "nothing is pushed: Prometheus reads /metrics/prometheus/"),
    ("spark.worker.initialRegistrationRetries", "the waits between tries follow one schedule"),
    ("spark.worker.executorStateSync.maxAttempts", "a report is repeated until the master has made it durable"),
    ("spark.worker.ui.compressedLogFileLengthCacheSize", "compressed logs tell their length at once"),
    ("spark.worker.decommission.signal", "the signal is SIGPWR"),
    ("spark.storage.cleanupFilesAfterExecutorExit", NO_SHUFFLE),
    ("spark.shuffle.service.*", NO_SHUFFLE),
    ("spark.port.maxRetries", "where no port is set, 16 ports after the usual one are tried"),
    ("spark.ui.reverseProxy", "without an address of the proxy there is nothing to do: set worker.reverse_proxy_url"),
    ("spark.authenticate.enableSaslEncryption", NO_SASL_CIPHERS),
    ("spark.network.sasl.serverAlwaysEncrypt", NO_SASL_CIPHERS),
    ("spark.authenticate.secret.*", "these are for Kubernetes alone: set auth.secret_file"),
    ("spark.network.crypto.*", "ciphers have no settings of their own"),
    ("SPARK_WORKER_INSTANCES", "each `tanist worker` is one worker: start as many"),
    ("SPARK_DAEMON_MEMORY", NO_JVM),
    ("SPARK_DAEMON_CLASSPATH", NO_JVM),
    ("SPARK_LOG_DIR", "logs go to standard error"),
    ("SPARK_LOG_MAX_FILES", "logs go to standard error"),
    ("SPARK_PID_DIR", SERVICE),
    ("SPARK_IDENT_STRING", SERVICE),
    ("SPARK_NICENESS", SERVICE),
    ("SPARK_NO_DAEMONIZE", "masters and workers always stay in the foreground"),
];

/// What is taken over for programs, and does nothing more here for masters and workers themselves.
pub(super) const FOR_PROGRAMS: &[(&str, &str)] =
    &[("spark.ssl.enabled", PLAIN_PAGES), ("spark.ssl.standalone.enabled", PLAIN_PAGES)];

/// Where keys of Spark's masters and workers are: an unknown one there is a mistake, one elsewhere is an application's.
pub(super) const OURS: [&str; 3] = ["spark.deploy.", "spark.master.", "spark.worker."];

fn same(value: &str) -> String {
    value.to_owned()
}

/// Java reads truth in any case.
fn truth(value: &str) -> String {
    value.to_ascii_lowercase()
}

/// Java's largest number stands for no limit.
fn limit(value: &str) -> String {
    instead_of("2147483647", value)
}

/// −1 stands for no limit.
fn unless_off(value: &str) -> String {
    instead_of("-1", value)
}

fn instead_of(unlimited: &str, value: &str) -> String {
    if value == unlimited { NONE.to_owned() } else { value.to_owned() }
}

/// A size that is in bytes where it has no unit.
fn bytes(value: &str) -> String {
    with_unit(value, "b")
}

/// A time that is in milliseconds where it has no unit. Others are in seconds, as ours are.
fn millis(value: &str) -> String {
    with_unit(value, "ms")
}

fn with_unit(value: &str, unit: &str) -> String {
    let bare = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if bare { format!("{value}{unit}") } else { value.to_owned() }
}

/// How logs roll where only the strategy is given.
fn default_of_strategy(strategy: &str) -> String {
    match strategy.to_ascii_lowercase().as_str() {
        "time" => "daily".to_owned(),
        "size" => "1m".to_owned(),
        // Refused before.
        other => other.to_owned(),
    }
}
