//! A document: statements, read and checked once.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use super::facts::Ask;
use super::facts::EXISTING_TAG;
use super::json::Json;
use super::kind::{DocumentKind, PolicyError};
use super::pattern::{Pattern, Wildcard};
use super::principal::Named;
use super::statement::{Effect, Selection, Statement};
use std::collections::BTreeSet;
use weir_proto::v1::PrincipalId;

/// Of a bucket's policy, in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html>
const BUCKET_MAX_BYTES: usize = 20 << 10;
/// Of any other, in bytes. What each may have exactly, without its white space, is the directory's matter.
const OTHER_MAX_BYTES: usize = 128 << 10;

/// What a document says of what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Deny,
    /// For whoever asks.
    Allow,
    /// For the user or the role: within what bounds a session of theirs.
    AllowHolder,
    /// For the account: for those of it whose own policies allow it too.
    AllowAccount,
    Silent,
}

/// A document that was understood as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyDocument {
    pub(super) statements: Vec<Statement>,
    /// Does it ask for the tags of the object that a request is about?
    pub turns_on_object: bool,
}

impl PolicyDocument {
    /// # Errors
    /// [`PolicyError`]: anything that is not understood could be what was meant to forbid something.
    pub fn parse(kind: &DocumentKind, text: &str) -> Result<Self, PolicyError> {
        let allowed = match kind {
            DocumentKind::Bucket { .. } => BUCKET_MAX_BYTES,
            DocumentKind::Identity | DocumentKind::Session | DocumentKind::Trust => OTHER_MAX_BYTES,
        };
        if text.len() > allowed {
            return Err(PolicyError::TooLong { length: text.len(), allowed });
        }
        let json = Json::parse(text).map_err(|error| PolicyError::Json(error.to_string()))?;
        let turns_on_object = json.has_text(&|text| text.to_ascii_lowercase().contains(EXISTING_TAG));
        let Json::Object(members) = json else {
            return Err(PolicyError::invalid("Policies must be a JSON object"));
        };
        let with_variables = version(&members)?;
        let statements = members.iter().find(|(name, _)| name == "Statement").map(|(_, value)| value);
        let elements = match statements {
            Some(Json::Array(elements)) => elements.as_slice(),
            Some(one @ Json::Object(_)) => std::slice::from_ref(one),
            Some(_) => return Err(PolicyError::invalid("Statement must be an object, or an array of objects")),
            None => return Err(PolicyError::invalid("Missing required field Statement")),
        };
        if elements.is_empty() {
            return Err(PolicyError::invalid("Could not parse the policy: Statement is empty!"));
        }
        let parse = |element| Statement::parse(element, kind, with_variables);
        let statements = elements.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        check_sids(&statements)?;
        Ok(Self { statements, turns_on_object })
    }

    /// What stands in for a document that can't be read: nobody may do anything.
    pub fn refusing_everything() -> Self {
        let every = || Pattern::Fixed(Wildcard::new("*"));
        Self {
            turns_on_object: false,
            statements: vec![Statement {
                sid: None,
                effect: Effect::Deny,
                principals: None,
                actions: Selection::Only(vec![every()]),
                resources: None,
                conditions: Vec::new(),
            }],
        }
    }

    pub fn judge(&self, ask: &Ask<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        let action = ask.action.to_ascii_lowercase();
        for statement in &self.statements {
            match (statement.speaks_of(ask, &action), statement.effect) {
                (Named::No, _) => {}
                (Named::ByAccount | Named::ByHolder | Named::ByName, Effect::Deny) => return Verdict::Deny,
                (Named::ByName, Effect::Allow) => verdict = Verdict::Allow,
                (Named::ByHolder, Effect::Allow) if verdict != Verdict::Allow => verdict = Verdict::AllowHolder,
                (Named::ByAccount, Effect::Allow) if verdict == Verdict::Silent => verdict = Verdict::AllowAccount,
                (Named::ByAccount | Named::ByHolder, Effect::Allow) => {}
            }
        }
        verdict
    }

