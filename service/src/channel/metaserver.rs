//! The way to the metaserver when there are several that may be it: the calls go to the one that serves, and none is
//! believed under an epoch that is over.

use super::{Channel, ChannelError, connect};
use crate::epoch::{STANDBY_HEADER, SeenEpoch, told};
use crate::peer_auth::ClusterCredentials;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use http::{Request, Response};
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Status;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt as _};
use weir_proto::v1::standby_client::StandbyClient;
use weir_proto::v1::standing_response::Role;
use weir_proto::v1::{StandingRequest, StandingResponse};

/// Who does not say within this time what it is, is not asked further.
const STANDING_TIMEOUT: Duration = Duration::from_secs(2);
/// When one has said that it serves, the others get so long to say that they do under a higher epoch.
const OTHERS_TIMEOUT: Duration = Duration::from_millis(200);

/// A channel to the metaserver of a cluster: `addresses` are one or several `host:port`, separated by commas. A call
/// that fails, or that one answers who serves nobody, makes the next call look for the one that serves. `seen` is the highest epoch
/// heard of: answers under a lower one become UNAVAILABLE.
pub fn connect_metaserver(addresses: &str, credentials: &ClusterCredentials, seen: SeenEpoch) -> Channel {
    let members = addresses.split(',').map(|address| {
        let address = address.trim().to_owned();
        (connect(&address, credentials), address)
    });
    of_members(members.map(|(channel, address)| Member { address, channel }).collect(), seen)
}

fn of_members(members: Vec<Member>, seen: SeenEpoch) -> Channel {
    let current = Mutex::new((members.len() == 1).then_some(0));
    BoxCloneSyncService::new(Members(Arc::new(Inner { members, seen, current, looking: Default::default() })))
}

#[derive(Clone)]
struct Member {
    address: String,
    channel: Channel,
}

#[derive(Clone)]
struct Members(Arc<Inner>);

struct Inner {
    members: Vec<Member>,
    seen: SeenEpoch,
    /// Which one serves, as far as is known.
    current: Mutex<Option<usize>>,
    /// One looks, the others wait for it.
    looking: tokio::sync::Mutex<()>,
}

impl Service<Request<Body>> for Members {
    type Response = Response<Body>;
    type Error = ChannelError;
    type Future = BoxFuture<'static, Result<Response<Body>, ChannelError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), ChannelError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move { inner.call(request).await })
    }
}

impl Inner {
    async fn call(&self, mut request: Request<Body>) -> Result<Response<Body>, ChannelError> {
        let at = self.current().await?;
        let Member { address, channel } = self.members[at].clone();
        self.seen.tell(request.headers_mut());
        let answer = channel.oneshot(request).await.inspect_err(|_| self.forget(at))?;
        if answer.headers().contains_key(STANDBY_HEADER) {
            self.forget(at);
        }
        match told(answer.headers()) {
            Some(epoch) if !self.seen.note(epoch) => {
                self.forget(at);
                let seen = self.seen.get();
                tracing::error!(
                    address,
                    epoch,
                    seen,
                    "a metaserver that was replaced has answered; it is not believed"
                );
                let text = format!("the metaserver at {address} serves under epoch {epoch}, and there is {seen}");
                Ok(Status::unavailable(text).into_http())
            }
            _ => Ok(answer),
        }
    }

    fn forget(&self, at: usize) {
        if self.members.len() > 1 {
            self.current.lock().take_if(|current| *current == at);
        }
    }

    async fn current(&self) -> Result<usize, ChannelError> {
        if let Some(at) = *self.current.lock() {
            return Ok(at);
        }
        let _one = self.looking.lock().await;
        if let Some(at) = *self.current.lock() {
            return Ok(at);
        }
        let at = self.look().await.map_err(BoxError::from)?;
        *self.current.lock() = Some(at);
        Ok(at)
    }

    /// Which one serves, under the highest epoch.
    async fn look(&self) -> Result<usize, String> {
        let mut asked: FuturesUnordered<_> = (0..self.members.len()).map(|at| self.ask(at)).collect();
        let mut deadline = Instant::now() + STANDING_TIMEOUT;
        let (mut best, mut said): (Option<(u64, usize)>, _) = (None, Vec::new());
        while let Ok(Some((at, standing))) = timeout_at(deadline, asked.next()).await {
            let address = &self.members[at].address;
            match standing {
                Ok(standing) if standing.role() == Role::Metaserver && standing.epoch >= self.seen.get() => {
                    best = best.max(Some((standing.epoch, at)));
                    deadline = deadline.min(Instant::now() + OTHERS_TIMEOUT);
                }
                Ok(standing) if standing.role() == Role::Metaserver => {
                    said.push(format!("{address} was replaced: its epoch is {}", standing.epoch));
                }
                Ok(standing) if standing.role() == Role::Standby => said.push(format!("{address} is a standby")),
                Ok(_) => said.push(format!("{address} is starting")),
                Err(status) => said.push(format!("{address}: {}", status.message())),
            }
        }
        match best {
            Some((_, at)) => Ok(at),
            None => Err(format!("no metaserver serves: {}", said.join("; "))),
        }
    }

    async fn ask(&self, at: usize) -> (usize, Result<StandingResponse, Status>) {
        (at, standing(&self.members[at].channel, &self.seen).await)
    }
}

