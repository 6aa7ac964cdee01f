//! What every server process of Weir shares: configuration, telemetry, the accept loop with its limits, channels to
//! other roles, health, shutdown, and the seams to the file system and the clock.
//!
//! Nothing here knows what a bucket, a block or a namespace is.

pub mod channel;
pub mod clock;
pub mod config;
pub mod disk;
pub mod shutdown;