    /// The ARNs of users, roles and sessions that it names as principals, each once. Whoever saves the document sends them
    /// along, and the metaserver answers for whom they stand.
    pub fn principal_arns(&self) -> Vec<String> {
        let principals = self.statements.iter().filter_map(|statement| statement.principals.as_ref());
        let arns = principals.flat_map(|selection| selection.names()).filter_map(|principal| principal.arn());
        arns.collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect()
    }

    /// The document of a bucket or a role as it was saved: its principals are those whom their ARNs stood for then.
    ///
    /// # Errors
    /// [`PolicyError::Invalid`] when that is not known of one of them: it may be who is to be kept out.
    pub fn bound_to(mut self, principals: &[PrincipalId]) -> Result<Self, PolicyError> {
        for selection in self.statements.iter_mut().filter_map(|statement| statement.principals.as_mut()) {
            for principal in selection.names_mut() {
                principal.bind(principals).map_err(|arn| {
                    PolicyError::invalid(format!(
                        "for whom {arn} stands is not known: the policy has to be saved again"
                    ))
                })?;
            }
        }
        Ok(self)
    }
}

/// Are there variables in it?
fn version(members: &[(String, Json)]) -> Result<bool, PolicyError> {
    let mut with_variables = false;
    for (name, value) in members {
        match (name.as_str(), value) {
            ("Version", Json::Text(version)) if version == "2012-10-17" => with_variables = true,
            ("Version", Json::Text(version)) if version == "2008-10-17" => {}
            ("Version", _) => return Err(PolicyError::invalid("The policy must contain a valid version string")),
            ("Id", Json::Text(_)) | ("Statement", _) => {}
            ("Id", _) => return Err(PolicyError::invalid("Id must be a text")),
            (name, _) => return Err(PolicyError::invalid(format!("Unknown field {name}"))),
        }
    }
    Ok(with_variables)
}

