//! A server with keys: the root's, users', temporary ones, and none at all.

use jiff::Timestamp;
use weir_tests::sign::{Draft, Keys, sha256_hex, v4};
use weir_tests::{Answer, Server};

const REGION: &str = "us-east-1";
const SETTINGS: &str = "[gateway]\naccess_key = \"ROOTKEY\"\nsecret_key = \"root secret\"";

pub fn root() -> Keys {
    Keys::new("ROOTKEY", "root secret")
}

/// A server, asked by one and another.
pub struct Session {
    pub server: Server,
}

impl Session {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// `settings` are more of the gateway's.
    pub fn start_with(settings: &str) -> Self {
        Self { server: Server::start_with(&format!("{SETTINGS}\n{settings}")) }
    }

    /// `settings` are of all roles.
    pub fn start_under(settings: &str) -> Self {
        Self { server: Server::start_with(&format!("{settings}\n{SETTINGS}")) }
    }

    pub fn start_over_tls() -> Self {
        Self { server: Server::start_over_tls_with(SETTINGS) }
    }

    /// A request to S3; without keys it is anonymous.
    pub fn s3(&self, keys: Option<&Keys>, method: &str, target: &str, body: &str) -> Answer {
        self.s3_with(keys, method, target, &[], body)
    }

    /// The same with headers, which are signed.
    pub fn s3_with(
        &self,
        keys: Option<&Keys>,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut draft = Draft::new(method, &self.server.address().to_string(), target).with_body(body);
        headers.iter().for_each(|(name, value)| draft.add_header(name, value));
        if let Some(keys) = keys {
            let payload = sha256_hex(body.as_bytes());
            draft.add_header("x-amz-content-sha256", &payload);
            v4::Signer::new(keys, Timestamp::now(), REGION).sign_header(&mut draft, &payload);
        }
        draft.request(&self.server.client()).send()
    }

    /// An action of IAM or STS.
    pub fn query(&self, keys: &Keys, service: &str, form: &str) -> Answer {
        let version = if service == "iam" { "2010-05-08" } else { "2011-06-15" };
        let form = format!("{form}&Version={version}");
        let mut draft = Draft::new("POST", &self.server.address().to_string(), "/").with_body(form.as_str());
        draft.add_header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let mut signer = v4::Signer::new(keys, Timestamp::now(), REGION);
        signer.service = service.to_owned();
        signer.sign_header(&mut draft, &sha256_hex(form.as_bytes()));
        draft.request(&self.server.client()).send()
    }

    pub fn iam(&self, form: &str) -> String {
        let answer = self.query(&root(), "iam", form);
        assert_eq!(answer.status, 200, "{form}: {}", answer.text());
        answer.text()
    }

