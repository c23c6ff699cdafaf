//! The HTTP faces of a master: translation and limits, no rule. What is asked of the machine goes in as a request like
//! any other; what is only read comes from the board and the published view.
//!
//! | module | answers |
//! |---|---|
//! | `rest` | submissions (RE-*), on a port of their own |
//! | `pages` | on the port for reading: which address is what |
//! | `json` | `/json/` (UI-10 … UI-16) |
//! | `metrics` | `/metrics/…` (ME-01 … ME-05) |
//! | `health` | `/livez`, `/readyz`, `/leader`, `/standby` |

mod health;
mod json;
mod metrics;
mod pages;
pub(crate) mod rest;

pub(crate) use pages::web;
