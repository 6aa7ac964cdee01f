//! Who a request comes from: the connection's other end, or what a trusted proxy says of its own.

use crate::tls::TlsVersion;
use crate::trusted_proxies::TrustedProxies;
use http::HeaderMap;
use std::net::SocketAddr;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTOCOL: &str = "x-forwarded-proto";

/// The client of a request. Every request has one among its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// By a proxy's word the port is 0 where it names none.
    pub address: SocketAddr,
    /// Did the client use TLS?
    pub secure: bool,
    /// Which of its versions, as far as that is known: of a proxy's client it is not.
    pub tls_version: Option<TlsVersion>,
}

impl TrustedProxies {
    /// The client of a request that came over a connection from `peer`.
    ///
    /// Proxies append the address that they were called from to X-Forwarded-For. So it is read from its end, past those
    /// that are trusted: the first that is not is the client, and what stands before it is the client's own invention.
    /// Where it does not say, the last proxy that is known stands for the client. Of X-Forwarded-Proto the last value
    /// counts for the same reason.
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> Peer {
        if self.is_empty() || !self.contains(peer.address.ip()) {
            return peer;
        }
        let mut client = peer;
        for text in listed(headers, FORWARDED_FOR).rev() {
            let Some(address) = address(text) else { break };
            client.address = address;
            if !self.contains(address.ip()) {
                break;
            }
        }
        if let Some(protocol) = listed(headers, FORWARDED_PROTOCOL).next_back() {
            client.secure = protocol.eq_ignore_ascii_case("https");
            client.tls_version = None;
        }
        client
    }
}

/// The values of a header that is a list, in all its lines. A line that is no text counts as one value that is none.
fn listed<'h>(headers: &'h HeaderMap, name: &str) -> impl DoubleEndedIterator<Item = &'h str> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// `192.0.2.1`, `192.0.2.1:1234`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:1234`.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().or_else(|| Some(SocketAddr::new(bare.parse().ok()?, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTION: &str = "10.0.0.9:5555";

    fn proxies(texts: &[&str]) -> TrustedProxies {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        TrustedProxies::parse(&texts).unwrap()
    }

    fn peer(address: &str) -> Peer {
        Peer { address: address.parse().unwrap(), secure: false, tls_version: None }
    }

    fn client(trusted: &[&str], connection: &str, headers: &[(&'static str, &str)]) -> (String, bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let client = proxies(trusted).client(peer(connection), &map);
        (client.address.to_string(), client.secure)
    }

    fn forwarded(lines: &[&str]) -> String {
        let headers: Vec<_> = lines.iter().map(|line| (FORWARDED_FOR, *line)).collect();
        client(&["10.0.0.0/8", "192.168.1.1", "fd00::/8"], CONNECTION, &headers).0
    }

    #[test]
    fn the_word_of_a_stranger_counts_for_nothing() {
        let forged = [(FORWARDED_FOR, "192.0.2.1"), (FORWARDED_PROTOCOL, "https")];
        assert_eq!(client(&[], CONNECTION, &forged), (CONNECTION.into(), false));
        assert_eq!(client(&["10.0.0.8"], CONNECTION, &forged), (CONNECTION.into(), false));
        assert_eq!(client(&["10.0.0.9"], CONNECTION, &forged), ("192.0.2.1:0".into(), true));
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
        for (lines, expected) in [
            (&["192.0.2.1"][..], "192.0.2.1:0"),
            // What the client sent itself stands first.
            (&["127.0.0.1, 192.0.2.1"], "192.0.2.1:0"),
            (&["127.0.0.1, 192.0.2.1, 10.1.2.3,192.168.1.1"], "192.0.2.1:0"),
            (&["127.0.0.1", "192.0.2.1", "10.1.2.3"], "192.0.2.1:0"),
            (&["2001:db8::1, fd00::7"], "[2001:db8::1]:0"),
            (&["192.0.2.1:1234"], "192.0.2.1:1234"),
            (&["[2001:db8::1]:1234"], "[2001:db8::1]:1234"),
            (&["[2001:db8::1]"], "[2001:db8::1]:0"),
            // All of them trusted: the first of them.
            (&["10.0.0.1, 10.0.0.2"], "10.0.0.1:0"),
            (&[], CONNECTION),
        ] {
            assert_eq!(forwarded(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn after_what_is_no_address_nothing_is_believed() {
        for line in
            ["", "unknown", "192.0.2.1,", "192.0.2.1, x", "localhost", "192.0.2.300", "_hidden", "1.2.3.4:99999"]
        {
            assert_eq!(forwarded(&[line]), CONNECTION, "{line}");
        }
        assert_eq!(forwarded(&["192.0.2.1, unknown, 10.0.0.2"]), "10.0.0.2:0");
    }

    #[test]
    fn the_last_protocol_counts() {
        for (line, secure) in [("https", true), ("HTTPS", true), ("http", false), ("https, http", false), ("", false)] {
            assert_eq!(client(&["10.0.0.9"], CONNECTION, &[(FORWARDED_PROTOCOL, line)]).1, secure, "{line}");
        }
    }

    #[test]
    fn networks_hold_addresses_in_either_form_and_nonsense_is_named() {
        let trusted = proxies(&["10.0.0.0/8", "::1"]);
        for (address, inside) in
            [("10.255.0.1", true), ("::ffff:10.0.0.1", true), ("11.0.0.1", false), ("::1", true), ("::2", false)]
        {
            assert_eq!(trusted.contains(address.parse().unwrap()), inside, "{address}");
        }
        for wrong in ["", "10.0.0.0/33", "proxy.test", "10.0.0"] {
            assert_eq!(TrustedProxies::parse(&["10.0.0.1".into(), wrong.into()]).unwrap_err(), wrong);
        }
    }
}
