//! Every row of the table, the order of the sources, what is dropped, and the way to TOML and back.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::config::{AuthSettings, ConfigFile, Flags, Layers, MasterSettings, RestSettings, Section, WorkerSettings};

const CONF: &str = "spark-defaults.conf";

fn env(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
}

fn env_of(name: &str, value: &[u8]) -> Environment {
    Environment::new([(OsString::from(name), OsString::from_vec(value.to_vec()))])
}

fn said(file: &str) -> SparkConf {
    SparkConf::parse(Path::new(CONF), file).unwrap()
}

/// The layers of a process with this file of properties and these variables.
fn layers(file: &str, variables: &[(&str, &str)]) -> Layers {
    let mut spark = SparkConf::of(None, &env(variables)).unwrap();
    spark.said.extend(said(file).said);
    Layers { env: env(variables), spark, ..Layers::default() }
}

/// Key with section, value and source of all settings of masters and workers.
fn all(layers: &Layers) -> Result<Vec<(String, String, Source)>, Problems> {
    fn rows<S: Section>(layers: &Layers) -> Result<Vec<(String, String, Source)>, Problems> {
        let resolved = layers.resolve::<S>(&Flags::default())?;
        Ok(resolved.rows().map(|(key, value, source)| (key, value, source.clone())).collect())
    }
    let daemons = [rows::<MasterSettings>(layers)?, rows::<RestSettings>(layers)?, rows::<WorkerSettings>(layers)?];
    Ok([daemons.concat(), rows::<AuthSettings>(layers)?].concat())
}

fn value(layers: &Layers, key: &str) -> (String, Source) {
    let found = all(layers).unwrap().into_iter().find(|row| row.0 == key);
    found.map(|(_, value, source)| (value, source)).unwrap()
}

/// The conditions of rows, so that each counts.
const CONDITIONS: &str = "spark.deploy.recoveryMode filesystem\nspark.ui.reverseProxy true\n\
                          spark.worker.resource.gpu.amount 2\nspark.worker.resource.gpu.discoveryScript /find\n";

