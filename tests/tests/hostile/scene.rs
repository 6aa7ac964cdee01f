//! A server with keys and something in it, and the proof that it is still the same.

use super::case::Case;
use super::watch::Watch;
use jiff::Timestamp;
use std::sync::{Arc, Mutex, Weak};
use weir_tests::digest::etag;
use weir_tests::sign::{Draft, Keys, sha256_hex, v4};
use weir_tests::{Answer, Client, Server};

pub const REGION: &str = "eu-west-7";
const SETTINGS: &str =
    "[gateway]\nregion = \"eu-west-7\"\naccess_key = \"ROOTKEY\"\nsecret_key = \"root/secret+of 40 characters\"\n";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject",
    "Resource":"arn:aws:s3:::held/closed"}]}"#;
const BLOCK: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
    </PublicAccessBlockConfiguration>";
const WRITING: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::held/*"}}"#;
const TRUST: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}"#;

pub fn root() -> Keys {
    Keys::new("ROOTKEY", "root/secret+of 40 characters")
}

/// The bucket `held` with objects, an open upload, a policy and a public access block; the bucket `empty`; the user
/// `someone` who may do nothing, and `writer` who may only write to `held`; the role `reader`.
pub struct Scene {
    pub server: Server,
    pub client: Client,
    pub host: String,
    pub user: Keys,
    pub writer: Keys,
    pub upload_id: String,
}

impl Scene {
    /// One for all that change nothing.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Scene>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(scene) = shared.upgrade() {
            return scene;
        }
        let scene = Arc::new(Self::set());
        *shared = Arc::downgrade(&scene);
        scene
    }

    /// One that may be changed.
    pub fn set() -> Self {
        Self::set_with("")
    }

    /// The same with further settings of the gateway.
    pub fn set_with(settings: &str) -> Self {
        let server = Server::start_logging("debug", &format!("{SETTINGS}{settings}"));
        let client = server.client();
        let host = server.address().to_string();
        let nobody = || Keys::new("", "");
        let mut scene = Self { server, client, host, user: nobody(), writer: nobody(), upload_id: String::new() };
        scene.furnish();
        scene
    }

    fn furnish(&mut self) {
        for bucket in ["/held", "/empty"] {
            self.as_root("PUT", bucket, "").expect(200);
        }
        for key in ["a", "b", "a%20folder/c", "closed"] {
            self.as_root("PUT", &format!("/held/{key}"), "held content").expect(200);
        }
        let begun = self.as_root("POST", "/held/upload?uploads", "").expect(200);
        self.upload_id = begun.xml().get("UploadId").to_owned();
        let part = format!("/held/upload?partNumber=1&uploadId={}", self.upload_id);
        self.as_root("PUT", &part, "part").expect(200);
        self.as_root("PUT", "/held?policy", POLICY).expect(204);
        self.as_root("PUT", "/held?publicAccessBlock", BLOCK).expect(200);
        self.user = self.new_user("someone");
        self.writer = self.new_user("writer");
        let document = weir_tests::query_of(WRITING);
        self.as_root_of_iam(&format!(
            "Action=PutUserPolicy&UserName=writer&PolicyName=write&PolicyDocument={document}"
        ));
        self.as_root_of_iam(&format!(
            "Action=CreateRole&RoleName=reader&AssumeRolePolicyDocument={}",
            weir_tests::query_of(TRUST)
        ));
    }

    fn new_user(&self, name: &str) -> Keys {
        self.as_root_of_iam(&format!("Action=CreateUser&UserName={name}"));
        let made = self.as_root_of_iam(&format!("Action=CreateAccessKey&UserName={name}")).text();
        Keys::new(&between(&made, "AccessKeyId"), &between(&made, "SecretAccessKey"))
    }

    pub fn signer(&self) -> v4::Signer {
        v4::Signer::new(&root(), Timestamp::now(), REGION)
    }

    pub fn as_root(&self, method: &str, target: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.as_someone(&root(), Draft::new(method, &self.host, target).with_body(body))
    }

    /// Sends a request that is signed rightly with these keys.
    pub fn as_someone(&self, keys: &Keys, mut draft: Draft) -> Answer {
        let payload = sha256_hex(&draft.body);
        draft.add_header("x-amz-content-sha256", &payload);
        v4::Signer::new(keys, Timestamp::now(), REGION).sign_header(&mut draft, &payload);
        draft.request(&self.client).send()
    }

    pub fn as_root_of_iam(&self, form: &str) -> Answer {
        self.query_api(&root(), "iam", form).expect(200)
    }

    /// An action of IAM or STS.
    pub fn query_api(&self, keys: &Keys, service: &str, form: &str) -> Answer {
        let mut draft = query_api_draft(&self.host, service, form);
        let mut signer = v4::Signer::new(keys, Timestamp::now(), REGION);
        signer.service = service.to_owned();
        let payload = sha256_hex(&draft.body);
        signer.sign_header(&mut draft, &payload);
        draft.request(&self.client).send()
    }

    /// Everything that S3 and IAM tell, as text: buckets, keys, ETags, times, uploads, parts, policies, users, keys.
    pub fn state(&self) -> String {
        let mut state = self.told("/");
        let buckets = self.as_root("GET", "/", "").expect(200).xml();
        for bucket in buckets.child("Buckets").into_iter().flat_map(|buckets| buckets.texts("Bucket", "Name")) {
            for query in
                ["list-type=2&fetch-owner=true", "uploads", "policy", "publicAccessBlock", "acl", "ownershipControls"]
            {
                state.push_str(&self.told(&format!("/{bucket}?{query}")));
            }
            let uploads = self.as_root("GET", &format!("/{bucket}?uploads"), "").expect(200).xml();
            for upload in uploads.all("Upload") {
                let (key, id) = (upload.get("Key"), upload.get("UploadId"));
                state.push_str(&self.told(&format!("/{bucket}/{}?uploadId={id}", weir_tests::path_of(key))));
            }
        }
        for action in
            ["GetAccountAuthorizationDetails", "ListAccessKeys&UserName=someone", "ListOpenIDConnectProviders"]
        {
            state.push_str(&without_ids(&self.as_root_of_iam(&format!("Action={action}")).text()));
        }
        state
    }

    fn told(&self, target: &str) -> String {
        let answer = self.as_root("GET", target, "");
        assert!(matches!(answer.status, 200 | 404), "{answer}");
        format!("{target}: {}\n", without_ids(&answer.text()))
    }

    /// Sends each request; all are refused as they should be, nothing is stored or changed, memory stays flat, and
    /// neither answers nor logs tell a secret.
    ///
    /// # Panics
    /// When that is not so.
    #[track_caller]
    pub fn refuses(&self, cases: impl IntoIterator<Item = Case>) {
        let mut watch = Watch::begin(self);
        for case in cases {
            match case.draft.request(&self.client).try_send() {
                Ok(answer) => {
                    watch.answer(&case.what, &answer, &case.hidden);
                    watch.complain(case.complaint(&answer));
                }
                Err(error) => watch.complain(Some(format!("{}: no answer: {error}", case.what))),
            }
        }
        watch.end();
    }
}

/// A request to IAM or STS, not signed yet.
pub fn query_api_draft(host: &str, service: &str, form: &str) -> Draft {
    let version = if service == "iam" { "2010-05-08" } else { "2011-06-15" };
    Draft::new("POST", host, "/")
        .with_body(format!("{form}&Version={version}"))
        .with_header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
}

/// A document without what differs from request to request.
fn without_ids(document: &str) -> String {
    let mut text = document.to_owned();
    for element in ["RequestId", "HostId"] {
        if let Some((before, rest)) = text.split_once(&format!("<{element}>")) {
            let after = rest.split_once('<').map_or("", |(_, after)| after);
            text = format!("{before}<{after}");
        }
    }
    text
}

/// The text of the first element of that name, as IAM writes it.
pub fn between(text: &str, element: &str) -> String {
    let (_, rest) = text.split_once(&format!("<{element}>")).unwrap_or_else(|| panic!("no {element} in {text}"));
    rest.split_once('<').unwrap().0.replace("&#x2B;", "+")
}

/// A document of CompleteMultipartUpload for the part that the scene has.
pub fn completion() -> String {
    format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        etag(b"part")
    )
}

pub fn policy() -> &'static str {
    POLICY
}

pub fn block() -> &'static str {
    BLOCK
}