/// What another metaserver or standby is, and under which epoch; it is told the highest that is known here.
///
/// # Errors
/// It does not say.
pub async fn standing(channel: &Channel, seen: &SeenEpoch) -> Result<StandingResponse, Status> {
    let mut request = tonic::Request::new(StandingRequest {});
    if let Ok(epoch) = seen.get().to_string().parse()
        && seen.get() > 0
    {
        request.metadata_mut().insert(crate::epoch::EPOCH_HEADER, epoch);
    }
    let mut client = StandbyClient::new(channel.clone());
    match timeout(STANDING_TIMEOUT, client.standing(request)).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("it does not answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::in_process;
    use crate::epoch::{Fence, fenced};
    use tonic::service::Routes;
    use tonic::{Response as Answer, async_trait};
    use weir_proto::v1::standby_server::{Standby, StandbyServer};
    use weir_proto::v1::{
        FollowRequest, FollowResponse, PromoteRequest, PromoteResponse, StepDownRequest, StepDownResponse,
    };

    /// A metaserver, or a standby if it has no epoch.
    #[derive(Clone, Default)]
    struct Fake {
        fence: Fence,
    }

    #[async_trait]
    impl Standby for Fake {
        type FollowStream = futures::stream::Empty<Result<FollowResponse, Status>>;

        async fn standing(&self, _: tonic::Request<StandingRequest>) -> Result<Answer<StandingResponse>, Status> {
            let epoch = self.fence.epoch();
            let role = if epoch > 0 { Role::Metaserver } else { Role::Standby };
            Ok(Answer::new(StandingResponse { role: role.into(), epoch, ..Default::default() }))
        }

        async fn follow(
            &self,
            _: tonic::Request<tonic::Streaming<FollowRequest>>,
        ) -> Result<Answer<Self::FollowStream>, Status> {
            Err(Status::unimplemented(""))
        }

        async fn promote(&self, _: tonic::Request<PromoteRequest>) -> Result<Answer<PromoteResponse>, Status> {
            Err(Status::unimplemented(""))
        }

        async fn step_down(&self, _: tonic::Request<StepDownRequest>) -> Result<Answer<StepDownResponse>, Status> {
            Err(Status::unimplemented(""))
        }
    }

    impl Fake {
        fn under(epoch: u64) -> Self {
            let fake = Self::default();
            fake.fence.serve_under(epoch);
            fake
        }

        fn member(&self, address: &str) -> Member {
            let routes = fenced(Routes::new(StandbyServer::new(self.clone())), &self.fence);
            Member { address: address.into(), channel: in_process(routes) }
        }
    }

    async fn epoch_of(channel: &Channel) -> Result<u64, Status> {
        let answer = StandbyClient::new(channel.clone()).standing(StandingRequest {}).await;
        answer.map(|answer| answer.get_ref().epoch)
    }

    #[tokio::test]
    async fn calls_go_to_the_one_that_serves_and_to_the_next_when_it_is_gone() {
        let (one, other) = (Fake::under(1), Fake::default());
        let seen = SeenEpoch::default();
        let channel = of_members(vec![other.member("b:1"), one.member("a:1")], seen.clone());
        assert_eq!(epoch_of(&channel).await.unwrap(), 1);
        // The one is gone and the other is promoted: the call that finds out fails, the next one does not.
        one.fence.serve_under(0);
        other.fence.serve_under(2);
        let _ = epoch_of(&channel).await;
        assert_eq!((epoch_of(&channel).await.unwrap(), seen.get()), (2, 2));
    }

    #[tokio::test]
    async fn one_that_waits_for_its_standby_is_left_when_that_was_promoted() {
        let (waiting, standby) = (Fake::under(1), Fake::default());
        let member = waiting.member("a:1");
        let saying_so = tower::service_fn(move |request: Request<Body>| {
            let answer = member.channel.clone().oneshot(request);
            async move {
                let mut answer = answer.await?;
                answer.headers_mut().insert(STANDBY_HEADER, 1.into());
                Ok::<_, ChannelError>(answer)
            }
        });
        let member = Member { address: "a:1".into(), channel: BoxCloneSyncService::new(saying_so) };
        let channel = of_members(vec![member, standby.member("b:1")], SeenEpoch::default());
        assert_eq!(epoch_of(&channel).await.unwrap(), 1);
        standby.fence.serve_under(2);
        assert_eq!(epoch_of(&channel).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn an_answer_under_an_epoch_that_is_over_is_not_believed_and_whoever_gave_it_hears_so() {
        let old = Fake::under(1);
        let (seen, heard) = (SeenEpoch::default(), old.fence.clone());
        seen.note(2);
        let channel = of_members(vec![old.member("a:1")], seen.clone());
        let refused = epoch_of(&channel).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable);
        assert_eq!(heard.is_over().await, 2);
        // One that has not been told, as over a proxy that drops headers, is not believed either.
        let deaf = Fake::under(1);
        let member = deaf.member("a:1");
        let dropping = tower::service_fn(move |mut request: Request<Body>| {
            request.headers_mut().remove(crate::epoch::EPOCH_HEADER);
            member.channel.clone().oneshot(request)
        });
        let member = Member { address: "a:1".into(), channel: BoxCloneSyncService::new(dropping) };
        let refused = epoch_of(&of_members(vec![member], seen)).await.unwrap_err();
        assert_eq!(refused.message(), "the metaserver at a:1 serves under epoch 1, and there is 2");
    }

    #[tokio::test]
    async fn of_two_that_serve_the_one_with_the_higher_epoch_is_the_one() {
        let (old, new) = (Fake::under(1), Fake::under(2));
        let channel = of_members(vec![old.member("a:1"), new.member("b:1")], SeenEpoch::default());
        assert_eq!(epoch_of(&channel).await.unwrap(), 2);
        let none = of_members(vec![Fake::default().member("b:1"), Fake::default().member("c:1")], SeenEpoch::default());
        let refused = epoch_of(&none).await.unwrap_err();
        assert!(refused.message().contains("is a standby"), "{refused:?}");
    }
}
