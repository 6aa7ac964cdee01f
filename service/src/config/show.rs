//! Prints what is in force and where it came from, and the table of `docs/configuration.md`.

use super::keys::{KEYS, Key};
use super::load::{all_defaults, defaults};
use super::value::Kind;
use super::{Config, Origin};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use toml::{Table, Value};

/// `key = value  # origin`, a line a key, in TOML's tables; secrets hidden.
pub fn in_force(config: &Config) -> String {
    let values = values(config);
    let mut lines = String::new();
    let mut table = None;
    for key in KEYS {
        let (own, name) = split(key.name);
        if own != table {
            let _ = writeln!(lines, "\n[{}]", own.unwrap_or_default());
            table = own;
        }
        let Some(value) = values.get(key.name) else { continue };
        let assignment = format!("{name} = {}", shown(key, value));
        let _ = writeln!(lines, "{assignment:<48}  # {}", origin(config.origin(key.name)));
    }
    lines
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        other => other.to_string(),
    }
}

fn split(name: &'static str) -> (Option<&'static str>, &'static str) {
    match name.split_once('.') {
        Some((table, name)) => (Some(table), name),
        None => (None, name),
    }
}

fn shown(key: &Key, value: &Value) -> String {
    match (key.kind, value) {
        (Kind::Secret, Value::String(text)) if !text.is_empty() => "\"(hidden)\"".to_owned(),
        _ => value.to_string(),
    }
}

fn values(config: &Config) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    let mut add = |prefix: &str, table: Table| {
        values.extend(table.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)));
    };
    add("", table(&config.service));
    add("gateway.", table(&config.gateway));
    add("metaserver.", table(&config.metaserver));
    add("worker.", table(&config.worker));
    values
}

/// Paths that are not UTF-8 have no place in TOML; then the defaults stand in.
fn table<T: Default + Serialize>(settings: &T) -> Table {
    Table::try_from(settings).unwrap_or_else(|_| defaults::<T>())
}

/// The tables of `docs/configuration.md`, in Markdown.
pub fn documentation() -> String {
    let defaults = all_defaults();
    let mut text = String::new();
    let mut table = Some("");
    for key in KEYS {
        let (own, _) = split(key.name);
        if own != table {
            let title = own.map_or_else(|| "Top of the file".to_owned(), |own| format!("`[{own}]`"));
            let _ = write!(text, "{}## {title}\n\n", if text.is_empty() { "" } else { "\n" });
            text.push_str("| key | default | unit | allowed | environment | what it is |\n|---|---|---|---|---|---|\n");
            table = own;
        }
        let default = match (key.kind, defaults.get(key.name)) {
            (Kind::Text | Kind::Secret, Some(Value::String(text))) if text.is_empty() => "empty".to_owned(),
            (Kind::Text | Kind::Choice(_), Some(Value::String(text))) => format!("`{text}`"),
            (Kind::Folders, Some(Value::Array(folders))) => folders
                .iter()
                .map(|folder| format!("`{}`", folder.as_str().unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(", "),
            (Kind::List, _) => "empty".to_owned(),
            (Kind::Switch, Some(Value::Boolean(on))) => on.to_string(),
            (Kind::Ratio, Some(Value::Float(ratio))) => ratio.to_string(),
            (kind, Some(Value::Integer(number))) => kind.shown(number.unsigned_abs()),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "| `{}` | {default} | {} | {} | `{}` | {} |",
            key.name,
            key.kind.unit(),
            key.kind.allowed(),
            key.environment_name(),
            key.about
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{Sources, load};
    use super::*;

    /// The file is the source of the rendered documentation: everything under its marker is made by [`documentation`].
    const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    const MARKER: &str = "<!-- Made by `weir config --documentation`. -->\n\n";

    #[test]
    fn the_documentation_lists_every_key_with_its_default() {
        let text = std::fs::read_to_string(DOCUMENT).unwrap();
        let (_, tables) = text.split_once(MARKER).unwrap();
        assert_eq!(tables, documentation(), "docs/configuration.md is behind: weir config --documentation");
    }

    #[test]
    fn every_setting_has_a_key_of_its_type_and_every_key_is_a_setting() {
        let defaults = all_defaults();
        let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        for name in defaults.keys() {
            assert!(names.contains(&name.as_str()), "{name} has no entry in KEYS");
        }
        for key in KEYS {
            let default = defaults.get(key.name).unwrap_or_else(|| panic!("{} is no setting", key.name));
            assert_eq!(key.kind.of_toml(default).as_ref(), Some(default), "the default of {}", key.name);
        }
    }

    #[test]
    fn what_is_in_force_is_shown_with_its_origin_and_without_secrets() {
        let mut sources = Sources { file: Some("/dev/null".into()), ..Sources::default() };
        sources.environment.push(("WEIR_GATEWAY_REGION".into(), "eu-west-1".into()));
        sources.flag("gateway.access_key", "AKIA-SHOWN", "--set");
        sources.flag("gateway.secret_key", "not-to-be-seen", "--set");
        let text = in_force(&load(&sources).unwrap());
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
        assert!(line("region = ").ends_with("# from environment WEIR_GATEWAY_REGION"));
        assert!(line("region = ").starts_with("region = \"eu-west-1\""));
        assert!(line("secret_key = ").contains("(hidden)"));
        assert!(line("base_path = ").ends_with("# default"));
        assert!(!text.contains("not-to-be-seen") && !text.contains("AKIA-SHOWN"));
        assert!(text.parse::<Table>().is_ok(), "it can be read back as TOML");
    }
}
