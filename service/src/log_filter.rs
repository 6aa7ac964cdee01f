//! Which events are logged.

use tracing_subscriber::filter::{EnvFilter, LevelFilter, ParseError};

/// The target of events that belong to the audit log. A filter lets them through unless it names them.
pub const AUDIT_TARGET: &str = "audit";

/// Whether a log filter is valid.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(filter_text: &str) -> Result<(), ParseError> {
    filter(filter_text).map(drop)
}

pub(crate) fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(text)?;
    let names_audit = text.split(',').any(|directive| directive.trim().split('=').next() == Some(AUDIT_TARGET));
    if names_audit { Ok(filter) } else { Ok(filter.add_directive(format!("{AUDIT_TARGET}=info").parse()?)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_is_not_filtered_but_by_its_name() {
        for text in ["error", "off", "warn,weir_gateway=debug", "auditor=off"] {
            assert!(filter(text).unwrap().to_string().contains("audit=info"), "{text}");
        }
        for text in ["info,audit=off", "audit=warn"] {
            assert!(!filter(text).unwrap().to_string().contains("audit=info"), "{text}");
        }
    }

    #[test]
    fn a_filter_is_a_level_or_names_modules() {
        for text in ["error", "info", "warn,weir_gateway=debug", "weir_worker::store=trace"] {
            assert!(check(text).is_ok(), "{text}");
        }
        for text in ["weir_gateway=loud", "info,=,"] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