    /// Gives a user a policy of one statement.
    pub fn allow(&self, user: &str, name: &str, statement: &str) {
        let document = encoded(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#));
        self.iam(&format!("Action=PutUserPolicy&UserName={user}&PolicyName={name}&PolicyDocument={document}"));
    }

    /// A user with a key.
    pub fn user(&self, name: &str) -> Keys {
        self.iam(&format!("Action=CreateUser&UserName={name}"));
        let made = self.iam(&format!("Action=CreateAccessKey&UserName={name}"));
        Keys::new(&between(&made, "AccessKeyId"), &between(&made, "SecretAccessKey"))
    }
}

pub fn between(text: &str, element: &str) -> String {
    let (_, rest) = text.split_once(&format!("<{element}>")).unwrap_or_else(|| panic!("no {element} in {text}"));
    rest.split_once('<').unwrap().0.replace("&#x2B;", "+").to_owned()
}

pub fn encoded(document: &str) -> String {
    document.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub fn code(answer: &Answer) -> String {
    if answer.status < 300 { answer.status.to_string() } else { between(&answer.text(), "Code") }
}

const READ_PHOTOS: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::photos","arn:aws:s3:::photos/*"]}]}"#;

#[test]
fn a_user_may_do_what_its_policies_say() {
    let session = Session::start();
    let root = root();
    assert_eq!(code(&session.s3(Some(&root), "PUT", "/photos", "")), "200");
    assert_eq!(code(&session.s3(Some(&root), "PUT", "/photos/cat", "meow")), "200");
    let alice = session.user("alice");
    let may = |target: &str, method: &str| code(&session.s3(Some(&alice), method, target, ""));
    assert_eq!(may("/photos/cat", "GET"), "AccessDenied");
    session
        .iam(&format!("Action=PutUserPolicy&UserName=alice&PolicyName=read&PolicyDocument={}", encoded(READ_PHOTOS)));
    assert_eq!(session.s3(Some(&alice), "GET", "/photos/cat", "").text(), "meow");
    assert_eq!(may("/photos?list-type=2", "GET"), "200");
    assert_eq!(may("/photos/cat", "DELETE"), "AccessDenied");
    assert_eq!(may("/photos/dog", "PUT"), "AccessDenied");
    assert_eq!(may("/", "GET"), "AccessDenied");
    assert_eq!(code(&session.query(&alice, "iam", "Action=CreateUser&UserName=bob")), "AccessDenied");
    session.iam("Action=CreateGroup&GroupName=writers");
    session.iam("Action=AttachGroupPolicy&GroupName=writers&PolicyArn=arn:aws:iam::aws:policy/AmazonS3FullAccess");
    session.iam("Action=AddUserToGroup&GroupName=writers&UserName=alice");
    assert_eq!(may("/photos/dog", "PUT"), "200");
    session.iam(&format!("Action=UpdateAccessKey&AccessKeyId={}&Status=Inactive&UserName=alice", alice.access));
    assert_eq!(may("/photos/cat", "GET"), "InvalidAccessKeyId");
    assert_eq!(session.s3(Some(&root), "GET", "/photos/dog", "").status, 200);
}

#[test]
fn a_buckets_policy_lets_in_and_keeps_out() {
    let session = Session::start();
    let root = root();
    session.s3(Some(&root), "PUT", "/photos", "");
    session.s3(Some(&root), "PUT", "/photos/cat", "meow");
    let anyone = |method: &str, target: &str| code(&session.s3(None, method, target, ""));
    assert_eq!(anyone("GET", "/photos/cat"), "AccessDenied");
    assert_eq!(code(&session.s3(Some(&root), "GET", "/photos?policy", "")), "NoSuchBucketPolicy");
    let public = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::photos/*"}}"#;
    assert_eq!(code(&session.s3(Some(&root), "PUT", "/photos?policy", public)), "204");
    assert_eq!(session.s3(Some(&root), "GET", "/photos?policy", "").text(), public);
    assert!(session.s3(Some(&root), "GET", "/photos?policyStatus", "").text().contains("<IsPublic>true</IsPublic>"));
    assert_eq!(session.s3(None, "GET", "/photos/cat", "").text(), "meow");
    assert_eq!(anyone("GET", "/photos"), "AccessDenied");
    assert_eq!(anyone("PUT", "/photos/cat"), "AccessDenied");
    let block = "<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets>\
                 </PublicAccessBlockConfiguration>";
    assert_eq!(code(&session.s3(Some(&root), "PUT", "/photos?publicAccessBlock", block)), "200");
    assert_eq!(anyone("GET", "/photos/cat"), "AccessDenied");
    assert_eq!(code(&session.s3(Some(&root), "DELETE", "/photos?publicAccessBlock", "")), "204");
    assert_eq!(anyone("GET", "/photos/cat"), "200");
    // A policy that shuts out everyone can still be mended.
    let nobody = public.replace("Allow", "Deny").replace("s3:GetObject", "s3:*");
    assert_eq!(code(&session.s3(Some(&root), "PUT", "/photos?policy", &nobody)), "204");
    assert_eq!(code(&session.s3(Some(&root), "GET", "/photos/cat", "")), "AccessDenied");
    assert_eq!(code(&session.s3(Some(&root), "DELETE", "/photos?policy", "")), "204");
    assert_eq!(code(&session.s3(Some(&root), "GET", "/photos/cat", "")), "200");
    for broken in ["", "{", r#"{"Statement":[]}"#, &public.replace("photos", "others")] {
        assert_eq!(code(&session.s3(Some(&root), "PUT", "/photos?policy", broken)), "MalformedPolicy", "{broken}");
    }
    assert_eq!(anyone("GET", "/photos/cat"), "AccessDenied");
}

#[test]
fn temporary_credentials_are_bounded_and_end_with_their_role() {
    let session = Session::start();
    let root = root();
    session.s3(Some(&root), "PUT", "/photos", "");
    session.s3(Some(&root), "PUT", "/photos/cat", "meow");
    let alice = session.user("alice");
    let trust = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/alice"},"Action":"sts:AssumeRole"}}"#;
    session.iam(&format!("Action=CreateRole&RoleName=reader&AssumeRolePolicyDocument={}", encoded(trust)));
    session
        .iam(&format!("Action=PutRolePolicy&RoleName=reader&PolicyName=read&PolicyDocument={}", encoded(READ_PHOTOS)));
    let assume = "Action=AssumeRole&RoleArn=arn:aws:iam::000000000000:role/reader&RoleSessionName=s1";
    let taken = session.query(&alice, "sts", assume);
    assert_eq!(taken.status, 200, "{}", taken.text());
    let temporary = |answer: &Answer| {
        let text = answer.text();
        let mut keys = Keys::new(&between(&text, "AccessKeyId"), &between(&text, "SecretAccessKey"));
        keys.token = Some(between(&text, "SessionToken"));
        keys
    };
    let reader = temporary(&taken);
    assert_eq!(session.s3(Some(&reader), "GET", "/photos/cat", "").text(), "meow");
    assert_eq!(code(&session.s3(Some(&reader), "PUT", "/photos/dog", "woof")), "AccessDenied");
    let who = session.query(&reader, "sts", "Action=GetCallerIdentity").text();
    assert!(who.contains("arn:aws:sts::000000000000:assumed-role/reader/s1"), "{who}");
    let list_only = r#"{"Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}}"#;
    let bounded = temporary(&session.query(&alice, "sts", &format!("{assume}&Policy={}", encoded(list_only))));
    assert_eq!(code(&session.s3(Some(&bounded), "GET", "/photos", "")), "200");
    assert_eq!(code(&session.s3(Some(&bounded), "GET", "/photos/cat", "")), "AccessDenied");
    let stranger = session.user("mallory");
    assert_eq!(code(&session.query(&stranger, "sts", assume)), "AccessDenied");
    for (keys, expected) in [
        (Keys { token: None, ..reader.clone() }, "InvalidAccessKeyId"),
        (Keys { token: Some("garbage".into()), ..reader.clone() }, "InvalidToken"),
        (Keys { token: bounded.token.clone(), ..reader.clone() }, "InvalidToken"),
        (Keys { secret: "wrong".into(), ..reader.clone() }, "SignatureDoesNotMatch"),
    ] {
        assert_eq!(code(&session.s3(Some(&keys), "GET", "/photos/cat", "")), expected);
    }
    session.iam("Action=DeleteRolePolicy&RoleName=reader&PolicyName=read");
    assert_eq!(code(&session.s3(Some(&reader), "GET", "/photos/cat", "")), "AccessDenied");
    session.iam("Action=DeleteRole&RoleName=reader");
    assert_eq!(code(&session.s3(Some(&reader), "GET", "/photos/cat", "")), "InvalidAccessKeyId");
}

#[test]
fn users_keys_and_policies_outlive_the_process() {
    let mut session = Session::start();
    session.s3(Some(&root()), "PUT", "/photos", "");
    let alice = session.user("alice");
    session
        .iam(&format!("Action=PutUserPolicy&UserName=alice&PolicyName=read&PolicyDocument={}", encoded(READ_PHOTOS)));
    session.server.kill9();
    session.server.restart();
    assert_eq!(code(&session.s3(Some(&alice), "GET", "/photos", "")), "200");
    assert_eq!(code(&session.s3(Some(&alice), "PUT", "/photos/cat", "meow")), "AccessDenied");
    // What is sealed lies on disk, what is open does not.
    let log = session.server.log();
    assert!(!log.contains(&alice.secret) && !log.contains("root secret"));
}

#[test]
fn first_buckets_are_made_at_start() {
    let settings = format!("{SETTINGS}\nbuckets = [\"photos\", \"films\"]");
    let mut session = Session { server: Server::start_with(&settings) };
    session.s3(Some(&root()), "PUT", "/photos/cat", "meow").expect(200);
    session.server.stop();
    session.server.restart();
    let listed = session.s3(Some(&root()), "GET", "/", "").expect(200).text();
    assert!(listed.contains("<Name>films</Name>") && listed.contains("<Name>photos</Name>"), "{listed}");
    session.s3(Some(&root()), "GET", "/photos/cat", "").expect(200);
}
