//! When a statement holds: all of its conditions must be true of a request.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>

use super::facts::Facts;
use super::json::Json;
use super::key::is_known;
use super::operator::{Comparison, Operand, by_name};

/// One operator on one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// In lower case.
    pub key: String,
    pub test: Test,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Is the key there?
    Null {
        is_absent: bool,
    },
    Compare(Compare),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Compare {
    pub comparison: Comparison,
    pub negated: bool,
    pub set: Set,
    /// True of a request that does not have the key.
    pub if_exists: bool,
    pub operands: Vec<Operand>,
}

/// How several values of the request count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// No prefix: one is expected.
    Single,
    All,
    Any,
}

impl Condition {
    /// The conditions of a `Condition` element.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(element: &Json, with_variables: bool) -> Result<Vec<Self>, String> {
        let Json::Object(operators) = element else { return Err("Condition must be an object".to_owned()) };
        let mut conditions = Vec::new();
        for (operator, keys) in operators {
            let Json::Object(keys) = keys else { return Err(format!("Condition {operator} must be an object")) };
            for (key, values) in keys {
                let test = Test::parse(operator, values, with_variables)
                    .map_err(|reason| format!("Condition {operator} on {key}: {reason}"))?;
                let lower = key.to_ascii_lowercase();
                if !is_known(&lower) {
                    return Err(format!("Condition {operator} has an invalid condition key: {key}"));
                }
                conditions.push(Self { key: lower, test });
            }
        }
        Ok(conditions)
    }

    /// Does the request have a value for each variable in it?
    pub fn has_values(&self, facts: &Facts) -> bool {
        match &self.test {
            Test::Null { .. } => true,
            Test::Compare(compare) => compare.operands.iter().all(|operand| operand.has_values(facts)),
        }
    }

    pub fn holds(&self, facts: &Facts) -> bool {
        let values = facts.get(&self.key);
        match &self.test {
            Test::Null { is_absent } => values.is_none() == *is_absent,
            Test::Compare(compare) => compare.holds(values, facts),
        }
    }
}

