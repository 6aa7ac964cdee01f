//! Who may join: a role whose build understands this one. Who is refused tries again.

use super::Namespace;
use crate::error::Error;
use weir_proto::protocol;
use weir_proto::v1;

pub(crate) const OWN_ROLE: &str = "metaserver";
pub(crate) const GATEWAY: &str = "gateway";
pub(crate) const WORKER: &str = "worker";
pub(crate) const STANDBY: &str = "standby";

impl Namespace {
    /// Compares what a role told of its protocol with this build's. `version` has been validated.
    ///
    /// # Errors
    /// [`Error::Incompatible`], which is counted and logged: its operator may look here.
    pub(crate) fn admit(
        &self,
        role: &'static str,
        address: &str,
        told: Option<&v1::Protocol>,
        version: &str,
    ) -> Result<(), Error> {
        protocol::check(OWN_ROLE, role, told, version).map_err(|mismatch| {
            self.metrics.refuse_member(role);
            tracing::warn!(address, %mismatch, "refused");
            Error::Incompatible(mismatch)
        })
    }
}
