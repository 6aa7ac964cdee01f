//! MD5 of many bodies at a time.
//!
//! MD5 is a chain: one body can't use more than one core's scalar units, 0.6 to 0.8 GB/s. But bodies that come in at
//! the same time are independent, and SIMD lanes hash eight or sixteen of them in little more than the time of one.
//! A thread of its own collects the pieces that wait, and runs them side by side; a piece that waits alone is hashed
//! alone. S3's ETags are MD5: hashed alone, it was half of the CPU time of a large upload.

use bytes::Bytes;
use md5_many::{Md5Many, Md5State};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use weir_service::planted::{Fault, planted};
use weir_service::threads;

/// MD5 works on blocks of so many bytes; lanes are fast only while every one of them is at a block's border.
const BLOCK_BYTES: usize = 64;

/// Lanes of the narrow and of the wide kernel. Empty lanes cost as much as full ones, and fewer lanes than these run
/// on slower kernels, so a group is filled up to one of the two.
const NARROW: usize = 8;
const WIDE: usize = 16;

/// A lone piece is hashed in steps of so many bytes, so that others can join it.
const LONE_STEP_BYTES: usize = 64 << 10;

/// A piece waits so long for those of other bodies that are under way: side by side they cost a fraction.
const COMPANY_WAIT: Duration = Duration::from_micros(150);

/// Shorter pieces are hashed where they are: handing them over costs more.
const HAND_OVER_BYTES: usize = 16 << 10;

/// The thread that hashes, one for the process: the more bodies it sees, the fuller the lanes.
static LANES: OnceLock<Option<mpsc::Sender<Job>>> = OnceLock::new();

/// Bodies that have a piece in the lanes, or had one and have not ended.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Where jobs go; None when there is no thread for it: then every body is hashed where it is read.
fn lanes() -> Option<&'static mpsc::Sender<Job>> {
    if threads::are_simulated() {
        return None;
    }
    let start = || {
        let (jobs, waiting) = mpsc::channel();
        let started = std::thread::Builder::new().name("weir-md5".into()).spawn(move || run(&waiting));
        started.inspect_err(|error| tracing::warn!(%error, "no thread for MD5; uploads take more time")).ok()?;
        Some(jobs)
    };
    LANES.get_or_init(start).as_ref()
}

/// Part of a body, on its way through a lane.
#[derive(Debug)]
struct Job {
    state: Md5State,
    data: Bytes,
    done: oneshot::Sender<Md5State>,
}

/// The MD5 of one body. One piece at a time is in the lanes, while the body's next one is being read.
#[derive(Debug)]
pub struct Md5 {
    stage: Stage,
    is_under_way: bool,
    /// What is left over of the last piece, less than a block: every piece in a lane begins at a block's border.
    carry: Vec<u8>,
}

#[derive(Debug)]
enum Stage {
    Here(Md5State),
    InLanes(oneshot::Receiver<Md5State>),
    Lost,
}

/// The thread that hashes is gone, and with it what it had of this body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the thread that computes MD5 has stopped")]
pub struct Md5Lost;

impl Default for Md5 {
    fn default() -> Self {
        Self { stage: Stage::Here(Md5State::new()), is_under_way: false, carry: Vec::new() }
    }
}

impl Md5 {
    /// Adds a piece. Waits for the piece before it, not for this one.
    ///
    /// # Errors
    /// [`Md5Lost`].
    pub async fn update(&mut self, mut data: Bytes) -> Result<(), Md5Lost> {
        let mut state = self.take().await?;
        if !self.carry.is_empty() {
            let missing = (BLOCK_BYTES - self.carry.len()).min(data.len());
            self.carry.extend_from_slice(&data.split_to(missing));
            if self.carry.len() < BLOCK_BYTES {
                self.stage = Stage::Here(state);
                return Ok(());
            }
            state.update(&self.carry);
            self.carry.clear();
        }
        self.carry.extend_from_slice(&data.split_off(data.len() / BLOCK_BYTES * BLOCK_BYTES));
        self.stage = match lanes() {
            Some(lanes) if data.len() >= HAND_OVER_BYTES => {
                if !std::mem::replace(&mut self.is_under_way, true) {
                    UNDER_WAY.fetch_add(1, Ordering::Relaxed);
                }
                let (done, result) = oneshot::channel();
                lanes.send(Job { state, data, done }).map_err(|_| Md5Lost)?;
                Stage::InLanes(result)
            }
            _ => {
                state.update(&data);
                Stage::Here(state)
            }
        };
        Ok(())
    }

