//! A statement: who may, or may not, do what to what, and when.

use super::condition::Condition;
use super::facts::Ask;
use super::json::Json;
use super::kind::{DocumentKind, PolicyError};
use super::pattern::Pattern;
use super::principal::{Named, Principal, leave_out, texts};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// Names that are meant, or all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection<T> {
    Only(Vec<T>),
    AllBut(Vec<T>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub sid: Option<String>,
    pub effect: Effect,
    /// None in documents of identities: it is whoever has the document.
    pub principals: Option<Selection<Principal>>,
    /// In lower case.
    pub actions: Selection<Pattern>,
    /// None in documents of trust: it is the role.
    pub resources: Option<Selection<Pattern>>,
    pub conditions: Vec<Condition>,
}

impl Statement {
    pub(super) fn parse(element: &Json, kind: &DocumentKind, with_variables: bool) -> Result<Self, PolicyError> {
        let Json::Object(members) = element else { return Err(PolicyError::invalid("a Statement must be an object")) };
        let known = [
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ];
        if let Some((name, _)) = members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(PolicyError::invalid(format!("Unknown field {name}")));
        }
        let member = |name: &str| members.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let sid = match member("Sid") {
            None => None,
            Some(Json::Text(sid)) => Some(sid.clone()),
            Some(_) => return Err(PolicyError::invalid("Sid must be a text")),
        };
        let effect = match member("Effect") {
            Some(Json::Text(text)) if text == "Allow" => Effect::Allow,
            Some(Json::Text(text)) if text == "Deny" => Effect::Deny,
            Some(_) => return Err(PolicyError::invalid("Effect must be Allow or Deny")),
            None => return Err(PolicyError::invalid("Missing required field Effect")),
        };
        let conditions = match member("Condition") {
            None => Vec::new(),
            Some(element) => Condition::parse(element, with_variables).map_err(PolicyError::invalid)?,
        };
        Ok(Self {
            sid,
            effect,
            principals: principals(member("Principal"), member("NotPrincipal"), kind)?,
            actions: actions(member("Action"), member("NotAction"), kind)?,
            resources: resources(member("Resource"), member("NotResource"), kind, with_variables)?,
            conditions,
        })
    }

    /// How it speaks of what is asked; [`Named::No`]: not at all. `action` is the one asked for, in lower case.
    pub fn speaks_of(&self, ask: &Ask<'_>, action: &str) -> Named {
        let named = match &self.principals {
            None => Named::ByName,
            Some(Selection::Only(principals)) => {
                let named = principals.iter().map(|principal| principal.names(ask.identity, ask.facts));
                named.max().unwrap_or(Named::No)
            }
            Some(Selection::AllBut(principals)) => {
                if leave_out(principals, ask.identity, ask.facts) {
                    Named::No
                } else {
                    Named::ByName
                }
            }
        };
        let applies = named != Named::No
            && self.actions.selects(|pattern| pattern.matches(action, ask.facts))
            && self
                .resources
                .as_ref()
                .is_none_or(|resources| resources.selects(|pattern| pattern.matches(ask.resource, ask.facts)))
            && self.conditions.iter().all(|condition| condition.holds(ask.facts))
            && (self.effect == Effect::Deny || self.has_values_for_its_variables(ask));
        if applies { named } else { Named::No }
    }

    /// Not one of what the statement must not be can be told from a variable without a value: then it allows nothing,
    /// and what it denies it denies.
    fn has_values_for_its_variables(&self, ask: &Ask<'_>) -> bool {
        let left_out = match &self.resources {
            Some(Selection::AllBut(patterns)) => patterns.as_slice(),
            Some(Selection::Only(_)) | None => &[],
        };
        left_out.iter().all(|pattern| pattern.has_values(ask.facts))
            && self.conditions.iter().all(|condition| condition.has_values(ask.facts))
    }
}

impl<T> Selection<T> {
    pub fn selects(&self, matches: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Only(names) => names.iter().any(matches),
            Self::AllBut(names) => !names.iter().any(matches),
        }
    }

    pub fn names_mut(&mut self) -> &mut [T] {
        match self {
            Self::Only(names) | Self::AllBut(names) => names,
        }
    }

    pub fn names(&self) -> &[T] {
        match self {
            Self::Only(names) | Self::AllBut(names) => names,
        }
    }

    fn of(only: Option<Parsed<T>>, all_but: Option<Parsed<T>>, what: &str) -> Result<Option<Self>, PolicyError> {
        match (only, all_but) {
            (Some(_), Some(_)) => Err(PolicyError::invalid(format!("{what} and Not{what} can't be used together"))),
            (Some(names), None) => Ok(Some(Self::Only(names?))),
            (None, Some(names)) => Ok(Some(Self::AllBut(names?))),
            (None, None) => Ok(None),
        }
    }
}

