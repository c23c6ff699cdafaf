//! Real drivers of a build of Spark that nobody has described: a release with one class of another number in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tanist_testkit::{Shape, Spark, kill_nine, wait_for};

use crate::uids::core_jar;
use crate::world::{SLOWLY, World};

/// The class of a registration, as a patched build could have it.
const REGISTRATION: (&str, &str) = (
    "DeployMessages$RegisterApplication.java",
    "package org.apache.spark.deploy;
     public final class DeployMessages$RegisterApplication implements DeployMessage {
         private static final long serialVersionUID = 81985529216486895L;
         private final ApplicationDescription appDescription;
         private final org.apache.spark.rpc.RpcEndpointRef driver;
         public DeployMessages$RegisterApplication(ApplicationDescription app, org.apache.spark.rpc.RpcEndpointRef driver) {
             this.appDescription = app;
             this.driver = driver;
         }
     }",
);

/// What a driver logs of each question.
const ASKED: &str = "java.io.InvalidClassException: org.apache.spark.deploy.";

/// An archive with that class alone.
fn patch(spark: &Spark, directory: &Path) -> PathBuf {
    let (source, archive) = (directory.join(REGISTRATION.0), directory.join("patch.jar"));
    fs::write(&source, REGISTRATION.1).unwrap();
    spark.compile(&[&source], &archive).unwrap();
    archive
}

/// An installation of the patched build, as far as a master looks at it.
fn installed(spark: &Spark, patch: &Path, directory: &Path) -> PathBuf {
    let (home, core) = (directory.join("patched"), core_jar(spark));
    fs::create_dir_all(home.join("jars")).unwrap();
    let patched = home.join("jars").join(core.file_name().unwrap());
    fs::copy(core, &patched).unwrap();
    let jar = |words: &[&Path]| {
        let ended = Command::new("jar").args(words).current_dir(directory).status().unwrap();
        assert!(ended.success(), "jar {words:?} ends with {ended}");
    };
    jar(&[Path::new("xf"), patch]);
    jar(&[Path::new("uf"), &patched, Path::new("org")]);
    home
}

#[test]
fn a_driver_of_another_build_is_asked_how_to_speak_to_it_and_is_served_after_a_change_of_leader() {
    let Some(spark) = Spark::current() else { return };
    let directory = tempfile::tempdir().unwrap();
    let patch = patch(&spark, directory.path()).display().to_string();
    let world = World::new(&spark);
    world.undisturbed_rounds(&[("spark.driver.extraClassPath", &patch)], |rounds, _| {
        kill_nine(world.cluster.masters[world.cluster.leader()].pid());
        let called = || rounds.driver.stderr().contains("Master has changed").then_some(());
        wait_for("a successor to call the driver", SLOWLY, called);
        rounds.wait_for_more(2);
        let asked = rounds.driver.stderr().matches(ASKED).count();
        assert!(asked >= 14, "by two masters, about seven classes each: {asked}");
    });
}

#[test]
fn a_driver_of_a_build_that_is_installed_at_the_masters_is_asked_nothing() {
    let Some(spark) = Spark::current() else { return };
    let directory = tempfile::tempdir().unwrap();
    let patch = patch(&spark, directory.path());
    let family = spark.version.rsplit_once('.').unwrap().0;
    let home = format!("{family}={}", installed(&spark, &patch, directory.path()).display());
    let master_flags = vec!["--spark-homes", &*home.leak()];
    let world = World::with(&spark, Shape { master_flags, ..Shape::default() });
    let (patch, pi) = (patch.display().to_string(), spark.home.join("examples/pi.py").display().to_string());
    let mut driver = world.application(&[("spark.driver.extraClassPath", &patch)], &[&pi, "4"]);
    let ended = driver.wait_for_end(SLOWLY);
    assert!(ended.code == 0 && ended.stdout.contains("Pi is roughly 3."), "{ended:?}");
    assert!(!ended.stderr.contains(ASKED), "{}", ended.stderr);
    world.wait_for_application("FINISHED");
    world.wait_for_nothing_left();
}
