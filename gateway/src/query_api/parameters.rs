//! What an action reads out of its parameters: texts, numbers, lists (`Tags.member.1`), structures
//! (`Tags.member.1.Key`).
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>

use super::rule::invalid;
use super::{Parameters, QueryError, QueryErrorCode, TextRule};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Parameters of the protocol itself, and of the two kinds of signatures that a query may carry.
const OF_PROTOCOL: [&str; 9] = [
    "Action",
    "Version",
    "AWSAccessKeyId",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "Timestamp",
    "Expires",
    "SecurityToken",
];
const OF_SIGNATURE: &str = "X-Amz-";

/// The members of one structure of a list.
pub type Structure<'a> = BTreeMap<&'a str, &'a str>;

impl Parameters {
    /// Refuses what the action does not know: it might be meant to restrict what the action does.
    ///
    /// # Errors
    /// `InvalidQueryParameter`.
    pub fn check_known(&self, known: &[&str]) -> Result<(), QueryError> {
        let is_known = |name: &str| {
            let first = name.split('.').next().unwrap_or_default();
            known.contains(&first) || OF_PROTOCOL.contains(&name) || name.starts_with(OF_SIGNATURE)
        };
        match self.values.keys().find(|name| !is_known(name)) {
            Some(name) => {
                let message = format!("The action does not have the parameter {name}, or it is not served here.");
                Err(QueryError::new(QueryErrorCode::InvalidQueryParameter, message))
            }
            None => Ok(()),
        }
    }

    /// A text that may be absent.
    ///
    /// # Errors
    /// `ValidationError`.
    pub fn text(&self, name: &str, rule: &TextRule) -> Result<Option<&str>, QueryError> {
        let value = self.get(name);
        if let Some(value) = value {
            rule.check(name, value)?;
        }
        Ok(value)
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// `ValidationError`.
    pub fn required(&self, name: &str, rule: &TextRule) -> Result<&str, QueryError> {
        self.text(name, rule)?.ok_or_else(|| QueryError::missing(name))
    }

    /// A decimal number.
    ///
    /// # Errors
    /// `ValidationError` when it is none, or out of range.
    pub fn number(&self, name: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, QueryError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let is_decimal = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse::<u32>().ok().filter(|number| is_decimal && range.contains(number));
        let constraint = || format!("Member must be a number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| invalid(name, Some(value), &constraint()))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// `ValidationError` when it is neither.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, QueryError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if value.eq_ignore_ascii_case("true") {
            Ok(Some(true))
        } else if value.eq_ignore_ascii_case("false") {
            Ok(Some(false))
        } else {
            Err(invalid(name, Some(value), "Member must be true or false"))
        }
    }

    /// One of several words.
    ///
    /// # Errors
    /// `ValidationError` when it is another.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, QueryError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let chosen = choices.iter().find(|(word, _)| *word == value).map(|(_, chosen)| *chosen);
        let words = || choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let constraint = || format!("Member must satisfy enum value set: [{}]", words());
        chosen.map(Some).ok_or_else(|| invalid(name, Some(value), &constraint()))
    }

    /// A list of texts in its order; None when it is absent. `NAME=` is an empty list.
    ///
    /// # Errors
    /// `ValidationError` for one that is not allowed, and for more than `most`. `MalformedQueryString` for a list that
    /// is not numbered from 1 on.
    pub fn list(&self, name: &str, rule: &TextRule, most: usize) -> Result<Option<Vec<&str>>, QueryError> {
        let Some(members) = self.members(name, most)? else { return Ok(None) };
        let mut values = Vec::with_capacity(members.len());
        for (index, member) in members.iter().enumerate() {
            let place = format!("{name}.{}.member", index + 1);
            match (member.len(), member.get("")) {
                (1, Some(value)) => {
                    rule.check(&place, value)?;
                    values.push(*value);
                }
                _ => return Err(unnumbered(name)),
            }
        }
        Ok(Some(values))
    }

    /// A list of structures in its order, with these members at most; None when it is absent.
    ///
    /// # Errors
    /// As [`Parameters::list`]; `MalformedQueryString` also for a member that is not known.
    pub fn structures(
        &self,
        name: &str,
        known: &[&str],
        most: usize,
    ) -> Result<Option<Vec<Structure<'_>>>, QueryError> {
        let Some(structures) = self.members(name, most)? else { return Ok(None) };
        if structures.iter().flat_map(Structure::keys).any(|member| !known.contains(member)) {
            return Err(unnumbered(name));
        }
        Ok(Some(structures))
    }

    /// What stands under `NAME.member.1`, `NAME.member.2`, …, by the name that follows; the empty name is the entry's
    /// own.
    fn members(&self, name: &str, most: usize) -> Result<Option<Vec<Structure<'_>>>, QueryError> {
        let prefix = format!("{name}.");
        let mut numbered: BTreeMap<usize, Structure<'_>> = BTreeMap::new();
        let below = self.values.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        for (key, value) in below {
            let entry = key[prefix.len()..].strip_prefix("member.").ok_or_else(|| unnumbered(name))?;
            let (number, member) = entry.split_once('.').unwrap_or((entry, ""));
            let number = index(number).ok_or_else(|| unnumbered(name))?;
            numbered.entry(number).or_default().insert(member, value);
        }
        match (self.get(name), numbered.is_empty()) {
            (None, true) => return Ok(None),
            (Some(""), true) | (None, false) => {}
            (Some(_), _) => return Err(unnumbered(name)),
        }
        if numbered.keys().copied().ne(1..=numbered.len()) {
            return Err(unnumbered(name));
        }
        if numbered.len() > most {
            let constraint = format!("Member must have length less than or equal to {most}");
            return Err(invalid(name, Some(&format!("{} members", numbered.len())), &constraint));
        }
        Ok(Some(numbered.into_values().collect()))
    }
}

