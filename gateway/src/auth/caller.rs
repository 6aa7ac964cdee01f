//! Who a request comes from, and by what it proved that.

use super::token::Session;
use super::{Identity, Owner, sigv4};
use crate::body::{ChunkVerifier, Payload};
use crate::error::{ErrorCode, S3Error};
use http::HeaderMap;
use std::sync::Arc;
use weir_proto::account::ACCOUNT_ID;

/// How a request proved who sent it.
#[derive(Clone, Debug)]
pub enum Proof {
    /// No keys are set: nothing has to be proved.
    Everyone,
    /// Nothing was proved.
    None,
    V4Header(sigv4::Signed),
    V4Query(sigv4::Signed),
    V2,
    /// The policy of a form is signed, its body is not.
    V4Form,
    V2Form,
}

/// Who is asking.
#[derive(Clone, Debug)]
pub struct Caller {
    identity: Identity,
    /// The key that spoke for it; empty where nobody was asked for one.
    pub access_key_id: String,
    /// Of temporary credentials.
    pub session: Option<Arc<Session>>,
    pub proof: Proof,
}

impl Caller {
    pub fn new(identity: Identity, access_key_id: String, session: Option<Arc<Session>>, proof: Proof) -> Self {
        Self { identity, access_key_id, session, proof }
    }

    /// Anyone, where no keys are set: the account itself.
    pub fn everyone() -> Self {
        Self::new(Identity::Root, String::new(), None, Proof::Everyone)
    }

    /// No credentials, where keys are set.
    pub fn anonymous() -> Self {
        Self::new(Identity::Anonymous, String::new(), None, Proof::None)
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The owner of what it makes.
    pub fn owner(&self) -> Owner {
        Owner { id: self.identity().canonical_id(), display_name: self.identity().display_name() }
    }

    /// What checks the signatures of a body's chunks; none where they are not signed, or need no check.
    ///
    /// # Errors
    /// `AccessDenied` when they are signed with a key that is not known.
    pub fn chunk_verifier(&self, payload: Payload) -> Result<Option<Box<dyn ChunkVerifier>>, S3Error> {
        check_payload(&self.proof, payload)?;
        Ok(match (&self.proof, payload) {
            (Proof::V4Header(signed) | Proof::V4Query(signed), Payload::Streaming(kind)) if kind.is_signed() => {
                Some(signed.chunk_verifier())
            }
            (
                Proof::Everyone
                | Proof::None
                | Proof::V4Header(_)
                | Proof::V4Query(_)
                | Proof::V2
                | Proof::V4Form
                | Proof::V2Form,
                Payload::Undeclared | Payload::Unsigned | Payload::Sha256(_) | Payload::Streaming(_),
            ) => None,
        })
    }
}

/// # Errors
/// `AccessDenied` when x-amz-expected-bucket-owner, or the one of a copy's source, names another account.
pub fn check_expected_owner(headers: &HeaderMap, owner: &Owner) -> Result<(), S3Error> {
    for header in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
        let is_ours = |value: &[u8]| value == ACCOUNT_ID.as_bytes() || value == owner.id.as_bytes();
        if headers.get(header).is_some_and(|value| !is_ours(value.as_bytes())) {
            return Err(ErrorCode::AccessDenied.into());
        }
    }
    Ok(())
}

/// May a body of this kind be taken under this proof? Signatures of chunks need a key that they are made with.
///
/// # Errors
/// `AccessDenied`.
fn check_payload(proof: &Proof, payload: Payload) -> Result<(), S3Error> {
    match (proof, payload) {
        (Proof::Everyone | Proof::V4Header(_) | Proof::V4Query(_), _) => Ok(()),
        (Proof::None | Proof::V2 | Proof::V4Form | Proof::V2Form, Payload::Streaming(kind)) if kind.is_signed() => {
            let message = "The chunks of the body are signed, and the request is not signed with Signature Version 4";
            Err(S3Error::with_message(ErrorCode::AccessDenied, message))
        }
        (
            Proof::None | Proof::V2 | Proof::V4Form | Proof::V2Form,
            Payload::Undeclared | Payload::Unsigned | Payload::Sha256(_) | Payload::Streaming(_),
        ) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::ACCOUNT;
    use crate::body::StreamingKind;

    #[test]
    fn someone_elses_bucket_is_denied() {
        let mut headers = HeaderMap::new();
        for ours in [ACCOUNT.id, ACCOUNT_ID] {
            headers.insert("x-amz-expected-bucket-owner", ours.parse().unwrap());
            assert!(check_expected_owner(&headers, &ACCOUNT).is_ok());
        }
        headers.insert("x-amz-expected-bucket-owner", "111122223333".parse().unwrap());
        assert_eq!(check_expected_owner(&headers, &ACCOUNT).unwrap_err().code(), ErrorCode::AccessDenied);
    }

    #[test]
    fn signed_chunks_need_a_key() {
        let signed = Payload::Streaming(StreamingKind::Signed);
        let kinds = [signed, Payload::Streaming(StreamingKind::SignedTrailer)];
        for proof in [Proof::None, Proof::V2, Proof::V4Form, Proof::V2Form] {
            for payload in kinds {
                assert_eq!(check_payload(&proof, payload).unwrap_err().code(), ErrorCode::AccessDenied, "{proof:?}");
            }
            assert!(check_payload(&proof, Payload::Streaming(StreamingKind::UnsignedTrailer)).is_ok());
            assert!(check_payload(&proof, Payload::Undeclared).is_ok());
        }
        assert!(check_payload(&Proof::Everyone, signed).is_ok());
    }
}
