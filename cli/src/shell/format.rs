//! How the shell writes sizes, times, names and columns.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::fmt::Write as _;
use weir_gateway::auth::ACCOUNT;

/// Modes are how a listing tells what was made from what is only implied by the keys under it; access is not decided
/// by them.
pub const FILE_MODE: &str = "-rwxrwx---";

pub fn directory_mode(is_made: bool) -> &'static str {
    if is_made { "drwxrwx---" } else { "drwxr-xr-x" }
}

/// The most of an owner that its column holds with a space after it.
const OWNER_MAX_CHARS: usize = 14;

/// An owner, who is stored as a canonical user id, as a column shows him: by name where he has one.
pub fn owner(id: &str) -> Cow<'_, str> {
    if id == ACCOUNT.id {
        return ACCOUNT.display_name.into();
    }
    if id.is_empty() {
        return "-".into();
    }
    printable(id.as_bytes()).chars().take(OWNER_MAX_CHARS).collect::<String>().into()
}

/// A size for people: `0B`, `97.66KB`, `10.00MB`. The next unit begins above 5,120 of the former, so that two gigabytes
/// are `2048.00MB`.
pub fn human_size(bytes: u64) -> String {
    const STEP: f64 = 1024.0;
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if bytes <= 5 * 1024 {
        return format!("{bytes}B");
    }
    let mut size = bytes as f64;
    let mut unit = UNITS[0];
    for candidate in UNITS {
        unit = candidate;
        size /= STEP;
        if size <= 5.0 * STEP {
            break;
        }
    }
    format!("{size:.2}{unit}")
}

/// A size as digits, or for people.
pub fn size(bytes: u64, human: bool) -> String {
    if human { human_size(bytes) } else { bytes.to_string() }
}

/// Reads a size: bytes, or with a unit of powers of 1,024 (`64`, `1KB`, `2m`). `None` when it is not one.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let factor: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        "t" | "tb" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// `MM-dd-yyyy HH:mm:ss:SSS` in `zone`.
pub fn time(ms: i64, zone: &TimeZone) -> String {
    in_zone(ms, zone, "%m-%d-%Y %H:%M:%S:%3f")
}

/// `yyyy-MM-dd HH:mm:ss` in UTC.
pub fn utc_time(ms: i64) -> String {
    in_zone(ms, &TimeZone::UTC, "%Y-%m-%d %H:%M:%S")
}

/// `yyyyMMdd-HHmmss` in `zone`.
pub fn compact_time(ms: i64, zone: &TimeZone) -> String {
    in_zone(ms, zone, "%Y%m%d-%H%M%S")
}

fn in_zone(ms: i64, zone: &TimeZone, format: &str) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(instant) => zone.to_datetime(instant).strftime(format).to_string(),
        // Beyond the calendar: nothing stored says so, but a report must not fail over a date.
        Err(_) => ms.to_string(),
    }
}

/// `0 day(s), 0 hour(s), 10 minute(s), and 45 second(s)`.
pub fn duration(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    format!(
        "{} day(s), {} hour(s), {} minute(s), and {} second(s)",
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Whole percent of `part` in `whole`, rounded down; 0 of nothing.
pub fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(u64::MAX) }
}

