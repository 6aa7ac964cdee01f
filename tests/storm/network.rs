//! The packet filter: which packets of which process are lost.

use std::process::{Command, Stdio};
use weir_tests::Cluster;

/// The rules are in a chain of their own, so that nobody else's are touched.
const CHAIN: &str = "WEIR-STORM";
/// Put on connections to the metaserver, so that what comes back on them is known.
const MARK: &str = "0x57454952";

/// Whose packets are lost on the way to it or from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Everybody,
    /// Whichever serves, and its standby.
    Metaserver,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Both,
    /// What it sends is lost.
    Sending,
    /// What is sent to it is lost: from everybody, what is sent to its port. Answers to its own calls come.
    Hearing,
}

/// A process between which and a peer packets are lost. It runs under a user of its own, by which the filter knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    pub process: String,
    pub user: u32,
    pub peer: Peer,
    pub way: Way,
}

impl Cut {
    pub fn name(&self) -> String {
        let process = &self.process;
        match (self.peer, self.way) {
            (Peer::Everybody, Way::Both) => format!("{process} cut off"),
            (Peer::Everybody, Way::Sending) => format!("{process} can't send"),
            (Peer::Everybody, Way::Hearing) => format!("{process} can't be reached"),
            (Peer::Metaserver, Way::Both) => format!("{process} cut off from the metaserver"),
            (Peer::Metaserver, Way::Sending) => format!("{process} can't send to the metaserver"),
            (Peer::Metaserver, Way::Hearing) => format!("{process} can't hear the metaserver"),
        }
    }

    pub fn begin(&self, cluster: &Cluster) {
        let user = self.user.to_string();
        let from_it = ["-p", "tcp", "-m", "owner", "--uid-owner", &user];
        let drop = ["-j", "DROP"];
        if self.peer == Peer::Everybody {
            if self.way != Way::Hearing {
                add(&[&from_it, &drop]);
            }
            if self.way != Way::Sending {
                let port = cluster.process(&self.process).address.port().to_string();
                add(&[&["-p", "tcp", "-d", "127.0.0.1", "--dport", &port], &drop]);
            }
            return;
        }
        let metaservers = cluster.processes().into_iter().filter(|process| process.name.starts_with("metaserver"));
        for port in metaservers.map(|process| process.address.port().to_string()) {
            // Before what it sends is lost, which carries the mark to the connection.
            if self.way != Way::Sending {
                add(&[&from_it, &["--dport", &port, "-j", "CONNMARK", "--set-mark", MARK]]);
                add(&[&["-p", "tcp", "--sport", &port, "-m", "connmark", "--mark", MARK], &drop]);
            }
            if self.way != Way::Hearing {
                add(&[&from_it, &["--dport", &port], &drop]);
            }
        }
    }

    pub fn end() {
        assert!(iptables(&["-F", CHAIN]), "the rules can be removed");
    }
}

/// The chain, as long as this is there.
pub struct PacketFilter;

impl PacketFilter {
    /// # Panics
    /// Without root or iptables.
    pub fn set_up() -> Self {
        // What an earlier run left, if it did not come to its end.
        remove();
        assert!(iptables(&["-N", CHAIN]) && iptables(&["-I", "OUTPUT", "-j", CHAIN]), "iptables takes a chain");
        Self
    }
}

impl Drop for PacketFilter {
    fn drop(&mut self) {
        remove();
    }
}

fn remove() {
    for rule in [&["-D", "OUTPUT", "-j", CHAIN][..], &["-F", CHAIN], &["-X", CHAIN]] {
        iptables(rule);
    }
}

fn add(parts: &[&[&str]]) {
    let rule = [&["-A", CHAIN], parts.concat().as_slice()].concat();
    assert!(iptables(&rule), "iptables {rule:?}");
}

fn iptables(words: &[&str]) -> bool {
    let done = Command::new("iptables").arg("-w").args(words).stderr(Stdio::null()).status();
    done.expect("iptables is there").success()
}