/// Spark's name and value, and our key and value.
const SAMPLES: [(&str, &str, &str, &str); 80] = [
    ("SPARK_MASTER_HOST", "m1", "master.host", "m1"),
    ("SPARK_LOCAL_HOSTNAME", "h1", "master.host", "h1"),
    ("SPARK_LOCAL_IP", "10.0.0.1", "master.host", "10.0.0.1"),
    ("SPARK_MASTER_PORT", "7078", "master.port", "7078"),
    ("spark.master.rest.enabled", "true", "rest.enabled", "true"),
    ("spark.master.rest.host", "m1", "rest.host", "m1"),
    ("spark.master.rest.port", "6067", "rest.port", "6067"),
    ("SPARK_MASTER_WEBUI_PORT", "8090", "master.web_port", "8090"),
    ("spark.master.ui.port", "0", "master.web_port", "0"),
    ("SPARK_PUBLIC_DNS", "m1.example.org", "master.web_host", "m1.example.org"),
    ("spark.deploy.recoveryDirectory", "/var/spark", "master.store", "/var/spark"),
    ("spark.deploy.spreadOutApps", "FALSE", "master.spread_out_apps", "false"),
    ("spark.deploy.spreadOut", "false", "master.spread_out_apps", "false"),
    ("spark.deploy.spreadOutDrivers", "false", "master.spread_out_drivers", "false"),
    ("spark.deploy.workerSelectionPolicy", "WORKER_ID", "master.worker_selection", "WORKER_ID"),
    ("spark.deploy.maxDrivers", "8", "master.max_drivers", "8"),
    ("spark.deploy.maxDrivers", "2147483647", "master.max_drivers", "none"),
    ("spark.deploy.defaultCores", "4", "master.default_cores", "4"),
    ("spark.deploy.defaultCores", "2147483647", "master.default_cores", "none"),
    ("spark.deploy.appIdPattern", "job-%s-%06d", "master.app_id_pattern", "job-%s-%06d"),
    ("spark.deploy.driverIdPattern", "run-%s-%06d", "master.driver_id_pattern", "run-%s-%06d"),
    ("spark.deploy.appNumberModulo", "1000", "master.app_number_modulo", "1000"),
    ("spark.master.useAppNameAsAppId.enabled", "True", "master.app_name_as_id", "true"),
    ("spark.deploy.maxExecutorRetries", "3", "master.max_executor_retries", "3"),
    ("spark.deploy.maxExecutorRetries", "-1", "master.max_executor_retries", "none"),
    ("spark.deploy.retainedApplications", "20", "master.retained_apps", "20"),
    ("spark.deploy.retainedDrivers", "30", "master.retained_drivers", "30"),
    ("spark.worker.timeout", "120", "master.worker_timeout", "2min"),
    ("spark.dead.worker.persistence", "5", "master.dead_worker_persistence", "5"),
    ("spark.deploy.recoveryTimeout", "30", "master.recovery_timeout", "30s"),
    ("SPARK_LOCAL_HOSTNAME", "h1", "worker.host", "h1"),
    ("SPARK_LOCAL_IP", "10.0.0.1", "worker.host", "10.0.0.1"),
    ("SPARK_WORKER_PORT", "7079", "worker.port", "7079"),
    ("SPARK_WORKER_WEBUI_PORT", "8091", "worker.web_port", "8091"),
    ("spark.worker.ui.port", "8092", "worker.web_port", "8092"),
    ("SPARK_PUBLIC_DNS", "w1.example.org", "worker.web_host", "w1.example.org"),
    ("SPARK_WORKER_CORES", "8", "worker.cores", "8"),
    ("SPARK_WORKER_MEMORY", "5G", "worker.memory", "5g"),
    ("SPARK_WORKER_MEMORY", "1073741824", "worker.memory", "1g"),
    ("SPARK_WORKER_DIR", "/work", "worker.work_dir", "/work"),
    ("SPARK_LOCAL_DIRS", "/d1,/d2", "worker.local_dirs", "/d1,/d2"),
    ("spark.local.dir", "/d3,/d4", "worker.local_dirs", "/d3,/d4"),
    ("SPARK_HOME", "/opt/spark", "worker.spark_home", "/opt/spark"),
    ("spark.ssl.enabledAlgorithms", "A,B", "worker.ssl_settings", r"spark.ssl.enabledAlgorithms=A\,B"),
    ("spark.ssl.keyPassword", "s3cr3t,b=c", "worker.ssl_settings", "spark.ssl.keyPassword=*********(redacted)"),
    ("spark.worker.idPattern", "w-%s-%s-%d", "worker.id_pattern", "w-%s-%s-%d"),
    ("spark.worker.resource.gpu.amount", "2", "worker.resources", "gpu=2"),
    ("spark.worker.resource.gpu.discoveryScript", "/find", "worker.discovery_scripts", "gpu=/find"),
    ("spark.worker.resourcesFile", "/resources.json", "worker.resources_file", "/resources.json"),
    ("spark.worker.preferConfiguredMasterAddress", "true", "worker.prefer_configured_master_address", "true"),
    ("spark.worker.maxRegistrationRetries", "9", "worker.max_registration_retries", "9"),
    ("spark.executor.logs.rolling.time.interval", "hourly", "worker.roll_logs", "hourly"),
    ("spark.executor.logs.rolling.time.interval", "90", "worker.roll_logs", "90"),
    ("spark.executor.logs.rolling.maxSize", "2097152", "worker.roll_logs", "2m"),
    ("spark.executor.logs.rolling.maxSize", "64m", "worker.roll_logs", "64m"),
    ("spark.executor.logs.rolling.strategy", "time", "worker.roll_logs", "daily"),
    ("spark.executor.logs.rolling.strategy", "size", "worker.roll_logs", "1m"),
    ("spark.executor.logs.rolling.maxRetainedFiles", "7", "worker.rolled_logs_kept", "7"),
    ("spark.executor.logs.rolling.maxRetainedFiles", "-1", "worker.rolled_logs_kept", "none"),
    ("spark.executor.logs.rolling.enableCompression", "true", "worker.compress_rolled_logs", "true"),
    ("spark.worker.ui.retainedExecutors", "10", "worker.retained_executors", "10"),
    ("spark.worker.ui.retainedDrivers", "11", "worker.retained_drivers", "11"),
    ("spark.worker.driverTerminateTimeout", "2500", "worker.driver_terminate_timeout", "2500ms"),
    ("spark.worker.cleanup.enabled", "false", "worker.cleanup_enabled", "false"),
    ("spark.worker.cleanup.interval", "60", "worker.cleanup_interval", "60s"),
    ("spark.worker.cleanup.appDataTtl", "86400", "worker.cleanup_ttl", "1d"),
    ("spark.authenticate", "TRUE", "auth.enabled", "true"),
    ("spark.authenticate.secret", "s3cr3t", "auth.secret", "*********(redacted)"),
    ("spark.network.crypto.enabled", "true", "auth.encrypt", "true"),
    ("spark.network.crypto.authEngineVersion", "2", "auth.engine_version", "2"),
    ("spark.network.crypto.cipher", "AES/GCM/NoPadding", "auth.cipher", "AES/GCM/NoPadding"),
    ("spark.network.crypto.saslFallback", "False", "auth.sasl_fallback", "false"),
    ("spark.ssl.rpc.certChain", "/c.pem", "auth.tls_cert", "/c.pem"),
    ("spark.ssl.rpc.privateKey", "/k.pem", "auth.tls_key", "/k.pem"),
    ("spark.ssl.rpc.enabled", "TRUE", "auth.tls_required", "true"),
    ("spark.ssl.certChain", "/c.pem", "auth.tls_cert", "/c.pem"),
    ("spark.ssl.privateKey", "/k.pem", "auth.tls_key", "/k.pem"),
    ("spark.ssl.rpc.needClientAuth", "TRUE", "auth.tls_client_auth", "true"),
    ("spark.decommission.enabled", "true", "worker.decommission_enabled", "true"),
    ("spark.ui.reverseProxyUrl", "https://proxy/spark", "worker.reverse_proxy_url", "https://proxy/spark"),
];

