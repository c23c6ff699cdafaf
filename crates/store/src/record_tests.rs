use serde_json::json;

use crate::conformance::journal::{app, driver, request, worker};

use super::*;

fn term() -> Term {
    use tanist_core::ids::{Generation, Nonce};
    Term { generation: Generation(0), epoch: Epoch(3), nonce: Nonce::new("n").unwrap() }
}

/// The stored form is a promise to later versions: whoever changes it changes this test, the version of the envelope,
/// and keeps a reader for the old form.
#[test]
fn the_stored_form_of_programs_stays() {
    let command = |program| {
        json!({
            "program": program,
            "arguments": ["--name", "é \" \\ \u{0}\u{1f600}"],
            "environment": { "PATH": "/bin" },
        })
    };
    let found = serde_json::to_value(Writing(&driver("driver-1"))).unwrap();
    let expected = json!({
        "id": "driver-1",
        "description": {
            "artifact": "http://files/app.jar",
            "memory_mib": 1024,
            "cores": 1,
            "supervise": true,
            "command": command(json!({ "executable": "/bin/true" })),
            "resources": { "fpga": 1 },
            "on_isolation": "kill",
        },
        "submitted_at": 7,
        "request": "r-1",
        "attempt": 2,
        "placement": {
            "worker": "worker-1",
            "booking": { "cores": 1, "memory_mib": 1024, "resources": { "fpga": ["f0"] } },
            "epoch": 3,
            "started": true,
        },
        "kill_requested": true,
    });
    assert_eq!(found, expected);

    let java = json!({ "java": {
        "main_class": "org.example.Main",
        "class_path": ["a.jar"],
        "library_path": ["/lib"],
        "java_options": ["-Xmx1g"],
    }});
    let profile = |id| json!({ "id": id, "memory_mib": 512, "cores": 2, "resources": { "gpu": id } });
    let found = serde_json::to_value(Writing(&app("app-1"))).unwrap();
    let expected = json!({
        "id": "app-1",
        "token": "secret",
        "description": {
            "name": "shell",
            "user": "ada",
            "max_cores": 4,
            "command": command(java),
            "ui_url": "http://driver:4040",
            "default_profile": { "id": 0, "memory_mib": null, "cores": null, "resources": {} },
            "initial_executor_limit": 3,
            "event_log_dir": "/logs",
            "event_log_codec": null,
        },
        "profiles": [profile(1), profile(2)],
        "targets": { "0": 3, "10": 7 },
        "endpoint": "driver:9999",
        "registered_at": 5,
        "executor_ids_below": 64,
    });
    assert_eq!(found, expected);
}

/// Fields of a later version are written only where they say something, so that an earlier one reads the rest.
#[test]
fn what_came_later_is_stored_where_it_says_something() {
    let mut record = app("app-1");
    let description = Arc::make_mut(&mut record.description);
    description.default_profile.overhead = Some(Memory::mib(384));
    let Program::Java(java) = &mut description.command.program else { panic!("a program of Java") };
    java.spark_family = Some("3.5".to_owned());
    let found = serde_json::to_value(Writing(&record)).unwrap();
    assert_eq!(found["description"]["default_profile"]["overhead_mib"], json!(384));
    assert_eq!(found["description"]["command"]["program"]["java"]["spark_family"], json!("3.5"));
    let client = ForeignClient { address: "driver:7001".to_owned(), registration: vec![0xac, 0xed, 0, 5] };
    record.endpoint = AppEndpoint::Foreign(Arc::new(client));
    let found = serde_json::to_value(Writing(&record)).unwrap();
    assert_eq!(found["endpoint"], json!({ "address": "driver:7001", "registration": "rO0ABQ==" }));
    assert_eq!(found.get("executors"), None);
    let (worker, ids) = (WorkerId::new("worker-1").unwrap(), BTreeSet::from([ExecutorId(3), ExecutorId(12)]));
    record.executors = Some(BTreeMap::from([(worker, ids)]));
    let found = serde_json::to_value(Writing(&record)).unwrap();
    assert_eq!(found["executors"], json!({ "worker-1": [3, 12] }));
    let value = encode(&term(), &record).unwrap();
    assert_eq!(decode::<AppRecord>(&Key::from(record.name()), &value).unwrap(), record);
}

/// Byte for byte as a version stored it that knew of no list of executors.
#[test]
fn a_driver_of_spark_that_an_earlier_version_has_stored_is_read() {
    let stored = include_bytes!("record_tests/app_without_executors.json");
    let key = Key::from(app("app-1").name());
    let record = decode::<AppRecord>(&key, stored.trim_ascii()).unwrap();
    assert!(record.endpoint.is_foreign() && record.executor_ids_below == ExecutorId(64));
    assert_eq!(record.executors, None);
    assert_eq!(encode(&term(), &record).unwrap(), stored.trim_ascii());
}

