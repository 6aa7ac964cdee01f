//! Issuers of OpenID Connect tokens.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html>

use super::paging::write_members;
use super::rules::{CLIENT_ID, PROVIDER_URL, THUMBPRINT};
use super::{Call, gone};
use crate::auth::{provider_arn, provider_name};
use crate::query_api::{ARN, QueryAnswer, QueryError, QueryErrorCode};
use crate::xml::Writer;
use std::sync::Arc;
use weir_proto::v1;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;

const CLIENT_IDS_MAX: usize = 100;
const THUMBPRINTS_MAX: usize = 5;

pub async fn create_provider(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let provider = v1::OidcProvider {
        url: call.parameters.required("Url", &PROVIDER_URL)?.to_owned(),
        client_ids: owned(call.parameters.list("ClientIDList", &CLIENT_ID, CLIENT_IDS_MAX)?.unwrap_or_default()),
        thumbprints: owned(call.parameters.list("ThumbprintList", &THUMBPRINT, THUMBPRINTS_MAX)?.unwrap_or_default()),
        created_ms: 0,
    };
    let put = v1::PutOidcProvider { provider: Some(provider), create: true };
    let Entry::OidcProvider(made) = call.make(Change::PutOidcProvider(put)).await? else { return Err(gone()) };
    Ok(QueryAnswer::with(|xml| {
        xml.text("OpenIDConnectProviderArn", &provider_arn(&made.url));
    }))
}

/// The URL is shown without its scheme, as AWS does.
pub fn get_provider(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let provider = provider_of(call)?;
    Ok(QueryAnswer::with(|xml| {
        xml.text("Url", provider_name(&provider.url));
        write_texts(xml, "ClientIDList", &provider.client_ids);
        write_texts(xml, "ThumbprintList", &provider.thumbprints);
        xml.time_in_seconds("CreateDate", provider.created_ms);
    }))
}

/// All of them: this list has no pages.
pub fn list_providers(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    Ok(QueryAnswer::with(|xml| {
        write_members(xml, "OpenIDConnectProviderList", call.directory.providers.keys(), |xml, name| {
            xml.text("Arn", &provider_arn(name));
        });
    }))
}

pub async fn delete_provider(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let name = provider_name(&provider_of(call)?.url).to_owned();
    call.settle(Change::DeleteOidcProvider(v1::DeleteOidcProvider { name })).await
}

/// One that is there already is no error.
pub async fn add_client_id(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let mut provider = provider_of(call)?.clone();
    let client_id = call.parameters.required("ClientID", &CLIENT_ID)?;
    if !provider.client_ids.iter().any(|known| known == client_id) {
        provider.client_ids.push(client_id.to_owned());
    }
    if provider.client_ids.len() > CLIENT_IDS_MAX {
        let message = format!("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENT_IDS_MAX}");
        return Err(QueryError::new(QueryErrorCode::LimitExceeded, message));
    }
    replace(call, provider).await
}

/// One that is not there is no error.
pub async fn remove_client_id(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let mut provider = provider_of(call)?.clone();
    let client_id = call.parameters.required("ClientID", &CLIENT_ID)?;
    provider.client_ids.retain(|known| known != client_id);
    replace(call, provider).await
}

pub async fn update_thumbprints(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let thumbprints = call.parameters.list("ThumbprintList", &THUMBPRINT, THUMBPRINTS_MAX)?;
    let thumbprints = owned(thumbprints.ok_or_else(|| QueryError::missing("ThumbprintList"))?);
    let provider = v1::OidcProvider { thumbprints, ..provider_of(call)?.clone() };
    replace(call, provider).await
}

async fn replace(call: &Call<'_>, provider: v1::OidcProvider) -> Result<QueryAnswer, QueryError> {
    let put = v1::PutOidcProvider { provider: Some(provider), create: false };
    call.settle(Change::PutOidcProvider(put)).await
}

fn provider_of<'a>(call: &Call<'a>) -> Result<&'a v1::OidcProvider, QueryError> {
    let arn = call.parameters.required("OpenIDConnectProviderArn", &ARN)?;
    call.directory.provider_by_arn(arn).map(Arc::as_ref).ok_or_else(|| {
        let message = format!("OpenIDConnect Provider not found for arn {arn}");
        QueryError::new(QueryErrorCode::NoSuchEntity, message)
    })
}

fn owned(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}

fn write_texts(xml: &mut Writer, name: &str, texts: &[String]) {
    write_members(xml, name, texts, |xml, text| {
        xml.own_text(text);
    });
}
