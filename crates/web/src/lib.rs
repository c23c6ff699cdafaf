//! What the faces of masters and workers share: the port of gRPC and of Spark's programs; for HTTP a server that can be left
//! open to a network, Spark's form of JSON, and signed tokens. It knows nothing of the cluster: a face brings its routes and
//! the form of its errors.
//!
//! | module | holds |
//! |---|---|
//! | `port` | one port, two languages: accepting, and telling them apart |
//! | `face` | what is served: routes, limits, who may ask, how errors look |
//! | `server` | accepting, the cap on connections, stopping in order |
//! | `connection` | one connection: requests in full, in time, and without panics |
//! | `complaint` | warnings that strangers can cause, told sparingly |
//! | `stream` | a socket whose peer may neither stop reading nor lose its answer |
//! | `unread` | how much of all answers may be on its way |
//! | `json` | JSON as Spark writes it (RE-05) |
//! | `tree` | JSON whose objects keep their order |
//! | `resources` | custom resources in it (UI-12) |
//! | `turn` | work that blocks, some of it at a time |
//! | `answer` | answers of pages: their headers (UI-17), their JSON (UI-10), their redirects |
//! | `prometheus`, `gauges` | metrics as Prometheus reads them, and as the original writes them (ME-04, ME-05) |
//! | `html` | text inside HTML |
//! | `jws` | signed bearer tokens (RE-18) |

mod complaint;
mod connection;
mod face;
mod jws;
mod server;
mod stream;
mod unread;

pub mod answer;
pub mod gauges;
pub mod html;
pub mod json;
pub mod port;
pub mod prometheus;
pub mod resources;
pub mod tree;
pub mod turn;

pub use axum;
pub use face::{ErrorForm, Face, Limits};
pub use jws::{InvalidKey, JwsKey, Unauthorized};
pub use server::serve;
