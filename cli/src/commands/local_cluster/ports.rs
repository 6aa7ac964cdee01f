//! Ports for processes that have to know each other's before they run.

use super::error::ClusterError;
use crate::commands::process::StartError;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Below those that the system gives to connections, so that none of these takes one first, and below Weir's own
/// defaults.
const FIRST: u16 = 20_000;
const COUNT: u16 = 9_900;
/// Clusters that start at the same time look in different places first.
const STRIDE: u32 = 16;

/// Gives out each port once.
pub struct Ports {
    given: BTreeSet<SocketAddr>,
    next: u16,
}

impl Ports {
    pub fn new() -> Self {
        let start = std::process::id().wrapping_mul(STRIDE) % u32::from(COUNT);
        Self { given: BTreeSet::new(), next: u16::try_from(start).unwrap_or(0) }
    }

    /// The port that is asked for.
    ///
    /// # Errors
    /// [`StartError::Taken`] when another process has it.
    pub fn exactly(&mut self, address: SocketAddr) -> Result<SocketAddr, ClusterError> {
        if !self.take(address) {
            return Err(StartError::Taken { address: address.to_string(), flag: "--listen" }.into());
        }
        Ok(address)
    }

    /// A port of `host`: the former one if it is free, else another.
    ///
    /// # Errors
    /// [`ClusterError::NoPort`].
    pub fn any(&mut self, host: IpAddr, former: Option<SocketAddr>) -> Result<SocketAddr, ClusterError> {
        if let Some(former) = former.filter(|former| former.ip() == host)
            && self.take(former)
        {
            return Ok(former);
        }
        for _ in 0..COUNT {
            let address = SocketAddr::new(host, FIRST + self.next);
            self.next = (self.next + 1) % COUNT;
            if self.take(address) {
                return Ok(address);
            }
        }
        Err(ClusterError::NoPort(FIRST, FIRST + COUNT - 1))
    }

    /// The same on loopback.
    ///
    /// # Errors
    /// As [`Ports::any`].
    pub fn loopback(&mut self, former: Option<SocketAddr>) -> Result<SocketAddr, ClusterError> {
        self.any(Ipv4Addr::LOCALHOST.into(), former)
    }

    fn take(&mut self, address: SocketAddr) -> bool {
        !self.given.contains(&address) && TcpListener::bind(address).is_ok() && self.given.insert(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_port_is_given_again_if_it_is_free_and_no_port_twice() {
        let mut ports = Ports::new();
        let first = ports.loopback(None).unwrap();
        assert_ne!(ports.loopback(Some(first)).unwrap(), first);
        let mut later = Ports::new();
        assert_eq!(later.loopback(Some(first)).unwrap(), first);
        let held = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let held = TcpListener::bind(held.unwrap()).unwrap();
        let taken = held.local_addr().unwrap();
        assert_ne!(later.loopback(Some(taken)).unwrap(), taken);
        let error = later.exactly(taken).unwrap_err().to_string();
        assert!(error.contains("is taken by another process"), "{error}");
    }
}