#[test]
fn executors_of_a_worker_whose_name_is_none_are_refused() {
    let key = Key::from(app("app-1").name());
    for bad in [json!({ "a/b": [1] }), json!({ "": [1] }), json!({ "w": [-1] }), json!({ "w": 1 }), json!([])] {
        let mut found = serde_json::to_value(Writing(&app("app-1"))).unwrap();
        found["executors"] = bad.clone();
        let value = envelope::encode(Epoch(3), &term().nonce, &found).unwrap();
        let found = decode::<AppRecord>(&key, &value);
        assert!(matches!(found, Err(DecodeError::Record { .. })), "{bad}: {found:?}");
    }
}

/// ADR 14 names this figure.
#[test]
fn a_list_of_a_hundred_executors_is_small_beside_the_registration() {
    let mut record = app("app-1");
    let bytes = |record: &AppRecord| encode(&term(), record).unwrap().len();
    let before = bytes(&record);
    let there = |n: u32| (0..10).map(|i| ExecutorId(100 + 10 * i + n)).collect();
    let worker = |n: u32| WorkerId::new(&format!("worker-20261128213000-10.0.0.{n}-7078")).unwrap();
    record.executors = Some((0..10).map(|n| (worker(n), there(n))).collect());
    assert!((700..1000).contains(&(bytes(&record) - before)), "{}", bytes(&record) - before);
}

#[test]
fn the_stored_form_of_a_worker_stays() {
    let found = serde_json::to_value(Writing(&worker("worker-1"))).unwrap();
    let expected = json!({
        "id": "worker-1",
        "incarnation": u64::MAX,
        "host": "host-1",
        "port": 7078,
        "ui_url": "http://host-1:8081",
        "cores": 8,
        "memory_mib": 16_384,
        "resources": { "gpu": ["0", "1"] },
        "decommissioned": false,
        "registered_at": 1_795_183_200_999_u64,
    });
    assert_eq!(found, expected);
}

#[test]
fn a_foreign_worker_is_stored_with_its_registration() {
    let record = WorkerRecord { kind: WorkerKind::Foreign([0xac, 0xed, 0, 5].into()), ..worker("worker-1") };
    let found = serde_json::to_value(Writing(&record)).unwrap();
    assert_eq!(found["foreign_registration"], json!("rO0ABQ=="));
    let value = encode(&term(), &record).unwrap();
    assert_eq!(decode::<WorkerRecord>(&Key::from(record.name()), &value).unwrap(), record);
}

#[test]
fn the_same_record_gives_the_same_bytes() {
    assert_eq!(encode(&term(), &app("app-1")).unwrap(), encode(&term(), &app("app-1")).unwrap());
}

#[test]
fn a_record_under_a_foreign_key_is_refused() {
    let value = encode(&term(), &driver("driver-1")).unwrap();
    let own = Key::from(driver("driver-1").name());
    assert_eq!(decode::<DriverRecord>(&own, &value).unwrap(), driver("driver-1"));
    let foreign = Key::from(driver("driver-2").name());
    let error = decode::<DriverRecord>(&foreign, &value).unwrap_err();
    assert_eq!(error.to_string(), "id is \"state/drivers/driver-1\": it lies under state/drivers/driver-2");
}

#[test]
fn unknown_and_missing_fields_are_refused() {
    let sealed = |record| envelope::encode(Epoch(3), &term().nonce, &record).unwrap();
    let key = Key::from(request("r-1", "d").name());
    let fine = json!({ "id": "r-1", "driver": "d", "at": 9 });
    assert_eq!(decode::<RequestRecord>(&key, &sealed(fine)).unwrap(), request("r-1", "d"));
    for bad in [
        json!({ "id": "r-1", "driver": "d", "at": 9, "more": 1 }),
        json!({ "id": "r-1", "driver": "d" }),
        json!({ "id": "r-1", "driver": "d/e", "at": 9 }),
        json!({ "id": "r-1", "driver": "d", "at": -9 }),
        json!(["r-1"]),
    ] {
        let found = decode::<RequestRecord>(&key, &sealed(bad.clone()));
        assert!(matches!(found, Err(DecodeError::Record { .. })), "{bad}: {found:?}");
    }
}

/// Every single bit of a stored record, flipped: an error, never another record.
#[test]
fn no_flipped_bit_gives_another_record() {
    fn check<T: Keyed + std::fmt::Debug>(record: &T) {
        let (key, value) = (Key::from(record.name()), encode(&term(), record).unwrap());
        assert!(decode::<T>(&key, &value).is_ok());
        for bit in 0..value.len() * 8 {
            let mut damaged = value.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let found = decode::<T>(&key, &damaged);
            assert!(found.is_err(), "bit {bit}: {found:?}");
        }
    }
    check(&driver("driver-1"));
    check(&app("app-1"));
    check(&worker("worker-1"));
}
