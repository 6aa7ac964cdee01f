//! When a standby may take over, and how.
//!
//! A standby can't know what its metaserver did after it was last heard. With `required`, no commit was answered without
//! it, so one that was in sync has everything. With `optional`, the metaserver may have let it go: only the metaserver
//! can say, and if it can't be reached, an operator has to decide. A metaserver that can be reached first gives its place
//! up: it takes no more commits, and says what its last one is.

use super::host::refusal;
use super::inner::Inner;
use crate::Metaserver;
use crate::namespace::ids::epoch_and_cluster;
use crate::store::embedded::replication::Belief;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_proto::Failure;
use weir_proto::v1::standby_client::StandbyClient;
use weir_proto::v1::standing_response::Role;
use weir_proto::v1::{self, Reason};
use weir_service::channel;
use weir_service::config::StandbyMode;
use weir_service::epoch::Fence;

/// The metaserver that gives its place up answers within this time.
const STEP_DOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// Its last commits have come within this time.
const LAST_COMMITS_TIMEOUT: Duration = Duration::from_secs(5);
const LAST_COMMITS_INTERVAL: Duration = Duration::from_millis(10);

impl Inner {
    /// Becomes the metaserver.
    ///
    /// # Errors
    /// `NOT_IN_SYNC`: commits that were answered may be missing, and it was not forced. `INVALID_REQUEST`: it can't be.
    pub async fn promote(self: &Arc<Self>, force: bool) -> Result<v1::PromoteResponse, Failure> {
        let _one = self.promoting.lock().await;
        if let Some((metaserver, _)) = &*self.promoted.read() {
            let text = format!("this is the metaserver already, under epoch {}", metaserver.epoch());
            return Err(refusal(Reason::InvalidRequest, text));
        }
        let begun = Instant::now();
        let store = self.standby.store()?;
        let (own, _) = epoch_and_cluster(&*store).await.map_err(|error| refusal(error.reason(), error.to_string()))?;
        let (epoch, is_complete) = match channel::standing(&self.metaserver, &self.seen).await {
            Ok(standing) if standing.role() == Role::Metaserver && standing.epoch > own => {
                let text = format!("another metaserver serves under epoch {}; this folder's is {own}", standing.epoch);
                return Err(refusal(Reason::InvalidRequest, text));
            }
            Ok(standing) if standing.role() == Role::Metaserver => {
                let epoch = own.max(standing.epoch) + 1;
                (epoch, self.release(epoch, force).await?)
            }
            _ => (own + 1, self.standby.belief().has_everything()),
        };
        let belief = self.standby.belief();
        if !is_complete && !force {
            return Err(refusal(Reason::NotInSync, what_may_be_missing(&belief)));
        }
        self.take_over(epoch, !is_complete).await?;
        let sequence = belief.sequence;
        tracing::warn!(epoch, sequence, elapsed = ?begun.elapsed(), is_complete, "this standby is the metaserver now");
        Ok(v1::PromoteResponse { epoch, sequence, message: said(&belief, is_complete, self.settings.standby) })
    }

    /// Has the metaserver give its place up. Returns whether everything that it has answered is here.
    async fn release(&self, epoch: u64, force: bool) -> Result<bool, Failure> {
        let request = v1::StepDownRequest { standby_id: self.standby.standby_id(), epoch, force };
        let mut client = StandbyClient::new(self.metaserver.clone());
        let answer = tokio::time::timeout(STEP_DOWN_TIMEOUT, client.step_down(request)).await;
        let last = match answer {
            Ok(Ok(answer)) => answer.get_ref().sequence,
            Ok(Err(status)) if !force => return Err(Failure::from_status(&status)),
            Err(_) if !force => {
                return Err(refusal(Reason::Unavailable, "the metaserver does not give its place up: try again"));
            }
            _ => return Ok(false),
        };
        let begun = Instant::now();
        while self.standby.belief().sequence < last {
            if begun.elapsed() > LAST_COMMITS_TIMEOUT {
                tracing::error!(last, "the metaserver gave its place up, and its last commits did not come");
                return Ok(false);
            }
            tokio::time::sleep(LAST_COMMITS_INTERVAL).await;
        }
        self.standby.released().await?;
        Ok(true)
    }

