//! A saved document as it is shown: those whom it names have the ARNs that are theirs by now, and who is gone has an id.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>

use super::json::Json;
use std::borrow::Cow;
use weir_proto::v1::PrincipalId;

/// The text as it was saved, as long as nobody of whom it names has another ARN. `arn_now` is a principal's; none: it is
/// gone.
pub fn as_of_now<'a>(
    text: &'a str,
    principals: &[PrincipalId],
    arn_now: impl Fn(&PrincipalId) -> Option<String>,
) -> Cow<'a, str> {
    let changed: Vec<(&str, String)> = principals
        .iter()
        .map(|principal| (principal.arn.as_str(), arn_now(principal).unwrap_or_else(|| principal.id.clone())))
        .filter(|(arn, now)| arn != now)
        .collect();
    if changed.is_empty() {
        return text.into();
    }
    // One that can't be read is shown as it is.
    let Ok(mut json) = Json::parse(text) else { return text.into() };
    for statement in json.member_mut("Statement").map(Json::items_mut).unwrap_or_default() {
        for element in ["Principal", "NotPrincipal"] {
            let principal = statement.member_mut(element).and_then(|element| element.member_mut("AWS"));
            for name in principal.map(Json::items_mut).unwrap_or_default() {
                let Json::Text(name) = name else { continue };
                if let Some((_, now)) = changed.iter().find(|(arn, _)| arn == name) {
                    name.clone_from(now);
                }
            }
        }
    }
    json.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_shows_who_is_meant_by_the_names_of_now() {
        let text = r#"{"Version": "2012-10-17", "Statement": [
            {"Sid": "a\"b", "Effect": "Allow", "Principal": {"AWS": ["bob", "eve", "000000000000"]},
             "Condition": {"StringEquals": {"aws:PrincipalArn": ["bob", 1, -2.5, true, null]}}},
            {"Principal": {"AWS": "\u0062ob", "Federated": "bob"}}, {"NotPrincipal": {"AWS": "bob"}},
            {"Principal": "*"}, {"Principal": {"AWS": 1}}, 7], "Id": "bob"}"#;
        let principals = ["bob", "eve"].map(|arn| PrincipalId { arn: arn.into(), id: format!("id-of-{arn}") });
        let unchanged = as_of_now(text, &principals, |principal| Some(principal.arn.clone()));
        assert_eq!(unchanged, text);
        let renamed = |principal: &PrincipalId| (principal.arn == "bob").then(|| "robert".to_owned());
        assert_eq!(
            as_of_now(text, &principals, renamed),
            concat!(
                r#"{"Version":"2012-10-17","Statement":["#,
                r#"{"Sid":"a\"b","Effect":"Allow","Principal":{"AWS":["robert","id-of-eve","000000000000"]},"#,
                r#""Condition":{"StringEquals":{"aws:PrincipalArn":["bob",1,-2.5,true,null]}}},"#,
                r#"{"Principal":{"AWS":"robert","Federated":"bob"}},{"NotPrincipal":{"AWS":"robert"}},"#,
                r#"{"Principal":"*"},{"Principal":{"AWS":1}},7],"Id":"bob"}"#
            )
        );
        let one = r#"{"Statement": {"Principal": {"AWS": "eve"}}}"#;
        assert_eq!(as_of_now(one, &principals, |_| None), r#"{"Statement":{"Principal":{"AWS":"id-of-eve"}}}"#);
        for text in ["", "{", "[]", "\"eve\"", "{\"Statement\":\"eve\"}"] {
            assert_eq!(as_of_now(text, &principals, |_| None), text);
        }
    }
}
