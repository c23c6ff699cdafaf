//! Precedence, and the words of every complaint.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tanist_core::units::{Cores, Memory};

use super::*;

fn env(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
}

fn layers(file: &str, variables: &[(&str, &str)]) -> Layers {
    let file = (!file.is_empty()).then(|| ConfigFile::parse(Path::new("t.toml"), file).unwrap());
    Layers { file, env: env(variables), ..Layers::default() }
}

fn complaint<S: Section + std::fmt::Debug>(layers: &Layers, flags: &Flags<S>) -> String {
    layers.resolve(flags).unwrap_err().to_string()
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let file = "[worker]\ncores = 2\nmemory = \"2g\"\ncleanup_ttl = \"1d\"\n";
    let variables = [("TANIST_WORKER_CORES", "3"), ("TANIST_WORKER_MEMORY", "3g")];
    let flags = Flags::<WorkerSettings>::default().with("cores", "4");
    let resolved = layers(file, &variables).resolve(&flags).unwrap();
    assert_eq!(resolved.settings.cores, Cores(4));
    assert_eq!(resolved.settings.memory, Memory::mib(3 * 1024));
    assert_eq!(resolved.settings.cleanup_ttl, Duration::from_secs(86_400));
    assert_eq!(resolved.settings.retained_drivers, 1000);
    assert_eq!(resolved.source("cores"), &Source::Flag("cores".to_owned()));
    assert_eq!(resolved.source("memory"), &Source::Variable("TANIST_WORKER_MEMORY".to_owned()));
    assert_eq!(resolved.source("cleanup_ttl"), &Source::File { path: PathBuf::from("t.toml"), line: 4 });
    assert_eq!(resolved.source("retained_drivers"), &Source::Default);
}

/// What the original's worker takes as memory, by its flag and by its variable.
#[test]
fn t_wa_01_to_04_memory_needs_its_unit() {
    let by_flag = |text| layers("", &[]).resolve(&Flags::<WorkerSettings>::default().with("memory", text));
    let by_variable = |text| layers("", &[("TANIST_WORKER_MEMORY", text)]).resolve(&Flags::<WorkerSettings>::default());
    for refused in [by_flag("10000").unwrap_err(), by_variable("50000").unwrap_err()] {
        assert!(refused.to_string().contains("at least 1 MiB with its unit"), "T-WA-01, T-WA-02: {refused}");
    }
    assert_eq!(by_variable("5G").unwrap().settings.memory, Memory::mib(5120), "T-WA-03");
    assert_eq!(by_flag("10000M").unwrap().settings.memory, Memory::mib(10_000), "T-WA-04");
}

#[test]
fn an_empty_variable_is_not_set() {
    let resolved = layers("", &[("TANIST_WORKER_CORES", "")]).resolve(&Flags::<WorkerSettings>::default()).unwrap();
    assert_eq!(resolved.source("cores"), &Source::Default);
}

#[test]
fn lists_are_read_from_every_source() {
    let from_file = layers("masters = [\"a:1\", \"b:2\"]", &[]).resolve(&Flags::<ClusterSettings>::default()).unwrap();
    let from_env = layers("", &[("TANIST_MASTERS", "a:1, b:2")]).resolve(&Flags::<ClusterSettings>::default()).unwrap();
    assert_eq!(from_file.settings.masters, from_env.settings.masters);
    let file = "[worker]\nresources = { gpu = 2 }\ndiscovery_scripts = { gpu = \"/find\" }";
    let worker = layers(file, &[]).resolve(&Flags::<WorkerSettings>::default()).unwrap().settings;
    assert_eq!(worker.resources.get("gpu"), Some(&2));
    assert_eq!(worker.discovery_scripts.get("gpu"), Some(&PathBuf::from("/find")));
}