    async fn take_over(self: &Arc<Self>, epoch: u64, lacks: bool) -> Result<(), Failure> {
        self.stop.send_replace(true);
        let following = self.following.lock().take();
        if let Some(following) = following {
            // It panicked or was ended: in both cases it follows no more.
            let _ = following.await;
        }
        let promoted = self.standby.promote(epoch, lacks).await;
        let store = promoted.inspect_err(|error| {
            // It follows no more, and does not serve either.
            self.shutdown.fail(format!("the promotion failed: {error}"));
        })?;
        let opened = Metaserver::over(
            self.settings.clone(),
            store,
            self.clock.clone(),
            self.sealer.clone(),
            self.measured.clone(),
            Fence::default(),
            &self.shutdown,
        );
        let metaserver = opened.await.map_err(|error| {
            // The folder is a metaserver's from now on: the next start serves.
            self.shutdown.fail(format!("the promoted store can't be served: {error}"));
            refusal(Reason::StoreFailed, error.to_string())
        })?;
        let routes = metaserver.fenced_services();
        *self.promoted.write() = Some((metaserver, routes));
        Ok(())
    }
}

impl Belief {
    /// Whether no commit was answered that is not here, as far as a standby alone can know.
    fn has_everything(&self) -> bool {
        self.released || self.in_sync && self.mode == StandbyMode::Required
    }
}

fn last_heard(belief: &Belief) -> String {
    match belief.heard_ms {
        0 => "it has never heard its metaserver".to_owned(),
        at_ms => {
            let at = Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string());
            format!("it last heard its metaserver at {at}, and has every commit up to {}", belief.sequence)
        }
    }
}

fn what_may_be_missing(belief: &Belief) -> String {
    let heard = last_heard(belief);
    let why = match (belief.in_sync, belief.mode) {
        (false, _) => "it was not in sync then",
        _ => {
            "it was in sync then, but metaserver.standby was optional: the metaserver, which does not answer now, may \
             have let it go since and answered commits without it"
        }
    };
    format!(
        "this standby may lack commits that were answered: {heard}; {why}. Bring the metaserver back if you can. --force \
         promotes all the same: what is missing here is lost for good, and nothing is deleted from workers until \
         `fsadmin confirmRestore`"
    )
}

fn said(belief: &Belief, is_complete: bool, own: StandbyMode) -> String {
    let heard = last_heard(belief);
    let what = match (is_complete, belief.released) {
        (true, true) => "Its metaserver has given its place up: nothing is missing.".to_owned(),
        (true, false) => format!(
            "Its metaserver does not answer; {heard}. It was in sync, and metaserver.standby was required: nothing that \
             was answered is missing, unless the metaserver was started with another setting or another standby since."
        ),
        (false, _) => format!(
            "It was forced: {heard}. What was answered since then and is not here is lost. Nothing is deleted from \
             workers until `fsadmin confirmRestore`."
        ),
    };
    let alone = match own {
        StandbyMode::Required => " metaserver.standby is required here: writes wait until a standby follows.",
        StandbyMode::Optional | StandbyMode::None => "",
    };
    format!("{what} Start it without --follow from now on, and the old metaserver only with --follow.{alone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_has_everything_only_where_nothing_was_answered_without_it() {
        let belief = |mode, in_sync, released| Belief {
            standby_id: "s".into(),
            address: "a:1".into(),
            mode,
            in_sync,
            released,
            sequence: 7,
            heard_ms: 1_795_319_467_084,
        };
        assert!(belief(StandbyMode::Required, true, false).has_everything());
        assert!(belief(StandbyMode::Optional, true, true).has_everything());
        for (mode, in_sync) in
            [(StandbyMode::Optional, true), (StandbyMode::Required, false), (StandbyMode::Optional, false)]
        {
            let belief = belief(mode, in_sync, false);
            assert!(!belief.has_everything());
            let text = what_may_be_missing(&belief);
            assert!(text.contains("2026-11-22T03:51:07.084Z") && text.contains("up to 7"), "{text}");
            assert_eq!(text.contains("let it go since"), in_sync, "{text}");
        }
        assert!(said(&belief(StandbyMode::Required, true, false), true, StandbyMode::None).contains("required"));
    }
}
