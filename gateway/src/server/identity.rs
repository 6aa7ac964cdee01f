//! The names of requests and of this gateway: `x-amz-request-id` and `x-amz-id-2`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use weir_service::clock::Clock;

const HOST_ID_BYTES: usize = 24;

/// Makes ids that look random, without asking the operating system for each.
#[derive(Debug)]
pub struct Identity {
    state: AtomicU64,
    host_id: String,
}

impl Identity {
    pub fn new(clock: &dyn Clock) -> Self {
        let mut bytes = [0; HOST_ID_BYTES];
        clock.random(&mut bytes);
        Self { state: AtomicU64::new(clock.random_u64()), host_id: BASE64.encode(bytes) }
    }

    /// 16 upper-case hexadecimal digits, as S3's are. SplitMix64 over a counter: none comes twice.
    pub fn request_id(&self) -> String {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut x = self.state.fetch_add(STEP, Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        format!("{:016X}", x ^ (x >> 31))
    }

    pub fn host_id(&self) -> &str {
        &self.host_id
    }

    pub fn host_id_value(&self) -> HeaderValue {
        // Base64 is a header's value always.
        HeaderValue::try_from(&self.host_id).unwrap_or(HeaderValue::from_static("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use weir_service::clock::ManualClock;

    #[test]
    fn no_request_id_comes_twice() {
        let identity = Identity::new(&ManualClock::at(0));
        let ids: HashSet<String> = (0..10_000).map(|_| identity.request_id()).collect();
        assert_eq!(ids.len(), 10_000);
        let is_digit = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
        assert!(ids.iter().all(|id| id.len() == 16 && id.chars().all(is_digit)));
    }
}