/// Field, value, where it came from, what is allowed: every one of them in every complaint.
#[test]
fn complaints_name_key_value_source_and_what_is_allowed() {
    let table: [(&str, &str, &[&str]); 11] = [
        ("memory", "512", &["worker.memory = \"512\"", "flag --memory", "at least 1 MiB with its unit"]),
        ("memory", "1023k", &["worker.memory = \"1023k\"", "at least 1 MiB"]),
        ("cores", "0", &["worker.cores = \"0\"", "flag --cores", "at least 1"]),
        ("id", "", &["worker.id = \"\"", "flag --id", "1 to 200 bytes without white space"]),
        ("id_pattern", "my worker", &["worker.id_pattern = \"my worker\"", "Whitespace is not allowed"]),
        ("id_pattern", "%9$s", &["worker.id_pattern = \"%9$s\"", "%0<width>d"]),
        ("port", "65536", &["worker.port = \"65536\"", "flag --port", "from 0 to 65535"]),
        ("driver_terminate_timeout", "2h", &["worker.driver_terminate_timeout = \"2h\"", "at most 1h"]),
        ("supervise_backoff_cap", "10ms", &["worker.supervise_backoff_cap = \"10ms\"", "at least 1s"]),
        ("discovery_scripts", "gpu=/x", &["worker.discovery_scripts = \"gpu=/x\"", "\"gpu\" is not among them"]),
        ("resources", "gpu=2", &["worker.resources = \"gpu=2\"", "nothing tells those of \"gpu\""]),
    ];
    for (key, value, wanted) in table {
        let text = complaint(&layers("", &[]), &Flags::<WorkerSettings>::default().with(key, value));
        for part in wanted {
            assert!(text.contains(part), "{key}={value}: {part:?} is missing in {text}");
        }
    }
}

/// Command lines are seen by everybody on a host.
#[test]
fn se_04_there_is_no_flag_for_a_secret() {
    use clap::Args as _;
    let command = Flags::<AuthSettings>::augment_args(clap::Command::new("t"));
    let flags: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    assert!(flags.contains(&"auth-secret-file") && !flags.contains(&"auth-secret"), "{flags:?}");
    let by_variable = layers("", &[("TANIST_AUTH_SECRET", "s3cr3t")]);
    let resolved = by_variable.resolve(&Flags::<AuthSettings>::default()).unwrap();
    assert_eq!(resolved.settings.secret.as_ref().unwrap().expose(), "s3cr3t");
    assert!(!format!("{resolved:?}").contains("s3cr3t"));
    assert!(resolved.rows().all(|(_, value, _)| value != "s3cr3t"));
}

#[test]
fn homes_of_spark_are_named_by_their_releases() {
    let good = layers("[spark.homes]\n\"3.5\" = \"/opt/a\"\n\"4.1\" = \"/opt/b\"", &[]);
    let homes = good.resolve(&Flags::<SparkSettings>::default()).unwrap().settings.by_family();
    let expected = [("3.5", "/opt/a"), ("4.1", "/opt/b")];
    assert_eq!(homes, expected.map(|(family, dir)| (family.parse().unwrap(), PathBuf::from(dir))).into());
    let given = Flags::<SparkSettings>::default().with("homes", "4.1.4=/opt/b");
    let text = complaint(&layers("", &[]), &given);
    for part in ["spark.homes = \"4.1.4=/opt/b\"", "flag --spark-homes", "such as 3.5", "\"4.1.4\" is none"] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
}

#[test]
fn timers_that_do_not_go_together_are_refused() {
    let table: [(&str, &[&str]); 6] = [
        ("worker_timeout = \"100ms\"", &["master.worker_timeout = \"100ms\"", "t.toml:2", "4 heartbeats fit"]),
        ("app_gone_grace = \"20min\"", &["master.app_gone_grace", "at most master.app_timeout, which is 10min"]),
        ("recovery_timeout = \"1h\"", &["master.recovery_timeout = \"1h\"", "at most master.app_timeout"]),
        ("recovery_timeout = 0", &["master.recovery_timeout = \"0s\"", "longer than 0"]),
        ("mass_loss_percent = 0", &["master.mass_loss_percent = \"0\"", "from 1 to 100"]),
        ("app_number_modulo = 999", &["master.app_number_modulo = \"999\"", "at least 1000"]),
    ];
    for (line, wanted) in table {
        let text = complaint(&layers(&format!("[master]\n{line}"), &[]), &Flags::<MasterSettings>::default());
        for part in wanted {
            assert!(text.contains(part), "{line}: {part:?} is missing in {text}");
        }
    }
    let pattern = layers("[master]\ndriver_id_pattern = \"my driver\"", &[]);
    let text = complaint(&pattern, &Flags::<MasterSettings>::default());
    assert!(text.contains("\"my driver\"") && text.contains("Whitespace is not allowed"), "T-MS-24: {text}");
}