/// What has to stand beside a sample for it to count.
fn beside(name: &str) -> String {
    let strategy = match name {
        "spark.executor.logs.rolling.time.interval" => "spark.executor.logs.rolling.strategy time\n",
        "spark.ssl.certChain" | "spark.ssl.privateKey" => "spark.ssl.rpc.enabled true\n",
        _ if name.starts_with("spark.ssl.rpc.") => "spark.ssl.rpc.enabled true\n",
        "spark.executor.logs.rolling.maxSize" => "spark.executor.logs.rolling.strategy size\n",
        _ => "",
    };
    format!("{CONDITIONS}{strategy}")
}

#[test]
fn every_row_gives_its_setting_in_our_units() {
    for (name, text, key, wanted) in SAMPLES {
        let layers = if name.starts_with("SPARK_") {
            layers(CONDITIONS, &[(name, text)])
        } else {
            layers(&format!("{}{name} = {text}\n", beside(name)), &[])
        };
        let (found, source) = value(&layers, key);
        assert_eq!(found, wanted, "{name} = {text}");
        let shown = source.to_string();
        assert!(shown.contains(name) && shown.ends_with(&format!("{name} = {}", super::shown(name, text))), "{shown}");
    }
    for row in ROWS {
        let shown = SAMPLES.iter().any(|(name, _, key, _)| *key == row.to && middle(row.from, name).is_some());
        assert!(shown, "no sample of {} → {}", row.from, row.to);
        assert!(super::super::resolve::known_keys().iter().any(|key| key == row.to), "{} is no setting", row.to);
    }
}

