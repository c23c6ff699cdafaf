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
