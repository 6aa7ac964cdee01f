//! Session tokens, as they come and as they were sealed.

use super::{SessionTokens, TOKEN_PURPOSE, TokenError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use std::sync::Arc;
use weir_service::clock::{Clock as _, ManualClock};
use weir_service::peer_auth::ClusterSecret;
use weir_service::sealing::Sealer;

const NOW_MS: i64 = 1_767_225_600_000;
const ACCESS_KEY_ID: &str = "ASIAABCDEFGHIJKLMNOP";

/// As a token nothing opens that was not sealed; as what was sealed, what is read is what would be sealed again, and no
/// flipped bit passes.
pub fn session_token(bytes: &[u8]) {
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let secret = ClusterSecret::new("a secret of thirty-two bytes or more").expect("it is long enough");
    let sealer = Arc::new(Sealer::new(&secret));
    let tokens = SessionTokens::new(sealer.clone(), clock.clone(), "ROOTKEY", "root secret");
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert_eq!(tokens.open(ACCESS_KEY_ID, text, NOW_MS), Err(TokenError::Invalid));
        assert!(tokens.session(text, Some(text), NOW_MS).is_err());
    }
    let sealed = sealer.seal(&*clock, TOKEN_PURPOSE, ACCESS_KEY_ID, bytes).expect("it is short");
    let mut damaged = sealed.clone();
    damaged[sealed.len() / 2] ^= 1;
    assert_eq!(tokens.open(ACCESS_KEY_ID, &BASE64_URL.encode(damaged), NOW_MS), Err(TokenError::Invalid));
    let sealed = BASE64_URL.encode(sealed);
    let Ok(session) = tokens.open(ACCESS_KEY_ID, &sealed, i64::MIN) else { return };
    let now_ms = clock.now_ms();
    assert_eq!(tokens.open(ACCESS_KEY_ID, &sealed, now_ms).is_ok(), now_ms < session.expires_ms);
    if let Ok(issued) = tokens.issue(&session) {
        let again = tokens.open(&issued.access_key_id, &issued.session_token, i64::MIN);
        assert_eq!(again, Ok(session));
    }
}
