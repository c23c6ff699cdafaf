use std::{
    os::unix::fs::{PermissionsExt as _, symlink},
    time::Duration,
};

use tempfile::TempDir;

use super::*;

fn work() -> (TempDir, WorkDir) {
    let dir = tempfile::tempdir().unwrap();
    let work = WorkDir::open(&dir.path().join("work"), "test").unwrap();
    (dir, work)
}

#[test]
fn dir_01_layout_and_drn_01_driver_directory_may_exist() {
    let (_guard, work) = work();
    let first = work.driver_dir("driver-1").unwrap();
    assert_eq!(first, work.root().join("driver-1"));
    assert_eq!(work.driver_dir("driver-1").unwrap(), first);
    assert_eq!(work.executor_dir("app-1", "0").unwrap(), work.root().join("app-1/0"));
}

#[test]
fn wl_02_executor_directory_must_not_exist() {
    let (_guard, work) = work();
    let path = work.executor_dir("app-1", "0").unwrap();
    let error = work.executor_dir("app-1", "0").unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()) && error.contains("exists"), "{error}");
    work.executor_dir("app-1", "1").unwrap();
}

#[test]
fn ids_that_lead_elsewhere_are_refused() {
    let (_guard, work) = work();
    for bad in ["", ".", "..", "../x", "a/b", ".tanist-owned", "a\0b", "a\nb", &"x".repeat(256)] {
        assert!(matches!(work.driver_dir(bad), Err(RunnerError::BadName { .. })), "{bad:?}");
        assert!(matches!(work.executor_dir(bad, "0"), Err(RunnerError::BadName { .. })), "{bad:?}");
        assert!(matches!(work.executor_dir("app", bad), Err(RunnerError::BadName { .. })), "{bad:?}");
        assert!(matches!(work.delete(OwnedKind::App, bad), Err(RunnerError::BadName { .. })), "{bad:?}");
    }
}

#[test]
fn wl_03_scratch_in_each_usable_root_private() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let good = [dir.path().join("a"), dir.path().join("b")];
    let made = create_scratch(&[good[0].clone(), file.clone(), good[1].clone()], "app-1", "test").unwrap();
    assert_eq!(made.len(), 2);
    for (path, root) in made.iter().zip(&good) {
        assert_eq!(path.parent(), Some(root.as_path()));
        assert!(path.file_name().unwrap().to_str().unwrap().starts_with("executor-"));
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(list_owned(root).unwrap()[0].id, "app-1");
        delete_owned(root, path, OwnedKind::Scratch, "app-1").unwrap();
        assert!(!path.exists());
    }
    let error = create_scratch(std::slice::from_ref(&file), "app-1", "test").unwrap_err().to_string();
    assert!(error.contains("app-1") && error.contains(file.to_str().unwrap()), "{error}");
}

/// Longest path on Linux, without its end.
const LONGEST_PATH: usize = 4095;

#[test]
fn a_directory_whose_manifest_cannot_be_written_is_not_left() {
    let dir = tempfile::tempdir().unwrap();
    // So deep that there is room for the name of a driver, and not for that of a manifest in it.
    let mut root = fs::canonicalize(dir.path()).unwrap();
    let depth = LONGEST_PATH - 60;
    while root.as_os_str().len() + 202 < depth {
        root.push("d".repeat(200));
    }
    root.push("d".repeat(depth - root.as_os_str().len() - 1));
    let work = WorkDir::open(&root, "test").unwrap();
    let driver = "d".repeat(50);
    work.driver_dir(&driver).unwrap_err();
    assert!(!root.join(&driver).exists(), "it would stay for ever");
}

#[test]
fn a_directory_that_a_crash_has_left_without_a_manifest_is_claimed_when_it_is_used() {
    let (_guard, work) = work();
    for (id, half) in [("driver-1", None), ("driver-2", Some("{\"kind\":"))] {
        fs::create_dir(work.root().join(id)).unwrap();
        if let Some(half) = half {
            fs::write(work.root().join(id).join(MANIFEST), half).unwrap();
        }
        work.driver_dir(id).unwrap();
    }
    fs::create_dir(work.root().join("driver-3")).unwrap();
    fs::write(work.root().join("driver-3/photo"), "").unwrap();
    work.driver_dir("driver-3").unwrap();
    let owned: Vec<String> = work.list_owned().unwrap().into_iter().map(|owned| owned.id).collect();
    assert_eq!(owned, ["driver-1", "driver-2"], "what may be somebody's stays so");
}

