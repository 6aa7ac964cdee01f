//! Forms of POST Object that are signed by Version 4 or 2, with each defect.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>

use super::case::{BAD_ARGUMENT, BAD_TOKEN, Case, DENIED, MISMATCH, Refusal, SignsV4, UNKNOWN_KEY, other_end};
use super::scene::{REGION, Scene, root};
use super::v4_header::scopes;
use jiff::Timestamp;
use weir_tests::form::{content_type, policy, policy_until};
use weir_tests::sign::form::{Fields, v2_fields, v4_fields};
use weir_tests::sign::{Draft, v2, v4};
use weir_tests::{Form, noise};

const MALFORMED: Refusal = Refusal(400, "MalformedPOSTRequest");
const BAD_POLICY: Refusal = Refusal(400, "InvalidPolicyDocument");
const TOO_LARGE: Refusal = Refusal(400, "EntityTooLarge");
const TOO_SMALL: Refusal = Refusal(400, "EntityTooSmall");
const TOO_LONG: Refusal = Refusal(400, "MaxPostPreDataLengthExceededError");
const NO_KEY: Refusal = Refusal(400, "UserKeyMustBeSpecified");
const NO_FILE: Refusal = Refusal(400, "IncorrectNumberOfFilesInPostRequest");

/// What a form's sender has in mind, before it is signed.
struct Sender {
    signer: v4::Signer,
    policy: String,
    file: Vec<u8>,
    /// Of the request, beside its type.
    headers: Vec<(&'static str, String)>,
}

impl SignsV4 for Sender {
    fn v4(&mut self) -> &mut v4::Signer {
        &mut self.signer
    }
}

/// What a policy names: the bucket, keys below `user/`, 2 to 100 bytes, and the fields of the signature.
fn conditions_of(version: Version) -> String {
    let named = "{\"bucket\": \"held\"}, [\"starts-with\", \"$key\", \"user/\"], [\"content-length-range\", 2, 100]";
    // A condition on a field that is absent does not hold: Version 2 has none of these.
    let of_signature = match version {
        Version::V4 => &["x-amz-algorithm", "x-amz-credential", "x-amz-date"][..],
        Version::V2 => &[],
    };
    of_signature.iter().fold(named.to_owned(), |text, name| format!("{text}, [\"starts-with\", \"${name}\", \"\"]"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V4,
    V2,
}

/// Something that is wrong with a form.
struct Defect {
    what: &'static str,
    refusal: Refusal,
    before: fn(&mut Sender, Version),
    /// What becomes of the fields after they were signed.
    after: fn(&mut Fields),
}

fn signed(what: &'static str, refusal: Refusal, before: fn(&mut Sender, Version)) -> Defect {
    Defect { what, refusal, before, after: |_| {} }
}

fn changed(what: &'static str, refusal: Refusal, after: fn(&mut Fields)) -> Defect {
    Defect { what, refusal, before: |_, _| {}, after }
}

fn set(fields: &mut Fields, name: &str, value: &str) {
    let known = fields.iter_mut().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    known.for_each(|(_, old)| value.clone_into(old));
}

fn add(fields: &mut Fields, name: &str, value: &str) {
    fields.push((name.to_owned(), value.to_owned()));
}

fn take(fields: &mut Fields, name: &str) {
    fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
}

fn of_both() -> Vec<Defect> {
    vec![
        signed("a wrong secret", MISMATCH, |sender, _| sender.signer.keys.secret.push('x')),
        signed("an unknown key", UNKNOWN_KEY, |sender, _| sender.signer.keys.access.push('X')),
        signed("an expired policy", DENIED, |sender, version| {
            sender.policy = policy_until("2020-01-01T00:00:00.000Z", &conditions_of(version));
        }),
        signed("a policy of another bucket", DENIED, |sender, version| {
            sender.policy = policy(&conditions_of(version).replace("held", "empty"));
        }),
        signed("a policy of no bucket", DENIED, |sender, version| {
            sender.policy = policy(&conditions_of(version).replace("{\"bucket\": \"held\"}, ", ""));
        }),
        signed("a policy of another key", DENIED, |sender, version| {
            sender.policy = policy(&conditions_of(version).replace("user/", "others/"));
        }),
        signed("a policy that is no JSON", BAD_POLICY, |sender, _| sender.policy = "bm9uc2Vuc2U=".to_owned()),
        signed("a policy that is no base64", BAD_POLICY, |sender, _| sender.policy = "{}".to_owned()),
        signed("a policy of an unknown condition", BAD_POLICY, |sender, version| {
            sender.policy = policy(&format!("{}, [\"ends-with\", \"$key\", \"\"]", conditions_of(version)));
        }),
        signed("a file that is too large", TOO_LARGE, |sender, _| sender.file = noise(1, 101)),
        signed("a file that is far too large", TOO_LARGE, |sender, _| sender.file = noise(1, 3 << 20)),
        signed("a file that is too small", TOO_SMALL, |sender, _| sender.file = b"x".to_vec()),
        signed("an empty file", TOO_SMALL, |sender, _| sender.file.clear()),
        signed("a wrong Authorization besides", BAD_ARGUMENT, |sender, _| {
            sender.headers.push(("authorization", "Bearer x".to_owned()));
        }),
        changed("another policy", MISMATCH, |fields| set(fields, "policy", &policy("{\"bucket\": \"held\"}"))),
        changed("no policy", BAD_ARGUMENT, |fields| take(fields, "policy")),
        changed("two policies", MALFORMED, |fields| add(fields, "Policy", "e30=")),
        changed("two keys", MALFORMED, |fields| add(fields, "Key", "user/b")),
        changed("another key", DENIED, |fields| set(fields, "key", "others/a")),
        changed("a key beside the prefix", DENIED, |fields| set(fields, "key", "user")),
        changed("a key above", DENIED, |fields| set(fields, "key", "../user/a")),
        changed("no key", NO_KEY, |fields| take(fields, "key")),
        changed("an empty key", NO_KEY, |fields| set(fields, "key", "")),
        changed("a key that is too long", Refusal(400, "KeyTooLongError"), |fields| {
            set(fields, "key", &format!("user/{}", "k".repeat(1020)));
        }),
        changed("a key with a null byte", BAD_ARGUMENT, |fields| set(fields, "key", "user/\0")),
        changed("a bucket that is not its own", DENIED, |fields| add(fields, "bucket", "empty")),
        changed("metadata that no condition names", DENIED, |fields| add(fields, "x-amz-meta-a", "b")),
        changed("an ACL that no condition names", DENIED, |fields| add(fields, "acl", "public-read")),
        changed("a redirect that no condition names", DENIED, |fields| {
            add(fields, "success_action_redirect", "http://evil.test/");
        }),
        changed("a field of 1 MB", TOO_LONG, |fields| add(fields, "x-amz-meta-a", &"v".repeat(1 << 20))),
        changed("a hundred fields more", MALFORMED, |fields| {
            (0..100).for_each(|number| add(fields, &format!("x-ignore-{number}"), ""));
        }),
        changed("a token of nobody", BAD_TOKEN, |fields| add(fields, "x-amz-security-token", "nonsense")),
        changed("nothing but key and policy", DENIED, |fields| {
            fields.retain(|(name, _)| matches!(name.as_str(), "key" | "policy"));
        }),
        changed("nothing but a key", DENIED, |fields| fields.retain(|(name, _)| name == "key")),
    ]
}

fn of_version_4() -> Vec<Defect> {
    let without = |what, after: fn(&mut Fields)| changed(what, BAD_ARGUMENT, after);
    vec![
        without("no algorithm", |fields| take(fields, "x-amz-algorithm")),
        without("another algorithm", |fields| set(fields, "x-amz-algorithm", "AWS4-HMAC-SHA512")),
        without("no credential", |fields| take(fields, "x-amz-credential")),
        without("a credential of no form", |fields| set(fields, "x-amz-credential", "ROOTKEY")),
        without("no date", |fields| take(fields, "x-amz-date")),
        without("a date that is none", |fields| set(fields, "x-amz-date", "20260230T000000Z")),
        without("no signature", |fields| take(fields, "x-amz-signature")),
        without("fields of Version 2 besides", |fields| {
            add(fields, "AWSAccessKeyId", "ROOTKEY");
            add(fields, "signature", "AAAA");
        }),
        changed("two signatures", MALFORMED, |fields| add(fields, "X-Amz-Signature", "00")),
        changed("an empty signature", MISMATCH, |fields| set(fields, "x-amz-signature", "")),
        changed("another last digit", MISMATCH, |fields| {
            let signature = fields.iter().find(|(name, _)| name == "x-amz-signature").unwrap().1.clone();
            set(fields, "x-amz-signature", &other_end(signature));
        }),
    ]
}

fn of_version_2() -> Vec<Defect> {
    vec![
        changed("no key id", BAD_ARGUMENT, |fields| take(fields, "AWSAccessKeyId")),
        changed("no signature", BAD_ARGUMENT, |fields| take(fields, "signature")),
        changed("two signatures", MALFORMED, |fields| add(fields, "Signature", "AAAA")),
        changed("an empty signature", MISMATCH, |fields| set(fields, "signature", "")),
        changed("a signature of no base64", MISMATCH, |fields| set(fields, "signature", "!")),
        changed("another key id", UNKNOWN_KEY, |fields| set(fields, "AWSAccessKeyId", "rootkey")),
    ]
}

fn sender(version: Version) -> Sender {
    let signer = v4::Signer::new(&root(), Timestamp::now(), REGION);
    Sender { signer, policy: policy(&conditions_of(version)), file: b"posted".to_vec(), headers: Vec::new() }
}

fn fields_of(sender: &Sender, version: Version) -> Fields {
    let mut fields = vec![("key".to_owned(), "user/a".to_owned())];
    fields.extend(match version {
        Version::V4 => v4_fields(&sender.signer, &sender.policy),
        Version::V2 => v2_fields(&v2::Signer::new(&sender.signer.keys, sender.signer.time), &sender.policy),
    });
    fields
}

fn draft_of(scene: &Scene, sender: &Sender, fields: &Fields) -> Draft {
    let form = fields.iter().fold(Form::new(), |form, (name, value)| form.field(name, value));
    let draft = Draft::new("POST", &scene.host, "/held")
        .with_header("content-type", content_type())
        .with_body(form.file("f", &sender.file).body());
    sender.headers.iter().fold(draft, |draft, (name, value)| draft.with_header(name, value))
}

fn case(scene: &Scene, version: Version, defect: &Defect) -> Case {
    let mut sender = sender(version);
    (defect.before)(&mut sender, version);
    let mut fields = fields_of(&sender, version);
    (defect.after)(&mut fields);
    let draft = draft_of(scene, &sender, &fields);
    Case { what: format!("{version:?}: {}", defect.what), draft, refusal: defect.refusal, hidden: Vec::new() }
}

/// The file comes first, or not at all.
fn out_of_order(scene: &Scene, version: Version) -> Vec<Case> {
    let sender = sender(version);
    let fields = fields_of(&sender, version);
    let whole = |form: Form, what: &str, refusal| Case {
        what: format!("{version:?}: {what}"),
        draft: Draft::new("POST", &scene.host, "/held")
            .with_header("content-type", content_type())
            .with_body(form.body()),
        refusal,
        hidden: Vec::new(),
    };
    let added = |form: Form| fields.iter().fold(form, |form, (name, value)| form.field(name, value));
    let key_alone = Form::new().field("key", "user/a").file("f", "posted");
    vec![
        whole(added(Form::new().file("f", "posted")), "a file before all fields", NO_KEY),
        whole(
            fields[1..].iter().fold(key_alone, |form, (name, value)| form.field(name, value)),
            "a file before its policy",
            DENIED,
        ),
        whole(added(Form::new()), "no file", NO_FILE),
        whole(added(Form::new()).file("f", "posted").file("g", "more"), "two files", NO_FILE),
    ]
}

pub fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for (version, own) in [(Version::V4, of_version_4()), (Version::V2, of_version_2())] {
        cases.extend(of_both().iter().chain(&own).map(|defect| case(scene, version, defect)));
        cases.extend(out_of_order(scene, version));
    }
    for defect in scopes::<Sender>(BAD_ARGUMENT) {
        let mut sender = sender(Version::V4);
        (defect.before)(&mut sender, &mut Draft::default());
        let draft = draft_of(scene, &sender, &fields_of(&sender, Version::V4));
        cases.push(Case { what: format!("V4: {}", defect.what), draft, refusal: BAD_ARGUMENT, hidden: Vec::new() });
    }
    cases
}

#[test]
fn a_signed_form_with_any_defect_stores_nothing() {
    let scene = Scene::shared();
    scene.refuses(cases(&scene));
}

#[test]
fn a_form_that_is_signed_rightly_is_stored() {
    let scene = Scene::set();
    for version in [Version::V4, Version::V2] {
        let sender = sender(version);
        let answer = draft_of(&scene, &sender, &fields_of(&sender, version)).request(&scene.client).send();
        assert_eq!(answer.status, 204, "{version:?}: {answer}");
    }
    assert_eq!(scene.as_root("GET", "/held/user/a", "").expect(200).body, b"posted");
}