/// Settings about etcd that do not go together, each by the words that say so.
#[test]
fn settings_of_etcd_that_do_not_go_together_are_refused() {
    let (http, https) =
        ("etcd = \"http://e1:2379,http://e2:2379\"\n", "etcd = [\"https://e1:2379\"]\netcd_ca = \"/ca\"\n");
    let with = |base: &str, line: &str| format!("[master]\n{base}{line}");
    let table: [(String, &[&str]); 21] = [
        (with("", "etcd = \"e1:2379\""), &["master.etcd = \"e1:2379\"", "http://host:port or https://host:port"]),
        (with("", "etcd = \"http://e1\""), &["master.etcd = \"http://e1\"", "http://host:port"]),
        (with("", "etcd = \"http://e1:2379/v3\""), &["master.etcd", "http://host:port"]),
        (with("", "etcd = \"http://spark://e1:2379\""), &["master.etcd", "http://host:port"]),
        (with(http, "store = \"/var\""), &["master.store = \"/var\"", "none while master.etcd is set"]),
        (with("", "etcd = [\"http://e1:1\", \"https://e2:1\"]\netcd_ca = \"/c\""), &["master.etcd = ", "all are http"]),
        (with("", "etcd = [\"http://e1:1\", \"http://e1:1/\"]"), &["master.etcd = ", "each named once"]),
        (with(http, "cluster = \"a/b\""), &["master.cluster = \"a/b\"", "letters, digits"]),
        (with(http, "etcd_prefix = \"/a/b\""), &["master.etcd_prefix = \"/a/b\"", "'/' at the end"]),
        (with(http, "etcd_prefix = \"/a//b/\""), &["master.etcd_prefix", "path parts"]),
        (with(http, "etcd_user = \"u\""), &["master.etcd_user = \"u\"", "master.etcd_password_file"]),
        (with(http, "etcd_password_file = \"/p\""), &["master.etcd_password_file = \"/p\"", "master.etcd_user"]),
        (with("", "etcd = \"https://e1:2379\""), &["master.etcd_ca = \"none\"", "authorities to trust"]),
        (with(https, "etcd_cert = \"/c\""), &["master.etcd_cert = \"/c\"", "master.etcd_key"]),
        (with(https, "etcd_key = \"/k\""), &["master.etcd_key = \"/k\"", "master.etcd_cert"]),
        (
            with(http, "etcd_ca = \"/c\""),
            &["master.etcd_ca = \"/c\"", "none while the members of master.etcd are http"],
        ),
        (with(http, "etcd_server_name = \"e\""), &["master.etcd_server_name = \"e\"", "http"]),
        (with("", "lease_ttl = \"2s\""), &["master.lease_ttl = \"2s\"", "whole seconds from 3s to 60s"]),
        (with("", "lease_ttl = \"61s\""), &["master.lease_ttl = \"61s\"", "whole seconds from 3s to 60s"]),
        (with("", "lease_ttl = \"3500ms\""), &["master.lease_ttl = \"3500ms\"", "whole seconds from 3s to 60s"]),
        (with(http, "lease_ttl = \"1s\"\nworker_timeout = \"1s\""), &["whole seconds from 3s to 60s"]),
    ];
    for (file, wanted) in table {
        let text = complaint(&layers(&file, &[]), &Flags::<MasterSettings>::default());
        for part in wanted {
            assert!(text.contains(part), "{file}: {part:?} is missing in {text}");
        }
        assert_eq!(text.lines().count(), 1, "{file}: {text}");
    }
}

