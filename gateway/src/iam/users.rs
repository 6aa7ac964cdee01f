//! Users.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_User.html>

use super::boundaries::{boundary_parameter, write_boundary};
use super::holder::{Holder, HolderKind};
use super::paging::Paging;
use super::rules::{PATH, PATH_PREFIX, USER_NAME};
use super::tags::write_tags;
use super::{Call, gone};
use crate::auth::{Directory, Identity, user_arn};
use crate::query_api::{QueryAnswer, QueryError};
use crate::xml::Writer;
use weir_proto::account::ACCOUNT_NAME;
use weir_proto::v1;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;

pub async fn create_user(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let create = v1::CreateUser {
        name: call.parameters.required("UserName", &USER_NAME)?.to_owned(),
        path: call.parameters.text("Path", &PATH)?.unwrap_or("/").to_owned(),
        tags: call.parameters.tags("Tags")?.unwrap_or_default(),
        boundary_policy: boundary_parameter(call)?.unwrap_or_default(),
    };
    let Entry::User(user) = call.make(Change::CreateUser(create)).await? else { return Err(gone()) };
    Ok(whole(call.directory, &user))
}

/// Of the caller where none is named.
pub fn get_user(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    if *call.identity == Identity::Root && call.parameters.get("UserName").is_none() {
        return Ok(QueryAnswer::with(|xml| {
            xml.within("User", write_root);
        }));
    }
    let name = call.user_name()?;
    let user = call.directory.users.get(name).ok_or_else(|| HolderKind::User.no_such(name))?;
    Ok(whole(call.directory, user))
}

pub async fn update_user(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let update = v1::UpdateUser {
        name: call.holder_name(HolderKind::User)?.to_owned(),
        new_name: call.parameters.text("NewUserName", &USER_NAME)?.map(str::to_owned),
        new_path: call.parameters.text("NewPath", &PATH)?.map(str::to_owned),
    };
    call.settle(Change::UpdateUser(update)).await
}

pub async fn delete_user(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let name = call.holder_name(HolderKind::User)?.to_owned();
    call.settle(Change::DeleteUser(v1::DeleteUser { name })).await
}

/// Without tags and boundaries, as AWS lists them.
pub fn list_users(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let prefix = call.parameters.text("PathPrefix", &PATH_PREFIX)?.unwrap_or("/");
    let users = call.directory.users.iter().filter(|(_, user)| user.path.starts_with(prefix));
    let page = Paging::of(call.parameters)?.take(users);
    Ok(QueryAnswer::with(|xml| page.write(xml, "Users", |xml, user| write_user(xml, user))))
}

fn whole(directory: &Directory, user: &v1::User) -> QueryAnswer {
    QueryAnswer::with(|xml| {
        xml.within("User", |xml| {
            write_user(xml, user);
            write_boundary(xml, directory, Holder::of_user(user).permissions);
            write_tags(xml, &user.tags);
        });
    })
}

/// What lists show of a user.
pub fn write_user(xml: &mut Writer, user: &v1::User) {
    xml.text("Path", &user.path).text("UserName", &user.name).text("UserId", &user.id);
    xml.text("Arn", &user_arn(&user.path, &user.name)).time_in_seconds("CreateDate", user.created_ms);
}

/// The account as a user. Clients rely on a date; nobody knows one.
fn write_root(xml: &mut Writer) {
    xml.text("Path", "/").text("UserName", ACCOUNT_NAME).text("UserId", &Identity::Root.user_id());
    xml.text("Arn", Identity::Root.arn().as_deref().unwrap_or_default()).time_in_seconds("CreateDate", 0);
}
