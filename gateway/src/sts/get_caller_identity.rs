//! GetCallerIdentity: who am I? Everyone with credentials may ask, whatever their policies say.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>

use super::StsRequest;
use crate::query_api::{QueryAnswer, QueryError, QueryErrorCode};
use weir_proto::account::ACCOUNT_ID;

pub(super) fn get_caller_identity(request: &StsRequest<'_>) -> Result<QueryAnswer, QueryError> {
    request.parameters.check_known(&[])?;
    let arn = request.identity.arn().ok_or(QueryErrorCode::MissingAuthenticationToken)?;
    Ok(QueryAnswer::with(|xml| {
        xml.text("Arn", &arn).text("UserId", &request.identity.user_id()).text("Account", ACCOUNT_ID);
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Account, alice, clerk, element};
    use crate::auth::Identity;
    use crate::query_api::QueryErrorCode;

    #[tokio::test]
    async fn everyone_with_credentials_learns_who_they_are() {
        let account = Account::new();
        for (identity, arn, id) in [
            (Identity::Root, "arn:aws:iam::000000000000:root", "000000000000"),
            (alice(), "arn:aws:iam::000000000000:user/alice", "AIDA1"),
            (clerk(), "arn:aws:sts::000000000000:assumed-role/clerk/monday", "AROA2:monday"),
        ] {
            let document = account.ask(&identity, "Action=GetCallerIdentity").await.unwrap();
            assert_eq!([element(&document, "Arn"), element(&document, "UserId")], [arn, id]);
            assert_eq!(element(&document, "Account"), "000000000000");
        }
        let nobody = account.refused(&Identity::Anonymous, "Action=GetCallerIdentity").await;
        assert_eq!(nobody, QueryErrorCode::MissingAuthenticationToken);
    }

    #[tokio::test]
    async fn no_policy_forbids_it() {
        let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        let account = Account::new().with_identity_policy(deny);
        assert!(account.ask(&alice(), "Action=GetCallerIdentity").await.is_ok());
    }
}
