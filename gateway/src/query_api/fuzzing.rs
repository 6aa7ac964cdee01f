//! Requests to the APIs of IAM and STS, as far as they can be read without knowing who exists.

use super::{ARN, Api, Parameters, TAG_KEY};
use crate::auth::{Directory, Identity};
use crate::iam::{IamAction, permissions};
use crate::sts::StsAction;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use weir_service::fuzzing::Input;

/// A query on the first line, then a form. What is read is read the same when it is written in another way; what it asks
/// for is refused in words, or needs a permission.
pub fn iam_form(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let query = input.text_line();
    let Ok(parameters) = Parameters::parse(&query, input.rest()) else { return };
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = parameters.values.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    let form = pairs.collect::<Vec<_>>().join("&");
    if let Ok(again) = Parameters::parse("", form.as_bytes()) {
        assert!(again == parameters, "{form}");
    }
    for name in parameters.values.keys() {
        let _ = parameters.number(name, 1..=1000);
        let _ = parameters.boolean(name);
        let _ = parameters.list(name.split('.').next().unwrap_or_default(), &TAG_KEY, 50);
    }
    let _ = parameters.text("PolicyArn", &ARN);
    let _ = parameters.structures("PolicyArns", &["arn"], 10);
    let _ = parameters.tags("Tags");
    let _ = StsAction::of(&parameters);
    let _ = Api::of(&parameters);
    let Ok(action) = parameters.action().and_then(IamAction::parse) else { return };
    let _ = parameters.check_known(action.parameters());
    if let Ok(needed) = permissions(&Directory::default(), &Identity::Root, action, &parameters) {
        assert!(!needed.is_empty() && needed.iter().all(|permission| permission.action.starts_with("iam:")));
    }
}