#[test]
fn ours_wins_over_spark_s_options_over_its_variables_and_file() {
    let file = "spark.worker.cleanup.interval 1\nspark.worker.cleanup.appDataTtl 1\nspark.worker.ui.retainedDrivers 1\n\
                spark.worker.ui.retainedExecutors 1\nspark.local.dir /file\nspark.worker.driverTerminateTimeout 1s\n\
                spark.worker.driverTerminateTimeout 7s";
    let options =
        "-Dspark.worker.cleanup.interval=3 -Dspark.worker.cleanup.appDataTtl=3 -Dspark.worker.ui.retainedDrivers=3";
    let daemon = "-Xmx1g -Dspark.worker.cleanup.interval=2 -Dspark.worker.ui.retainedExecutors=2";
    let variables = [
        ("SPARK_WORKER_OPTS", options),
        ("SPARK_DAEMON_JAVA_OPTS", daemon),
        ("SPARK_MASTER_OPTS", "-Dspark.worker.cleanup.interval=4 -Dspark.worker.timeout=4"),
        ("SPARK_LOCAL_DIRS", "/variable"),
        ("SPARK_WORKER_CORES", "3"),
        ("TANIST_WORKER_RETAINED_DRIVERS", "5"),
    ];
    let ours = ConfigFile::parse(Path::new("t.toml"), "[worker]\ncores = 6\ncleanup_ttl = 6").unwrap();
    let layers = Layers { file: Some(ours), ..layers(file, &variables) };
    let flags = Flags::<WorkerSettings>::default().with("host", "flag");
    let worker = layers.resolve(&flags).unwrap();
    let shown = |key: &str| worker.rows().find(|row| row.0 == format!("worker.{key}")).unwrap().1;
    assert_eq!(shown("host"), "flag");
    assert_eq!(shown("retained_drivers"), "5");
    assert_eq!((shown("cores"), shown("cleanup_ttl")), ("6".to_owned(), "6s".to_owned()));
    assert_eq!((shown("cleanup_interval"), shown("retained_executors")), ("3s".to_owned(), "2".to_owned()));
    assert_eq!(shown("local_dirs"), "/variable");
    assert_eq!(shown("driver_terminate_timeout"), "7s", "the last one of a file");
    assert_eq!(value(&layers, "master.worker_timeout").0, "4s", "a master hears its own options");
    let source = worker.source("cleanup_interval").to_string();
    assert_eq!(source, "environment variable SPARK_WORKER_OPTS: spark.worker.cleanup.interval = 3");
}

#[test]
fn memory_of_a_worker_needs_its_unit_t_wa_01_t_wa_02_t_wa_03_t_wa_04() {
    let resolve = |variables: &[(&str, &str)], flag: Option<&str>| {
        let flags = flag.map_or_else(Flags::default, |flag| Flags::<WorkerSettings>::default().with("memory", flag));
        let resolved = layers("", variables).resolve(&flags);
        resolved.map(|worker| worker.settings.memory.as_mib()).map_err(|problems| problems.to_string())
    };
    let refused = resolve(&[], Some("10000")).unwrap_err();
    assert!(refused.contains("worker.memory = \"10000\" (from flag --memory)"), "T-WA-01: {refused}");
    let refused = resolve(&[("SPARK_WORKER_MEMORY", "50000")], None).unwrap_err();
    for part in ["worker.memory", "environment variable SPARK_WORKER_MEMORY = 50000", "at least 1 MiB with its unit"] {
        assert!(refused.contains(part), "T-WA-02: {part:?} is missing in {refused}");
    }
    assert_eq!(resolve(&[("SPARK_WORKER_MEMORY", "5G")], None), Ok(5120), "T-WA-03");
    assert_eq!(resolve(&[("SPARK_WORKER_MEMORY", "5G")], Some("10000M")), Ok(10_000), "T-WA-04");
}

#[test]
fn complaints_name_file_line_key_value_and_what_is_allowed() {
    let table = [
        (
            "# x\nspark.worker.timeout soon",
            &["master.worker_timeout", "spark-defaults.conf:2: spark.worker.timeout = soon", "a duration"][..],
        ),
        ("spark.deploy.maxDrivers 0", &["master.max_drivers", ":1: spark.deploy.maxDrivers = 0", "1 to 4294967295"]),
        (
            "spark.deploy.spreadOut yes",
            &["master.spread_out_apps = \"yes\"", ":1: spark.deploy.spreadOut = yes", "true or false"],
        ),
        ("spark.deploy.appNumberModulo 999", &["master.app_number_modulo", "appNumberModulo = 999", "at least 1000"]),
        ("spark.deploy.appIdPattern a b", &["master.app_id_pattern", "appIdPattern = a b", "Whitespace"]),
        ("spark.worker.cleanup.interval -1", &["worker.cleanup_interval", "interval = -1", "a duration"]),
        ("spark.worker.resource.gpu.amount two", &["worker.resources = \"gpu=two\"", "gpu.amount = two", "name=value"]),
        (
            "spark.worker.resource.gpu.amount 2",
            &["worker.resources", "gpu.amount = 2", "nothing tells those of \"gpu\""],
        ),
    ];
    for (file, wanted) in table {
        let text = all(&layers(file, &[])).unwrap_err().to_string();
        for part in wanted {
            assert!(text.contains(part), "{file}: {part:?} is missing in {text}");
        }
        assert!(text.contains("allowed: "), "{text}");
    }
}

