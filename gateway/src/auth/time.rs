//! Times of requests: `20130524T000000Z` and HTTP's own.

use crate::error::{ErrorCode, S3Error};
use std::time::UNIX_EPOCH;

/// Seconds since 1970 of a time in ISO 8601's basic format, `YYYYMMDD'T'HHMMSS'Z'`; none for anything else.
pub fn parse_basic(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = &text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let small = |from: usize| number(from, from + 2).and_then(|number| i8::try_from(number).ok());
    let year = i16::try_from(number(0, 4)?).ok()?;
    let date = jiff::civil::Date::new(year, small(4)?, small(6)?).ok()?;
    let time = jiff::civil::Time::new(small(9)?, small(11)?, small(13)?, 0).ok()?;
    Some(jiff::tz::TimeZone::UTC.to_timestamp(date.to_datetime(time)).ok()?.as_second())
}

/// The same of an HTTP date (RFC 9110, 5.6.7), as the Date header has it; old clients write its zone as a number.
pub fn parse_http(text: &str) -> Option<i64> {
    match httpdate::parse_http_date(text) {
        Ok(time) => i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok(),
        Err(_) => jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp().as_second()),
    }
}

/// In either form.
pub fn parse_any(text: &str) -> Option<i64> {
    parse_basic(text).or_else(|| parse_http(text))
}

/// # Errors
/// `RequestTimeTooSkewed` when a request's time is further from the present than allowed; all in seconds.
pub fn check_skew(time: i64, now: i64, allowed: i64) -> Result<(), S3Error> {
    if (now - time).abs() <= allowed {
        return Ok(());
    }
    Err(S3Error::new(ErrorCode::RequestTimeTooSkewed)
        .element("RequestTime", basic(time))
        .element("ServerTime", extended(now))
        .element("MaxAllowedSkewMilliseconds", (allowed * 1000).to_string()))
}

/// In ISO 8601's basic format.
pub fn basic(unix_seconds: i64) -> String {
    format(unix_seconds, "%Y%m%dT%H%M%SZ")
}

/// As errors show times: `2013-05-24T00:00:00Z`.
pub fn extended(unix_seconds: i64) -> String {
    format(unix_seconds, "%Y-%m-%dT%H:%M:%SZ")
}

fn format(unix_seconds: i64, pattern: &str) -> String {
    jiff::Timestamp::from_second(unix_seconds).unwrap_or_default().strftime(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_it_was_written() {
        assert_eq!(parse_basic("20130524T000000Z"), Some(1_369_353_600));
        assert_eq!(basic(1_369_353_600), "20130524T000000Z");
        assert_eq!(extended(1_369_353_600), "2013-05-24T00:00:00Z");
        assert_eq!(parse_http("Fri, 24 May 2013 00:00:00 GMT"), Some(1_369_353_600));
        assert_eq!(parse_http("Fri, 24 May 2013 02:00:00 +0200"), Some(1_369_353_600));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "20130524",
            "20130524T000000",
            "20131324T000000Z",
            "20130230T000000Z",
            "20130524T240000Z",
            "2013052aT000000Z",
            "+0130524T000000Z",
            "20130524t000000z",
            "20130524T000000Z ",
            "é0130524T00000Z",
        ] {
            assert_eq!(parse_basic(text), None, "{text}");
        }
        assert_eq!(parse_http("yesterday"), None);
    }
}
