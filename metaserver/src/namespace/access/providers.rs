//! Issuers of OpenID Connect tokens.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html>

use super::directory::without_scheme;
use super::limits::MAX_PROVIDERS;
use super::outcome::{Context, Outcome, room};
use super::validate;
use crate::error::Error;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{AccessKind, DeleteOidcProvider, OidcProvider, PutOidcProvider};

pub(super) fn put(context: &Context<'_>, request: &PutOidcProvider) -> Result<Outcome, Error> {
    let Some(provider) = &request.provider else { return Err(Error::invalid("provider", "it is missing")) };
    validate::provider(provider)?;
    let (providers, name) = (&context.directory.providers, without_scheme(provider));
    let created_ms = match (request.create, providers.get(name)) {
        (true, Some(_)) => return Err(Error::EntityExists { kind: "provider", name: name.to_owned() }),
        (true, None) => {
            room("providers", providers.len(), MAX_PROVIDERS)?;
            context.clock.now_ms()
        }
        (false, Some(before)) => before.created_ms,
        (false, None) => return Err(Error::NoSuchEntity { kind: "provider", name: name.to_owned() }),
    };
    let provider = OidcProvider { created_ms, ..provider.clone() };
    if providers.get(name).is_some_and(|before| **before == provider) {
        return Ok(Outcome::unchanged(AccessKind::OidcProvider, name));
    }
    Ok(Outcome::put(Entry::OidcProvider(provider)))
}

pub(super) fn delete(context: &Context<'_>, request: &DeleteOidcProvider) -> Result<Outcome, Error> {
    validate::provider_name(&request.name)?;
    match context.directory.providers.contains_key(&request.name) {
        true => Ok(Outcome::removed(AccessKind::OidcProvider, &request.name)),
        false => Err(Error::NoSuchEntity { kind: "provider", name: request.name.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use weir_proto::v1::change_access_request::Change;

    fn provider(client_id: &str, create: bool) -> Change {
        let url = "https://id.example.com/realm".into();
        let provider = OidcProvider { url, client_ids: vec![client_id.into()], ..Default::default() };
        Change::PutOidcProvider(PutOidcProvider { provider: Some(provider), create })
    }

    #[tokio::test]
    async fn a_provider_is_made_once_replaced_and_removed() {
        let fixture = Fixture::new().await;
        assert!(matches!(fixture.refusal(provider("app", false)).await, Error::NoSuchEntity { .. }));
        let Some(Entry::OidcProvider(made)) = fixture.changed(provider("app", true)).await else { panic!() };
        assert!(matches!(fixture.refusal(provider("app", true)).await, Error::EntityExists { .. }));
        fixture.clock.advance(5);
        let Some(Entry::OidcProvider(replaced)) = fixture.changed(provider("other", false)).await else { panic!() };
        assert_eq!((replaced.created_ms, replaced.client_ids), (made.created_ms, vec!["other".to_owned()]));
        fixture.check_access().await;
        let fixture = fixture.restart().await;
        fixture.check_access().await;
        let delete = || Change::DeleteOidcProvider(DeleteOidcProvider { name: "id.example.com/realm".into() });
        assert_eq!(fixture.changed(delete()).await, None);
        assert!(matches!(fixture.refusal(delete()).await, Error::NoSuchEntity { .. }));
        fixture.check_access().await;
    }
}