    /// The digest of all pieces, 16 bytes.
    ///
    /// # Errors
    /// [`Md5Lost`].
    pub async fn finish(mut self) -> Result<[u8; 16], Md5Lost> {
        let mut state = self.take().await?;
        if !planted(Fault::EtagOfAnotherBody) {
            state.update(&self.carry);
        }
        Ok(state.finalize())
    }

    async fn take(&mut self) -> Result<Md5State, Md5Lost> {
        match std::mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Here(state) => Ok(state),
            Stage::InLanes(result) => result.await.map_err(|_| Md5Lost),
            Stage::Lost => Err(Md5Lost),
        }
    }
}

impl Drop for Md5 {
    fn drop(&mut self) {
        if self.is_under_way {
            UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn run(waiting: &mpsc::Receiver<Job>) {
    let engine = Md5Many::new();
    let mut jobs: Vec<Job> = Vec::with_capacity(WIDE);
    loop {
        if jobs.is_empty() {
            match waiting.recv() {
                Ok(job) => jobs.push(job),
                Err(mpsc::RecvError) => return,
            }
        }
        join_waiting(waiting, &mut jobs);
        step(&engine, &mut jobs);
        finish_done(&mut jobs);
    }
}

/// Takes the jobs that wait; a narrow group waits a moment for more, where more are to be expected.
fn join_waiting(waiting: &mpsc::Receiver<Job>, jobs: &mut Vec<Job>) {
    let until = Instant::now() + COMPANY_WAIT;
    while jobs.len() < WIDE {
        let expects_more = jobs.len() < NARROW.min(UNDER_WAY.load(Ordering::Relaxed));
        let job = match waiting.try_recv() {
            Err(mpsc::TryRecvError::Empty) if expects_more => {
                waiting.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
            }
            job => job.ok(),
        };
        let Some(job) = job else { return };
        jobs.push(job);
    }
}

/// Hashes as much of every job as the shortest one still has.
fn step(engine: &Md5Many, jobs: &mut [Job]) {
    let shortest = jobs.iter().map(|job| job.data.len()).min().unwrap_or(0);
    if let [job] = jobs {
        let piece = job.data.split_to(shortest.min(LONE_STEP_BYTES));
        job.state.update(&piece);
        return;
    }
    let lanes = if jobs.len() <= NARROW { NARROW } else { WIDE };
    let pieces: Vec<Bytes> = jobs.iter_mut().map(|job| job.data.split_to(shortest)).collect();
    // A lane without a job hashes the first job's bytes, for nothing.
    let inputs: Vec<&[u8]> = (0..lanes).map(|lane| &pieces.get(lane).unwrap_or(&pieces[0])[..]).collect();
    let mut states: Vec<Md5State> = jobs.iter().map(|job| job.state).collect();
    states.resize_with(lanes, Md5State::new);
    engine.update_many(&mut states, &inputs);
    for (job, state) in jobs.iter_mut().zip(states) {
        job.state = state;
    }
}

fn finish_done(jobs: &mut Vec<Job>) {
    let mut place = 0;
    while place < jobs.len() {
        if jobs[place].data.is_empty() {
            let job = jobs.swap_remove(place);
            // Nobody waits when the upload was given up.
            let _ = job.done.send(job.state);
        } else {
            place += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::Digest as _;
    use proptest::prelude::*;

    async fn in_pieces(data: Bytes, pieces: Vec<usize>) -> [u8; 16] {
        let mut md5 = Md5::default();
        let mut rest = data;
        for length in pieces {
            md5.update(rest.split_to(length.min(rest.len()))).await.unwrap();
        }
        md5.update(rest).await.unwrap();
        md5.finish().await.unwrap()
    }

    fn noise(seed: usize, length: usize) -> Bytes {
        (0..length).map(|i| (i.wrapping_mul(seed * 2 + 1) >> 3) as u8).collect()
    }

    #[tokio::test]
    async fn digests_are_those_of_rfc_1321() {
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ] {
            assert_eq!(hex::encode(in_pieces(text.into(), vec![1, 2]).await), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn bodies_side_by_side_get_the_digests_that_they_have_alone(
            bodies in proptest::collection::vec(
                (0usize..400_000, proptest::collection::vec(0usize..100_000, 0..6)), 1..20)
        ) {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
            runtime.block_on(async {
                let tasks: Vec<_> = bodies.iter().enumerate().map(|(seed, (length, pieces))| {
                    let data = noise(seed, *length);
                    let expected: [u8; 16] = md5::Md5::digest(&data).into();
                    (expected, tokio::spawn(in_pieces(data, pieces.clone())))
                }).collect();
                for (expected, task) in tasks {
                    assert_eq!(task.await.unwrap(), expected);
                }
            });
        }
    }
}
