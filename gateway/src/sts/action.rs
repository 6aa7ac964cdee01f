//! The actions by name.

use crate::query_api::{Api, Parameters, QueryError};

/// The actions of STS that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StsAction {
    AssumeRole,
    AssumeRoleWithWebIdentity,
    GetAccessKeyInfo,
    GetCallerIdentity,
    GetSessionToken,
}

impl StsAction {
    pub const ALL: [Self; 5] = [
        Self::AssumeRole,
        Self::AssumeRoleWithWebIdentity,
        Self::GetAccessKeyInfo,
        Self::GetCallerIdentity,
        Self::GetSessionToken,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::AssumeRole => "AssumeRole",
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Self::GetAccessKeyInfo => "GetAccessKeyInfo",
            Self::GetCallerIdentity => "GetCallerIdentity",
            Self::GetSessionToken => "GetSessionToken",
        }
    }

    /// As policies name it: `sts:AssumeRole`.
    pub fn permission_name(self) -> &'static str {
        match self {
            Self::AssumeRole => "sts:AssumeRole",
            Self::AssumeRoleWithWebIdentity => "sts:AssumeRoleWithWebIdentity",
            Self::GetAccessKeyInfo => "sts:GetAccessKeyInfo",
            Self::GetCallerIdentity => "sts:GetCallerIdentity",
            Self::GetSessionToken => "sts:GetSessionToken",
        }
    }

    /// # Errors
    /// `MissingAction`, `InvalidAction`.
    pub fn of(parameters: &Parameters) -> Result<Self, QueryError> {
        let name = parameters.action()?;
        let found = Self::ALL.into_iter().find(|action| action.name() == name);
        found.ok_or_else(|| QueryError::unknown_action(name, Api::Sts.version()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query_api::QueryErrorCode;

    #[test]
    fn actions_are_found_by_name() {
        let of = |form: &str| StsAction::of(&Parameters::parse("", form.as_bytes()).unwrap());
        for action in StsAction::ALL {
            assert_eq!(of(&format!("Action={}", action.name())).unwrap(), action);
            assert_eq!(action.permission_name(), format!("sts:{}", action.name()));
        }
        for form in ["Action=GetFederationToken", "Action=assumerole", "Action=AssumeRole+"] {
            assert_eq!(of(form).unwrap_err().code(), QueryErrorCode::InvalidAction, "{form}");
        }
        assert_eq!(of("").unwrap_err().code(), QueryErrorCode::MissingAction);
    }
}
