//! The audit log of who may come in: what IAM and STS did, which keys were tried, what operators changed by the shell.

use crate::access::{Session, between, encoded, root};
use crate::audit::{lines_that, path_of_log};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use weir_tests::form::policy;
use weir_tests::sign::form::{v2_fields, v4_fields};
use weir_tests::sign::{Draft, Keys, v2, v4};
use weir_tests::{Form, binary, eventually};

const ALICE: &str = "arn:aws:iam::000000000000:user/alice";

fn session() -> Session {
    Session::start_with("audit_log = \"audit.log\"")
}

/// What a line says of these members.
fn told(line: &Value, members: &[&str]) -> Value {
    members.iter().map(|member| line[member].clone()).collect()
}

fn lines_of_query_api(session: &Session, count: usize) -> Vec<Value> {
    lines_that(&session.server, count, |line| line["operation"] == "QueryApi")
}

#[test]
fn a_change_by_iam_is_told_with_its_target_and_the_key_that_it_made() {
    let session = session();
    let alice = session.user("alice");
    let read_only = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    session.iam(&format!("Action=AttachUserPolicy&UserName=alice&PolicyArn={read_only}"));
    session.iam(&format!("Action=UpdateAccessKey&UserName=alice&AccessKeyId={}&Status=Active", alice.access));
    let lines = lines_of_query_api(&session, 4);
    let members = ["action", "resource", "parameters", "status", "error", "issued_access_key_id", "issued_identity"];
    let name = json!({"UserName": "alice"});
    assert_eq!(told(&lines[0], &members), json!(["iam:CreateUser", ALICE, name, 200, null, null, null]));
    assert_eq!(told(&lines[1], &members), json!(["iam:CreateAccessKey", ALICE, name, 200, null, alice.access, ALICE]));
    assert_eq!(
        told(&lines[2], &members[..3]),
        json!(["iam:AttachUserPolicy", ALICE, {"UserName": "alice", "PolicyArn": read_only}])
    );
    assert_eq!(lines[3]["parameters"], json!({"UserName": "alice", "AccessKeyId": alice.access, "Status": "Active"}));
    let root_arn = "arn:aws:iam::000000000000:root";
    assert!(lines.iter().all(|line| told(line, &["identity", "access_key_id"]) == json!([root_arn, "ROOTKEY"])));
    let text = fs::read_to_string(path_of_log(&session.server)).unwrap();
    assert!(!text.contains(&alice.secret), "the secret is in it");
}

#[test]
fn what_iam_and_sts_refuse_is_told_with_its_error() {
    let session = session();
    let alice = session.user("alice");
    let wrong = Keys::new("ROOTKEY", "another secret");
    let unknown = Keys::new("AKIAGUESS", "secret");
    for (keys, service, form) in [
        (&alice, "iam", "Action=CreateUser&UserName=bob"),
        (&alice, "iam", "Action=CreateAccessKey"),
        (&root(), "iam", "Action=GetUser&UserName=nobody"),
        (&wrong, "iam", "Action=DeleteUser&UserName=alice"),
        (&unknown, "sts", "Action=GetCallerIdentity"),
        (&root(), "iam", "Action=NoSuchAction&UserName=alice"),
        (&alice, "sts", "Action=AssumeRole&RoleArn=arn:aws:iam::000000000000:role/none&RoleSessionName=night"),
    ] {
        assert!(session.query(keys, service, form).status >= 400, "{form}");
    }
    let lines = lines_of_query_api(&session, 9);
    let members = ["action", "resource", "status", "error", "identity", "access_key_id"];
    let root_arn = "arn:aws:iam::000000000000:root";
    let bob = "arn:aws:iam::000000000000:user/bob";
    let told = |index: usize| told(&lines[index], &members);
    assert_eq!(told(2), json!(["iam:CreateUser", bob, 403, "AccessDenied", ALICE, alice.access]));
    assert_eq!(told(3), json!(["iam:CreateAccessKey", ALICE, 403, "AccessDenied", ALICE, alice.access]));
    let nobody = "arn:aws:iam::000000000000:user/nobody";
    assert_eq!(told(4), json!(["iam:GetUser", nobody, 404, "NoSuchEntity", root_arn, "ROOTKEY"]));
    assert_eq!(told(5), json!(["iam:DeleteUser", ALICE, 403, "SignatureDoesNotMatch", null, "ROOTKEY"]));
    assert_eq!(told(6), json!(["sts:GetCallerIdentity", null, 403, "InvalidClientTokenId", null, "AKIAGUESS"]));
    assert_eq!(told(7), json!([null, null, 400, "InvalidAction", root_arn, "ROOTKEY"]));
    let role = "arn:aws:iam::000000000000:role/none";
    assert_eq!(told(8), json!(["sts:AssumeRole", role, 403, "AccessDenied", ALICE, alice.access]));
    assert_eq!(lines[8]["parameters"], json!({"RoleArn": role, "RoleSessionName": "night"}));
    assert_eq!(lines[7]["parameters"], Value::Null);
    assert!(session.server.metric("weir_gateway_errors_total") >= 7.0);
}