type Parsed<T> = Result<Vec<T>, PolicyError>;

fn principals(
    only: Option<&Json>,
    all_but: Option<&Json>,
    kind: &DocumentKind,
) -> Result<Option<Selection<Principal>>, PolicyError> {
    let parse = |element: &Json| Principal::parse(element).map_err(PolicyError::invalid);
    let principals = Selection::of(only.map(parse), all_but.map(parse), "Principal")?;
    match (kind, &principals) {
        (DocumentKind::Identity | DocumentKind::Session, None) => Ok(None),
        (DocumentKind::Identity | DocumentKind::Session, Some(_)) => {
            Err(PolicyError::invalid("Policy document should not specify a principal."))
        }
        (DocumentKind::Bucket { .. } | DocumentKind::Trust, None) => {
            Err(PolicyError::invalid("Missing required field Principal"))
        }
        (DocumentKind::Bucket { .. } | DocumentKind::Trust, Some(_)) => Ok(principals),
    }
}

fn actions(
    only: Option<&Json>,
    all_but: Option<&Json>,
    kind: &DocumentKind,
) -> Result<Selection<Pattern>, PolicyError> {
    let parse = |element: &Json| {
        let names = texts(element).filter(|names| !names.is_empty());
        let names = names.ok_or_else(|| PolicyError::invalid("Action must be a text, or an array of texts"))?;
        names.into_iter().map(|name| action(name, kind)).collect()
    };
    let actions = Selection::of(only.map(parse), all_but.map(parse), "Action")?;
    actions.ok_or_else(|| PolicyError::invalid("Missing required field Action"))
}

fn action(name: &str, kind: &DocumentKind) -> Result<Pattern, PolicyError> {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'?' | b'-'))
    };
    let is_valid = name == "*"
        || name.split_once(':').is_some_and(|(service, action)| {
            let is_of_s3 = service.eq_ignore_ascii_case("s3") || service == "*";
            let is_of_kind = match kind {
                DocumentKind::Bucket { .. } => is_of_s3,
                DocumentKind::Identity | DocumentKind::Session | DocumentKind::Trust => true,
            };
            is_of_kind && is_word(service) && is_word(action)
        });
    if !is_valid {
        return Err(PolicyError::invalid("Policy has invalid action"));
    }
    Pattern::new(&name.to_ascii_lowercase(), false).map_err(PolicyError::invalid)
}

fn resources(
    only: Option<&Json>,
    all_but: Option<&Json>,
    kind: &DocumentKind,
    with_variables: bool,
) -> Result<Option<Selection<Pattern>>, PolicyError> {
    let parse = |element: &Json| {
        let names = texts(element).filter(|names| !names.is_empty());
        let names = names.ok_or_else(|| PolicyError::invalid("Resource must be a text, or an array of texts"))?;
        names.into_iter().map(|name| resource(name, kind, with_variables)).collect()
    };
    let resources = Selection::of(only.map(parse), all_but.map(parse), "Resource")?;
    match (kind, &resources) {
        (DocumentKind::Trust, None) => Ok(None),
        (DocumentKind::Trust, Some(_)) => Err(PolicyError::invalid("Has prohibited field Resource")),
        (DocumentKind::Identity | DocumentKind::Session | DocumentKind::Bucket { .. }, None) => {
            Err(PolicyError::invalid("Missing required field Resource"))
        }
        (DocumentKind::Identity | DocumentKind::Session | DocumentKind::Bucket { .. }, Some(_)) => Ok(resources),
    }
}

fn resource(name: &str, kind: &DocumentKind, with_variables: bool) -> Result<Pattern, PolicyError> {
    let is_valid = match kind {
        DocumentKind::Bucket { bucket } => name.strip_prefix("arn:aws:s3:::").is_some_and(|path| {
            path.strip_prefix(bucket.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '*']))
        }),
        DocumentKind::Identity | DocumentKind::Session | DocumentKind::Trust => {
            name == "*" || name.starts_with("arn:") && name.splitn(6, ':').count() == 6
        }
    };
    if !is_valid {
        return Err(PolicyError::invalid("Policy has invalid resource"));
    }
    Pattern::new(name, with_variables).map_err(PolicyError::invalid)
}
