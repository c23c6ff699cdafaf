use super::super::json::tests::a_status;
use super::*;

#[test]
fn the_gauges_are_as_captured_me_03_04() {
    let line = serde_json::to_string(&document(&a_status())).unwrap();
    let captured = concat!(
        r#"{"version":"4.0.0","gauges":{"worker.coresFree":{"value":1},"worker.coresUsed":{"value":1},"#,
        r#""worker.executors":{"value":1},"worker.memFree_MB":{"value":1536},"worker.memUsed_MB":{"value":512}},"#,
        r#""counters":{},"histograms":{},"meters":{},"timers":{}}"#
    );
    assert_eq!(line, captured);
}

#[test]
#[allow(clippy::float_cmp, reason = "whole numbers")]
fn prometheus_reads_what_is_written_me_05() {
    let text = prometheus(&a_status());
    let series = tanist_testkit::prometheus::read(&text).unwrap();
    assert_eq!(series["metrics_worker_memFree_MB_Value{type=\"gauges\"}"], 1536.0);
    assert_eq!(series["tanist_worker_executors{phase=\"RUNNING\"}"], 1.0);
    assert_eq!(series["tanist_term_epoch"], 7.0);
}
