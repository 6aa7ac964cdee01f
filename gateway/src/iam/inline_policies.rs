//! Inline policies of users, groups and roles.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html>

use super::Call;
use super::document::{self, DocumentKind};
use super::holder::{Holder, HolderKind};
use super::paging::Paging;
use super::rules::POLICY_NAME;
use crate::query_api::{QueryAnswer, QueryError};
use weir_proto::v1;
use weir_proto::v1::change_access_request::Change;

pub async fn put_policy(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let document_kind = match kind {
        HolderKind::User => DocumentKind::UserInline,
        HolderKind::Group => DocumentKind::GroupInline,
        HolderKind::Role => DocumentKind::RoleInline,
    };
    let put = v1::PutInlinePolicy {
        holder: kind.named(call.holder_name(kind)?),
        policy_name: policy_name(call)?.to_owned(),
        document: document::required(call.parameters, "PolicyDocument", document_kind)?.to_owned(),
    };
    call.settle(Change::PutInlinePolicy(put)).await
}

pub fn get_policy(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let holder = call.holder(kind)?;
    let policy = find(&holder, policy_name(call)?)?;
    Ok(QueryAnswer::with(|xml| {
        xml.text(kind.parameter(), holder.name).text("PolicyName", &policy.name);
        xml.text("PolicyDocument", &document::encoded(&policy.document));
    }))
}

pub async fn delete_policy(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let (holder, policy_name) = (kind.named(call.holder_name(kind)?), policy_name(call)?.to_owned());
    call.settle(Change::DeleteInlinePolicy(v1::DeleteInlinePolicy { holder, policy_name })).await
}

pub fn list_policies(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let policies = call.holder(kind)?.permissions.inline_policies.iter().map(|policy| (&policy.name, &policy.name));
    let page = Paging::of(call.parameters)?.take(policies);
    Ok(QueryAnswer::with(|xml| {
        page.write(xml, "PolicyNames", |xml, name| {
            xml.own_text(name);
        });
    }))
}

fn policy_name<'a>(call: &Call<'a>) -> Result<&'a str, QueryError> {
    call.parameters.required("PolicyName", &POLICY_NAME)
}

fn find<'a>(holder: &Holder<'a>, name: &str) -> Result<&'a v1::NamedDocument, QueryError> {
    let found = holder.permissions.inline_policies.iter().find(|policy| policy.name == name);
    found.ok_or_else(|| QueryError::no_such(&format!("{} policy", holder.kind.noun()), name))
}
