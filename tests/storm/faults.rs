//! What is done to the cluster, and undone.

use crate::disk::{damage, fill};
use crate::network::{Cut, Peer, Way};
use std::fs;
use std::path::PathBuf;
use weir_tests::Cluster;

/// Those that can be cut off run under users of their own, by which the packet filter knows them.
const CUT_WORKER: &str = "worker-3";
const CUT_GATEWAY: &str = "gateway-1";
const USERS: [(&str, u32); 2] = [(CUT_WORKER, 64_999), (CUT_GATEWAY, 64_998)];
/// The worker whose disk is small.
pub const SMALL_WORKER: &str = "worker-4";
/// Whichever metaserver serves when the fault comes.
const METASERVER: &str = "metaserver";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: what the others are compared with.
    None,
    /// kill −9; started again afterwards.
    Kill(String),
    Pause(String),
    Cut(Cut),
    FillDisk,
    /// A bit in each of some of its files.
    Damage(String),
    /// Two at a time, one right after the other.
    Both(Box<[Fault; 2]>),
    /// All processes at once, by kill −9.
    KillAll,
    /// The metaserver is killed and its folder taken away; its standby takes over.
    LoseMetaserver,
}

impl Fault {
    /// All, for a cluster with these workers and gateways, and a standby or none.
    pub fn all(workers: usize, gateways: usize, has_standby: bool) -> Vec<Self> {
        let worker = |number| format!("worker-{number}");
        let mut faults = vec![Self::None];
        faults.extend((1..=workers).map(|number| Self::Kill(worker(number))));
        faults.extend((1..=workers).map(|number| Self::Pause(worker(number))));
        faults.extend(cuts(CUT_WORKER, Peer::Everybody));
        faults.extend(cuts(CUT_WORKER, Peer::Metaserver));
        faults.extend([Self::FillDisk, Self::Damage(worker(1))]);
        faults.extend((1..=gateways).map(|number| Self::Kill(format!("gateway-{number}"))));
        faults.extend(cuts(CUT_GATEWAY, Peer::Metaserver));
        faults.extend([Self::Kill(METASERVER.into()), Self::Pause(METASERVER.into())]);
        if has_standby {
            faults.push(Self::LoseMetaserver);
        }
        faults.push(both(Self::Kill(worker(2)), Self::Kill(CUT_GATEWAY.into())));
        faults.push(both(Self::Kill(worker(1)), Self::Kill(worker(2))));
        faults.push(both(Self::Damage(worker(1)), Self::Kill(worker(2))));
        faults.push(both(Self::Pause(worker(2)), Self::Kill(METASERVER.into())));
        faults.push(Self::KillAll);
        faults
    }

    pub fn name(&self) -> String {
        match self {
            Self::None => "nothing".into(),
            Self::Kill(name) => format!("{name} killed"),
            Self::Pause(name) => format!("{name} paused"),
            Self::Cut(cut) => cut.name(),
            Self::FillDisk => format!("{SMALL_WORKER} full"),
            Self::Damage(name) => format!("{name} damaged"),
            Self::Both(two) => format!("{}, {}", two[0].name(), two[1].name()),
            Self::KillAll => "all killed".into(),
            Self::LoseMetaserver => "metaserver and its folder lost".into(),
        }
    }

    /// Is there a metaserver for the gateways while it lasts? Without one, clients are told to come back.
    pub fn leaves_metaserver(&self) -> bool {
        match self {
            Self::Kill(name) | Self::Pause(name) => name != METASERVER,
            Self::Both(two) => two.iter().all(Self::leaves_metaserver),
            Self::KillAll | Self::LoseMetaserver => false,
            Self::None | Self::Cut(_) | Self::FillDisk | Self::Damage(_) => true,
        }
    }

    /// Workers that do not serve what they have while it lasts, or not to all, or not all of it.
    pub fn lost_workers(&self) -> usize {
        match self {
            Self::FillDisk => 0,
            Self::Damage(_) => 1,
            Self::Both(two) => two.iter().map(Self::lost_workers).sum(),
            _ => self.absent_workers(),
        }
    }

    /// Workers that take no blocks while it lasts.
    pub fn absent_workers(&self) -> usize {
        let is_worker = |name: &str| usize::from(name.starts_with("worker"));
        match self {
            Self::Kill(name) | Self::Pause(name) => is_worker(name),
            Self::Cut(cut) => is_worker(cut.process),
            Self::FillDisk => 1,
            Self::Both(two) => two.iter().map(Self::absent_workers).sum(),
            Self::None | Self::Damage(_) | Self::KillAll | Self::LoseMetaserver => 0,
        }
    }

    /// The worker, of which gateways do not hear that it is gone before the metaserver says so.
    pub fn worker_without_metaserver(&self) -> Option<&str> {
        let name = self.without_metaserver()?;
        name.starts_with("worker").then_some(name)
    }

    /// The gateway that has nobody to ask.
    pub fn gateway_without_metaserver(&self) -> Option<&str> {
        let name = self.without_metaserver()?;
        name.starts_with("gateway").then_some(name)
    }

    fn without_metaserver(&self) -> Option<&str> {
        match self {
            Self::Cut(cut) if cut.peer == Peer::Metaserver => Some(cut.process),
            _ => None,
        }
    }

