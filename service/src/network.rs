//! The seam to the network: TCP as all roles use it, the machine's own or, with the feature `simulated-network`, that of a
//! simulated cluster when the caller runs in one.

#[cfg(feature = "simulated-network")]
mod simulated;

#[cfg(feature = "simulated-network")]
pub use simulated::{TcpListener, TcpStream};
#[cfg(not(feature = "simulated-network"))]
pub use tokio::net::{TcpListener, TcpStream};

use hyper_util::client::legacy::connect::HttpConnector;
use tonic::transport::Uri;
use tower::{BoxError, ServiceExt as _};

/// A connection to the host and port of `address`, made as `tcp` says.
pub(crate) async fn connect(tcp: HttpConnector, address: Uri) -> Result<TcpStream, BoxError> {
    #[cfg(feature = "simulated-network")]
    if simulated::is_simulated() {
        return simulated::connect(&address).await;
    }
    #[allow(clippy::useless_conversion, reason = "another type with the feature simulated-network")]
    Ok(tcp.oneshot(address).await?.into_inner().into())
}