#[test]
fn dir_02_lists_only_our_directories_with_their_newest_change() {
    let (_guard, work) = work();
    let driver = work.driver_dir("driver-1").unwrap();
    work.executor_dir("app-1", "0").unwrap();
    fs::create_dir(work.root().join("somebody-elses")).unwrap();
    symlink(&driver, work.root().join("link")).unwrap();
    fs::create_dir_all(driver.join("deep/er")).unwrap();
    let deep = File::create(driver.join("deep/er/file")).unwrap();
    let future = SystemTime::now() + Duration::from_secs(1000);
    deep.set_modified(future).unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    outside.as_file().set_modified(future + Duration::from_secs(1000)).unwrap();
    symlink(outside.path(), driver.join("not-followed")).unwrap();

    let owned = work.list_owned().unwrap();
    let names: Vec<_> = owned.iter().map(|owned| (owned.kind, owned.id.as_str())).collect();
    assert_eq!(names, [(OwnedKind::App, "app-1"), (OwnedKind::Driver, "driver-1")]);
    assert_eq!(owned[1].newest, future);
    assert!(owned[0].newest < future);
}

#[test]
fn deletes_ours_and_nothing_behind_links() {
    let (_guard, work) = work();
    let precious = tempfile::tempdir().unwrap();
    fs::write(precious.path().join("file"), "keep").unwrap();
    let exec = work.executor_dir("app-1", "0").unwrap();
    symlink(precious.path(), exec.join("link")).unwrap();
    fs::write(exec.join("stdout"), "text").unwrap();
    work.delete(OwnedKind::App, "app-1").unwrap();
    assert!(!work.root().join("app-1").exists());
    assert!(precious.path().join("file").exists());
    work.delete(OwnedKind::App, "app-1").unwrap();
}

#[test]
fn refuses_to_delete_what_is_not_ours() {
    let (guard, work) = work();
    let refused = |path: &Path, kind, id: &str| {
        let error = delete_owned(work.root(), path, kind, id).unwrap_err();
        assert!(matches!(error, RunnerError::NotOwned { .. }), "{error}");
        assert!(path.symlink_metadata().is_ok());
    };
    let driver = work.driver_dir("driver-1").unwrap();
    refused(&driver, OwnedKind::App, "driver-1");
    refused(&driver, OwnedKind::Driver, "driver-2");

    let foreign = work.root().join("foreign");
    fs::create_dir(&foreign).unwrap();
    refused(&foreign, OwnedKind::Driver, "foreign");
    fs::write(foreign.join(MANIFEST), "{}").unwrap();
    refused(&foreign, OwnedKind::Driver, "foreign");

    let link = work.root().join("link");
    symlink(&driver, &link).unwrap();
    refused(&link, OwnedKind::Driver, "driver-1");
    refused(work.root(), OwnedKind::Driver, "driver-1");

    let other = WorkDir::open(&guard.path().join("other"), "test").unwrap();
    refused(&other.driver_dir("driver-1").unwrap(), OwnedKind::Driver, "driver-1");
    refused(&work.root().join("../other/driver-1"), OwnedKind::Driver, "driver-1");
    symlink(other.root(), work.root().join("way-out")).unwrap();
    refused(&work.root().join("way-out/driver-1"), OwnedKind::Driver, "driver-1");
}

#[test]
fn interrupted_deletion_can_be_repeated() {
    let (_guard, work) = work();
    let driver = work.driver_dir("driver-1").unwrap();
    fs::write(driver.join("file"), "").unwrap();
    fs::remove_file(driver.join("file")).unwrap();
    assert_eq!(work.list_owned().unwrap().len(), 1, "still listed: the manifest goes last");
    work.delete(OwnedKind::Driver, "driver-1").unwrap();
}

#[test]
fn a_directory_that_cannot_be_removed_keeps_its_manifest() {
    let (_guard, work) = work();
    let driver = work.driver_dir("driver-1").unwrap();
    // The system removes no directory under this name.
    delete_manifest_last(&driver.join(".")).unwrap_err();
    assert_eq!(work.list_owned().unwrap().len(), 1);
    work.delete(OwnedKind::Driver, "driver-1").unwrap();
    assert!(!driver.exists());
}

#[test]
fn unusable_work_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for bad in [file.clone(), file.join("below"), PathBuf::from("/proc/tanist-work")] {
        let error = check_work_dir(&bad).unwrap_err().to_string();
        assert!(error.contains("work directory") && error.contains(bad.to_str().unwrap()), "{error}");
    }
    fs::create_dir(dir.path().join("sub")).unwrap();
    symlink(dir.path().join("sub"), dir.path().join("link")).unwrap();
    let real = check_work_dir(&dir.path().join("link")).unwrap();
    assert_eq!(real, fs::canonicalize(dir.path().join("sub")).unwrap());
    assert_eq!(fs::read_dir(&real).unwrap().count(), 0, "no probe is left behind");
}
