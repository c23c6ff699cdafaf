//! The worker's HTTP face: its picture as the original shows it, metrics, output of programs, and what supervisors ask.
//! Nothing here enters the loop.
//!
//! | file | answers |
//! |---|---|
//! | `pages` | which address is what |
//! | `json` | `/json/` (UI-15) |
//! | `metrics` | `/metrics/json/`, `/metrics/prometheus/` (ME-03) |
//! | `health` | `/livez`, `/readyz` |
//! | `log` | `/log/`: output as text (LG-01 … LG-04) |
//! | `log_page` | `/logPage/`: the same for browsers |

mod health;
mod json;
mod log;
mod log_page;
mod metrics;
mod pages;

pub(crate) use pages::{Pages, router};
