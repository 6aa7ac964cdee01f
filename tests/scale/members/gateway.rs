//! A gateway as the metaserver sees one: a session, heartbeats, and the table of workers that the answers carry.

use super::figures::Figures;
use prost::Message as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_proto::v1::sessions_client::SessionsClient;
use weir_proto::v1::{HeartbeatRequest, OpenSessionRequest, OpenSessionResponse};
use weir_service::channel::Channel;

const RETRY: Duration = Duration::from_millis(500);

/// Opens a session and keeps it alive, for ever.
pub async fn run(channel: Channel, at: usize, figures: Arc<Figures>) {
    let mut client = SessionsClient::new(channel);
    loop {
        let request =
            OpenSessionRequest { address: format!("10.9.0.{at}:39999"), version: "0.1.0".into(), protocol: None };
        match client.open_session(request).await {
            Ok(opened) => keep_alive(&mut client, opened.into_inner(), at, &figures).await,
            Err(status) => {
                figures.fail(&status);
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn keep_alive(client: &mut SessionsClient<Channel>, opened: OpenSessionResponse, at: usize, figures: &Figures) {
    let interval = Duration::from_millis(opened.heartbeat_interval_ms.max(1));
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::time::sleep(interval * (at % 100) as u32 / 100).await;
    let mut workers_version = opened.workers_version;
    loop {
        ticks.tick().await;
        let began = Instant::now();
        let request = HeartbeatRequest { session_id: opened.session_id, workers_version, ..Default::default() };
        match client.heartbeat(request).await {
            Ok(answer) => {
                workers_version = answer.get_ref().workers_version;
                figures.gateway_beat(began.elapsed(), answer.get_ref().encoded_len());
            }
            Err(status) => {
                figures.fail(&status);
                return;
            }
        }
    }
}