#[test]
fn temporary_credentials_are_told_from_their_making_to_their_use() {
    let session = session();
    let alice = session.user("alice");
    let trust = encoded(&format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{ALICE}"}},"Action":"sts:AssumeRole"}}}}"#
    ));
    session.iam(&format!("Action=CreateRole&RoleName=reader&AssumeRolePolicyDocument={trust}"));
    let role = "arn:aws:iam::000000000000:role/reader";
    let form = format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=night&ExternalId=SECRETID");
    let made = session.query(&alice, "sts", &form).expect(200).text();
    let own = session.query(&alice, "sts", "Action=GetSessionToken").expect(200).text();
    let keys = Keys {
        token: Some(between(&made, "SessionToken")),
        ..Keys::new(&between(&made, "AccessKeyId"), &between(&made, "SecretAccessKey"))
    };
    session.s3(Some(&keys), "GET", "/", "");
    let lines = lines_of_query_api(&session, 5);
    let session_arn = "arn:aws:sts::000000000000:assumed-role/reader/night";
    let members = ["action", "resource", "identity", "issued_access_key_id", "issued_identity"];
    assert_eq!(told(&lines[3], &members), json!(["sts:AssumeRole", role, ALICE, keys.access, session_arn]));
    assert_eq!(lines[3]["parameters"], json!({"RoleArn": role, "RoleSessionName": "night"}));
    let own_key = between(&own, "AccessKeyId");
    assert_eq!(told(&lines[4], &members), json!(["sts:GetSessionToken", null, ALICE, own_key, ALICE]));
    let used = lines_that(&session.server, 1, |line| line["access_key_id"] == keys.access.as_str());
    assert_eq!(told(&used[0], &["identity", "action"]), json!([session_arn, "s3:ListAllMyBuckets"]));
    let text = fs::read_to_string(path_of_log(&session.server)).unwrap();
    for secret in [keys.token.as_deref().unwrap(), &keys.secret, "SECRETID", &between(&own, "SessionToken")] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn a_key_that_is_tried_is_told_and_not_believed() {
    let session = session();
    let (client, now) = (session.server.client(), Timestamp::now());
    let host = session.server.address().to_string();
    let guess = Keys::new("AKIAGUESS", "secret");
    let (of_v4, of_v2) = (v4::Signer::new(&guess, now, "us-east-1"), v2::Signer::new(&guess, now));
    let draft = || Draft::new("GET", &host, "/guessed/k");
    let mut drafts: Vec<Draft> = (0..4).map(|_| draft()).collect();
    drafts[0].add_header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    of_v4.sign_header(&mut drafts[0], "UNSIGNED-PAYLOAD");
    of_v4.sign_query(&mut drafts[1], "60", "UNSIGNED-PAYLOAD");
    of_v2.sign_header(&mut drafts[2]);
    of_v2.sign_query(&mut drafts[3], "2000000000");
    for draft in &drafts {
        draft.request(&client).send().expect_error(403, "InvalidAccessKeyId");
    }
    let policy = policy("{\"bucket\": \"guessed\"}");
    for fields in [v4_fields(&of_v4, &policy), v2_fields(&of_v2, &policy)] {
        let form = fields.iter().fold(Form::new().field("key", "k"), |form, (name, value)| form.field(name, value));
        form.file("f", "x").post(&client, "/guessed").expect_error(403, "InvalidAccessKeyId");
    }
    // The right key with a wrong signature, and what no key could be.
    session.s3(Some(&Keys::new("ROOTKEY", "another")), "GET", "/guessed/k", "").expect(403);
    let long = format!("AWS {}\\:signature", "x".repeat(5000));
    client.request("GET", "/guessed/k").header("authorization", &long).header("date", "x").send();
    let lines = lines_that(&session.server, 8, |line| line["bucket"] == "guessed");
    for line in &lines[..6] {
        let expected = json!([null, "AKIAGUESS", "InvalidAccessKeyId", "k"]);
        assert_eq!(told(line, &["identity", "access_key_id", "error", "key"]), expected, "{line}");
    }
    let expected = json!([null, "ROOTKEY", "SignatureDoesNotMatch"]);
    assert_eq!(told(&lines[6], &["identity", "access_key_id", "error"]), expected);
    assert_eq!(lines[7]["access_key_id"], format!("{}…", "x".repeat(128)));
}

#[test]
fn what_operators_change_by_the_shell_is_told() {
    let session = session();
    let data = session.server.data();
    let shell = |arguments: &[&str]| {
        let mut command = Command::new(binary::weir());
        command.args(["fsadmin", "--data"]).arg(&data).args(arguments);
        command.output().unwrap()
    };
    assert!(shell(&["user", "add", "alice"]).status.success());
    assert!(!shell(&["user", "add", "alice"]).status.success());
    let made = shell(&["key", "add", "alice"]);
    assert!(made.status.success(), "{made:?}");
    session.iam("Action=CreateUser&UserName=by-gateway");
    let told = || -> Vec<String> {
        let log = session.server.log();
        log.lines().filter(|line| line.contains(" audit: ")).map(str::to_owned).collect()
    };
    eventually(10, "each change is told", || told().len() == 3);
    let lines = told();
    let sender = format!("peer=\"uid={} pid=", rustix::process::getuid().as_raw());
    for (line, expected) in lines.iter().zip([
        "action=\"CreateUser\" resource=\"user/alice\" parameters=\"Path=/\" outcome=\"done\"",
        "action=\"CreateUser\" resource=\"user/alice\" parameters=\"Path=/\" outcome=\"refused\" error=\"ENTITY_EXISTS\"",
        "action=\"CreateAccessKey\" resource=\"user/alice\"",
    ]) {
        assert!(line.contains(expected) && line.contains(&sender), "{line}");
    }
    let printed = String::from_utf8(made.stdout).unwrap();
    assert!(lines[2].contains("issued_access_key_id=\"AKIA"), "{}", lines[2]);
    let secrets = printed.split_whitespace().filter(|word| word.len() >= 40);
    assert!(secrets.clone().count() > 0, "{printed}");
    assert!(secrets.into_iter().all(|secret| !session.server.log().contains(secret)));
}
