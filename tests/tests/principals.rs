//! Whoever gets the name of someone else gets nothing that was theirs.

use crate::access::{Session, between, code, encoded, root};
use weir_tests::Answer;
use weir_tests::sign::Keys;

const ASSUME: &str = "Action=AssumeRole&RoleArn=arn:aws:iam::000000000000:role/keeper&RoleSessionName=s1";

fn arn(user: &str) -> String {
    format!("arn:aws:iam::000000000000:user/{user}")
}

/// A policy of the bucket `photos` with one statement for all objects.
fn policy(effect: &str, principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}",{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}}]}}"#
    )
}

fn to(user: &str) -> String {
    format!(r#""Principal":{{"AWS":"{}"}}"#, arn(user))
}

fn trust(principal: &str) -> String {
    encoded(&format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{principal},"Action":"sts:AssumeRole"}}]}}"#
    ))
}

fn temporary(answer: &Answer) -> Keys {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let mut keys = Keys::new(&between(&text, "AccessKeyId"), &between(&text, "SecretAccessKey"));
    keys.token = Some(between(&text, "SessionToken"));
    keys
}

impl Session {
    /// One with a bucket that has an object.
    fn with_photos() -> Self {
        let session = Self::start();
        session.s3(Some(&root()), "PUT", "/photos", "").expect(200);
        session.s3(Some(&root()), "PUT", "/photos/cat", "meow").expect(200);
        session
    }

    fn remove_user(&self, name: &str, keys: &Keys) {
        self.iam(&format!("Action=DeleteAccessKey&UserName={name}&AccessKeyId={}", keys.access));
        self.iam(&format!("Action=DeleteUser&UserName={name}"));
    }

    fn id_of(&self, user: &str) -> String {
        between(&self.iam(&format!("Action=GetUser&UserName={user}")), "UserId")
    }

    fn reads(&self, keys: &Keys) -> String {
        code(&self.s3(Some(keys), "GET", "/photos/cat", ""))
    }
}

#[test]
fn a_bucket_that_lets_a_user_in_does_not_let_in_the_next_of_its_name() {
    let session = Session::with_photos();
    let put = |text: &str| code(&session.s3(Some(&root()), "PUT", "/photos?policy", text));
    let get = || session.s3(Some(&root()), "GET", "/photos?policy", "").text();
    let bob = session.user("bob");
    let (saved, id) = (policy("Allow", &to("bob")), session.id_of("bob"));
    assert_eq!(put(&saved), "204");
    assert_eq!((session.reads(&bob), get()), ("200".into(), saved.clone()));

    session.iam("Action=UpdateUser&UserName=bob&NewUserName=robert&NewPath=/staff/");
    assert_eq!(session.reads(&bob), "200", "he is the same");
    assert_eq!(get(), saved.replace("user/bob", "user/staff/robert"));
    let usurper = session.user("bob");
    assert_eq!(session.reads(&usurper), "AccessDenied");

    session.remove_user("robert", &bob);
    assert_eq!(get(), saved.replace(&arn("bob"), &id));
    assert_eq!(put(&get()), "MalformedPolicy", "who is gone can't be named again");
    session.remove_user("bob", &usurper);
    let bob = session.user("bob");
    assert_eq!(session.reads(&bob), "AccessDenied");
    assert_eq!(put(&saved), "204");
    assert_eq!(session.reads(&bob), "200", "saved again, it is for him");
    assert_eq!(put(&policy("Allow", &to("nobody"))), "MalformedPolicy");
    assert_eq!(get(), saved, "what was refused changed nothing");
}

