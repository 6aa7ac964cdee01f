//! Tokens and sets of keys, as issuers and whoever poses as one write them.

use super::OidcError;
use super::algorithm::Algorithm;
use super::claims::Claims;
use super::endpoint::IssuerUrl;
use super::key_set::KeySet;
use super::token::UnverifiedToken;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use weir_proto::v1::OidcProvider;
use weir_service::fuzzing::Input;

const NOW_MS: i64 = 1_767_225_600_000;

/// A token as it comes; and a line of header and one of claims, which become one.
pub fn oidc_token(bytes: &[u8]) {
    let whole = String::from_utf8_lossy(bytes);
    if let Ok(token) = UnverifiedToken::parse(&whole) {
        let signature = BASE64_URL.encode(&token.signature);
        assert_eq!(format!("{}.{signature}", token.signed), whole, "a token has one form");
        check_claims(&token.claims);
    }
    let mut input = Input::new(bytes);
    let [header, claims] = [input.line(), input.rest()];
    let made = [header, claims, b"signature"].map(|part| BASE64_URL.encode(part)).join(".");
    if let Ok(token) = UnverifiedToken::parse(&made) {
        assert_eq!(token.claims, claims);
        check_claims(claims);
    }
}

fn check_claims(json: &[u8]) {
    let Ok(parsed) = Claims::parse(json) else { return };
    let issuer = IssuerUrl::parse(&parsed.iss);
    if let Ok(url) = &issuer {
        assert_eq!(IssuerUrl::parse(url.as_str()).as_ref(), Ok(url));
    }
    let provider = OidcProvider { client_ids: vec!["app".into(), "other-app".into()], ..OidcProvider::default() };
    match parsed.check(&provider, "id.example.com", NOW_MS) {
        Ok(verified) => {
            assert!(provider.client_ids.contains(&verified.web_identity.audience));
            assert!(!verified.web_identity.subject.is_empty());
            let later = Claims::parse(json).and_then(|claims| claims.check(&provider, "id.example.com", i64::MAX));
            assert!(!matches!(later, Err(OidcError::NotYetValid)), "what is valid now has begun");
            let _ = verified.condition_keys();
        }
        Err(error) => drop(error.to_string()),
    }
}

/// A set of keys on the first line; then a signature of the text after it. Nothing signs what it was not made for.
pub fn oidc_key_set(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let Some(keys) = KeySet::parse(input.line()) else { return };
    let signature = BASE64_URL.decode(input.line()).unwrap_or_default();
    let signed = input.rest();
    for algorithm in Algorithm::ALL {
        for key_id in [None, Some("k")] {
            if keys.verify(algorithm, key_id, signed, &signature).is_ok() {
                let longer = [signed, b"x"].concat();
                assert!(keys.verify(algorithm, key_id, &longer, &signature).is_err());
            }
        }
    }
}