    pub fn begin(&self, cluster: &mut Cluster) {
        match self {
            Self::None => {}
            Self::Kill(name) => {
                let name = running(cluster, name);
                cluster.kill(&name);
            }
            Self::Pause(name) => cluster.pause(&running(cluster, name)),
            Self::Cut(cut) => cut.begin(cluster),
            Self::FillDisk => fill(&ballast(cluster)).expect("a disk can be filled"),
            Self::Damage(name) => damage(&data(cluster, name)),
            Self::Both(two) => two.iter().for_each(|fault| fault.begin(cluster)),
            Self::KillAll => cluster.kill9(),
            Self::LoseMetaserver => lose_metaserver(cluster),
        }
    }

    /// Of two, the first is left where the second has taken the metaserver away: it has to be borne by itself once the
    /// metaserver is back.
    pub fn end(&self, cluster: &mut Cluster) -> Option<&Self> {
        match self {
            // What was lost is not missed any more.
            Self::None | Self::Damage(_) | Self::LoseMetaserver => {}
            Self::Kill(name) if name == METASERVER => {
                let dead = metaservers(cluster).find(|name| cluster.process(name).pid.is_none());
                cluster.restart(&dead.expect("the one that was killed"));
            }
            Self::Kill(name) => start(cluster, name),
            // It may not be the one that serves any more.
            Self::Pause(name) if name == METASERVER => metaservers(cluster).for_each(|name| cluster.resume(&name)),
            Self::Pause(name) => cluster.resume(name),
            Self::Cut(_) => Cut::end(),
            Self::FillDisk => fs::remove_file(ballast(cluster)).expect("the ballast is there"),
            Self::Both(two) => {
                two[1].end(cluster);
                if !two[1].leaves_metaserver() {
                    return Some(&two[0]);
                }
                two[0].end(cluster);
            }
            Self::KillAll => {
                cluster.start_again();
                give_users(cluster);
            }
        }
        None
    }
}

fn cuts(process: &'static str, peer: Peer) -> impl Iterator<Item = Fault> {
    let user = user_of(process).expect("who is cut off has a user");
    let ways = [Way::Both, Way::Sending, Way::Hearing];
    ways.into_iter().map(move |way| Fault::Cut(Cut { process, user, peer, way }))
}

fn both(first: Fault, second: Fault) -> Fault {
    Fault::Both(Box::new([first, second]))
}

/// The metaserver that serves: of two the one under the higher epoch.
pub fn metaserver(cluster: &Cluster) -> String {
    let running = metaservers(cluster).filter(|name| cluster.process(name).pid.is_some());
    let epoch = |name: &String| cluster.metric(name, "weir_metaserver_epoch") as u64;
    running.max_by_key(epoch).expect("one of them runs")
}

fn metaservers(cluster: &Cluster) -> impl Iterator<Item = String> + use<> {
    let names = cluster.processes().into_iter().map(|process| process.name);
    names.filter(|name| name.starts_with("metaserver"))
}

fn running(cluster: &Cluster, name: &str) -> String {
    if name == METASERVER { metaserver(cluster) } else { name.to_owned() }
}

/// Kills the metaserver, takes its folder away, and promotes the standby. The lost one, when it is back, is refused; then
/// an empty one follows in its place, without which a required standby would be missing.
fn lose_metaserver(cluster: &mut Cluster) {
    let lost = metaserver(cluster);
    let standby = metaservers(cluster).find(|name| *name != lost).expect("there are two metaservers");
    let standby = cluster.process(&standby).address.to_string();
    cluster.kill(&lost);
    let folder = data(cluster, &lost);
    let aside = folder.with_extension("aside");
    fs::rename(&folder, &aside).expect("a folder of ours");
    let (is_done, said) = cluster.fsadmin(&["promote", &standby]);
    assert!(is_done, "{said}");
    fs::rename(&aside, &folder).expect("a folder of ours");
    let refusal = cluster.refusal(&lost, &[]);
    assert!(refusal.contains("serves under epoch"), "{refusal}");
    fs::remove_dir_all(&folder).expect("a folder of ours");
    cluster.restart_with(&lost, &["--follow", &standby]);
}

/// Lets those that can be cut off run under their own users.
pub fn give_users(cluster: &mut Cluster) {
    for (name, _) in USERS {
        cluster.kill(name);
        start(cluster, name);
    }
}

fn user_of(name: &str) -> Option<u32> {
    USERS.into_iter().find(|(of, _)| *of == name).map(|(_, user)| user)
}

fn start(cluster: &mut Cluster, name: &str) {
    match user_of(name) {
        Some(user) => cluster.restart_as(name, user),
        None => cluster.restart(name),
    }
}

fn data(cluster: &Cluster, name: &str) -> PathBuf {
    cluster.process(name).data.expect("it has a folder")
}

fn ballast(cluster: &Cluster) -> PathBuf {
    data(cluster, SMALL_WORKER).join("ballast")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_fault_has_a_name_of_its_own() {
        let names: Vec<String> = Fault::all(4, 2, true).iter().map(Fault::name).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{names:?}");
    }

    #[test]
    fn a_copy_of_each_block_is_left_whatever_happens_to_workers() {
        for fault in Fault::all(4, 2, true) {
            assert!(fault.lost_workers() <= 2, "{fault:?}");
        }
    }
}
