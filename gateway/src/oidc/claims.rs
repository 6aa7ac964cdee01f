//! What a token says, and whether it says it to us, now.
//! OpenID Connect Core 1.0, 2 and 3.1.3.7.

use super::{OidcError, VerifiedToken, json};
use crate::auth::token::WebIdentity;
use serde::Deserialize;
use weir_proto::v1::OidcProvider;

/// How far the clocks of an issuer and of a gateway may differ.
const LEEWAY_SECONDS: f64 = 60.0;
/// The longest subject, and the longest client id. OpenID Connect Core 1.0, 2.
const NAME_MAX_BYTES: usize = 255;
/// Ways of authentication in `amr`.
const METHOD_MAX_COUNT: usize = 10;

/// The claims that are looked at. Each comes once.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub iss: String,
    sub: String,
    aud: Texts,
    azp: Option<String>,
    /// Seconds since 1970, whole or not.
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    amr: Option<Texts>,
}

/// One text, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Several(Vec<String>),
}

impl Texts {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

impl Claims {
    /// # Errors
    /// [`OidcError::Malformed`].
    pub fn parse(json: &[u8]) -> Result<Self, OidcError> {
        json::object(json).ok_or(OidcError::Malformed("it has not each of iss, sub, aud, exp and iat, once"))
    }

    /// Whom the token speaks of, for a provider that its issuer was found to be.
    ///
    /// # Errors
    /// [`OidcError::Expired`], [`OidcError::NotYetValid`], [`OidcError::WrongAudience`]; [`OidcError::Malformed`] for
    /// names that are too long.
    pub fn check(self, provider: &OidcProvider, name: &str, now_ms: i64) -> Result<VerifiedToken, OidcError> {
        self.check_time(now_ms)?;
        let audience = self.client(&provider.client_ids).ok_or(OidcError::WrongAudience)?.to_owned();
        if self.sub.is_empty() || self.sub.len() > NAME_MAX_BYTES || audience.len() > NAME_MAX_BYTES {
            return Err(OidcError::Malformed("its sub or aud is empty or has more than 255 bytes"));
        }
        let methods = self.amr.as_ref().map_or(&[][..], Texts::as_slice);
        if methods.len() > METHOD_MAX_COUNT {
            return Err(OidcError::Malformed("its amr has more than ten entries"));
        }
        Ok(VerifiedToken {
            methods: methods.to_vec(),
            web_identity: WebIdentity { provider: name.to_owned(), audience, subject: self.sub },
        })
    }

    fn check_time(&self, now_ms: i64) -> Result<(), OidcError> {
        // Milliseconds of any year that a clock shows are exact.
        let now = now_ms as f64 / 1000.0;
        if now >= self.exp + LEEWAY_SECONDS {
            return Err(OidcError::Expired);
        }
        let begins = self.nbf.map_or(self.iat, |nbf| nbf.max(self.iat));
        if now < begins - LEEWAY_SECONDS {
            return Err(OidcError::NotYetValid);
        }
        Ok(())
    }