fn check_sids(statements: &[Statement]) -> Result<(), PolicyError> {
    let mut sids: Vec<&str> =
        statements.iter().filter_map(|s| s.sid.as_deref()).filter(|sid| !sid.is_empty()).collect();
    sids.sort_unstable();
    match sids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(PolicyError::invalid(format!("Statement IDs (SID) in a single policy must be unique: {}", pair[0])))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(text: &str) -> Result<PolicyDocument, PolicyError> {
        PolicyDocument::parse(&DocumentKind::Bucket { bucket: "photos".into() }, text)
    }

    const STATEMENT: &str =
        r#""Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*""#;

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(bucket(&format!(r#"{{"Version":"2012-10-17","Id":"a","Statement":[{{{STATEMENT}}}]}}"#)).is_ok());
        assert!(bucket(&format!(r#"{{"Statement":{{"Sid":"","Condition":{{}},{STATEMENT}}}}}"#)).is_ok());
        for text in [
            String::new(),
            "[]".into(),
            "{}".into(),
            r#"{"Statement":[]}"#.into(),
            r#"{"Statement":"*"}"#.into(),
            format!(r#"{{"Statement":{{{STATEMENT}}}}} x"#),
            format!(r#"{{"Version":"2020-01-01","Statement":{{{STATEMENT}}}}}"#),
            format!(r#"{{"Version":1,"Statement":{{{STATEMENT}}}}}"#),
            format!(r#"{{"Comment":"a","Statement":{{{STATEMENT}}}}}"#),
            format!(r#"{{"Statement":{{"Note":"a",{STATEMENT}}}}}"#),
            format!(r#"{{"Statement":{{"effect":"Deny",{STATEMENT}}}}}"#),
            format!(r#"{{"Statement":{{"NotAction":"s3:PutObject",{STATEMENT}}}}}"#),
            format!(r#"{{"Statement":{{"NotResource":"arn:aws:s3:::photos",{STATEMENT}}}}}"#),
            format!(r#"{{"Statement":{{"Effect":"Deny",{STATEMENT}}}}}"#),
            format!(r#"{{"Statement":[{{"Sid":"a",{STATEMENT}}},{{"Sid":"a",{STATEMENT}}}]}}"#),
            format!(r#"{{"Statement":{{"Sid":1,{STATEMENT}}}}}"#),
            format!(r#"{{"Statement":{{{STATEMENT}}},"Id":"{}"}}"#, "a".repeat(BUCKET_MAX_BYTES)),
        ] {
            assert!(bucket(&text).is_err(), "{text}");
        }
        for (from, to) in [
            ("Allow", "allow"),
            ("\"Effect\":\"Allow\",", ""),
            ("\"Principal\":\"*\",", ""),
            ("s3:GetObject", "ec2:RunInstances"),
            ("s3:GetObject", "GetObject"),
            ("s3:GetObject", "s3:Get Object"),
            ("s3:GetObject", ""),
            ("photos/*", "other/*"),
            ("photos/*", "photosx"),
            ("arn:aws:s3:::photos/*", "photos/*"),
            ("arn:aws:s3:::photos/*", "*"),
        ] {
            let text = format!(r#"{{"Statement":{{{}}}}}"#, STATEMENT.replace(from, to));
            assert!(bucket(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_kind_of_document_has_its_own_elements() {
        let parse = |kind, text: &str| PolicyDocument::parse(&kind, text).is_ok();
        let identity = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        let trust = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}}"#;
        assert!(parse(DocumentKind::Identity, identity) && parse(DocumentKind::Session, identity));
        assert!(parse(DocumentKind::Trust, trust));
        assert!(!parse(DocumentKind::Trust, identity) && !parse(DocumentKind::Identity, trust));
        let with_resource = trust.replace("\"Action\"", "\"Resource\":\"*\",\"Action\"");
        assert!(!parse(DocumentKind::Trust, &with_resource));
    }

    #[test]
    fn a_document_is_bound_to_all_whom_it_names_or_refused() {
        use crate::auth::Identity;
        let arn = |name: &str| format!("arn:aws:iam::000000000000:user/{name}");
        let text = format!(
            r#"{{"Statement":[
            {{"Effect":"Deny","NotPrincipal":{{"AWS":["{0}","000000000000"]}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}},
            {{"Effect":"Allow","Principal":{{"AWS":["{0}","{1}"]}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}}]}}"#,
            arn("alice"),
            arn("bob")
        );
        let document = bucket(&text).unwrap();
        assert_eq!(document.principal_arns(), [arn("alice"), arn("bob")]);
        let id = |name: &str, id: &str| PrincipalId { arn: arn(name), id: id.into() };
        assert!(document.clone().bound_to(&[id("alice", "AIDA1")]).unwrap_err().to_string().contains("user/bob"));
        assert!(bucket(&format!("{{\"Statement\":{{{STATEMENT}}}}}")).unwrap().bound_to(&[]).is_ok());
        let document = document.bound_to(&[id("alice", "AIDA1"), id("bob", "AIDA2")]).unwrap();
        let facts = super::super::Facts::default();
        let judge = |name: &str, id: &str| {
            let identity = Identity::User { name: name.into(), path: "/".into(), id: id.into() };
            let (action, resource) = ("s3:GetObject", "arn:aws:s3:::photos/a");
            document.judge(&Ask { identity: &identity, action, resource, facts: &facts })
        };
        assert_eq!(judge("alice", "AIDA1"), Verdict::AllowHolder);
        assert_eq!(judge("alicia", "AIDA1"), Verdict::AllowHolder, "she has another name by now");
        assert_eq!(judge("alice", "AIDA3"), Verdict::Deny, "she is another one, and not left out");
        assert_eq!(judge("bob", "AIDA2"), Verdict::Deny);
    }

    #[test]
    fn what_stands_in_for_an_unreadable_document_refuses_everything() {
        use crate::auth::Identity;
        let document = PolicyDocument::refusing_everything();
        let facts = super::super::Facts::default();
        for (action, resource) in
            [("s3:GetObject", "arn:aws:s3:::b/k"), ("s3:ListBucket", "arn:aws:s3:::b"), ("iam:GetUser", "*")]
        {
            for identity in [Identity::Anonymous, Identity::Root] {
                assert_eq!(
                    document.judge(&Ask { identity: &identity, action, resource, facts: &facts }),
                    Verdict::Deny
                );
            }
        }
    }
}
