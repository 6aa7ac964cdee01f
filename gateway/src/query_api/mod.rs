//! The protocol that IAM and STS speak: a form in, a document out.
//!
//! | file | subject |
//! |---|---|
//! | [`form`] | names and values, each once, within limits |
//! | [`parameters`], [`rule`], [`tags`] | what an action reads out of them |
//! | [`answer`], [`error`] | what is answered |
//!
//! Nothing here knows an action of either.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/programming.html>

mod answer;
mod error;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod parameters;
mod rule;
mod tags;

pub use answer::{IssuedKey, QueryAnswer};
pub use error::{QueryError, QueryErrorCode};
pub use form::{FORM_MAX_BYTES, PARAMETERS_MAX, Parameters, is_form};
pub use parameters::Structure;
pub use rule::{ARN, NAME_PATTERN, TextRule, is_name};
pub use tags::{TAG_KEY, TAG_VALUE, TAGS_MAX, set_tags};

/// Who answers: the two share the protocol and the endpoint, and a request's `Version` tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Iam,
    Sts,
}

impl Api {
    pub const ALL: [Self; 2] = [Self::Iam, Self::Sts];

    /// `Version`.
    pub fn version(self) -> &'static str {
        match self {
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
        }
    }

    /// Of the documents.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        }
    }

    /// The service in the scope of a request's signature.
    pub fn service(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
        }
    }

    /// Whom a request asks.
    ///
    /// # Errors
    /// `MissingAction`; `InvalidAction` for a version that is nobody's: actions are known by version and name.
    pub fn of(parameters: &Parameters) -> Result<Self, QueryError> {
        let action = parameters.action()?;
        let version = parameters.get("Version").unwrap_or_default();
        let found = Self::ALL.into_iter().find(|api| api.version() == version);
        found.ok_or_else(|| QueryError::unknown_action(action, version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_tells_whom_a_request_asks() {
        let api = |form: &str| Api::of(&Parameters::parse("", form.as_bytes()).unwrap()).map_err(|error| error.code());
        assert_eq!(api("Action=GetUser&Version=2010-05-08"), Ok(Api::Iam));
        assert_eq!(api("Version=2011-06-15&Action=GetCallerIdentity"), Ok(Api::Sts));
        assert_eq!(api("Action=GetUser"), Err(QueryErrorCode::InvalidAction));
        assert_eq!(api("Action=GetUser&Version=2006-03-01"), Err(QueryErrorCode::InvalidAction));
        assert_eq!(api("Version=2010-05-08"), Err(QueryErrorCode::MissingAction));
    }
}
