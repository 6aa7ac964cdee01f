//! Who is in which group.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddUserToGroup.html>

use super::Call;
use super::groups::write_group;
use super::holder::HolderKind;
use super::paging::Paging;
use crate::query_api::{QueryAnswer, QueryError};
use weir_proto::v1;
use weir_proto::v1::change_access_request::Change;

pub async fn change_membership(call: &Call<'_>, member: bool) -> Result<QueryAnswer, QueryError> {
    let group_name = call.holder_name(HolderKind::Group)?.to_owned();
    let user_name = call.holder_name(HolderKind::User)?.to_owned();
    call.settle(Change::ChangeMembership(v1::ChangeMembership { group_name, user_name, member })).await
}

pub fn list_groups_for_user(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let name = call.holder_name(HolderKind::User)?;
    let user = call.directory.users.get(name).ok_or_else(|| HolderKind::User.no_such(name))?;
    let groups = user.groups.iter().filter_map(|name| call.directory.groups.get_key_value(name));
    let page = Paging::of(call.parameters)?.take(groups);
    Ok(QueryAnswer::with(|xml| page.write(xml, "Groups", |xml, group| write_group(xml, group))))
}
