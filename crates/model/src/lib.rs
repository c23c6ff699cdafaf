//! The protocol of office and workers, checked in every order of events. For tests only: `docs/model.md`.
//!
//! A small world — two or three masters, a store, two workers, one driver — is explored exhaustively by `stateright`.
//! Masters and workers in it are the core's own machines, asked through [`master`] and [`worker`]; the compares of the
//! store are those of `tanist_store::engine`. Told anew are the store as one atomic object, the barrier of the commit
//! loop, and the network.
//!
//! | module | holds |
//! |---|---|
//! | [`scope`] | the bounds of a check, and the rules that can be left out |
//! | [`state`] | the state, in small numbers |
//! | [`action`] | everything that can happen |
//! | [`master`], [`worker`] | what the core's machines do about it |
//! | `store`, `office`, `barrier`, `sessions` | what happens around them |
//! | [`protocol`] | the model as `stateright` wants it, and the properties |
//! | `possible`, `normal` | which steps are tried, and which states are one |
//! | [`check`], [`tell`] | a check, what came of it, and a way through the states in words |

pub mod action;
mod barrier;
pub mod check;
pub mod master;
mod names;
mod normal;
mod office;
mod possible;
pub mod protocol;
pub mod scope;
mod sessions;
pub mod state;
mod store;
pub mod tell;
pub mod worker;
