//! A metaserver's directory in memory, and IAM over it, for tests of what is asked and answered.

mod changes;
mod metaserver;
mod shapes;
mod state;

use super::{AccessChanges, IamAction, IamApi, perform};
use crate::auth::{Directory, Identity};
use crate::query_api::{Api, Parameters, QueryAnswer, QueryError};
use crate::xml::Element;
use futures::future::BoxFuture;
use metaserver::FakeMetaserver;
use shapes::Shape;
use tonic::service::Routes;
use weir_proto::v1::access_client::AccessClient;
use weir_proto::v1::access_server::AccessServer;
use weir_proto::v1::change_access_request::Change;
use weir_proto::{Failure, v1};
use weir_service::channel::{Channel, in_process};

const REQUEST_ID: &str = "4442587FB7D0A2F9";

/// IAM as a client sees it: forms in, documents out.
pub(super) struct Iam {
    client: AccessClient<Channel>,
    pub identity: Identity,
}

struct Changes(AccessClient<Channel>);

impl AccessChanges for Changes {
    fn change(&self, change: Change) -> BoxFuture<'_, Result<v1::ChangeAccessResponse, Failure>> {
        let mut client = self.0.clone();
        Box::pin(async move {
            let request = v1::ChangeAccessRequest { request_id: None, change: Some(change) };
            let response = client.change_access(request).await;
            response.map(tonic::Response::into_inner).map_err(|status| Failure::from_status(&status))
        })
    }
}

impl Iam {
    pub fn new() -> Self {
        let routes = Routes::new(AccessServer::new(FakeMetaserver::default())).prepare();
        Self { client: AccessClient::new(in_process(routes)), identity: Identity::Root }
    }

    /// What a gateway knows.
    pub async fn directory(&self) -> Directory {
        let mut batches =
            self.client.clone().fetch_access(v1::FetchAccessRequest::default()).await.unwrap().into_inner();
        let mut directory = Directory::default();
        while let Some(batch) = batches.message().await.unwrap() {
            directory.version = batch.version;
            directory.apply(batch.entries);
        }
        directory
    }

    pub async fn perform(&self, action: IamAction, parameters: &Parameters) -> Result<QueryAnswer, QueryError> {
        let directory = self.directory().await;
        let changes = Changes(self.client.clone());
        let api = IamApi { directory: &directory, changes: &changes };
        perform(&api, &self.identity, action, parameters).await
    }

    /// Performs `ACTION&NAME=VALUE…`.
    pub async fn call(&self, form: &str) -> Result<String, QueryError> {
        let form = format!("Action={form}&Version=2010-05-08");
        let parameters = Parameters::parse("", form.as_bytes())?;
        let action = IamAction::parse(parameters.action()?)?;
        let answer = self.perform(action, &parameters).await?;
        Ok(text_of(answer.answer(Api::Iam, action.name(), REQUEST_ID)))
    }

    /// The result of an action that succeeds, which has the shape that AWS's model gives it: what stands in its
    /// `…Result` element.
    pub async fn result(&self, form: &str) -> String {
        let document = self.call(form).await.unwrap_or_else(|error| panic!("{form}: {error}"));
        let action = form.split('&').next().unwrap();
        let root = Element::parse(document.as_bytes(), &format!("{action}Response")).unwrap();
        let result_name = format!("{action}Result");
        let result = root.children.iter().find(|child| child.name == result_name).cloned();
        Shape::all()[action].check(&result.unwrap_or_default());
        assert_eq!(inner(&document, "ResponseMetadata"), Some(&*format!("<RequestId>{REQUEST_ID}</RequestId>")));
        inner(&document, &result_name).unwrap_or_default().to_owned()
    }

    /// The status and code that an action is refused with.
    pub async fn refusal(&self, form: &str) -> String {
        match self.call(form).await {
            Ok(document) => panic!("{form} was answered: {document}"),
            Err(error) => format!("{} {}", error.status().as_u16(), error.code().name()),
        }
    }
}

fn text_of(answer: crate::answer::Answer) -> String {
    match answer.into_body() {
        crate::answer::AnswerBody::Full(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        crate::answer::AnswerBody::Empty | crate::answer::AnswerBody::Content(_) => String::new(),
    }
}

/// What stands in an element of a document.
fn inner<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    rest.rsplit_once(&format!("</{name}>")).map(|(inner, _)| inner)
}
