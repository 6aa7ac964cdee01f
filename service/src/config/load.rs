//! Brings flags, environment, file and defaults together.

use super::keys::{self, ALIASES, KEYS, Key};
use super::secret_files;
use super::validate::validate;
use super::value::Kind;
use super::{Config, ConfigError, DEFAULT_FILE};
use super::{GatewaySettings, MetaserverSettings, ServiceSettings, WorkerSettings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// Variables of that prefix that are not settings.
const NOT_SETTINGS: &[&str] = &["WEIR_CONFIG", "WEIR_BIN", "WEIR_PLANTED_FAULT"];
/// What the scripts under `tests/` take.
const NOT_SETTINGS_PREFIXES: [&str; 2] = ["WEIR_TEST_", "WEIR_CLIENTS_"];
const PREFIX: &str = "WEIR_";
const TABLES: [&str; 3] = ["gateway", "metaserver", "worker"];
const HIDDEN: &str = "(hidden)";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Environment(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("by default"),
            Self::File { path, line } => write!(f, "from file {}:{line}", path.display()),
            Self::Environment(name) => write!(f, "from environment {name}"),
            Self::Flag(flag) => write!(f, "from flag {flag}"),
        }
    }
}

/// What may be set where.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`. Without it `WEIR_CONFIG`, without that `weir.toml` in the working folder, if there is one.
    pub file: Option<PathBuf>,
    /// Key, value and the flag's name, in the order given: later ones win.
    pub flags: Vec<(String, String, String)>,
    pub environment: Vec<(String, String)>,
}

impl Sources {
    /// With the process's environment. Variables that are not UTF-8 hold no settings.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self { file, flags: Vec::new(), environment: environment.collect() }
    }

    /// Sets a key by the flag that has this name.
    pub fn flag(&mut self, key: &str, value: impl Into<String>, flag: &str) {
        self.flags.push((key.into(), value.into(), flag.into()));
    }

    /// Sets a key by `--set KEY=VALUE`.
    ///
    /// # Errors
    /// [`ConfigError::Flag`] without an equals sign.
    pub fn set(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(ConfigError::Flag { flag: assignment.into() });
        };
        self.flag(key.trim(), value.trim(), "--set");
        Ok(())
    }
}

/// Reads all places and checks every value.
///
/// # Errors
/// [`ConfigError`], which names the key, its value, what is expected and where it was set.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let mut layers = Layers::default();
    layers.file(sources)?;
    layers.environment(&sources.environment)?;
    for (name, text, flag) in &sources.flags {
        let origin = Origin::Flag(flag.clone());
        let key = keys::find(name).ok_or_else(|| unknown(name, origin.clone(), key_names()))?;
        layers.text(key, text, origin)?;
    }
    let config = layers.finish();
    validate(&config)?;
    Ok(config)
}

/// Values with their origins; a later layer replaces an earlier one.
#[derive(Default)]
struct Layers {
    values: BTreeMap<&'static str, (Value, Origin)>,
    secret_files: BTreeSet<PathBuf>,
}

impl Layers {
    fn file(&mut self, sources: &Sources) -> Result<(), ConfigError> {
        let named = sources.file.clone().or_else(|| {
            let variable = sources.environment.iter().find(|(name, _)| name == "WEIR_CONFIG");
            variable.filter(|(_, value)| !value.is_empty()).map(|(_, value)| PathBuf::from(value))
        });
        let path = match named {
            Some(path) => path,
            None if Path::new(DEFAULT_FILE).exists() => PathBuf::from(DEFAULT_FILE),
            None => return Ok(()),
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => self.toml(&path, &text),
            Err(source) => Err(ConfigError::Read { path, source }),
        }
    }

