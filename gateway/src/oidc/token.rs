//! A token as it comes: a JSON Web Signature in its compact form, of which nothing is believed yet.
//! RFC 7515, 3.1 and 4.1; RFC 7519, 5.

use super::OidcError;
use super::algorithm::Algorithm;
use super::json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The longest token, as STS has it.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>
pub const TOKEN_MAX_BYTES: usize = 20_000;

/// How much of a strange algorithm's name an error shows.
const SHOWN_CHARS: usize = 20;

/// Its parts.
#[derive(Debug)]
pub(super) struct UnverifiedToken<'a> {
    pub algorithm: Algorithm,
    pub key_id: Option<String>,
    /// What is signed: the header and the claims as they were sent.
    pub signed: &'a str,
    pub signature: Vec<u8>,
    /// JSON.
    pub claims: Vec<u8>,
}

/// Headers that point to keys (`jku`, `jwk`, `x5u`, `x5c`) are not looked at: keys come from the issuer alone.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
    zip: Option<IgnoredAny>,
}

impl<'a> UnverifiedToken<'a> {
    /// # Errors
    /// [`OidcError::Malformed`], [`OidcError::UnsupportedAlgorithm`].
    pub fn parse(text: &'a str) -> Result<Self, OidcError> {
        if text.len() > TOKEN_MAX_BYTES {
            return Err(OidcError::Malformed("it is too long"));
        }
        let three_parts = || {
            let (signed, signature) = text.rsplit_once('.')?;
            let (header, claims) = signed.split_once('.')?;
            // A fourth part would lie in the claims, where base64 has no dots.
            Some((signed, header, claims, signature))
        };
        let (signed, header, claims, signature) =
            three_parts().ok_or(OidcError::Malformed("it has not three parts"))?;
        let header = decode(header).and_then(|header| json::object::<Header>(&header));
        let header = header.ok_or(OidcError::Malformed("its header can't be read"))?;
        let algorithm = Algorithm::of(&header.alg)
            .ok_or_else(|| OidcError::UnsupportedAlgorithm(header.alg.chars().take(SHOWN_CHARS).collect()))?;
        if header.crit.is_some() || header.zip.is_some() {
            return Err(OidcError::Malformed("its header demands an extension"));
        }
        // Other kinds of tokens that an issuer signs with the same keys are not about who someone is: RFC 8725, 3.11.
        if header
            .typ
            .is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT") && !typ.eq_ignore_ascii_case("application/jwt"))
        {
            return Err(OidcError::Malformed("it is not of type JWT"));
        }
        let claims = decode(claims).ok_or(OidcError::Malformed("its claims can't be read"))?;
        let signature = decode(signature).ok_or(OidcError::Malformed("its signature can't be read"))?;
        if signature.is_empty() {
            return Err(OidcError::Malformed("it is not signed"));
        }
        Ok(Self { algorithm, key_id: header.kid, signed, signature, claims })
    }
}

/// Base64 in its one form: no padding, no white space, no bits left over.
fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> String {
        format!("{}.{}.{}", BASE64_URL.encode(header), BASE64_URL.encode("{}"), BASE64_URL.encode("sig"))
    }

    fn refused(text: &str) -> OidcError {
        UnverifiedToken::parse(text).map(|token| token.algorithm).expect_err(text)
    }

    #[test]
    fn a_token_has_a_header_claims_and_a_signature() {
        let text = token(r#"{"typ":"JWT","alg":"ES384","kid":"k1","jku":"https://evil.example.com","x":{"y":[1]}}"#);
        let token = UnverifiedToken::parse(&text).unwrap();
        assert_eq!((token.algorithm, token.key_id.as_deref()), (Algorithm::Es384, Some("k1")));
        assert_eq!((token.claims.as_slice(), token.signature.as_slice()), (&b"{}"[..], &b"sig"[..]));
        assert_eq!(token.signed, text.rsplit_once('.').unwrap().0);
    }

    #[test]
    fn tokens_that_anyone_could_have_made_are_refused() {
        for name in ["none", "HS256", "nOnE", ""] {
            let header = format!(r#"{{"alg":"{name}"}}"#);
            assert_eq!(refused(&token(&header)), OidcError::UnsupportedAlgorithm(name.into()));
        }
        let long = token(&format!(r#"{{"alg":"{}"}}"#, "x".repeat(1000)));
        assert_eq!(refused(&long), OidcError::UnsupportedAlgorithm("x".repeat(SHOWN_CHARS)));
    }

    #[test]
    fn headers_that_can_be_read_in_two_ways_or_demand_more_are_refused() {
        for header in [
            r#"{"alg":"RS256","alg":"ES256"}"#,
            r#"{"alg":"RS256","kid":"a","kid":"b"}"#,
            r#"{"alg":["RS256"]}"#,
            r#"{"alg":"RS256","kid":7}"#,
            r#"{"alg":"RS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"RS256","zip":"DEF"}"#,
            r#"{"alg":"RS256","typ":"logout+jwt"}"#,
            r#"{"alg":"RS256","typ":"at+jwt"}"#,
            r#"{"kid":"a"}"#,
            r#"{"alg":"RS256"} "#.repeat(2).as_str(),
            r#"["RS256",null,null,null,null]"#,
            "",
            "\u{0}",
        ] {
            assert!(matches!(refused(&token(header)), OidcError::Malformed(_)), "{header}");
        }
    }

    #[test]
    fn text_that_is_no_token_is_refused() {
        let whole = token(r#"{"alg":"RS256"}"#);
        let (signed, _) = whole.rsplit_once('.').unwrap();
        for text in [
            "",
            ".",
            "..",
            "...",
            "a.b.c",
            signed,
            &format!("{signed}."),
            &format!("{whole}="),
            &format!("{whole}.e30"),
            &format!(" {whole}"),
            &format!("{whole}\n"),
            &whole.replace('.', ":"),
            &"a".repeat(TOKEN_MAX_BYTES + 1),
        ] {
            assert!(matches!(refused(text), OidcError::Malformed(_)), "{text}");
        }
    }
}
