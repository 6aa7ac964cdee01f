//! The connection of a standby to its metaserver: made again and again, until it is promoted or ends.

use super::inner::Inner;
use super::wire;
use crate::namespace::handshake::{OWN_ROLE, STANDBY};
use crate::namespace::ids::epoch_and_cluster;
use crate::store::StoreError;
use crate::store::embedded::replication::{FRAME_MAX_BYTES, Primary};
use futures::stream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use weir_proto::Failure;
use weir_proto::protocol;
use weir_proto::v1::follow_request::What;
use weir_proto::v1::follow_response::What as Said;
use weir_proto::v1::standby_client::StandbyClient;
use weir_proto::v1::{self};
use weir_service::shutdown::Shutdown;

/// Between two tries, the first and the longest: a metaserver that has started waits for this one.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_millis(500);
/// The metaserver says whether it takes this standby within this time.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(15);
/// Acknowledgements on their way.
const ACKNOWLEDGED_MAX_COUNT: usize = 64;
/// What a message has beside the frame in it.
const MESSAGE_EXTRA_BYTES: usize = 1 << 10;

/// Why a connection ended.
enum Ended {
    /// Trying again may help.
    Lost(String),
    /// The standby's own store can't go on.
    Failed(StoreError),
}

/// Follows until `stop` says that this is over.
pub(super) async fn run(inner: Arc<Inner>, shutdown: Shutdown) {
    let mut stop = inner.stop.subscribe();
    let mut pause = RETRY_MIN;
    let mut told = String::new();
    loop {
        let ended = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            ended = follow(&inner) => ended,
        };
        if inner.connected.swap(false, Ordering::AcqRel) {
            (pause, told) = (RETRY_MIN, String::new());
        }
        if let Err(error) = inner.standby.lost().await {
            return shutdown.fail(format!("the standby's store: {error}"));
        }
        match ended {
            Ended::Lost(reason) if reason != told => {
                tracing::warn!(metaserver = inner.settings.follow, reason, "the metaserver is not followed, trying on");
                told = reason;
            }
            Ended::Lost(_) => {}
            Ended::Failed(error) => return shutdown.fail(format!("the standby's store: {error}")),
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(RETRY_MAX);
    }
    inner.connected.store(false, Ordering::Release);
}

async fn follow(inner: &Inner) -> Ended {
    match connect(inner).await {
        Ok((primary, incoming, outgoing)) => take(inner, &primary, incoming, outgoing).await,
        Err(ended) => ended,
    }
}

type Connection = (Primary, Streaming<v1::FollowResponse>, mpsc::Sender<v1::FollowRequest>);

async fn connect(inner: &Inner) -> Result<Connection, Ended> {
    let failed = |error| match error {
        StoreError::Busy => Ended::Lost("the store is being replaced".into()),
        error => Ended::Failed(error),
    };
    let store = inner.standby.store().map_err(failed)?;
    let lost = |error: crate::error::Error| Ended::Lost(error.to_string());
    let (epoch, cluster_id) = epoch_and_cluster(&*store).await.map_err(lost)?;
    let hello = v1::FollowHello {
        cluster_id: cluster_id.clone(),
        epoch,
        standby_id: inner.standby.standby_id(),
        address: inner.settings.listen.clone(),
        position: Some(inner.standby.position().map_err(failed)?.into()),
        version: protocol::VERSION.to_owned(),
        protocol: Some(protocol::own()),
    };
    let (outgoing, requests) = mpsc::channel(ACKNOWLEDGED_MAX_COUNT);
    // There is room for the first message.
    let _ = outgoing.try_send(v1::FollowRequest { what: Some(What::Hello(hello)) });
    let mut client =
        StandbyClient::new(inner.metaserver.clone()).max_decoding_message_size(FRAME_MAX_BYTES + MESSAGE_EXTRA_BYTES);
    let answered = async {
        let mut incoming = client.follow(ReceiverStream::new(requests)).await?.into_inner();
        let first = incoming.message().await?;
        Ok::<_, Status>((first, incoming))
    };
    let silent = || Ended::Lost("it does not answer".into());
    let answered = timeout(WELCOME_TIMEOUT, answered).await.map_err(|_| silent())?;
    let (first, incoming) = answered.map_err(|status| Ended::Lost(Failure::from_status(&status).to_string()))?;
    let Some(v1::FollowResponse { what: Some(Said::Welcome(welcome)) }) = first else { return Err(silent()) };
    protocol::check(STANDBY, OWN_ROLE, welcome.protocol.as_ref(), &welcome.version)
        .map_err(|mismatch| Ended::Lost(mismatch.to_string()))?;
    if !cluster_id.is_empty() && welcome.cluster_id != cluster_id {
        let text = format!("this folder is of cluster {cluster_id}, the metaserver of {}", welcome.cluster_id);
        return Err(Ended::Lost(text));
    }
    if welcome.epoch < epoch {
        return Err(Ended::Lost(format!(
            "the metaserver's epoch is {}, and this folder's {epoch}: this one is the newer. Start it without --follow",
            welcome.epoch
        )));
    }
    let Ok(mode) = welcome.mode.parse() else { return Err(Ended::Lost("it takes no standby".into())) };
    let restored = welcome.awaiting_restore_confirmation;
    inner.connected.store(true, Ordering::Release);
    tracing::info!(metaserver = inner.settings.follow, epoch = welcome.epoch, %mode, "following");
    Ok((Primary { address: inner.settings.follow.clone(), mode, restored }, incoming, outgoing))
}

async fn take(
    inner: &Inner,
    primary: &Primary,
    incoming: Streaming<v1::FollowResponse>,
    outgoing: mpsc::Sender<v1::FollowRequest>,
) -> Ended {
    let messages = stream::unfold(incoming, |mut incoming| async move {
        let message = incoming.message().await.ok().flatten().and_then(wire::understood)?;
        Some((message, incoming))
    });
    let (acknowledged, mut acknowledgements) = mpsc::channel(ACKNOWLEDGED_MAX_COUNT);
    let telling = async {
        while let Some(sequence) = acknowledgements.recv().await {
            let what = Some(What::AcknowledgedSequence(sequence));
            if outgoing.send(v1::FollowRequest { what }).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let followed = tokio::select! {
        followed = inner.standby.follow(primary, messages, &acknowledged) => followed,
        () = telling => Ok(()),
    };
    match followed {
        Ok(()) => Ended::Lost("the connection has ended".into()),
        Err(error) => {
            let what = Some(What::Failed(error.to_string()));
            let _ = outgoing.try_send(v1::FollowRequest { what });
            match error {
                StoreError::Refused { .. } | StoreError::Busy | StoreError::Full => Ended::Lost(error.to_string()),
                // Of a checkpoint that came; what is here is as it was.
                StoreError::Damaged { .. } => Ended::Lost(error.to_string()),
                error => Ended::Failed(error),
            }
        }
    }
}