/// A number of a list: decimal, without zeros before it.
fn index(text: &str) -> Option<usize> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

fn unnumbered(name: &str) -> QueryError {
    let message = format!("The list {name} is not written as {name}.member.1, {name}.member.2 and so on.");
    QueryError::new(QueryErrorCode::MalformedQueryString, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: TextRule = TextRule { length: 1..=5, pattern: "", matches: |_| true };

    fn parameters(form: &str) -> Parameters {
        Parameters::parse("", form.as_bytes()).unwrap()
    }

    #[test]
    fn texts_may_be_absent_or_must_be_there() {
        let given = parameters("A=x&Empty=");
        assert_eq!(given.text("A", &ANY).unwrap(), Some("x"));
        assert_eq!(given.text("B", &ANY).unwrap(), None);
        assert_eq!(given.required("A", &ANY).unwrap(), "x");
        assert!(given.text("Empty", &ANY).is_err());
        assert_eq!(
            given.required("UserName", &ANY).unwrap_err().message(),
            "1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"
        );
    }

    #[test]
    fn numbers_booleans_and_choices_are_exact() {
        let number = |text: &str| parameters(&format!("N={text}")).number("N", 1..=1000).ok().flatten();
        assert_eq!((number("1"), number("1000"), number("007")), (Some(1), Some(1000), Some(7)));
        for text in ["0", "1001", "-1", "%2B1", "1.0", "", "99999999999", "x"] {
            assert_eq!(number(text), None, "{text}");
        }
        let boolean = |text: &str| parameters(&format!("B={text}")).boolean("B").ok().flatten();
        assert_eq!(
            (boolean("true"), boolean("False"), boolean("1"), boolean("")),
            (Some(true), Some(false), None, None)
        );
        let choice = |text: &str| parameters(&format!("C={text}")).choice("C", &[("All", 1), ("Local", 2)]);
        assert_eq!(choice("Local").unwrap(), Some(2));
        assert!(choice("local").unwrap_err().message().contains("[All, Local]"));
        let none = parameters("");
        assert_eq!((none.number("N", 1..=2).unwrap(), none.boolean("B").unwrap()), (None, None));
    }

    #[test]
    fn lists_are_numbered_from_one() {
        let list = |form: &str| parameters(form).list("L", &ANY, 11).map(|list| list.map(|list| list.join(",")));
        assert_eq!(list("Lx.member.1=a").unwrap(), None);
        assert_eq!(list("L=").unwrap().as_deref(), Some(""));
        let many: String = (1..=11).map(|index| format!("L.member.{index}={index}&")).collect();
        assert_eq!(list(&many).unwrap().as_deref(), Some("1,2,3,4,5,6,7,8,9,10,11"));
        for form in [
            "L.member.0=a",
            "L.member.2=a",
            "L.member.1=a&L.member.3=b",
            "L.member.01=a",
            "L.member.x=a",
            "L.member.=a",
            "L.member=a",
            "L.1=a",
            "L.member.1.Key=a",
            "L.member.1=a&L.member.1.Key=b",
            "L.member.99999999999999999999999=a",
            "L=a",
            "L=&L.member.1=a",
        ] {
            assert_eq!(list(form).unwrap_err().code(), QueryErrorCode::MalformedQueryString, "{form}");
        }
        for form in [&format!("{many}L.member.12=x"), "L.member.1=", "L.member.1=toolong"] {
            assert_eq!(list(form).unwrap_err().code(), QueryErrorCode::ValidationError, "{form}");
        }
    }

    #[test]
    fn structures_have_the_members_that_are_known() {
        let given = parameters("T.member.2.Key=b&T.member.1.Value=1&T.member.1.Key=a");
        let structures = given.structures("T", &["Key", "Value"], 5).unwrap().unwrap();
        assert_eq!(structures.len(), 2);
        assert_eq!((structures[0]["Key"], structures[0]["Value"], structures[1]["Key"]), ("a", "1", "b"));
        for form in ["T.member.1.Other=a", "T.member.1=a", "T.member.1.Key.x=a"] {
            let code = parameters(form).structures("T", &["Key", "Value"], 5).unwrap_err().code();
            assert_eq!(code, QueryErrorCode::MalformedQueryString, "{form}");
        }
        assert!(given.structures("T", &["Key", "Value"], 1).is_err());
    }

    #[test]
    fn a_parameter_that_the_action_does_not_know_is_refused() {
        let given = parameters("Action=a&Version=b&UserName=c&Tags.member.1.Key=d&X-Amz-Signature=e&AWSAccessKeyId=f");
        assert!(given.check_known(&["UserName", "Tags"]).is_ok());
        let error = given.check_known(&["UserName"]).unwrap_err();
        assert_eq!(error.code(), QueryErrorCode::InvalidQueryParameter);
        assert!(error.message().contains("Tags.member.1.Key"));
    }
}
