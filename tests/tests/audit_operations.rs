//! Every operation that the router knows has one line in the audit log, whether it is served or refused.

use crate::access::{Session, root};
use crate::audit::lines_that;
use http::{HeaderMap, Method};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use weir_gateway::route::{BucketOperation, ObjectOperation, Query, Router, SUBRESOURCES, ServiceOperation};
use weir_service::config::GatewaySettings;
use weir_tests::sign::Keys;
use weir_tests::{Answer, Server};

type Headers = &'static [(&'static str, &'static str)];

/// A request for each operation, by the operation's name: found by trying every method with every subresource.
fn one_of_each() -> BTreeMap<&'static str, (String, String, Headers)> {
    let router = Router::new(&GatewaySettings::default()).unwrap();
    let queries = SUBRESOURCES.iter().flat_map(|name| [format!("?{name}=1"), format!("?{name}&id=1")]);
    let queries: Vec<String> = queries.chain(["".into(), "?list-type=2".into(), "?delete".into()]).collect();
    let mut found = BTreeMap::new();
    for path in ["/", "/operations", "/operations/k"] {
        for query in &queries {
            for method in ["GET", "PUT", "POST", "DELETE", "HEAD"] {
                for headers in [&[][..], &[("x-amz-copy-source", "/operations/source")]] {
                    let map: HeaderMap =
                        headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
                    let parsed = Query::parse(query.trim_start_matches('?')).unwrap();
                    let method_name = Method::from_bytes(method.as_bytes()).unwrap();
                    if let Ok(route) = router.route(&method_name, "localhost", path, &parsed, &map) {
                        let request = (method.to_owned(), format!("{path}{query}"), headers);
                        found.entry(route.operation.name()).or_insert(request);
                    }
                }
            }
        }
    }
    found
}

/// The one line of an answer, which says the same.
fn assert_line(lines: &BTreeMap<String, Vec<Value>>, name: &str, answer: &Answer) {
    let id = answer.must("x-amz-request-id");
    let own = lines.get(id).unwrap_or_else(|| panic!("{name} has no line: {answer}"));
    assert_eq!(own.len(), 1, "{name}: {own:?}");
    let line = &own[0];
    assert_eq!((&line["operation"], &line["status"]), (&name.into(), &answer.status.into()), "{line}");
    assert_eq!(line["error"].is_null(), answer.status < 300, "{line}");
    if !answer.body.is_empty() && answer.status >= 400 {
        assert!(
            answer.text().contains(&format!("<Code>{}</Code>", line["error"].as_str().unwrap())),
            "{line}: {answer}"
        );
    }
    // What IAM and STS are asked is in a form, and there is none here.
    if name != "QueryApi" {
        assert!(line["action"].as_str().is_some_and(|action| action.starts_with("s3")), "{line}");
    }
}

/// The lines of these answers.
fn lines_by_id(server: &Server, answers: &[(&str, Answer)]) -> BTreeMap<String, Vec<Value>> {
    let ids: BTreeSet<&str> = answers.iter().map(|(_, answer)| answer.must("x-amz-request-id")).collect();
    let is_asked_for = |line: &Value| ids.contains(line["request_id"].as_str().unwrap());
    let mut by_id: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in lines_that(server, answers.len(), is_asked_for) {
        by_id.entry(line["request_id"].as_str().unwrap().to_owned()).or_default().push(line);
    }
    by_id
}

#[test]
fn each_operation_writes_one_line_with_its_action_its_status_and_its_error() {
    let requests = one_of_each();
    let names = BucketOperation::ALL.iter().map(|operation| operation.name());
    let names = names.chain(ObjectOperation::ALL.iter().map(|operation| operation.name()));
    for name in names.chain(ServiceOperation::ALL.iter().map(|operation| operation.name())) {
        assert!(requests.contains_key(name), "no request leads to {name}");
    }
    let session = Session::start_with("audit_log = \"audit.log\"");
    let (root, guess) = (root(), Keys::new("AKIAGUESS", "secret"));
    let mut answers = Vec::new();
    for (name, (method, target, headers)) in &requests {
        for keys in [Some(&root), Some(&guess), None] {
            let answer = session.s3_with(keys, method, target, headers, "");
            assert!(keys == Some(&root) || answer.status >= 400, "{name}: {answer}");
            answers.push((*name, answer));
        }
    }
    let lines = lines_by_id(&session.server, &answers);
    assert_eq!(answers.len(), 3 * requests.len());
    for (name, answer) in &answers {
        assert_line(&lines, name, answer);
    }
}
