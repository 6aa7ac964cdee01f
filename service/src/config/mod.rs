//! Configuration: what can be set, its defaults and units ([`settings`]).

pub mod settings;

pub use settings::{GatewaySettings, MetaserverSettings, ServiceSettings, WorkerSettings};