#[test]
fn a_lease_leaves_a_cut_off_worker_time_to_end_what_may_not_run_twice() {
    let read = |ttl: &str, timeout: &str, etcd: &str| {
        let file = format!("[master]\nlease_ttl = \"{ttl}\"\nworker_timeout = \"{timeout}\"\netcd = \"{etcd}\"");
        layers(&file, &[]).resolve(&Flags::<MasterSettings>::default()).map_err(|problems| problems.to_string())
    };
    for (ttl, timeout) in [("5s", "60s"), ("5s", "20s"), ("3s", "12s"), ("60s", "12min")] {
        assert!(read(ttl, timeout, "http://e:1").is_ok(), "{ttl} {timeout}");
    }
    let table: [(&str, &str, &[&str]); 4] = [
        ("5s", "19s", &["at most 4s while master.worker_timeout is 19s", "worker_timeout of at least 20s"]),
        ("3s", "11s", &["none while master.worker_timeout is 11s, or a worker_timeout of at least 12s"]),
        ("6s", "60s", &["at most 5s while master.worker_timeout is 60s", "worker_timeout of at least 72s"]),
        (
            "60s",
            "10min",
            &["at most 50s while master.worker_timeout is 10min", "worker_timeout of at least 12min: a driver"],
        ),
    ];
    for (ttl, timeout, wanted) in table {
        let text = read(ttl, timeout, "http://e:1").unwrap_err();
        for part in
            [&format!("master.lease_ttl = \"{ttl}\"")].into_iter().map(String::as_str).chain(wanted.iter().copied())
        {
            assert!(text.contains(part), "{ttl} {timeout}: {part:?} is missing in {text}");
        }
        assert!(read(ttl, timeout, "").is_ok(), "nobody is deposed where the store is a locked file");
    }
}

#[test]
fn etcd_is_read_from_every_source() {
    let all = "http://e1:2379,https://[::1]:2379";
    let flags = Flags::<MasterSettings>::default().with("etcd", all).with("etcd_ca", "/ca");
    let settings =
        layers("", &[]).resolve(&flags).map(|resolved| resolved.settings.etcd).map_err(|error| error.to_string());
    assert!(settings.is_err_and(|text| text.contains("all are http")), "mixed");
    let variables = [("TANIST_MASTER_ETCD", "http://e1:2379, http://[::1]:2379/"), ("TANIST_MASTER_CLUSTER", "prod")];
    let settings = layers("", &variables).resolve(&Flags::<MasterSettings>::default()).unwrap().settings;
    assert_eq!(
        settings.etcd.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["http://e1:2379", "http://[::1]:2379"]
    );
    assert_eq!((settings.prefix().as_str(), settings.etcd_by_tls()), ("/tanist/prod/v1/", false));
    // An empty text overrides what a file says.
    let file = layers("[master]\netcd = \"http://e:1\"", &[]);
    let settings = file.resolve(&Flags::<MasterSettings>::default().with("etcd", "")).unwrap().settings;
    assert!(settings.etcd.is_empty());
}

#[test]
fn a_value_of_a_variable_is_blamed_on_the_variable() {
    let text =
        complaint(&layers("", &[("TANIST_MASTER_PORT", "tcp://10.0.0.1:7077")]), &Flags::<MasterSettings>::default());
    assert!(text.contains("master.port = \"tcp://10.0.0.1:7077\""), "{text}");
    assert!(text.contains("environment variable TANIST_MASTER_PORT"), "{text}");
    let raw = Environment::new([(OsString::from("TANIST_WORKER_HOST"), OsString::from_vec(vec![0xff]))]);
    let text = complaint(&Layers { env: raw, ..Layers::default() }, &Flags::<WorkerSettings>::default());
    assert!(text.contains("worker.host") && text.contains("UTF-8"), "{text}");
    let raw = OsString::from_vec(b"keyPassword=s3cr3t\xff".to_vec());
    let raw = Environment::new([(OsString::from("TANIST_WORKER_SSL_SETTINGS"), raw)]);
    let text = complaint(&Layers { env: raw, ..Layers::default() }, &Flags::<WorkerSettings>::default());
    assert!(text.contains("worker.ssl_settings") && !text.contains("s3cr3t"), "{text}");
}