/// Bytes that a client chose, as a terminal may see them: what is not UTF-8 becomes U+FFFD, control characters become
/// `\xNN`, so that a key can neither break a line nor speak to the terminal.
pub fn printable(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if !text.chars().any(char::is_control) {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            // Writing to a string does not fail.
            let _ = write!(safe, "\\x{:02x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe.into()
}

/// A text of several lines as a terminal may see it: line breaks and tabs stay.
pub fn printable_text(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(|part| printable(part.as_bytes())).collect::<Vec<_>>().join("\t");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// One line of `ls`.
pub struct Listed<'a> {
    pub mode: &'a str,
    pub owner: &'a str,
    pub size: &'a str,
    pub time: &'a str,
    /// `DIR`, or a percent.
    pub kind: &'a str,
    pub path: &'a str,
}

impl Listed<'_> {
    pub fn line(&self) -> String {
        let Self { mode, owner, size, time, kind, path } = self;
        format!("{mode:<12}{owner:<15}{owner:<15}{size:>15}{:>16}{time:>24}{kind:>5} {path:<5}", "PERSISTED")
    }
}

/// The head of `du`.
pub fn du_header() -> String {
    format!("{:<13} {:<16} {}", "File Size", "In Weir", "Path")
}

/// A line of `du`: everything that is acknowledged is stored, so what there is of a file is all of it.
pub fn du_line(bytes: u64, human: bool, path: &str) -> String {
    let size = size(bytes, human);
    let stored = format!("{size} ({}%)", percent(bytes, bytes));
    format!("{size:<13} {stored:<16} {path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people_change_unit_at_five_thousand() {
        for (bytes, text) in [
            (0, "0B"),
            (5_120, "5120B"),
            (5_121, "5.00KB"),
            (100_000, "97.66KB"),
            (10_485_760, "10.00MB"),
            (10_585_760, "10.10MB"),
            (2 << 30, "2048.00MB"),
            (6 << 30, "6.00GB"),
            (u64::MAX, "16384.00PB"),
        ] {
            assert_eq!(human_size(bytes), text);
        }
    }

    #[test]
    fn sizes_are_read_with_and_without_units() {
        assert_eq!(parse_size("0"), Some(0));
        assert_eq!(parse_size("1KB"), Some(1024));
        assert_eq!(parse_size("2m"), Some(2 << 20));
        for wrong in ["", "KB", "-1", "1x", "1.5KB", "18446744073709551615KB"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_written_in_the_zone_and_with_milliseconds() {
        assert_eq!(time(1_795_319_839_562, &TimeZone::UTC), "11-22-2026 03:57:19:562");
        assert_eq!(time(7, &TimeZone::fixed(jiff::tz::offset(2))), "01-01-1970 02:00:00:007");
        assert_eq!(utc_time(1_795_319_839_562), "2026-11-22 03:57:19");
        assert_eq!(compact_time(1_795_319_839_562, &TimeZone::UTC), "20261122-035719");
        assert_eq!(time(i64::MAX, &TimeZone::UTC), i64::MAX.to_string());
        assert_eq!(duration(645_999), "0 day(s), 0 hour(s), 10 minute(s), and 45 second(s)");
    }

    #[test]
    fn a_line_of_ls_has_the_columns_that_scripts_cut() {
        let time = "11-22-2026 03:57:19:626";
        let file = Listed {
            mode: "-rwxrwx---",
            owner: "root",
            size: "97.66KB",
            time,
            kind: "100%",
            path: "/shellb/dir/sub/small",
        };
        assert_eq!(
            file.line(),
            "-rwxrwx---  root           root                   97.66KB       PERSISTED 11-22-2026 03:57:19:626 100% \
             /shellb/dir/sub/small"
        );
        let directory = Listed { mode: "drwxr-xr-x", owner: "root", size: "2", time, kind: "DIR", path: "/d" };
        assert_eq!(
            directory.line(),
            "drwxr-xr-x  root           root                         2       PERSISTED 11-22-2026 03:57:19:626  DIR /d   "
        );
    }

    #[test]
    fn an_owner_fits_his_column() {
        assert_eq!(owner(ACCOUNT.id), "weir");
        assert_eq!(owner(""), "-");
        assert_eq!(owner(&"7".repeat(64)), "7".repeat(14));
    }

    #[test]
    fn du_has_a_header_and_a_line_a_file() {
        assert_eq!(du_header(), "File Size     In Weir          Path");
        assert_eq!(du_line(100_000, false, "/shellb/small"), "100000        100000 (100%)    /shellb/small");
        assert_eq!(du_line(0, false, "/shellb/empty"), "0             0 (0%)           /shellb/empty");
        assert_eq!(du_line(10_585_760, true, "/shellb"), "10.10MB       10.10MB (100%)   /shellb");
    }

    #[test]
    fn a_key_cannot_break_a_line_or_speak_to_the_terminal() {
        assert_eq!(printable("été☃ plus+pct%".as_bytes()), "été☃ plus+pct%");
        assert_eq!(printable(b"a\nb\x1b[31m\x7f"), "a\\x0ab\\x1b[31m\\x7f");
        assert_eq!(printable(b"\xff"), "\u{fffd}");
        assert_eq!(printable_text("{\r\n\t\x1b[31m\u{9b}\n}\n"), "{\n\t\\x1b[31m\\x9b\n}");
    }
}
