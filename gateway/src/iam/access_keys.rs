//! Access keys. A secret is shown once, to whom the key is made for.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html>

use super::holder::HolderKind;
use super::paging::Paging;
use super::rules::ACCESS_KEY_ID;
use super::{Call, gone};
use crate::query_api::{QueryAnswer, QueryError, QueryErrorCode};
use crate::xml::Writer;
use weir_proto::v1;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;

pub async fn create_access_key(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let user_name = call.user_name()?.to_owned();
    let create = v1::CreateAccessKey { user_name, ..Default::default() };
    let response = call.change(Change::CreateAccessKey(create)).await?;
    let entry = response.entry.and_then(|entry| entry.entry);
    let Some(Entry::AccessKey(key)) = entry else { return Err(gone()) };
    let path = call.directory.users.get(&key.user_name).map_or("/", |user| &user.path);
    let owner = HolderKind::User.arn(path, &key.user_name);
    let answer = QueryAnswer::with(|xml| {
        xml.within("AccessKey", |xml| {
            write_key(xml, &key);
            xml.text("SecretAccessKey", &response.secret_access_key);
        });
    });
    Ok(answer.issuing(&key.access_key_id, owner))
}

pub async fn update_access_key(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let active = call.parameters.choice("Status", &[("Active", true), ("Inactive", false)])?;
    let update = v1::UpdateAccessKey {
        access_key_id: key_id(call)?.to_owned(),
        user_name: call.user_name()?.to_owned(),
        active: active.ok_or_else(|| QueryError::missing("Status"))?,
    };
    call.settle(Change::UpdateAccessKey(update)).await
}

pub async fn delete_access_key(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let (access_key_id, user_name) = (key_id(call)?.to_owned(), call.user_name()?.to_owned());
    call.settle(Change::DeleteAccessKey(v1::DeleteAccessKey { access_key_id, user_name })).await
}

pub fn list_access_keys(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let user_name = call.user_name()?;
    if !call.directory.users.contains_key(user_name) {
        return Err(HolderKind::User.no_such(user_name));
    }
    let mut keys = call.directory.access_keys_of(user_name);
    keys.sort_by(|one, other| one.access_key_id.cmp(&other.access_key_id));
    let page = Paging::of(call.parameters)?.take(keys.into_iter().map(|key| (&key.access_key_id, key)));
    Ok(QueryAnswer::with(|xml| page.write(xml, "AccessKeyMetadata", |xml, key| write_key(xml, key))))
}

/// Uses are not recorded: every key is answered for as one that was never used.
pub fn get_access_key_last_used(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let id = key_id(call)?;
    let key = call.directory.access_keys.get(id);
    let key = key.ok_or_else(|| {
        QueryError::new(QueryErrorCode::NoSuchEntity, format!("The Access Key with id {id} cannot be found."))
    })?;
    Ok(QueryAnswer::with(|xml| {
        xml.text("UserName", &key.user_name).within("AccessKeyLastUsed", |xml| {
            xml.text("ServiceName", "N/A").text("Region", "N/A");
        });
    }))
}

fn key_id<'a>(call: &Call<'a>) -> Result<&'a str, QueryError> {
    call.parameters.required("AccessKeyId", &ACCESS_KEY_ID)
}

fn write_key(xml: &mut Writer, key: &v1::AccessKey) {
    xml.text("UserName", &key.user_name).text("AccessKeyId", &key.access_key_id);
    xml.text("Status", if key.active { "Active" } else { "Inactive" });
    xml.time_in_seconds("CreateDate", key.created_ms);
}
