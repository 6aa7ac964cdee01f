//! The proxies whose word about a client is taken.

use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// The networks whose word about a client's address is taken. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Arc<[IpNet]>,
}

impl TrustedProxies {
    /// From addresses, such as `10.0.0.1`, and networks, such as `10.0.0.0/8`; the first that is neither is returned.
    ///
    /// # Errors
    /// That text.
    pub fn parse(texts: &[String]) -> Result<Self, &str> {
        let networks: Result<Vec<IpNet>, &str> = texts.iter().map(|text| network(text).ok_or(text.as_str())).collect();
        Ok(Self { networks: networks?.into() })
    }

    /// Of settings that were checked: what is no network there trusts nobody.
    pub fn of_checked(texts: &[String]) -> Self {
        Self { networks: texts.iter().filter_map(|text| network(text)).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Is this one of them? Also in its form as an IPv6 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| Some(text.parse::<IpAddr>().ok()?.into()))
}
