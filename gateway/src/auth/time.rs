//! When a request says it was signed, and how far from now that may be.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>

use super::headers::single;
use crate::error::{ErrorCode, S3Error};
use http::HeaderMap;
use http::header::DATE;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;
use std::borrow::Cow;

/// How far the clocks of a client and of this gateway may differ.
pub(super) const MAX_SKEW_MS: i64 = 15 * 60 * 1000;

const X_AMZ_DATE: &str = "x-amz-date";
const NO_DATE: &str = "AWS authentication requires a valid Date or x-amz-date header";
static RFC2822: DateTimeParser = DateTimeParser::new();

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestTime<'a> {
    /// As the client wrote it.
    pub sent: &'a str,
    /// `20130524T000000Z`, as Signature Version 4 signs it.
    pub stamp: Cow<'a, str>,
    pub unix_ms: i64,
}

impl<'a> RequestTime<'a> {
    /// From x-amz-date or, without it, Date; each as `20130524T000000Z` or as RFC 9110 and RFC 2822 write dates.
    ///
    /// # Errors
    /// `AccessDenied` when neither is there or the first is no date; `InvalidArgument` for a header that comes twice.
    pub fn of_headers(headers: &'a HeaderMap) -> Result<Self, S3Error> {
        let sent = match single(headers, X_AMZ_DATE)? {
            Some(sent) => Some(sent),
            None => single(headers, DATE.as_str())?,
        };
        let time = sent.and_then(|sent| Self::basic(sent).or_else(|| Self::rfc2822(sent)));
        time.ok_or_else(|| S3Error::with_message(ErrorCode::AccessDenied, NO_DATE))
    }

    /// Of `20130524T000000Z`.
    pub fn basic(sent: &'a str) -> Option<Self> {
        let bytes: &[u8; 16] = sent.as_bytes().try_into().ok()?;
        if bytes[8] != b'T' || bytes[15] != b'Z' {
            return None;
        }
        let number = |digits: &[u8]| {
            digits
                .iter()
                .try_fold(0_i16, |number, digit| digit.is_ascii_digit().then(|| 10 * number + i16::from(digit - b'0')))
        };
        let two_digits = |at: usize| number(&bytes[at..at + 2]).and_then(|number| i8::try_from(number).ok());
        let time = DateTime::new(
            number(&bytes[0..4])?,
            two_digits(4)?,
            two_digits(6)?,
            two_digits(9)?,
            two_digits(11)?,
            two_digits(13)?,
            0,
        );
        let unix_ms = TimeZone::UTC.to_timestamp(time.ok()?).ok()?.as_millisecond();
        Some(Self { sent, stamp: Cow::Borrowed(sent), unix_ms })
    }

    /// Of `Fri, 24 May 2013 00:00:00 GMT` or `Fri, 24 May 2013 02:00:00 +0200`.
    fn rfc2822(sent: &'a str) -> Option<Self> {
        let time = RFC2822.parse_timestamp(sent).ok()?;
        let stamp = Cow::Owned(time.strftime("%Y%m%dT%H%M%SZ").to_string());
        Some(Self { sent, stamp, unix_ms: time.as_millisecond() })
    }

    /// `20130524`.
    pub fn day(&self) -> &str {
        self.stamp.get(..8).unwrap_or_default()
    }

    /// # Errors
    /// `RequestTimeTooSkewed` more than 15 minutes before or after now.
    pub fn check_skew(&self, now_ms: i64) -> Result<(), S3Error> {
        if now_ms.abs_diff(self.unix_ms) <= MAX_SKEW_MS.unsigned_abs() {
            return Ok(());
        }
        let message = "The difference between the request time and the current time is too large.";
        Err(S3Error::with_message(ErrorCode::RequestTimeTooSkewed, message)
            .element("RequestTime", self.sent)
            .element("ServerTime", iso8601(now_ms))
            .element("MaxAllowedSkewMilliseconds", MAX_SKEW_MS.to_string()))
    }
}

/// The refusal of a presigned URL whose time is over.
pub(super) fn expired(expires_ms: i64, now_ms: i64) -> S3Error {
    S3Error::with_message(ErrorCode::AccessDenied, "Request has expired")
        .element("Expires", iso8601(expires_ms))
        .element("ServerTime", iso8601(now_ms))
}

/// `2013-05-24T00:00:00Z`; empty for times that no calendar has.
pub(super) fn iso8601(unix_ms: i64) -> String {
    Timestamp::from_second(unix_ms.div_euclid(1000)).map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAY_24_MS: i64 = 1_369_353_600_000;

    fn headers(named: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in named {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_time_is_read_as_clients_write_it() {
        for sent in [
            "20130524T000000Z",
            "Fri, 24 May 2013 00:00:00 GMT",
            "Fri, 24 May 2013 00:00:00 +0000",
            "Fri, 24 May 2013 00:00:00 -0000",
            "Fri, 24 May 2013 02:00:00 +0200",
            "24 May 2013 00:00:00 GMT",
        ] {
            for name in ["date", "x-amz-date"] {
                let headers = headers(&[(name, sent)]);
                let time = RequestTime::of_headers(&headers).unwrap();
                assert_eq!((time.sent, &*time.stamp, time.unix_ms), (sent, "20130524T000000Z", MAY_24_MS), "{sent}");
                assert_eq!(time.day(), "20130524");
            }
        }
    }

    #[test]
    fn x_amz_date_outweighs_date() {
        let both = headers(&[("date", "20010101T000000Z"), ("x-amz-date", "20130524T000000Z")]);
        assert_eq!(RequestTime::of_headers(&both).unwrap().unix_ms, MAY_24_MS);
        let broken = headers(&[("date", "20130524T000000Z"), ("x-amz-date", "x")]);
        assert_eq!(RequestTime::of_headers(&broken).unwrap_err().code(), ErrorCode::AccessDenied);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for sent in [
            "",
            "20130524",
            "20130524T000000",
            "20130524T0000000",
            "20130524 000000Z",
            "2013-05-24T00:00:00Z",
            "20131324T000000Z",
            "20130229T000000Z",
            "20130524T240000Z",
            "20130524T006000Z",
            "20130524T000060Z",
            "2013052+T000000Z",
            "-0130524T000000Z",
            "Fri, 24 May 2013",
            "1369353600",
        ] {
            assert_eq!(RequestTime::of_headers(&headers(&[("date", sent)])).unwrap_err().message(), NO_DATE, "{sent}");
        }
        assert!(RequestTime::of_headers(&HeaderMap::new()).is_err());
        let twice = headers(&[("x-amz-date", "20130524T000000Z"), ("x-amz-date", "20130524T000000Z")]);
        assert_eq!(RequestTime::of_headers(&twice).unwrap_err().code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn fifteen_minutes_are_allowed_and_no_more() {
        let time = RequestTime::basic("20130524T000000Z").unwrap();
        for now_ms in [MAY_24_MS, MAY_24_MS - 900_000, MAY_24_MS + 900_000] {
            assert!(time.check_skew(now_ms).is_ok());
        }
        for now_ms in [MAY_24_MS - 900_001, MAY_24_MS + 900_001, i64::MIN, i64::MAX] {
            assert_eq!(time.check_skew(now_ms).unwrap_err().code(), ErrorCode::RequestTimeTooSkewed);
        }
    }

    #[test]
    fn times_are_told_in_seconds() {
        assert_eq!(iso8601(MAY_24_MS + 999), "2013-05-24T00:00:00Z");
        assert_eq!(iso8601(-1), "1969-12-31T23:59:59Z");
        assert_eq!(iso8601(i64::MAX), "");
    }
}
