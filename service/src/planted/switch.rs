//! Which fault is planted: one for the whole process.

use super::{Fault, VARIABLE};
use crate::disk_faults::PlantedFault;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

const NONE: u8 = u8::MAX;
const UNREAD: u8 = u8::MAX - 1;
static NOW: AtomicU8 = AtomicU8::new(UNREAD);

/// Whether this fault is planted. The first call of a process looks at the environment, so that tests need not.
pub fn planted(fault: Fault) -> bool {
    match NOW.load(Relaxed) {
        UNREAD => {
            plant(std::env::var(VARIABLE).ok().and_then(|name| name.parse().ok()));
            planted(fault)
        }
        now => now == fault as u8,
    }
}

/// Plants a fault in this process in place of the one before; none: there is no fault any more.
pub fn plant(fault: Option<Fault>) {
    NOW.store(fault.map_or(NONE, |fault| fault as u8), Relaxed);
}

/// Any fault that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Logic(Fault),
    Disk(PlantedFault),
}

impl FromStr for Planted {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if let Ok(fault) = name.parse() {
            return Ok(Self::Logic(fault));
        }
        if let Ok(fault) = name.parse() {
            return Ok(Self::Disk(fault));
        }
        let disks = PlantedFault::ALL.iter().map(|(name, _)| *name);
        let names: Vec<&str> = disks.chain(Fault::ALL.iter().map(|fault| fault.name())).collect();
        Err(format!("there is no planted fault {name:?}; there are {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_is_planted_at_a_time() {
        plant(Some(Fault::JournalNotSynced));
        assert!(planted(Fault::JournalNotSynced) && !planted(Fault::BlockNotSynced));
        plant(Some(Fault::BlockNotSynced));
        assert!(planted(Fault::BlockNotSynced) && !planted(Fault::JournalNotSynced));
        plant(None);
        assert!(Fault::ALL.iter().all(|fault| !planted(*fault)));
    }

    #[test]
    fn faults_of_disks_and_of_logic_are_one_list() {
        assert_eq!("no-fsync".parse(), Ok(Planted::Disk(PlantedFault::NoFsync)));
        assert_eq!("journal-not-synced".parse(), Ok(Planted::Logic(Fault::JournalNotSynced)));
        let error = "fsync".parse::<Planted>().unwrap_err();
        assert!(error.contains("no-folder-fsync") && error.contains("journal-not-synced"), "{error}");
    }
}
