//! The original's always-on metrics as JSON (ME-04): one line, gauges only. Its other kinds of metrics have no meaning here
//! and stay empty.

use crate::tree::Json;

/// Form of the JSON, as its library says it.
const VERSION: &str = "4.0.0";

/// The document; gauges come by name.
pub fn document(gauges: impl IntoIterator<Item = (String, Json)>) -> Json {
    let mut gauges: Vec<(String, Json)> = gauges.into_iter().collect();
    gauges.sort_by(|(a, _), (b, _)| a.cmp(b));
    let gauges = gauges.into_iter().map(|(name, value)| (name, Json::object([("value", value)])));
    Json::object([
        ("version", VERSION.into()),
        ("gauges", Json::named(gauges)),
        ("counters", Json::object([])),
        ("histograms", Json::object([])),
        ("meters", Json::object([])),
        ("timers", Json::object([])),
    ])
}
