//! When certificates end. RFC 5280, 4.1; only as much of DER is read as lies before that.

use super::files::certificates;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt;
use std::path::PathBuf;

const SEQUENCE: u8 = 0x30;
const EXPLICIT_VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Tells when the certificates in some files end, whenever it is asked.
#[derive(Debug)]
pub(crate) struct ExpiryCollector {
    /// What each is for, and its file.
    pub files: Vec<(&'static str, PathBuf)>,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct CertificateLabels {
    /// `gateway`, `cluster` or `admin`.
    certificate: &'static str,
}

impl Collector for ExpiryCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let ends = self.files.iter().filter_map(|(certificate, path)| {
            // One that can't be read is told of by whoever needs it.
            let end_seconds = end_seconds(certificates(path).ok()?.first()?)?;
            Some((CertificateLabels { certificate }, end_seconds))
        });
        let ends: Vec<_> = ends.collect();
        if ends.is_empty() {
            return Ok(());
        }
        let (name, help) = ("weir_certificate_expiry_timestamp", "When a role's certificate ends, since 1970");
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        for (labels, end_seconds) in &ends {
            ConstGauge::new(*end_seconds).encode(family.encode_family(labels)?)?;
        }
        Ok(())
    }
}

/// `notAfter`, in seconds since 1970. None: it is no certificate.
fn end_seconds(der: &[u8]) -> Option<i64> {
    let (_, certificate, _) = element(der).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut fields, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    if fields.first() == Some(&EXPLICIT_VERSION) {
        fields = element(fields)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (_, validity, _) = element(fields).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, after_beginning) = element(validity)?;
    let (tag, text, _) = element(after_beginning)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let full = match tag {
        // 4.1.2.5.1: years of two digits are those from 1950 on.
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", &full).ok()?;
    Offset::UTC.to_timestamp(time).ok().map(|time| time.as_second())
}

/// The first element: its tag, its content, and what follows it. X.690, 8.1.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(year: i32) -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec!["s3.test".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(1999, 1, 1), date_time_ymd(year, 6, 1));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn the_end_is_read_in_both_forms_of_time() {
        for (year, seconds) in [(2026, 1_780_272_000), (2049, 2_506_118_400), (2050, 2_537_654_400)] {
            assert_eq!(end_seconds(certificate(year).der()), Some(seconds), "{year}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let der = certificate(2030).der().to_vec();
        for length in 0..60 {
            assert_eq!(end_seconds(&der[..length]), None, "{length} bytes");
        }
        for at in 0..der.len().min(200) {
            for byte in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = der.clone();
                damaged[at] = byte;
                // Whatever it says, it does not panic.
                let _ = end_seconds(&damaged);
            }
        }
    }

    #[test]
    fn files_are_told_of_with_what_they_are_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certificate.pem");
        std::fs::write(&path, certificate(2026).pem()).unwrap();
        let mut registry = Registry::default();
        let files = vec![("gateway", path), ("cluster", folder.path().join("missing.pem"))];
        registry.register_collector(Box::new(ExpiryCollector { files }));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let line = "weir_certificate_expiry_timestamp_seconds{certificate=\"gateway\"} 1780272000";
        assert!(text.contains(line) && !text.contains("cluster"), "{text}");
    }
}
