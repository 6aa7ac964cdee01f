//! Looks on while requests are refused: nothing may come of them.

use super::scene::{Scene, root};
use weir_tests::Answer;

/// What the server may grow by while it refuses thousands of requests: it has its buffers and pools after that.
const GROWTH_MAX_BYTES: u64 = 48 << 20;
const SHOWN_COMPLAINTS: usize = 25;

pub struct Watch<'a> {
    scene: &'a Scene,
    state: String,
    rss_bytes: u64,
    secrets: Vec<String>,
    complaints: Vec<String>,
    count: usize,
}

impl<'a> Watch<'a> {
    pub fn begin(scene: &'a Scene) -> Self {
        let secrets = vec![root().secret, scene.user.secret.clone(), scene.writer.secret.clone()];
        let (state, rss_bytes) = (scene.state(), scene.server.rss_bytes());
        Self { scene, state, rss_bytes, secrets, complaints: Vec::new(), count: 0 }
    }

    /// Counts an answer, which tells no secret and nothing of what is `hidden`; nor will the log.
    pub fn answer(&mut self, what: &str, answer: &Answer, hidden: &[String]) {
        self.count += 1;
        self.secrets.extend_from_slice(hidden);
        let shown = answer.to_string() + &answer.text();
        if self.secrets.iter().any(|secret| shown.contains(secret.as_str())) {
            self.complain(Some(format!("{what}: the answer tells a secret\n{answer}")));
        }
    }

    pub fn complain(&mut self, complaint: Option<String>) {
        self.complaints.extend(complaint);
    }

    /// # Panics
    /// When there was a complaint, something was stored or changed, the server grew, or its log tells a secret.
    #[track_caller]
    pub fn end(self) {
        let Self { scene, state, rss_bytes, secrets, complaints, count } = self;
        let log = scene.server.log();
        let told: Vec<&String> = secrets.iter().filter(|secret| log.contains(secret.as_str())).collect();
        assert!(told.is_empty(), "the log tells secrets: {told:?}");
        let shown = complaints.iter().take(SHOWN_COMPLAINTS).map(String::as_str).collect::<Vec<_>>().join("\n\n");
        assert!(complaints.is_empty(), "{} of {count} requests:\n{shown}", complaints.len());
        let now = scene.state();
        assert!(now == state, "something was changed:\n{state}\nis now\n{now}");
        let grown = scene.server.rss_bytes().saturating_sub(rss_bytes);
        assert!(grown < GROWTH_MAX_BYTES, "{grown} bytes more after {count} requests");
        println!("{count} requests were refused; the server grew by {} KiB", grown >> 10);
        scene.server.assert_well();
    }
}
