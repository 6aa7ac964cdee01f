//! What requests and answers look like by AWS's own model. `shapes.py` tells where `shapes.txt` comes from.

use crate::iam::IamAction;
use crate::xml::Element;
use std::collections::BTreeMap;

/// An action's parameters and the members of its result, both by path: required or not, and the type of members.
pub struct Shape {
    parameters: BTreeMap<&'static str, bool>,
    members: BTreeMap<&'static str, Member>,
}

#[derive(Clone, Copy)]
struct Member {
    required: bool,
    kind: &'static str,
}

impl Shape {
    /// All, by the action's name.
    pub fn all() -> BTreeMap<&'static str, Self> {
        let mut shapes = BTreeMap::new();
        let mut lines = include_str!("shapes.txt").lines().filter(|line| !line.starts_with('#'));
        while let (Some(action), Some(given), Some(result)) = (lines.next(), lines.next(), lines.next()) {
            let given = given.strip_prefix(" in").unwrap().split_whitespace();
            let parameters = given.map(|name| (name.trim_end_matches('!'), name.ends_with('!'))).collect();
            let result = result.strip_prefix(" out").unwrap().split_whitespace();
            let member = |text: &'static str| {
                let (path, kind) = text.split_once(':').unwrap();
                (path.trim_end_matches('!'), Member { required: path.ends_with('!'), kind })
            };
            shapes.insert(action, Self { parameters, members: result.map(member).collect() });
        }
        shapes
    }

    /// Panics where an answer has what the model does not know, lacks what it must have, or has it in another form.
    pub fn check(&self, result: &Element) {
        self.check_below(result, "");
    }

    fn check_below(&self, element: &Element, prefix: &str) {
        for (path, member) in &self.members {
            let name = path.strip_prefix(prefix).filter(|name| !name.contains('/'));
            if let Some(name) = name.filter(|_| member.required) {
                assert!(element.children.iter().any(|child| child.name == name), "{prefix}{name} is missing");
            }
        }
        for child in &element.children {
            let path = format!("{prefix}{}", child.name);
            let member = self.members.get(path.as_str()).unwrap_or_else(|| panic!("{path} is not in the model"));
            match member.kind {
                "structure" | "list" | "map" => self.check_below(child, &format!("{path}/")),
                kind => check_leaf(&path, kind, child.leaf().unwrap()),
            }
        }
    }
}

fn check_leaf(path: &str, kind: &str, text: &str) {
    let is_right = match kind {
        "string" => !text.is_empty() || path.ends_with("Tags/member/Value"),
        "integer" => text.parse::<u32>().is_ok(),
        "boolean" => matches!(text, "true" | "false"),
        "timestamp" => text.len() == "2026-01-02T03:04:05Z".len() && text.parse::<jiff::Timestamp>().is_ok(),
        _ => false,
    };
    assert!(is_right, "{path} is {text:?}, which is no {kind}");
}

#[test]
fn each_action_knows_parameters_of_the_model_and_all_that_are_required() {
    let shapes = Shape::all();
    for action in IamAction::ALL {
        let shape = &shapes[action.name()];
        for name in action.parameters() {
            assert!(shape.parameters.contains_key(name), "{} has no {name}", action.name());
        }
        for (name, _) in shape.parameters.iter().filter(|(_, required)| **required) {
            assert!(action.parameters().contains(name), "{} must know {name}", action.name());
        }
    }
    assert_eq!(shapes.len(), IamAction::ALL.len());
}
