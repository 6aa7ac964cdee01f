//! One connection of a standby to its primary: what comes is taken in order, what is on disk is acknowledged in order.

use super::standby::StandbyStore;
use super::{ToStandby, refused};
use crate::store::StoreError;
use futures::stream::FuturesOrdered;
use futures::{Stream, StreamExt as _};
use std::pin::pin;
use tokio::sync::mpsc::Sender;
use weir_service::config::StandbyMode;

/// Frames that wait for the disk; the primary waits while there are so many.
const PENDING_MAX_COUNT: usize = 64;

/// What the primary said of itself.
#[derive(Clone, Debug)]
pub struct Primary {
    pub address: String,
    pub mode: StandbyMode,
    /// Its store came from a backup that nobody has confirmed.
    pub restored: bool,
}

impl StandbyStore {
    /// Takes what comes until the connection ends, and says what is acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Refused`]: the primary sends what does not belong there, which changes nothing; following anew may
    /// help. Any other error of the store: it can't go on.
    pub async fn follow(
        &self,
        primary: &Primary,
        incoming: impl Stream<Item = ToStandby> + Send,
        acknowledged: &Sender<u64>,
    ) -> Result<(), StoreError> {
        let mut incoming = pin!(incoming);
        let mut pending = FuturesOrdered::new();
        let mut has_begun = false;
        loop {
            let message = tokio::select! {
                biased;
                Some(done) = pending.next(), if !pending.is_empty() => {
                    let done: Result<crate::store::Sequence, StoreError> = done;
                    // Nobody listens: the end of what comes says so, too.
                    let _ = acknowledged.send(done?.0).await;
                    continue;
                }
                message = incoming.next(), if pending.len() < PENDING_MAX_COUNT => message,
            };
            let Some(message) = message else { break };
            if !has_begun && !matches!(message, ToStandby::Continue | ToStandby::Seed { .. }) {
                return Err(refused("the primary sends something before it says from where"));
            }
            match message {
                ToStandby::Frame(frame) => pending.push_back(self.frame(frame)?),
                ToStandby::Alive => self.heard(),
                ToStandby::Continue => {
                    self.begin(&primary.address, primary.mode, primary.restored).await?;
                    has_begun = true;
                }
                ToStandby::Seed { bytes, position } => {
                    self.begin(&primary.address, primary.mode, primary.restored).await?;
                    self.begin_seed(bytes, position).await?;
                    has_begun = true;
                }
                ToStandby::SeedPiece(piece) => {
                    if let Some(sequence) = self.seed_piece(piece).await? {
                        let _ = acknowledged.send(sequence).await;
                    }
                }
                ToStandby::InSync { .. } => {
                    while let Some(done) = pending.next().await {
                        let _ = acknowledged.send(done?.0).await;
                    }
                    self.in_sync().await?;
                }
            }
        }
        // What has come is kept, whether or not anyone hears of it.
        while let Some(done) = pending.next().await {
            done?;
        }
        Ok(())
    }
}
