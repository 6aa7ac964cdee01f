//! The signatures that are taken. Each has a public key: whoever can check a token can't make one.
//! RFC 7518, 3.1; what to beware of: RFC 8725, 3.1 and 3.2.

use ring::signature::{self, EcdsaVerificationAlgorithm, RsaParameters};

/// `alg` of a token's header. There is neither `none` nor any of the `HS…`, which would take a public key for a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Es256,
    Es384,
}

/// What keys of one kind can do.
#[derive(Clone, Copy)]
pub(super) enum Scheme {
    Rsa(&'static RsaParameters),
    P256(&'static EcdsaVerificationAlgorithm),
    P384(&'static EcdsaVerificationAlgorithm),
}

impl Algorithm {
    pub const ALL: [Self; 6] = [Self::Rs256, Self::Rs384, Self::Rs512, Self::Ps256, Self::Es256, Self::Es384];

    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        }
    }

    /// Names are case-sensitive.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// RSA keys have 2,048 to 8,192 bits; signatures of curves are the two numbers, one after the other.
    pub fn scheme(self) -> Scheme {
        match self {
            Self::Rs256 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Es256 => Scheme::P256(&signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Scheme::P384(&signature::ECDSA_P384_SHA384_FIXED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signatures_with_public_keys_are_known() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::of(algorithm.name()), Some(algorithm));
        }
        for name in ["none", "None", "NONE", "", "HS256", "HS384", "HS512", "rs256", "RS256 ", "ES256K", "EdDSA"] {
            assert_eq!(Algorithm::of(name), None, "{name}");
        }
    }
}