    /// The client that it was made for: `azp` where it is there, else the first of `aud` that is registered.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif>
    fn client(&self, registered: &[String]) -> Option<&str> {
        match &self.azp {
            Some(azp) => registered.contains(azp).then_some(azp),
            None => self.aud.as_slice().iter().find(|audience| registered.contains(audience)).map(String::as_str),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_767_225_600_000;

    fn provider() -> OidcProvider {
        let client_ids = vec!["app".to_owned(), "other-app".to_owned()];
        OidcProvider { url: "https://id.example.com".into(), client_ids, ..OidcProvider::default() }
    }

    fn check(claims: &str) -> Result<VerifiedToken, OidcError> {
        Claims::parse(claims.as_bytes())?.check(&provider(), "id.example.com", NOW_MS)
    }

    /// The claims of a good token, with these in place of its own. An empty text leaves one out.
    fn with(changes: &[(&str, &str)]) -> String {
        let own = [
            ("iss", r#""https://id.example.com""#),
            ("sub", r#""alice""#),
            ("aud", r#""app""#),
            ("exp", "1767229200"),
            ("iat", "1767225600"),
        ];
        let kept = own.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let all = kept.chain(changes).filter(|(_, value)| !value.is_empty());
        let members: Vec<String> = all.map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    #[test]
    fn a_good_token_tells_who_and_for_whom() {
        let token = check(&with(&[("amr", r#"["pwd","otp"]"#), ("email", r#"{"x":1}"#)])).unwrap();
        assert_eq!(token.methods, ["pwd", "otp"]);
        let WebIdentity { provider, audience, subject } = token.web_identity;
        assert_eq!([provider.as_str(), &audience, &subject], ["id.example.com", "app", "alice"]);
    }

    #[test]
    fn a_token_is_made_for_a_registered_client() {
        let audience = |changes: &[(&str, &str)]| check(&with(changes)).map(|token| token.web_identity.audience);
        assert_eq!(audience(&[("aud", r#"["x","other-app","app"]"#)]), Ok("other-app".into()));
        assert_eq!(audience(&[("aud", r#"["x"]"#), ("azp", r#""app""#)]), Ok("app".into()));
        for changes in [
            &[("aud", r#""App""#)][..],
            &[("aud", r#""""#)],
            &[("aud", "[]")],
            &[("aud", r#"["app "]"#)],
            &[("aud", r#""app""#), ("azp", r#""stranger""#)],
        ] {
            assert_eq!(audience(changes), Err(OidcError::WrongAudience), "{changes:?}");
        }
    }

    #[test]
    fn a_token_holds_from_its_time_to_its_end_give_or_take_a_minute() {
        for (changes, expected) in [
            (&[("exp", "1767225541")][..], Ok(())),
            (&[("exp", "1767225540")], Err(OidcError::Expired)),
            (&[("exp", "1767225540.5")], Ok(())),
            (&[("exp", "0")], Err(OidcError::Expired)),
            (&[("exp", "-1e300")], Err(OidcError::Expired)),
            (&[("exp", "1e300")], Ok(())),
            (&[("iat", "1767225660")], Ok(())),
            (&[("iat", "1767225661")], Err(OidcError::NotYetValid)),
            (&[("nbf", "1767225660")], Ok(())),
            (&[("nbf", "1767225661")], Err(OidcError::NotYetValid)),
            (&[("nbf", "1e300")], Err(OidcError::NotYetValid)),
        ] {
            assert_eq!(check(&with(changes)).map(drop), expected, "{changes:?}");
        }
    }

    #[test]
    fn claims_that_are_missing_doubled_or_of_another_kind_are_refused() {
        let long = format!("\"{}\"", "x".repeat(NAME_MAX_BYTES + 1));
        for changes in [
            &[("sub", "")][..],
            &[("iss", "")],
            &[("aud", "")],
            &[("exp", "")],
            &[("iat", "")],
            &[("sub", "7")],
            &[("sub", "null")],
            &[("sub", r#""""#)],
            &[("sub", &long)],
            &[("aud", "7")],
            &[("aud", r#"["app",7]"#)],
            &[("exp", r#""1767229200""#)],
            &[("exp", "1e999")],
            &[("nbf", "true")],
            &[("amr", r#"["1","2","3","4","5","6","7","8","9","10","11"]"#)],
            &[("sub", r#""alice","sub":"bob""#)],
            &[("iss", r#""https://id.example.com","iss":"x""#)],
        ] {
            assert!(matches!(check(&with(changes)), Err(OidcError::Malformed(_))), "{changes:?}");
        }
        for text in ["", "[]", "null", "{", "{}{}", &"[".repeat(10_000)] {
            assert!(matches!(check(text), Err(OidcError::Malformed(_))), "{text}");
        }
    }
}
