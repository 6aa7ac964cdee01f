//! Configuration, from four places in order of strength: flags, environment, a TOML file, defaults.
//!
//! [`settings`] has the structures with their defaults, [`keys`] what may be set and to what, [`load`] brings the four
//! places together and remembers where each value came from, [`secret_files`] reads secrets from files, [`validate`] checks what no single value shows, and
//! [`show`] prints.

pub mod keys;
mod load;
mod secret_files;
pub mod settings;
pub mod show;
mod validate;
pub mod value;

pub use keys::{FOLDER_MAX_COUNT, REPLICATION_MAX};
pub use load::{Origin, Sources, load};
pub use secret_files::ExposedFile;
pub use settings::{GatewaySettings, MetaserverSettings, ServiceSettings, StandbyMode, WorkerSettings};
pub use validate::{SECRET_MIN_CHARS, check_secret_pair};

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The file that is read when none is named and it exists.
pub const DEFAULT_FILE: &str = "weir.toml";

/// All settings, each with where it came from.
#[derive(Clone, Debug)]
pub struct Config {
    pub service: ServiceSettings,
    pub gateway: GatewaySettings,
    pub metaserver: MetaserverSettings,
    pub worker: WorkerSettings,
    origins: BTreeMap<&'static str, Origin>,
    /// Files that have secrets in them, in force or not.
    secret_files: BTreeSet<PathBuf>,
}

impl Config {
    /// Where the value of a key, such as `gateway.listen`, came from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("can't read the configuration file {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}:{line}: {message}")]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("unknown key {key} {origin}: did you mean {nearest}?")]
    UnknownKey { key: String, origin: Origin, nearest: String },
    #[error("{key} = {value} {origin}: expected {expected}")]
    Value { key: String, value: String, expected: String, origin: Origin },
    #[error("{flag:?} is not KEY=VALUE, such as gateway.region=eu-west-1")]
    Flag { flag: String },
    #[error("{0} and {1} are both set, to different values")]
    Twice(String, String),
    #[error("{0} and {1} are both set: one of them has to go")]
    BothForms(String, String),
    #[error("can't use the secret in the file {path}, which {variable} names")]
    SecretFile { variable: String, path: PathBuf, source: std::io::Error },
}