#[test]
fn files_and_variables_that_cannot_be_read_are_named() {
    let problem = SparkConf::of(Some(Path::new("/no/such.conf")), &Environment::default()).unwrap_err().to_string();
    assert!(problem.contains("/no/such.conf"), "{problem}");
    let problem = SparkConf::parse(Path::new(CONF), "a b\nspark.x \\u00g0").unwrap_err().to_string();
    assert!(problem.contains("spark-defaults.conf: line 2") && problem.contains("\\\\u00g0"), "{problem}");
    let home = said("spark.local.dir ${env:HOME}/x\nspark.executor.memory ${x}").checked();
    let problem = home.unwrap_err().to_string();
    assert!(problem.contains(":1: spark.local.dir = ${env:HOME}/x") && problem.contains("without ${…}"), "{problem}");
    for strategy in ["weekly", "hourly", "90", "5m"] {
        let problem =
            said(&format!("spark.executor.logs.rolling.strategy {strategy}")).checked().unwrap_err().to_string();
        assert!(problem.contains(&format!("strategy = {strategy}")) && problem.ends_with("time or size"), "{problem}");
    }
}

#[test]
fn a_directory_of_settings_that_cannot_be_looked_at_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let problem = SparkConf::of(None, &env(&[("SPARK_CONF_DIR", file.to_str().unwrap())])).unwrap_err().to_string();
    assert!(problem.contains("file/spark-defaults.conf"), "{problem}");
    let problem = SparkConf::of(None, &env_of("SPARK_CONF_DIR", b"/\xff")).unwrap_err().to_string();
    assert!(problem.contains("SPARK_CONF_DIR") && problem.contains("UTF-8"), "{problem}");
}

#[test]
fn complaints_show_no_secret() {
    let secret = said("spark.ssl.keyPassword s3cr3t${env:X}").checked().unwrap_err().to_string();
    let options = "-Dspark.ssl.keyPassword='s3cr3t";
    let unclosed = SparkConf::of(None, &env(&[("SPARK_WORKER_OPTS", options)])).unwrap_err().to_string();
    let no_text = SparkConf::of(None, &env_of("SPARK_WORKER_OPTS", b"-Dspark.ssl.keyPassword=s3cr3t\xff"));
    let no_text = no_text.unwrap_err().to_string();
    for (problem, wanted) in
        [(secret, ":1: spark.ssl.keyPassword"), (unclosed, "quotes are closed"), (no_text, "SPARK_WORKER_OPTS")]
    {
        assert!(problem.contains(wanted) && !problem.contains("s3cr3t"), "{problem}");
    }
    assert!(!format!("{:?}", said("spark.ssl.keyPassword s3cr3t")).contains("s3cr3t"));
}

#[test]
fn only_what_the_original_replaces_is_refused() {
    for (value, wanted) in [
        ("a${b}c", true),
        ("${env:A}", true),
        ("${a${b}", true),
        ("pa${word", false),
        ("${}", false),
        ("${a b}", false),
        ("$a}", false),
    ] {
        assert_eq!(refers(value), wanted, "{value}");
        assert_eq!(said(&format!("spark.ssl.keyPassword {value}")).checked().is_err(), wanted, "{value}");
    }
}

