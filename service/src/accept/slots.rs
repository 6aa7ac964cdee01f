//! The places for connections: so many in all, and so many for each address.

use super::Limits;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An IPv6 customer has a network of at least 64 bits, and all of its addresses at once. RFC 6177.
const IPV6_PREFIX_BITS: u32 = 64;

/// All places of a listener.
pub(super) struct Slots {
    total: usize,
    free: Arc<Semaphore>,
    per_address: usize,
    /// Only addresses with a connection have an entry, so there are never more than connections.
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection's place, free again when it is dropped.
pub(super) struct Slot {
    _total: OwnedSemaphorePermit,
    _address: Option<AddressSlot>,
}

struct AddressSlot {
    address: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Slots {
    pub fn new(limits: &Limits) -> Self {
        Self {
            total: limits.connection_max_count,
            free: Arc::new(Semaphore::new(limits.connection_max_count)),
            per_address: limits.connection_max_count_per_address,
            taken: Arc::default(),
        }
    }

    /// A place for a connection from this address; none: there is none. An exempt address is bounded by the total.
    pub fn take(&self, address: IpAddr, is_exempt: bool) -> Option<Slot> {
        let total = self.free.clone().try_acquire_owned().ok()?;
        if is_exempt {
            return Some(Slot { _total: total, _address: None });
        }
        let address = counted_as(address);
        let mut taken = self.taken.lock();
        let count = taken.entry(address).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(Slot { _total: total, _address: Some(AddressSlot { address, taken: self.taken.clone() }) })
    }

    /// Waits until all places are free, and takes them.
    pub async fn all_free(&self) {
        let all = u32::try_from(self.total).unwrap_or(u32::MAX);
        let _ = self.free.acquire_many(all).await;
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - IPV6_PREFIX_BITS))).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GatewaySettings;

    fn slots(total: usize, per_address: usize) -> Slots {
        Slots::new(&Limits {
            connection_max_count: total,
            connection_max_count_per_address: per_address,
            ..Limits::from(&GatewaySettings::default())
        })
    }

    #[test]
    fn an_address_has_its_places_and_gets_them_back() {
        let slots = slots(10, 2);
        let take = |address: &str| slots.take(address.parse().unwrap(), false);
        let (first, second) = (take("192.0.2.1").unwrap(), take("::ffff:192.0.2.1").unwrap());
        assert!(take("192.0.2.1").is_none());
        let other = take("192.0.2.2").unwrap();
        drop(first);
        assert!(take("192.0.2.1").is_some());
        drop((second, other));
        assert!(slots.taken.lock().is_empty(), "who has no connection is forgotten");
    }

    #[test]
    fn an_ipv6_network_of_64_bits_counts_as_one() {
        let slots = slots(10, 1);
        let take = |address: &str| slots.take(address.parse().unwrap(), false);
        let _first = take("2001:db8:0:1::1").unwrap();
        assert!(take("2001:db8:0:1:ffff::2").is_none());
        assert!(take("2001:db8:0:2::1").is_some());
    }

    #[test]
    fn who_is_exempt_is_bounded_by_the_total() {
        let slots = slots(3, 1);
        let address = "10.0.0.1".parse().unwrap();
        let taken: Vec<Slot> = std::iter::from_fn(|| slots.take(address, true)).collect();
        assert_eq!(taken.len(), 3);
        assert!(slots.take("192.0.2.1".parse().unwrap(), false).is_none());
    }
}
