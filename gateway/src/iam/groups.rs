//! Groups.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Group.html>

use super::holder::HolderKind;
use super::paging::Paging;
use super::rules::{GROUP_NAME, PATH, PATH_PREFIX};
use super::users::write_user;
use super::{Call, gone};
use crate::auth::group_arn;
use crate::query_api::{QueryAnswer, QueryError};
use crate::xml::Writer;
use weir_proto::v1;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;

pub async fn create_group(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let create = v1::CreateGroup {
        name: call.parameters.required("GroupName", &GROUP_NAME)?.to_owned(),
        path: call.parameters.text("Path", &PATH)?.unwrap_or("/").to_owned(),
    };
    let Entry::Group(group) = call.make(Change::CreateGroup(create)).await? else { return Err(gone()) };
    Ok(QueryAnswer::with(|xml| {
        xml.within("Group", |xml| write_group(xml, &group));
    }))
}

/// With a page of its members.
pub fn get_group(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let name = call.holder_name(HolderKind::Group)?;
    let group = call.directory.groups.get(name).ok_or_else(|| HolderKind::Group.no_such(name))?;
    let members = call.directory.members_of(name).map(|user| (&user.name, user));
    let page = Paging::of(call.parameters)?.take(members);
    Ok(QueryAnswer::with(|xml| {
        xml.within("Group", |xml| write_group(xml, group));
        page.write(xml, "Users", |xml, user| write_user(xml, user));
    }))
}

pub async fn update_group(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let update = v1::UpdateGroup {
        name: call.holder_name(HolderKind::Group)?.to_owned(),
        new_name: call.parameters.text("NewGroupName", &GROUP_NAME)?.map(str::to_owned),
        new_path: call.parameters.text("NewPath", &PATH)?.map(str::to_owned),
    };
    call.settle(Change::UpdateGroup(update)).await
}

pub async fn delete_group(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let name = call.holder_name(HolderKind::Group)?.to_owned();
    call.settle(Change::DeleteGroup(v1::DeleteGroup { name })).await
}

pub fn list_groups(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let prefix = call.parameters.text("PathPrefix", &PATH_PREFIX)?.unwrap_or("/");
    let groups = call.directory.groups.iter().filter(|(_, group)| group.path.starts_with(prefix));
    let page = Paging::of(call.parameters)?.take(groups);
    Ok(QueryAnswer::with(|xml| page.write(xml, "Groups", |xml, group| write_group(xml, group))))
}

pub fn write_group(xml: &mut Writer, group: &v1::Group) {
    xml.text("Path", &group.path).text("GroupName", &group.name).text("GroupId", &group.id);
    xml.text("Arn", &group_arn(&group.path, &group.name)).time_in_seconds("CreateDate", group.created_ms);
}