#[test]
fn who_is_left_out_of_a_denial_is_a_person_and_not_a_name() {
    let session = Session::with_photos();
    let bob = session.user("bob");
    let everything = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    session.allow("bob", "all", everything);
    let all_but_bob = format!(r#""NotPrincipal":{{"AWS":["{}","000000000000"]}}"#, arn("bob"));
    session.s3(Some(&root()), "PUT", "/photos?policy", &policy("Deny", &all_but_bob)).expect(204);
    assert_eq!(session.reads(&bob), "200");
    session.iam("Action=UpdateUser&UserName=bob&NewUserName=robert");
    assert_eq!(session.reads(&bob), "200");
    let usurper = session.user("bob");
    session.allow("bob", "all", everything);
    assert_eq!(session.reads(&usurper), "AccessDenied");
}

#[test]
fn a_role_is_not_taken_by_the_next_of_a_trusted_name() {
    let session = Session::with_photos();
    let bob = session.user("bob");
    let id = session.id_of("bob");
    session.iam(&format!("Action=CreateRole&RoleName=keeper&AssumeRolePolicyDocument={}", trust(&to("bob"))));
    let takes = |keys: &Keys| code(&session.query(keys, "sts", ASSUME));
    assert_eq!(takes(&bob), "200");
    session.remove_user("bob", &bob);
    let shown = session.iam("Action=GetRole&RoleName=keeper");
    assert!(shown.contains(&id) && !shown.contains("user%2Fbob"), "{shown}");

    // A helper that may make users and keys makes another bob.
    let helper = session.user("helper");
    let helping = r#"{"Effect":"Allow","Action":["iam:CreateUser","iam:CreateAccessKey"],"Resource":"*"}"#;
    session.allow("helper", "help", helping);
    session.query(&helper, "iam", "Action=CreateUser&UserName=bob").expect(200);
    let made = session.query(&helper, "iam", "Action=CreateAccessKey&UserName=bob").expect(200).text();
    let usurper = Keys::new(&between(&made, "AccessKeyId"), &between(&made, "SecretAccessKey"));
    assert_eq!(takes(&usurper), "AccessDenied");
    session.remove_user("bob", &usurper);

    // One that may rename itself calls itself bob.
    let mallory = session.user("mallory");
    session.allow("mallory", "rename", r#"{"Effect":"Allow","Action":"iam:UpdateUser","Resource":"*"}"#);
    session.query(&mallory, "iam", "Action=UpdateUser&UserName=mallory&NewUserName=bob").expect(200);
    assert_eq!(takes(&mallory), "AccessDenied");
}

#[test]
fn a_role_trusts_nobody_who_is_not_there() {
    let session = Session::with_photos();
    let by_root = |form: &str| session.query(&root(), "iam", form);
    let create = format!("Action=CreateRole&RoleName=keeper&AssumeRolePolicyDocument={}", trust(&to("nobody")));
    let refused = by_root(&create);
    assert_eq!((refused.status, code(&refused)), (400, "MalformedPolicyDocument".into()));
    assert!(between(&refused.text(), "Message").contains("Invalid principal in policy"), "{}", refused.text());
    let everyone = trust(r#""Principal":{"AWS":"000000000000"}"#);
    session.iam(&format!("Action=CreateRole&RoleName=keeper&AssumeRolePolicyDocument={everyone}"));
    let before = session.iam("Action=GetRole&RoleName=keeper");
    for principal in [
        to("nobody"),
        r#""Principal":{"AWS":"arn:aws:iam::000000000000:role/nobody"}"#.into(),
        r#""Principal":{"AWS":"arn:aws:sts::000000000000:assumed-role/nobody/s1"}"#.into(),
        r#""Principal":{"AWS":["000000000000","arn:aws:iam::000000000000:user/nobody"]}"#.into(),
        format!(r#""NotPrincipal":{{"AWS":"{}"}}"#, arn("nobody")),
    ] {
        let update = format!("Action=UpdateAssumeRolePolicy&RoleName=keeper&PolicyDocument={}", trust(&principal));
        assert_eq!(code(&by_root(&update)), "MalformedPolicyDocument", "{principal}");
    }
    let cut = |text: &str| between(text, "AssumeRolePolicyDocument");
    assert_eq!(cut(&session.iam("Action=GetRole&RoleName=keeper")), cut(&before), "it trusts whom it did");
}

#[test]
fn a_session_is_not_widened_by_another_policy_of_a_name() {
    let session = Session::with_photos();
    let alice = session.user("alice");
    session.iam(&format!("Action=CreateRole&RoleName=keeper&AssumeRolePolicyDocument={}", trust(&to("alice"))));
    session.iam("Action=AttachRolePolicy&RoleName=keeper&PolicyArn=arn:aws:iam::aws:policy/AmazonS3FullAccess");
    let arn = "arn:aws:iam::000000000000:policy/bound";
    let make = |action: &str| {
        let statement = format!(r#"{{"Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}"#);
        session.iam(&format!("Action=CreatePolicy&PolicyName=bound&PolicyDocument={}", encoded(&statement)));
    };
    make("s3:GetObject");
    let bounded = temporary(&session.query(&alice, "sts", &format!("{ASSUME}&PolicyArns.member.1.arn={arn}")));
    let writes = |keys: &Keys| code(&session.s3(Some(keys), "PUT", "/photos/dog", "woof"));
    assert_eq!((session.reads(&bounded), writes(&bounded)), ("200".into(), "AccessDenied".into()));
    session.iam(&format!("Action=DeletePolicy&PolicyArn={arn}"));
    make("s3:*");
    assert_eq!((session.reads(&bounded), writes(&bounded)), ("AccessDenied".into(), "AccessDenied".into()));
    let again = temporary(&session.query(&alice, "sts", &format!("{ASSUME}&PolicyArns.member.1.arn={arn}")));
    assert_eq!(writes(&again), "200");
}

#[test]
fn a_session_of_the_root_ends_with_the_keys_of_the_root_and_a_users_does_not() {
    let mut session = Session::with_photos();
    let token = |session: &Session, keys: &Keys| temporary(&session.query(keys, "sts", "Action=GetSessionToken"));
    let alice = session.user("alice");
    session.allow("alice", "read", r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#);
    let (of_root, of_alice) = (token(&session, &root()), token(&session, &alice));
    assert_eq!((session.reads(&of_root), session.reads(&of_alice)), ("200".into(), "200".into()));
    session.server.stop();
    session.server.restart();
    assert_eq!(session.reads(&of_root), "200", "the keys are the same");
    session.server.stop();
    let file = session.server.data().with_file_name("weir.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("root secret", "another root secret")).unwrap();
    session.server.restart();
    assert_eq!((session.reads(&of_root), session.reads(&of_alice)), ("InvalidAccessKeyId".into(), "200".into()));
    // As with AWS, the user's key may go; the user may not.
    let new_root = Keys::new("ROOTKEY", "another root secret");
    let iam = |form: &str| session.query(&new_root, "iam", form).expect(200);
    iam(&format!("Action=DeleteAccessKey&UserName=alice&AccessKeyId={}", alice.access));
    assert_eq!((session.reads(&alice), session.reads(&of_alice)), ("InvalidAccessKeyId".into(), "200".into()));
    iam("Action=DeleteUserPolicy&UserName=alice&PolicyName=read");
    iam("Action=DeleteUser&UserName=alice");
    assert_eq!(session.reads(&of_alice), "InvalidAccessKeyId");
}
