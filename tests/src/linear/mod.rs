//! Is what clients saw of a store linearizable? Each key is a register of its own, and a listing is a set of keys.
//!
//! [`History`] is what happened, [`search`] looks for an order in which each operation takes effect at one instant
//! between its begin and its end, [`listing`] compares listings with what must and what can't have been there.
//!
//! M. Herlihy and J. Wing, "Linearizability", 1990. G. Lowe, "Testing for linearizability", 2017.

pub mod history;
pub mod listing;
pub mod search;

pub use history::{Action, Event, History, Listing, Outcome, Value};
pub use search::Verdict;
