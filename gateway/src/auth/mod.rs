//! Who is asking. So far everyone may do anything, which is why nobody but this machine is let in: signatures are
//! recognised, not checked, and a gateway that is given keys refuses to start rather than look protected.

mod arn;
mod directory;
mod identity;
mod kind;

pub use arn::{group_arn, local_policy_arn, policy_arn, provider_arn, user_arn};
pub use directory::{Directory, provider_name};
pub use identity::{Identity, role_arn};
pub use kind::Authentication;

use crate::error::S3Error;
use http::HeaderMap;
use std::net::SocketAddr;
use weir_proto::account::{ACCOUNT_CANONICAL_ID, ACCOUNT_NAME};
use weir_service::config::settings::GatewaySettings;

/// Who a request comes from: what objects and buckets name as their owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// A canonical user id: 64 hexadecimal digits.
    pub id: &'static str,
    pub display_name: &'static str,
}

/// Everyone, where no keys are set.
pub const EVERYONE: Caller = Caller { id: ACCOUNT_CANONICAL_ID, display_name: ACCOUNT_NAME };

/// Why a gateway with these settings can't be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error(
        "gateway.access_key and gateway.secret_key are set, but this version does not check signatures: anyone could \
         still do anything. Unset both, and listen on a loopback address"
    )]
    KeysNotChecked,
    #[error(
        "without keys anyone who reaches {address} could do anything there: set gateway.access_key and \
         gateway.secret_key, or set gateway.listen to a loopback address such as 127.0.0.1:39999"
    )]
    OpenToStrangers { address: SocketAddr },
}

/// Lets requests in or not.
#[derive(Clone, Debug)]
pub struct Gate {
    mode: Mode,
}

#[derive(Clone, Debug)]
enum Mode {
    /// No keys: whoever reaches the listener may do anything, whatever credentials the request carries.
    Open,
}

impl Gate {
    /// # Errors
    /// [`AccessError::KeysNotChecked`].
    pub fn new(settings: &GatewaySettings) -> Result<Self, AccessError> {
        if settings.access_key.is_empty() && settings.secret_key.is_empty() {
            Ok(Self { mode: Mode::Open })
        } else {
            Err(AccessError::KeysNotChecked)
        }
    }

    /// May this gateway be served at this address?
    ///
    /// # Errors
    /// [`AccessError::OpenToStrangers`].
    pub fn check_listener(&self, address: SocketAddr) -> Result<(), AccessError> {
        match self.mode {
            Mode::Open if address.ip().to_canonical().is_loopback() => Ok(()),
            Mode::Open => Err(AccessError::OpenToStrangers { address }),
        }
    }

    /// Who a request comes from.
    ///
    /// # Errors
    /// `AccessDenied` when x-amz-expected-bucket-owner, or the one of a copy's source, names someone else.
    pub fn admit(&self, kind: Authentication, headers: &HeaderMap) -> Result<Caller, S3Error> {
        let caller = match self.mode {
            Mode::Open => match kind {
                Authentication::Anonymous
                | Authentication::V4Header
                | Authentication::V4Query
                | Authentication::V2Header
                | Authentication::V2Query
                | Authentication::PostForm => EVERYONE,
            },
        };
        for header in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
            if headers.get(header).is_some_and(|owner| owner.as_bytes() != caller.id.as_bytes()) {
                return Err(crate::error::ErrorCode::AccessDenied.into());
            }
        }
        Ok(caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn open() -> Gate {
        Gate::new(&GatewaySettings::default()).unwrap()
    }

    #[test]
    fn keys_that_would_not_be_checked_are_refused() {
        for (access_key, secret_key) in [("a", "b"), ("a", ""), ("", "b")] {
            let settings = GatewaySettings {
                access_key: access_key.into(),
                secret_key: secret_key.into(),
                ..GatewaySettings::default()
            };
            assert_eq!(Gate::new(&settings).unwrap_err(), AccessError::KeysNotChecked);
        }
    }

    #[test]
    fn only_loopback_addresses_are_served_without_keys() {
        for address in ["127.0.0.1:1", "127.9.9.9:39999", "[::1]:39999", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(open().check_listener(address.parse().unwrap()), Ok(()), "{address}");
        }
        for address in ["0.0.0.0:39999", "[::]:39999", "192.168.1.2:1", "10.0.0.1:1", "[2001:db8::1]:1"] {
            let error = open().check_listener(address.parse().unwrap()).unwrap_err();
            assert!(error.to_string().contains("gateway.access_key"), "{error}");
        }
    }

    #[test]
    fn everyone_is_let_in_whatever_they_carry() {
        for kind in Authentication::ALL {
            assert_eq!(open().admit(kind, &HeaderMap::new()).unwrap(), EVERYONE);
        }
    }

    #[test]
    fn someone_elses_bucket_is_denied() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-expected-bucket-owner", EVERYONE.id.parse().unwrap());
        assert!(open().admit(Authentication::Anonymous, &headers).is_ok());
        headers.insert("x-amz-expected-bucket-owner", "111122223333".parse().unwrap());
        let error = open().admit(Authentication::Anonymous, &headers).unwrap_err();
        assert_eq!(error.code(), ErrorCode::AccessDenied);
    }
}