#[test]
fn unknown_keys_are_named_with_line_and_nearest_key() {
    let table = [
        (
            "[master]\nworker_timout = \"60s\"",
            "t.toml:2: unknown key \"master.worker_timout\"; did you mean \"master.worker_timeout\"?",
        ),
        ("worker_timeout = 5", "t.toml:1: unknown key \"worker_timeout\"; did you mean \"master.worker_timeout\"?"),
        ("\n\n[mastr]\nport = 1", "t.toml:3: unknown key \"mastr\"; did you mean \"masters\"?"),
        ("[worker.resource.gpu]\namount = 1", "unknown key \"worker.resource\"; did you mean \"worker.resources\"?"),
        ("zzzzzzzz = 1", "t.toml:1: unknown key \"zzzzzzzz\""),
    ];
    for (text, wanted) in table {
        let complaint = layers(text, &[]).check_file().unwrap_err().to_string();
        assert!(complaint.contains(wanted), "{text:?}: {complaint}");
    }
    let complaint = layers("zzzzzzzz = 1", &[]).check_file().unwrap_err().to_string();
    assert!(!complaint.contains("did you mean"), "nothing is near: {complaint}");
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let broken = ConfigFile::parse(Path::new("t.toml"), "[master]\nport = = 1").unwrap_err().to_string();
    assert!(broken.contains("t.toml") && broken.contains("line 2"), "{broken}");
    let date = layers("[master]\nport = 2026-01-01", &[]).check_file().unwrap_err().to_string();
    assert!(date.contains("t.toml:2: master.port is a TOML datetime"), "{date}");
    let missing = ConfigFile::read(Path::new("/no/such/file.toml")).unwrap_err().to_string();
    assert!(missing.contains("/no/such/file.toml"), "{missing}");
}

#[test]
fn everything_wrong_in_a_file_is_told_at_once() {
    let file = layers("prt = 1\n[master]\nport = 99999\nid = 2026-01-01\n[worker]\nmemory = 512\ncores = 0", &[]);
    let text = file.check_file().unwrap_err().to_string();
    assert_eq!(text.lines().count(), 5, "{text}");
    for part in [
        "t.toml:1: unknown key \"prt\"",
        "master.port = \"99999\" (from t.toml:3)",
        "t.toml:4: master.id is a TOML datetime",
        "worker.memory = \"512\" (from t.toml:6)",
        "worker.cores",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn conflicts_are_told_beside_bad_values_unless_they_rest_on_one() {
    let told = |text: &str| {
        let text = layers(text, &[]).check_file().unwrap_err().to_string();
        text.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told("[master]\nport = 99999\nmass_loss_percent = 0"), ["master.port", "master.mass_loss_percent"]);
    // Whether this recovery_timeout is too long depends on what the other one was meant to be.
    assert_eq!(told("[master]\napp_timeout = \"x\"\nrecovery_timeout = \"20min\""), ["master.app_timeout"]);
    assert_eq!(told("[master]\nmass_loss_percent = \"x\""), ["master.mass_loss_percent"]);
    assert_eq!(told("[auth]\nencrypt = true\ntls_cert = \"/c\""), ["auth.encrypt", "auth.tls_key"]);
    let open = "[auth]\nenabled = true\n[rest]\nallow_unauthenticated = true\n[spark]\nallow_unauthenticated = true";
    assert_eq!(told(open), ["rest.allow_unauthenticated", "spark.allow_unauthenticated"]);
}

#[test]
fn variables_that_are_no_setting_are_noticed() {
    let unknown = layers("", &[("TANIST_MASTER_PROT", "1"), ("TANIST_PROCESS", "x"), ("TANIST_WORKER_PORT", "1")])
        .unknown_variables();
    assert_eq!(unknown, [("TANIST_MASTER_PROT".to_owned(), Some("TANIST_MASTER_PORT".to_owned()))]);
}

#[test]
fn every_default_is_shown_in_a_form_that_reads_the_same() {
    fn check<S: Section + std::fmt::Debug>() {
        let defaults = S::defaults();
        for setting in S::SETTINGS {
            let mut read = S::defaults();
            let shown = (setting.show)(&defaults);
            (setting.set)(&mut read, std::slice::from_ref(&shown))
                .unwrap_or_else(|error| panic!("{}: {error:?}", setting.key));
            assert_eq!((setting.show)(&read), shown, "{}", setting.key);
            assert!(!setting.help.trim().is_empty(), "{}", setting.key);
        }
        assert!(defaults.conflicts().is_empty(), "{:?}", defaults.conflicts());
    }
    check::<SharedSettings>();
    check::<ClusterSettings>();
    check::<ClientSettings>();
    check::<MasterSettings>();
    check::<WorkerSettings>();
}
