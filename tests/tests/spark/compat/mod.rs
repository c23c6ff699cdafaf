//! The same scripts of requests (`tests/compat/*.http`) for the original and for Tanist. Every difference between the answers
//! is in `docs/compatibility.md`, with its reason, and nothing else is.

mod compare;
pub(crate) mod exchange;
mod script;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tanist_testkit::{Node, Original, OriginalShape, Shape, Spark};

use self::compare::{Difference, checked, differences, written_down};
use self::exchange::Cluster;
use self::script::Party;

/// In this order: the drivers of one are seen in the next.
const SCRIPTS: [&str; 2] = [include_str!("../../../compat/rest.http"), include_str!("../../../compat/pages.http")];

/// The comparison finds nothing between the original and itself: what it finds between the original and ours is real.
#[test]
#[ignore = "for who changes the script or the comparison: it starts the original twice"]
fn the_original_answers_as_the_original_does() {
    let Some(spark) = Spark::current() else { return };
    let (_one, mut one) = original(&spark);
    let (_other, mut other) = original(&spark);
    let found = all_differences(&mut one, &mut other);
    assert!(found.is_empty(), "{}", shown(&found));
}

#[test]
fn answers_differ_from_the_original_s_only_where_it_is_written_down() {
    let Some(spark) = Spark::current() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/compatibility.md")).unwrap();
    let (_original, mut theirs) = original(&spark);
    let (_ours, mut ours) = tanist();
    let found = all_differences(&mut theirs, &mut ours);
    println!("{}", shown(&found));
    let (new, gone) = checked(&found, &written_down(&page));
    assert!(new.is_empty(), "not in docs/compatibility.md:\n{}", shown(&new));
    assert!(gone.is_empty(), "in docs/compatibility.md, and no difference any more: {gone:#?}");
}

/// Plays the scripts to both, one exchange after the other.
fn all_differences(original: &mut Cluster, ours: &mut Cluster) -> Vec<Difference> {
    let mut found = Vec::new();
    for exchange in SCRIPTS.into_iter().flat_map(script::parse) {
        let answers = (original.ask(&exchange), ours.ask(&exchange));
        found.extend(differences(&exchange.name, (original, &answers.0), (ours, &answers.1)));
    }
    found
}

fn shown(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Two masters and a worker of Spark.
fn original(spark: &Spark) -> (Original, Cluster) {
    let shape = OriginalShape { masters: 2, zookeeper: true, workers: 1, cores: 4, memory: "2g" };
    let original = Original::start(spark, shape).unwrap();
    let (leader, standby, worker) = (&original.masters[0], &original.masters[1], &original.workers[0]);
    let parties = [
        (Party::Leader, leader.rest.clone()),
        (Party::LeaderPages, leader.web.clone()),
        (Party::Standby, standby.rest.clone()),
        (Party::StandbyPages, standby.web.clone()),
        (Party::WorkerPages, worker.web.clone()),
    ];
    let ports = vec![(leader.port, "leader"), (standby.port, "standby"), (worker.port, "worker")];
    (original, Cluster { parties: BTreeMap::from(parties), ports, kept: BTreeMap::new() })
}

/// Two masters and a worker of ours.
fn tanist() -> (tanist_testkit::Cluster, Cluster) {
    let shape = Shape { masters: 2, workers: 1, cores: 4, memory: "2g", rest: true, ..Shape::default() };
    let cluster = tanist_testkit::Cluster::start(shape).unwrap();
    let leader = cluster.leader();
    let (one, other, worker) = (&cluster.masters[leader], &cluster.masters[1 - leader], &cluster.workers[0]);
    let parties = [
        (Party::Leader, cluster.rest[leader].clone()),
        (Party::LeaderPages, one.web.clone()),
        (Party::Standby, cluster.rest[1 - leader].clone()),
        (Party::StandbyPages, other.web.clone()),
        (Party::WorkerPages, worker.web.clone()),
    ];
    let port = |node: &Node| node.port().unwrap();
    let ports = vec![(port(one), "leader"), (port(other), "standby"), (port(worker), "worker")];
    (cluster, Cluster { parties: BTreeMap::from(parties), ports, kept: BTreeMap::new() })
}