#[test]
fn the_file_of_spark_s_directory_is_read_unless_another_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other.conf");
    std::fs::write(directory.path().join(FILE), "spark.worker.timeout 61").unwrap();
    std::fs::write(&other, "spark.worker.timeout 62").unwrap();
    let variables = [("SPARK_CONF_DIR", directory.path().to_str().unwrap())];
    let timeout = |file: Option<&Path>, variables: &[(&str, &str)]| {
        let layers = Layers { env: env(variables), ..Layers::default() }.over_spark(file).unwrap();
        value(&layers, "master.worker_timeout").0
    };
    assert_eq!(timeout(None, &variables), "61s");
    assert_eq!(timeout(Some(&other), &variables), "62s");
    assert_eq!(timeout(None, &[("SPARK_CONF_DIR", "/no/such/directory")]), "60s");
}

/// All keys of the original's masters and workers (section 26 of the inventory), and its variables (CL-04).
const INVENTORY: &str = "
    spark.deploy.recoveryMode spark.deploy.recoveryMode.factory spark.deploy.recoveryDirectory
    spark.deploy.recoveryCompressionCodec spark.deploy.recoveryTimeout spark.deploy.zookeeper.url
    spark.deploy.zookeeper.dir spark.deploy.retainedApplications spark.deploy.retainedDrivers
    spark.dead.worker.persistence spark.deploy.maxExecutorRetries spark.deploy.spreadOutApps spark.deploy.spreadOut
    spark.deploy.spreadOutDrivers spark.deploy.workerSelectionPolicy spark.deploy.defaultCores spark.deploy.maxDrivers
    spark.deploy.appNumberModulo spark.deploy.driverIdPattern spark.deploy.appIdPattern spark.master.rest.enabled
    spark.master.rest.host spark.master.rest.port spark.master.rest.filters spark.master.rest.maxThreads
    spark.master.rest.virtualThread.enabled spark.master.ui.port spark.master.ui.title spark.master.ui.historyServerUrl
    spark.master.ui.visibleEnvVarPrefixes spark.master.ui.decommission.allow.mode
    spark.master.useAppNameAsAppId.enabled spark.master.useDriverIdAsAppName.enabled spark.worker.timeout
    spark.worker.initialRegistrationRetries spark.worker.maxRegistrationRetries spark.worker.idPattern
    spark.worker.preferConfiguredMasterAddress spark.worker.driverTerminateTimeout
    spark.worker.executorStateSync.maxAttempts spark.worker.cleanup.enabled spark.worker.cleanup.interval
    spark.worker.cleanup.appDataTtl spark.worker.ui.port spark.worker.ui.retainedExecutors
    spark.worker.ui.retainedDrivers spark.worker.ui.compressedLogFileLengthCacheSize spark.worker.decommission.signal
    spark.worker.resourcesFile spark.worker.resource.gpu.amount spark.worker.resource.gpu.discoveryScript
    spark.decommission.enabled spark.storage.cleanupFilesAfterExecutorExit spark.shuffle.service.enabled
    spark.shuffle.service.port spark.shuffle.service.db.enabled spark.executor.logs.rolling.strategy
    spark.executor.logs.rolling.time.interval spark.executor.logs.rolling.maxSize
    spark.executor.logs.rolling.maxRetainedFiles spark.executor.logs.rolling.enableCompression spark.ui.reverseProxy
    spark.ui.reverseProxyUrl spark.authenticate spark.authenticate.secret spark.network.crypto.enabled
    spark.port.maxRetries
    SPARK_MASTER_HOST SPARK_MASTER_PORT SPARK_MASTER_WEBUI_PORT SPARK_WORKER_CORES SPARK_WORKER_MEMORY SPARK_WORKER_PORT
    SPARK_WORKER_WEBUI_PORT SPARK_WORKER_DIR SPARK_WORKER_INSTANCES SPARK_LOCAL_DIRS SPARK_LOCAL_IP SPARK_PUBLIC_DNS
    SPARK_DAEMON_MEMORY SPARK_DAEMON_CLASSPATH SPARK_LOG_DIR SPARK_LOG_MAX_FILES SPARK_PID_DIR SPARK_IDENT_STRING
    SPARK_NICENESS SPARK_NO_DAEMONIZE SPARK_HOME";

