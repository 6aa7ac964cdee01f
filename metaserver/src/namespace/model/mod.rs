//! Random operations on a few keys, compared with a model that is a map, on each kind of store, whose power is cut between
//! the operations and in the middle of them. Whoever asked asks again then, under the same request id, and gets what the
//! model says. After each history, all rows fit together, and after reclaim nothing is left over.

mod buckets;
mod engine;
mod listing;
mod objects;
mod reference;
mod steps;
mod uploads;

use super::Namespace;
use crate::error::Error;
use crate::testing::Fixture;
use engine::Engine;
use proptest::prelude::*;
use proptest::test_runner::{TestRunner, contextualize_config};
use reference::Model;
use steps::{BUCKETS, DELIMITERS, KEYS, PREFIXES, Step, step};
use weir_proto::v1;

/// How often one request may find the store without power.
const CRASHES_MAX: usize = 3;

struct Run {
    engine: Engine,
    /// None: only while the power is off.
    fixture: Option<Fixture>,
    /// Sessions from before a crash: they end when what was asked in them is settled.
    former: Vec<u64>,
    is_power_failing: bool,
    model: Model,
    seed: u64,
    requests: u64,
}

impl Run {
    async fn new(mut engine: Engine) -> Self {
        let fixture = Fixture::on(engine.open().await, None).await;
        let (former, model) = (Vec::new(), Model::default());
        let mut run =
            Self { engine, fixture: Some(fixture), former, is_power_failing: false, model, seed: 0, requests: 0 };
        run.create_bucket(0).await;
        run.create_bucket(1).await;
        run
    }

    fn fixture(&self) -> &Fixture {
        self.fixture.as_ref().unwrap()
    }

    fn seed(&mut self) -> u64 {
        self.seed += 1;
        self.seed
    }

    /// Names a change, so that it can be asked for again.
    fn request_id(&mut self) -> Option<v1::RequestId> {
        self.requests += 1;
        Some(v1::RequestId { session_id: self.fixture().session_id, sequence: self.requests })
    }

    /// Asks until there is an answer: when the power goes, the metaserver that starts anew is asked the same.
    async fn ask<A>(&mut self, ask: impl AsyncFn(&Namespace) -> Result<A, Error>) -> Result<A, Error> {
        for _ in 0..CRASHES_MAX {
            let result = ask(&self.fixture().namespace).await;
            match result {
                Err(Error::Store(_)) => self.crash(self.seed).await,
                settled => {
                    self.end_former().await;
                    return settled;
                }
            }
        }
        panic!("the store fails though it has power");
    }

    /// The power is cut, and a metaserver starts over what is left.
    async fn crash(&mut self, seed: u64) {
        let Some(running) = self.fixture.take() else { return };
        self.former.push(running.session_id);
        let (worker_id, clock) = (running.worker_id, running.clock.clone());
        drop(running);
        self.engine.cut(seed);
        self.is_power_failing = false;
        self.fixture = Some(Fixture::on(self.engine.open().await, Some((worker_id, clock))).await);
    }

    async fn end_former(&mut self) {
        if !self.former.is_empty() && !self.is_power_failing {
            let namespace = self.fixture().namespace.clone();
            for session_id in std::mem::take(&mut self.former) {
                namespace.close_session(session_id).await.unwrap();
            }
            namespace.clean_sessions().await.unwrap();
        }
    }

    /// Sees to it that the power stays.
    async fn power_on(&mut self) {
        if self.is_power_failing {
            self.crash(self.seed).await;
        }
        self.end_former().await;
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Put { at, blocks, condition } => self.put(at, blocks, condition).await,
            Step::Get { at } => self.get(at).await,
            Step::Delete { bucket, keys } => self.delete(bucket, &keys).await,
            Step::Copy { from, to, condition } => self.copy(from, to, condition).await,
            Step::Rename { from, to, overwrite } => self.rename(from, to, overwrite).await,
            Step::CreateUpload { at } => self.create_upload(at).await,
            Step::PutPart { upload, number, blocks } => self.put_part(upload, number, blocks).await,
            Step::CopyPart { upload, number, from } => self.copy_part(upload, number, from).await,
            Step::Complete { upload, skip } => self.complete(upload, skip).await,
            Step::Abort { upload } => self.abort(upload).await,
            Step::List { bucket, prefix, delimiter, max, by_next } => {
                self.list(bucket, PREFIXES[prefix], DELIMITERS[delimiter], max, by_next).await;
            }
            Step::ListUploads { bucket, prefix, delimiter, max } => {
                self.list_uploads(bucket, PREFIXES[prefix], DELIMITERS[delimiter], max).await;
            }
            Step::DeleteBucket { bucket } => self.delete_bucket(bucket).await,
            Step::CreateBucket { bucket } => self.create_bucket(bucket).await,
            Step::Reclaim => {
                // What is left half done is done again after the next start.
                if self.fixture().cluster.reclaim_step().await.is_err() {
                    self.crash(0).await;
                }
            }
            Step::Drain => {
                self.power_on().await;
                self.fixture().drain().await;
                self.fixture().check(true).await;
            }
            Step::PowerOff { in_steps } => {
                self.engine.power_off_in(in_steps);
                self.is_power_failing = true;
            }
            Step::Crash { seed } => {
                self.crash(seed).await;
                self.fixture().check(false).await;
            }
        }
    }

    async fn end(&mut self) {
        self.power_on().await;
        self.fixture().check(false).await;
        for bucket in 0..BUCKETS.len() {
            for key in 0..KEYS.len() {
                self.get((bucket, key)).await;
            }
            self.list(bucket, b"", b"", 1_000, true).await;
        }
        self.fixture().drain().await;
        self.fixture().check(true).await;
    }
}

fn on_each_history(cases: u32, engine: impl Fn() -> Engine) {
    // More by PROPTEST_CASES, as of other tests.
    let config = contextualize_config(ProptestConfig::with_cases(cases));
    let mut runner = TestRunner::new(config);
    let histories = prop::collection::vec(step(), 1..60);
    let outcome = runner.run(&histories, |steps| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new(engine()).await;
            for step in steps {
                run.run(step).await;
            }
            run.end().await;
        });
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn random_histories_match_the_model() {
    on_each_history(128, Engine::memory);
}

#[test]
fn random_histories_with_power_cuts_match_the_model_on_the_embedded_store() {
    on_each_history(32, Engine::embedded);
}