impl Test {
    fn parse(operator: &str, values: &Json, with_variables: bool) -> Result<Self, String> {
        let values = scalars(values).filter(|values| !values.is_empty());
        let values = values.ok_or("a text, or an array of texts, is expected")?;
        if operator == "Null" {
            return match values.as_slice() {
                [value] if value == "true" => Ok(Self::Null { is_absent: true }),
                [value] if value == "false" => Ok(Self::Null { is_absent: false }),
                _ => Err("true or false is expected".to_owned()),
            };
        }
        let (set, name) = if let Some(name) = operator.strip_prefix("ForAllValues:") {
            (Set::All, name)
        } else if let Some(name) = operator.strip_prefix("ForAnyValue:") {
            (Set::Any, name)
        } else {
            (Set::Single, operator)
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let (comparison, negated) = by_name(name).ok_or("the operator is not known")?;
        let parsed = values.iter().map(|value| Operand::parse(comparison, value, with_variables));
        let operands = parsed.collect::<Result<Vec<_>, _>>()?;
        Ok(Self::Compare(Compare { comparison, negated, set, if_exists, operands }))
    }
}

impl Compare {
    fn holds(&self, values: Option<&[String]>, facts: &Facts) -> bool {
        // In a set an empty text is no value.
        let is_none =
            |values: &[String]| values.is_empty() || self.set != Set::Single && values.iter().all(String::is_empty);
        let Some(values) = values.filter(|values| !is_none(values)) else {
            return match self.set {
                Set::Single => self.negated || self.if_exists,
                Set::All => true,
                Set::Any => self.if_exists,
            };
        };
        let accepted = |value: &String| self.operands.iter().any(|own| own.accepts(self.comparison, value, facts));
        match self.set {
            // No value may be one of those that are named.
            Set::Single if self.negated => !values.iter().any(accepted),
            Set::Single => values.iter().any(accepted),
            Set::All => values.iter().all(|value| accepted(value) != self.negated),
            Set::Any => values.iter().any(|value| accepted(value) != self.negated),
        }
    }
}

/// Texts, numbers and truth values; one, or several in an array.
fn scalars(element: &Json) -> Option<Vec<String>> {
    let scalar = |element: &Json| match element {
        Json::Text(text) | Json::Number(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    };
    match element {
        Json::Array(items) => items.iter().map(scalar).collect(),
        other => scalar(other).map(|value| vec![value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str, facts: &[(&str, &str)]) -> bool {
        let mut known = Facts::default();
        for (key, value) in facts {
            known.add(key, *value);
        }
        let conditions = Condition::parse(&Json::parse(condition).unwrap(), true).unwrap();
        conditions.iter().all(|condition| condition.holds(&known))
    }

    #[test]
    fn a_missing_key_fails_what_it_should_equal_and_passes_what_it_should_not() {
        assert!(!holds(r#"{"StringEquals": {"x:a": "1"}}"#, &[]));
        assert!(holds(r#"{"StringNotEquals": {"x:a": "1"}}"#, &[]));
        assert!(holds(r#"{"StringEqualsIfExists": {"x:a": "1"}}"#, &[]));
        assert!(!holds(r#"{"StringEqualsIfExists": {"x:a": "1"}}"#, &[("x:a", "2")]));
        assert!(holds(r#"{"ForAllValues:StringEquals": {"x:a": "1"}}"#, &[]));
        assert!(!holds(r#"{"ForAnyValue:StringEquals": {"x:a": "1"}}"#, &[]));
        assert!(holds(r#"{"Null": {"x:a": "true"}}"#, &[]));
        assert!(!holds(r#"{"Null": {"x:a": true}}"#, &[("X:A", "")]));
        assert!(holds(r#"{"Null": {"x:a": false}}"#, &[("X:A", "")]));
    }

    #[test]
    fn values_are_alternatives_and_keys_and_operators_are_not() {
        assert!(holds(r#"{"StringEquals": {"x:a": ["1", "2"]}}"#, &[("x:a", "2")]));
        assert!(!holds(r#"{"StringNotEquals": {"x:a": ["1", "2"]}}"#, &[("x:a", "2")]));
        assert!(holds(r#"{"StringNotEquals": {"x:a": ["1", "2"]}}"#, &[("x:a", "3")]));
        assert!(!holds(r#"{"StringEquals": {"x:a": "1", "x:b": "1"}}"#, &[("x:a", "1"), ("x:b", "2")]));
        assert!(!holds(r#"{"StringEquals": {"x:a": "1"}, "StringLike": {"x:a": "2"}}"#, &[("x:a", "1")]));
    }

    #[test]
    fn sets_are_compared_value_by_value() {
        let both = [("x:a", "1"), ("x:a", "2")];
        assert!(holds(r#"{"ForAllValues:StringEquals": {"x:a": ["1", "2", "3"]}}"#, &both));
        assert!(!holds(r#"{"ForAllValues:StringEquals": {"x:a": "1"}}"#, &both));
        assert!(holds(r#"{"ForAnyValue:StringEquals": {"x:a": "1"}}"#, &both));
        assert!(!holds(r#"{"ForAnyValue:StringEquals": {"x:a": "3"}}"#, &both));
        assert!(holds(r#"{"ForAnyValue:StringNotEquals": {"x:a": "1"}}"#, &both));
        assert!(!holds(r#"{"ForAllValues:StringNotEquals": {"x:a": "1"}}"#, &both));
    }

    #[test]
    fn what_can_t_be_understood_is_refused() {
        for text in [
            "[]",
            r#"{"StringEquals": "a"}"#,
            r#"{"StringIs": {"x:a": "1"}}"#,
            r#"{"StringEquals": {"x:a": {}}}"#,
            r#"{"StringEquals": {"x:a": null}}"#,
            r#"{"StringEquals": {"": "1"}}"#,
            r#"{"StringEquals": {"a": "1"}}"#,
            r#"{"StringEquals": {"x:a": []}}"#,
            r#"{"StringEquals": {"s3:nosuchkey": "1"}}"#,
            r#"{"Null": {"x:a": "maybe"}}"#,
            r#"{"NullIfExists": {"x:a": "true"}}"#,
            r#"{"ForSomeValues:StringEquals": {"x:a": "1"}}"#,
            r#"{"IpAddress": {"aws:SourceIp": "everywhere"}}"#,
        ] {
            assert!(Condition::parse(&Json::parse(text).unwrap(), true).is_err(), "{text}");
        }
    }
}
