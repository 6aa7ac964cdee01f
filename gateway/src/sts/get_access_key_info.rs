//! GetAccessKeyInfo: whose account is an access key of?
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html>

use super::{StsApi, StsRequest};
use crate::auth::policy::{Ask, Sources, decide};
use crate::auth::token::is_temporary;
use crate::query_api::{QueryAnswer, QueryError, QueryErrorCode, TextRule};
use weir_proto::account::ACCOUNT_ID;

const ACCESS_KEY_ID: &str = "AccessKeyId";
const ACTION: &str = "sts:GetAccessKeyInfo";

/// AWS's have 16 characters at least; an operator may have given a shorter one.
const ACCESS_KEY_ID_TEXT: TextRule = TextRule {
    length: 3..=128,
    pattern: "[\\w.@-]*",
    matches: |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte)),
};

pub(super) fn get_access_key_info(api: &StsApi, request: &StsRequest<'_>) -> Result<QueryAnswer, QueryError> {
    request.parameters.check_known(&[ACCESS_KEY_ID])?;
    let id = request.parameters.required(ACCESS_KEY_ID, &ACCESS_KEY_ID_TEXT)?;
    let identity = request.identity;
    let ask = Ask { identity, action: ACTION, resource: "*", facts: request.facts };
    if !decide(&ask, &Sources { bucket: None, ..request.sources }).is_allowed() {
        let message = format!("User: {identity} is not authorized to perform: {ACTION} on resource: *");
        return Err(QueryError::new(QueryErrorCode::AccessDenied, message));
    }
    // Temporary keys are written down nowhere: whatever looks like one could be.
    let is_known = request.directory.access_keys.contains_key(id) || id == api.root_access_key_id || is_temporary(id);
    if !is_known {
        let message = "The access key does not belong to this account.";
        return Err(QueryError::new(QueryErrorCode::ValidationError, message));
    }
    Ok(QueryAnswer::with(|xml| {
        xml.text("Account", ACCOUNT_ID);
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Account, ROOT_KEY, alice, clerk, element, session};
    use crate::auth::Identity;
    use crate::query_api::QueryErrorCode;
    use weir_proto::v1::AccessKey;
    use weir_proto::v1::access_entry::Entry;

    const ALLOW: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:GetAccessKeyInfo","Resource":"*"}]}"#;

    fn account() -> Account {
        let key = AccessKey { access_key_id: "AKIA0123456789ABCDEF".into(), ..AccessKey::default() };
        Account::new().with(Entry::AccessKey(key))
    }

    fn form(id: &str) -> String {
        format!("Action=GetAccessKeyInfo&AccessKeyId={id}")
    }

    #[tokio::test]
    async fn keys_of_the_account_are_known() {
        for id in ["AKIA0123456789ABCDEF", ROOT_KEY, "ASIAABCDEFGHIJKLMNOP"] {
            let document = account().ask(&Identity::Root, &form(id)).await.unwrap();
            assert_eq!(element(&document, "Account"), "000000000000");
        }
        for id in ["AKIA0123456789ABCDEE", "ro", "a%20b", ""] {
            let code = account().refused(&Identity::Root, &form(id)).await;
            assert_eq!(code, QueryErrorCode::ValidationError, "{id}");
        }
    }

    #[tokio::test]
    async fn it_needs_a_permission() {
        assert_eq!(account().refused(&alice(), &form(ROOT_KEY)).await, QueryErrorCode::AccessDenied);
        let allowed = account().with_identity_policy(ALLOW);
        assert!(allowed.ask(&alice(), &form(ROOT_KEY)).await.is_ok());
        assert!(allowed.ask_under(&clerk(), Some(&session(clerk())), &form(ROOT_KEY)).await.is_ok());
        let under_session = allowed.ask_under(&alice(), Some(&session(alice())), &form(ROOT_KEY)).await;
        assert_eq!(under_session.unwrap_err().code(), QueryErrorCode::AccessDenied);
    }
}
