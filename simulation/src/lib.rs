//! A whole cluster in one thread: a metaserver, workers and gateways run their real code, and clients speak S3 to the
//! gateways over HTTP. Only what lies under the seams is simulated: sockets (turmoil), threads, disks, clocks and
//! randomness. All that happens follows from a seed, faults included, so whatever is found can be run again.
//!
//! | module | subject |
//! |---|---|
//! | [`ambient`] | randomness and clocks that libraries ask of the operating system |
//! | [`settings`] | a cluster in which minutes pass in seconds |
//! | [`machine`], [`roles`] | a simulated machine, and what runs on it |
//! | [`plan`], [`faults`] | what is to go wrong and when, and how it is brought about |
//! | [`link`], [`client`] | clients that speak S3 |
//! | [`board`], [`trace`] | what was seen, and what happened |
//! | [`run`] | one seed, from the beginning to the verdict |
//! | [`ending`], [`check`] | what must hold when the faults are over |
//! | [`processes`], [`progress`], [`results`] | many seeds, each in a process of its own, how far they are, and what came of them |
//! | [`teeth`] | faults that are planted, and noticed or not |

// The futures of a whole gateway are laid out here, one within the other.
#![recursion_limit = "256"]

pub mod ambient;
pub mod board;
pub mod check;
pub mod client;
pub mod ending;
pub mod faults;
pub mod link;
pub mod machine;
pub mod plan;
pub mod processes;
pub mod progress;
pub mod results;
pub mod roles;
pub mod run;
pub mod settings;
pub mod teeth;
pub mod trace;