#[test]
fn every_name_of_the_original_is_a_setting_or_has_its_reason_cl_04() {
    let known = ROWS.iter().map(|row| row.from).chain(DROPPED.iter().map(|(name, _)| *name));
    let known: Vec<&str> = known.collect();
    let forgotten: Vec<&str> = INVENTORY
        .split_whitespace()
        .filter(|name| !known.iter().any(|pattern| middle(pattern, name).is_some()))
        .collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[test]
fn a_secret_is_taken_and_never_shown() {
    let layers = layers("spark.ssl.keyPassword = s3cr3t\n", &[]);
    let (found, source) = value(&layers, "worker.ssl_settings");
    for shown in [found, source.to_string()] {
        assert!(shown.contains("keyPassword") && !shown.contains("s3cr3t"), "{shown}");
    }
}

#[test]
fn what_counts_for_nothing_is_told_with_its_reason() {
    let file = "spark.deploy.recoveryMode ZOOKEEPER\nspark.deploy.recoveryDirectory /d\nspark.deploy.spreadOut true\n\
                spark.deploy.spreadOutApps true\nspark.worker.timout 1\nspark.executor.memory 4g\nspark.worker.timeout 90\n\
                spark.executor.logs.rolling.maxSize 5m\nspark.shuffle.service.enabled true\nnot.spark 1\n\
                spark.master.ui.title\nspark.acls.enable true\nspark.ssl.standalone.enabled true";
    let told: Vec<String> =
        said(file).dropped().into_iter().map(|(said, why)| format!("{}: {why}", said.name)).collect();
    let wanted = [
        "spark.ssl.standalone.enabled: pages of masters and workers speak no TLS",
        "spark.acls.enable: masters and workers ask nobody who reads their pages",
        "spark.shuffle.service.enabled: workers run no shuffle service",
        "spark.executor.logs.rolling.maxSize: it counts only where spark.executor.logs.rolling.strategy is size",
        "spark.worker.timout: no such key is known; did you mean spark.worker.timeout?",
        "spark.deploy.spreadOut: spark.deploy.spreadOutApps comes first",
        "spark.deploy.recoveryDirectory: it counts only where spark.deploy.recoveryMode is FILESYSTEM or ROCKSDB",
        "spark.deploy.recoveryMode: masters always keep their records",
    ];
    assert_eq!(told.len(), wanted.len(), "{told:#?}");
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(told.starts_with(wanted), "{told} instead of {wanted}");
    }
    let filesystem = said("spark.deploy.recoveryMode FILESYSTEM\nspark.deploy.recoveryDirectory /d");
    assert!(filesystem.dropped().is_empty(), "{:?}", filesystem.dropped());
    let instances =
        SparkConf::of(None, &env(&[("SPARK_WORKER_INSTANCES", "2"), ("SPARK_SCALA_VERSION", "2.13")])).unwrap();
    assert_eq!(instances.dropped().len(), 1);
}

#[test]
fn what_from_spark_prints() {
    let file = "spark.executor.memory   4g\nspark.deploy.zookeeper.url  zk1:2181\nspark.worker.timeout\t120\n\
                spark.deploy.spreadOutApps: false\nspark.worker.cleanup.appDataTtl = 86400\n\
                spark.worker.resource.gpu.amount 2\nspark.worker.resource.gpu.discoveryScript /opt/find \\\"gpus\\\"\n\
                spark.ssl.keyStore /k\nspark.ssl.keyPassword s3cr3t\n";
    let wanted = r#"# From spark-defaults.conf.

[master]
spread_out_apps = false # spark.deploy.spreadOutApps, line 4
worker_timeout = "2min" # spark.worker.timeout, line 3

[worker]
ssl_settings = "spark.ssl.keyStore=/k" # spark.ssl.keyStore, line 8
resources = "gpu=2" # spark.worker.resource.gpu.amount, line 6
discovery_scripts = 'gpu=/opt/find "gpus"' # spark.worker.resource.gpu.discoveryScript, line 7
cleanup_ttl = "1d" # spark.worker.cleanup.appDataTtl, line 5

# Not taken over:
#   spark.deploy.zookeeper.url, line 2: masters on several hosts share etcd: set master.etcd and master.cluster
#   spark.ssl.keyPassword, line 9: secrets are not printed; give it in TANIST_WORKER_SSL_SETTINGS, together with the rest of worker.ssl_settings, in whose place that goes

# For applications, which go on reading it there:
#   spark.executor.memory, line 1
"#;
    assert_eq!(said(file).to_toml(Path::new(CONF)).unwrap(), wanted);
    let problems =
        said("spark.worker.timeout x\nspark.worker.cleanup.interval y").to_toml(Path::new(CONF)).unwrap_err();
    assert_eq!(problems.to_string().lines().count(), 2, "{problems}");
}

