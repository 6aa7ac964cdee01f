//! What stands in for the machine when a cluster is simulated (feature `simulation`): one thread ([`enter`]), a clock and
//! randomness that repeat ([`SimulatedClock`]), and a disk that forgets, tears and fails ([`SimulatedDisk`]), and can be
//! slow ([`on_blocking`]). The same seed gives the same run. Never in a release.

mod clock;
mod delay;
mod disk;
mod random;

pub use clock::SimulatedClock;
pub(crate) use delay::delay;
pub use delay::on_blocking;
pub use disk::{Fault, Kind, Operation, SimulatedDisk};
pub use random::Random;

use crate::threads::SIMULATED;
use std::marker::PhantomData;

/// As long as it lives, what its thread starts is simulated.
#[derive(Debug)]
#[must_use]
pub struct Simulated {
    before: bool,
    /// It can't go to another thread.
    _here: PhantomData<*const ()>,
}

/// From now on everything that this thread starts stays on it, see [`crate::threads`], and a metaserver's store that is
/// opened keeps its index in memory.
pub fn enter() -> Simulated {
    Simulated { before: SIMULATED.replace(true), _here: PhantomData }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        SIMULATED.set(self.before);
    }
}