    fn toml(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
        let document = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            line: line_of(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        for (name, value) in document.get_ref() {
            let is_table = TABLES.contains(&name.get_ref().as_ref());
            match value.get_ref() {
                DeValue::Table(table) if is_table => {
                    for (inner, value) in table {
                        let full = format!("{}.{}", name.get_ref(), inner.get_ref());
                        self.toml_value(path, line_of(inner.span().start), &full, value.get_ref())?;
                    }
                }
                value => self.toml_value(path, line_of(name.span().start), name.get_ref(), value)?,
            }
        }
        Ok(())
    }

    fn toml_value(&mut self, path: &Path, line: usize, name: &str, value: &DeValue<'_>) -> Result<(), ConfigError> {
        let origin = Origin::File { path: path.to_owned(), line };
        let key = keys::find(name).ok_or_else(|| unknown(name, origin.clone(), key_names()))?;
        let plain = plain(value);
        match plain.as_ref().and_then(|value| key.kind.of_toml(value)) {
            Some(value) => {
                if key.kind == Kind::Secret && value.as_str().is_some_and(|text| !text.is_empty()) {
                    self.secret_files.insert(path.to_owned());
                }
                self.values.insert(key.name, (value, origin));
                Ok(())
            }
            None => {
                let shown = plain.map_or_else(|| "a table".to_owned(), |value| value.to_string());
                Err(refused(key, shown, origin))
            }
        }
    }

    fn environment(&mut self, variables: &[(String, String)]) -> Result<(), ConfigError> {
        let mut variables: Vec<_> = variables.iter().filter(|(name, _)| is_setting(name)).collect();
        variables.sort();
        let mut seen: BTreeMap<&str, (&str, &str, bool)> = BTreeMap::new();
        for (name, text) in variables {
            let origin = Origin::Environment(name.clone());
            let known = key_of_variable(name).map(|key| (key, false));
            let known = known.or_else(|| key_of_file_variable(name).map(|key| (key, true)));
            let (key, is_file) = known.ok_or_else(|| unknown(name, origin.clone(), variable_names()))?;
            match seen.insert(key.name, (name, text, is_file)) {
                Some((other, _, is_other_file)) if is_other_file != is_file => {
                    return Err(ConfigError::BothForms(other.to_owned(), name.clone()));
                }
                Some((other, value, _)) if value != text => {
                    return Err(ConfigError::Twice(other.to_owned(), name.clone()));
                }
                Some(_) | None => {}
            }
            if is_file {
                let secret = self.secret_file(name, Path::new(text))?;
                self.text(key, &secret, origin)?;
            } else {
                self.text(key, text, origin)?;
            }
        }
        Ok(())
    }

    fn secret_file(&mut self, variable: &str, path: &Path) -> Result<String, ConfigError> {
        let secret = secret_files::read(path).map_err(|source| ConfigError::SecretFile {
            variable: variable.to_owned(),
            path: path.to_owned(),
            source,
        })?;
        self.secret_files.insert(path.to_owned());
        Ok(secret)
    }

    fn text(&mut self, key: &'static Key, text: &str, origin: Origin) -> Result<(), ConfigError> {
        match key.kind.of_text(text) {
            Some(value) => {
                self.values.insert(key.name, (value, origin));
                Ok(())
            }
            None => Err(refused(key, format!("{text:?}"), origin)),
        }
    }

    fn finish(self) -> Config {
        Config {
            service: self.settings(None),
            gateway: self.settings(Some("gateway")),
            metaserver: self.settings(Some("metaserver")),
            worker: self.settings(Some("worker")),
            secret_files: self.secret_files,
            origins: self.values.into_iter().map(|(name, (_, origin))| (name, origin)).collect(),
        }
    }

    fn settings<T: Default + Serialize + DeserializeOwned>(&self, table: Option<&str>) -> T {
        let mut merged = defaults::<T>();
        for (name, (value, _)) in &self.values {
            let inner = match (table, name.split_once('.')) {
                (None, None) => name,
                (Some(table), Some((own, inner))) if own == table => inner,
                _ => continue,
            };
            merged.insert(inner.to_owned(), value.clone());
        }
        // Names and types were checked against the keys, which a test compares with the structures.
        merged.try_into().expect("checked values fit their structures")
    }
}

/// A structure's defaults as a table.
pub(super) fn defaults<T: Default + Serialize>() -> Table {
    Table::try_from(T::default()).expect("settings are texts, lists and numbers that TOML has")
}

/// All defaults by their keys.
pub(super) fn all_defaults() -> BTreeMap<String, Value> {
    let with_prefix = |prefix: &str, table: Table| {
        table.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect::<Vec<_>>()
    };
    [
        with_prefix("", defaults::<ServiceSettings>()),
        with_prefix("gateway.", defaults::<GatewaySettings>()),
        with_prefix("metaserver.", defaults::<MetaserverSettings>()),
        with_prefix("worker.", defaults::<WorkerSettings>()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A value without spans; none for a table.
fn plain(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            Value::Integer(i64::from_str_radix(&digits, number.radix()).unwrap_or(i64::MAX))
        }
        DeValue::Float(number) => Value::Float(number.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| plain(item.get_ref())).collect::<Option<Vec<_>>>()?)
        }
        DeValue::Table(_) => return None,
    })
}

fn is_setting(name: &str) -> bool {
    name.starts_with(PREFIX)
        && !NOT_SETTINGS.contains(&name)
        && !NOT_SETTINGS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !is_of_kubernetes(name)
}

/// What Kubernetes sets in each container of a namespace with a service named `weir` or `weir-something`.
fn is_of_kubernetes(name: &str) -> bool {
    let port = |rest: &str| rest.is_empty() || rest.starts_with('_');
    name.ends_with("_SERVICE_HOST")
        || name.split_once("_SERVICE_PORT").is_some_and(|(_, rest)| port(rest))
        || name.split_once("_PORT").is_some_and(|(_, rest)| port(rest))
}

fn key_of_variable(name: &str) -> Option<&'static Key> {
    match ALIASES.iter().find(|(alias, _)| *alias == name) {
        Some((_, key)) => keys::find(key),
        None => KEYS.iter().find(|key| key.environment_name() == name),
    }
}

/// The key of a secret whose file a variable names.
fn key_of_file_variable(name: &str) -> Option<&'static Key> {
    key_of_variable(name.strip_suffix(secret_files::SUFFIX)?).filter(|key| key.kind == Kind::Secret)
}

fn key_names() -> Vec<String> {
    KEYS.iter().map(|key| key.name.to_owned()).collect()
}

fn variable_names() -> Vec<String> {
    KEYS.iter().map(Key::environment_name).chain(ALIASES.iter().map(|(alias, _)| (*alias).to_owned())).collect()
}

fn unknown(name: &str, origin: Origin, candidates: Vec<String>) -> ConfigError {
    let distance = |candidate: &String| strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase());
    // A key in the wrong table is more likely than a slip of many letters.
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let moved = candidates.iter().find(|candidate| last(candidate) == last(name)).cloned();
    let nearest = moved.or_else(|| candidates.into_iter().min_by_key(distance)).unwrap_or_default();
    ConfigError::UnknownKey { key: name.to_owned(), origin, nearest }
}

fn refused(key: &Key, shown: String, origin: Origin) -> ConfigError {
    let value = if key.kind == Kind::Secret { HIDDEN.to_owned() } else { shown };
    ConfigError::Value { key: key.name.to_owned(), value, expected: key.kind.to_string(), origin }
}

#[cfg(test)]
mod tests;