#[test]
fn se_04_the_secret_of_the_cluster_is_not_printed() {
    let file = "spark.authenticate true\nspark.authenticate.secret s3cr3t\nspark.authenticate.secret.file /etc/secret\n\
                spark.network.sasl.serverAlwaysEncrypt true\n";
    let wanted = "# From spark-defaults.conf.

[auth]
enabled = true # spark.authenticate, line 1

# Not taken over:
#   spark.authenticate.secret, line 2: secrets are not printed; put it into a file and name that in auth.secret_file, or give it in TANIST_AUTH_SECRET
#   spark.authenticate.secret.file, line 3: these are for Kubernetes alone: set auth.secret_file
#   spark.network.sasl.serverAlwaysEncrypt, line 4: SASL encrypts nothing here: set auth.encrypt, and auth.sasl_fallback = false
";
    assert_eq!(said(file).to_toml(Path::new(CONF)).unwrap(), wanted);
    let told = format!("{:?} {:?}", said(file), all(&layers(file, &[])).unwrap());
    assert!(!told.contains("s3cr3t"), "{told}");
    let worker = layers("", &[("SPARK_WORKER_OPTS", "-Dspark.authenticate=true")]);
    assert_eq!(value(&worker, "auth.enabled").0, "true");
}

/// A key of the samples with a value, written in one of the ways that Java reads.
fn line() -> impl Strategy<Value = String> {
    let keys: Vec<_> = SAMPLES.into_iter().filter(|(name, ..)| name.starts_with(KEYS)).collect();
    let separator = prop::sample::select(vec![" ", "=", " : ", "\t", "  =  ", "\\\n   ", " = \\\n"]);
    let noise = prop::sample::select(vec!["", "# spark.worker.timeout 1\n", "\n", "spark.executor.memory 4g\n"]);
    let mut samples: Vec<String> = Vec::new();
    let arbitrary = prop::sample::select(vec!["spark.deploy.recoveryDirectory", "spark.worker.resourcesFile"]);
    samples.extend(keys.iter().map(|(name, value, ..)| format!("{name}\n{value}")));
    let sample = prop_oneof![
        8 => prop::sample::select(samples),
        1 => (arbitrary, "[!-~äß €]{1,12}").prop_map(|(name, text)| format!("{name}\n{}", escaped(&text))),
    ];
    (noise, sample, separator).prop_map(|(noise, sample, separator)| {
        let (name, value) = sample.split_once('\n').unwrap_or_default();
        format!("{noise}{name}{separator}{value}\n")
    })
}

/// A value that Java reads as this text.
fn escaped(text: &str) -> String {
    let mut escaped = text.trim().replace('\\', "\\\\");
    if escaped.starts_with(['=', ':', '#']) {
        escaped.insert(0, '\\');
    }
    escaped
}

proptest! {
    #[test]
    fn what_from_spark_prints_says_what_the_properties_say(lines in prop::collection::vec(line(), 0..12)) {
        let file = format!("{CONDITIONS}{}", lines.concat());
        let spark = said(&file);
        let toml = spark.to_toml(Path::new(CONF)).unwrap();
        let ours = ConfigFile::parse(Path::new("t.toml"), &toml).unwrap();
        prop_assert!(ours.misfits().is_empty(), "{}", toml);
        let ours = Layers { file: Some(ours), ..Layers::default() };
        let theirs = Layers { spark: spark.without_secrets(), ..Layers::default() };
        let values = |layers: &Layers| -> Vec<(String, String)> {
            all(layers).unwrap().into_iter().map(|(key, value, _)| (key, value)).collect()
        };
        prop_assert_eq!(values(&ours), values(&theirs), "{}\n{}", file, toml);
    }
}
