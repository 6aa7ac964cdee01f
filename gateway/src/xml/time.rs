//! Times as documents carry them: ISO 8601 in UTC, with milliseconds in S3's and without in those of IAM and STS.

const MS_PER_DAY: i64 = 86_400_000;
/// The last millisecond of the year 9999: four digits are all that the format has.
const LAST_MS: i64 = 253_402_300_799_999;

/// Appends `2009-10-12T17:50:30.000Z`. Times outside of the years 1970 to 9999 are moved to their edge.
pub fn write_iso8601(out: &mut Vec<u8>, time_ms: i64) {
    out.extend_from_slice(&iso8601(time_ms));
}

/// Appends `2009-10-12T17:50:30Z`: what is less than a second is left away.
pub fn write_iso8601_seconds(out: &mut Vec<u8>, time_ms: i64) {
    const SECONDS_END: usize = "2009-10-12T17:50:30".len();
    out.extend_from_slice(&iso8601(time_ms)[..SECONDS_END]);
    out.push(b'Z');
}

fn iso8601(time_ms: i64) -> [u8; 24] {
    let time_ms = time_ms.clamp(0, LAST_MS);
    let (year, month, day) = civil_from_days(time_ms / MS_PER_DAY);
    let in_day = time_ms % MS_PER_DAY;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], in_day / 3_600_000);
    digits(&mut text[14..16], in_day / 60_000 % 60);
    digits(&mut text[17..19], in_day / 1000 % 60);
    digits(&mut text[20..23], in_day % 1000);
    text
}

fn digits(out: &mut [u8], mut number: i64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar: eras of 400 years,
/// years that begin in March.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(time_ms: i64) -> String {
        let mut out = Vec::new();
        write_iso8601(&mut out, time_ms);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(1_255_369_830_000), "2009-10-12T17:50:30.000Z");
        assert_eq!(text(951_782_400_007), "2000-02-29T00:00:00.007Z");
        assert_eq!(text(LAST_MS), "9999-12-31T23:59:59.999Z");
        assert_eq!(text(-5), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn whole_seconds_have_no_fraction() {
        let mut out = Vec::new();
        write_iso8601_seconds(&mut out, 1_255_369_830_999);
        assert_eq!(out, b"2009-10-12T17:50:30Z");
    }

    proptest! {
        #[test]
        fn times_agree_with_a_calendar_library(time_ms in 0..=LAST_MS - 86_400_000) {
            let expected = jiff::Timestamp::from_millisecond(time_ms).unwrap();
            prop_assert_eq!(text(time_ms), expected.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string());
        }
    }
}
