//! `/logPage/`: output for browsers, made here and without scripts. `SPARK_LOG_URL_*` and `SPARK_DRIVER_LOG_URL_*` point to
//! it (ERN-04, DRN-04).

use tanist_core::worker::substitute::encoded;
use tanist_web::html::escaped;

use super::log::{Named, Piece, Query};

/// The page of a piece; `master` is the address of the leader's pages, if it has any.
pub(super) fn page(query: &Query, piece: &Piece, master: Option<&str>) -> String {
    let Piece { owner, range: (from, to, total), text, .. } = piece;
    let title = escaped(&format!("{} log page for {owner}", query.kind));
    let back =
        master.map(|url| format!("<p><a href=\"{}\">Back to Master</a></p>\n", escaped(url))).unwrap_or_default();
    let earlier = from.saturating_sub(query.bytes);
    let more = format!("{}&offset={earlier}&byteLength={}", address(query), from - earlier);
    let more =
        if *from > 0 { format!("<a href=\"{}\">Load More</a>", escaped(&more)) } else { "Top of Log".to_owned() };
    let new = escaped(&format!("{}&byteLength={}", address(query), query.bytes));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n\
         <h1>{title}</h1>\n{back}<p>Showing {} Bytes: {from} - {to} of {total}</p>\n\
         <p>{more} | <a href=\"{new}\">Load New</a></p>\n<pre>{}</pre>\n</body>\n</html>\n",
        to - from,
        escaped(text),
    )
}

/// The same log, relative to the page, so that it works behind a proxy.
fn address(query: &Query) -> String {
    let kind = encoded(&query.kind);
    match &query.named {
        Named::Executor(app, executor) => {
            format!("?appId={}&executorId={}&logType={kind}", encoded(app), encoded(executor))
        }
        Named::Driver(driver) => format!("?driverId={}&logType={kind}", encoded(driver)),
        Named::Itself => format!("?self&logType={kind}"),
    }
}
