//! All faults, one after the other. Some need a process that is prepared for them: each round it is another one.

use crate::faults::{Fault, METASERVER};
use crate::network::{Cut, Peer, Way};
use crate::users::Users;

const CUT_WORKER_USER: u32 = 64_999;
const CUT_GATEWAY_USER: u32 = 64_998;

/// With as many rounds as there are workers each of them is cut off, filled and damaged once.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub number: usize,
    pub workers: usize,
    pub gateways: usize,
    /// Beside the metaserver.
    pub has_standby: bool,
}

impl Round {
    /// The worker that many after the round's first.
    fn worker(&self, after: usize) -> String {
        format!("worker-{}", (self.number + after) % self.workers + 1)
    }

    fn cut_worker(&self) -> String {
        self.worker(2)
    }

    fn cut_gateway(&self) -> String {
        format!("gateway-{}", self.number % self.gateways + 1)
    }

    pub fn users(&self) -> Users {
        Users(vec![(self.cut_worker(), CUT_WORKER_USER), (self.cut_gateway(), CUT_GATEWAY_USER)])
    }

    pub fn faults(&self) -> Vec<Fault> {
        let (first, second, cut_gateway) = (self.worker(0), self.worker(1), self.cut_gateway());
        let workers = || (1..=self.workers).map(|number| format!("worker-{number}"));
        let mut faults = vec![Fault::None];
        faults.extend(workers().map(Fault::Kill));
        faults.extend(workers().map(Fault::Pause));
        faults.extend(cuts(&self.cut_worker(), CUT_WORKER_USER, Peer::Everybody));
        faults.extend(cuts(&self.cut_worker(), CUT_WORKER_USER, Peer::Metaserver));
        faults.extend([Fault::FillDisk(self.worker(3)), Fault::Damage(first.clone())]);
        faults.extend((1..=self.gateways).map(|number| Fault::Kill(format!("gateway-{number}"))));
        faults.extend(cuts(&cut_gateway, CUT_GATEWAY_USER, Peer::Metaserver));
        faults.extend([Fault::Kill(METASERVER.into()), Fault::Pause(METASERVER.into())]);
        if self.has_standby {
            faults.push(Fault::LoseMetaserver);
        }
        faults.push(both(Fault::Kill(second.clone()), Fault::Kill(cut_gateway)));
        faults.push(both(Fault::Kill(first.clone()), Fault::Kill(second.clone())));
        faults.push(both(Fault::Damage(first), Fault::Kill(second.clone())));
        faults.push(both(Fault::Pause(second), Fault::Kill(METASERVER.into())));
        faults.push(Fault::KillAll);
        faults
    }
}

fn cuts(process: &str, user: u32, peer: Peer) -> Vec<Fault> {
    let cut = |way| Fault::Cut(Cut { process: process.to_owned(), user, peer, way });
    [Way::Both, Way::Sending, Way::Hearing].into_iter().map(cut).collect()
}

fn both(first: Fault, second: Fault) -> Fault {
    Fault::Both(Box::new([first, second]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn round(number: usize) -> Round {
        Round { number, workers: 4, gateways: 2, has_standby: true }
    }

    #[test]
    fn each_fault_of_a_round_has_a_name_of_its_own() {
        for number in 0..4 {
            let names: Vec<String> = round(number).faults().iter().map(Fault::name).collect();
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{names:?}");
        }
    }

    #[test]
    fn a_copy_of_each_block_is_left_whatever_happens_to_workers() {
        for fault in (0..4).flat_map(|number| round(number).faults()) {
            assert!(fault.lost_workers() <= 2, "{fault:?}");
        }
    }

    #[test]
    fn in_as_many_rounds_as_there_are_workers_each_is_cut_off_and_filled_and_damaged() {
        let names: HashSet<String> =
            (0..4).flat_map(|number| round(number).faults()).map(|fault| fault.name()).collect();
        for worker in 1..=4 {
            for what in ["cut off", "can't send", "can't be reached", "cut off from the metaserver", "full", "damaged"]
            {
                assert!(names.contains(&format!("worker-{worker} {what}")), "worker-{worker} {what}");
            }
        }
        for gateway in 1..=2 {
            assert!(names.contains(&format!("gateway-{gateway} can't hear the metaserver")));
        }
    }
}
