//! Randomness and clocks that libraries ask of the operating system, around all seams: the keys of hash maps, the
//! branches of `select!`, the ages of connections. In the process of a run they are answered from the seed and from the
//! simulation's time, by functions of libc's names that come before libc's own.

#![allow(unsafe_code, reason = "functions that C calls can be no others")]

use crate::machine::START_MS;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use weir_service::simulation::Random;

static BEGUN: AtomicBool = AtomicBool::new(false);
static RANDOM: AtomicU64 = AtomicU64::new(0);
static ELAPSED_NS: AtomicU64 = AtomicU64::new(0);

/// Monotonic clocks begin here, so that nothing that looks back gets below zero.
const BEGIN: Duration = Duration::from_secs(1_000_000);

/// From now on this process has the randomness of a seed, and the time that [`set_elapsed`] says.
pub fn begin(seed: u64) {
    RANDOM.store(seed, Relaxed);
    set_elapsed(Duration::ZERO);
    BEGUN.store(true, Relaxed);
}

/// How long the simulation has run, in its own time.
pub fn set_elapsed(elapsed: Duration) {
    ELAPSED_NS.store(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX), Relaxed);
}

/// In place of libc's, see getrandom(2).
///
/// # Safety
/// `buffer` has room for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut libc::c_void, length: usize, flags: libc::c_uint) -> isize {
    if !BEGUN.load(Relaxed) {
        // SAFETY: the caller's promise is the one that the system wants.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) as isize };
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    let mut random = Random(RANDOM.load(Relaxed));
    random.fill(bytes);
    RANDOM.store(random.0, Relaxed);
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// In place of libc's, see clock_gettime(2).
///
/// # Safety
/// `time` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    if !BEGUN.load(Relaxed) {
        // SAFETY: the caller's promise is the one that the system wants.
        return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as libc::c_int };
    }
    let epoch = if clock == libc::CLOCK_REALTIME { Duration::from_millis(START_MS.unsigned_abs()) } else { BEGIN };
    let now = epoch + Duration::from_nanos(ELAPSED_NS.load(Relaxed));
    // SAFETY: the caller's promise.
    unsafe {
        (*time).tv_sec = now.as_secs() as libc::time_t;
        (*time).tv_nsec = now.subsec_nanos().into();
    }
    0
}
