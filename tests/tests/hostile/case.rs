//! A defect, and a request that has it.

use super::routes::Route;
use weir_tests::sign::{Draft, Keys, v2, v4};
use weir_tests::xml::Element;
use weir_tests::{Answer, query_of};

/// What a refusal says: its status and its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub u16, pub &'static str);

pub const DENIED: Refusal = Refusal(403, "AccessDenied");
pub const MISMATCH: Refusal = Refusal(403, "SignatureDoesNotMatch");
pub const UNKNOWN_KEY: Refusal = Refusal(403, "InvalidAccessKeyId");
pub const SKEWED: Refusal = Refusal(403, "RequestTimeTooSkewed");
pub const BAD_TOKEN: Refusal = Refusal(400, "InvalidToken");
pub const BAD_HEADER: Refusal = Refusal(400, "AuthorizationHeaderMalformed");
pub const BAD_QUERY: Refusal = Refusal(400, "AuthorizationQueryParametersError");
pub const BAD_ARGUMENT: Refusal = Refusal(400, "InvalidArgument");
pub const BAD_REQUEST: Refusal = Refusal(400, "InvalidRequest");

/// A request that must be refused.
pub struct Case {
    pub what: String,
    pub draft: Draft,
    pub refusal: Refusal,
    /// What no answer and no line of the log may show, besides the secrets of the scene.
    pub hidden: Vec<String>,
}

impl Case {
    pub fn new(route: &Route, what: &str, draft: Draft, refusal: Refusal) -> Self {
        Self { what: format!("{}: {what}", route.name), draft, refusal, hidden: Vec::new() }
    }

    /// Nothing, or what is wrong with this answer.
    pub fn complaint(&self, answer: &Answer) -> Option<String> {
        let complain = |about: &str| Some(format!("{}: {about}\n{answer}", self.what));
        if answer.status != self.refusal.0 {
            return complain(&format!("expected {:?}", self.refusal));
        }
        let Some(id) = answer.header("x-amz-request-id").filter(|id| !id.is_empty()) else {
            return complain("no request id");
        };
        if self.draft.method == "HEAD" {
            return if answer.body.is_empty() { None } else { complain("an answer to HEAD with a body") };
        }
        let document = match std::str::from_utf8(&answer.body).map(Element::try_parse) {
            Ok(Ok(document)) => document,
            broken => return complain(&format!("the document is broken: {broken:?}")),
        };
        // IAM and STS have the error within a response, DeleteObjects has one for each key.
        let error = document.child("Error").unwrap_or(&document);
        let is_complete = error.find("Message").is_some_and(|message| !message.is_empty())
            && match document.name.as_str() {
                "Error" => document.find("RequestId") == Some(id) && document.find("Resource").is_some(),
                "ErrorResponse" => document.find("RequestId") == Some(id),
                "DeleteResult" => document.children.iter().all(|child| child.name == "Error"),
                _ => false,
            };
        match error.find("Code") {
            Some(code) if code == self.refusal.1 && is_complete => None,
            Some(code) if code == self.refusal.1 => complain("the document lacks something"),
            _ => complain(&format!("expected {:?}", self.refusal)),
        }
    }
}

/// Something that is wrong with a request signed by a signer `S`.
pub struct Defect<S> {
    pub what: &'static str,
    /// What is wrong when it is signed.
    pub before: fn(&mut S, &mut Draft),
    /// What is changed after that.
    pub after: fn(&mut Draft),
    pub refusal: Refusal,
}

/// Signed wrongly, sent as it was signed.
pub fn signed<S>(what: &'static str, refusal: Refusal, before: fn(&mut S, &mut Draft)) -> Defect<S> {
    Defect { what, before, after: |_| {}, refusal }
}

/// Signed rightly, sent otherwise.
pub fn changed<S>(what: &'static str, refusal: Refusal, after: fn(&mut Draft)) -> Defect<S> {
    Defect { what, before: |_, _| {}, after, refusal }
}

/// What a request is signed for besides what it is sent as.
pub fn elsewhere<S>() -> Vec<Defect<S>> {
    let of = |what, before, undone| Defect { what, before, after: undone, refusal: MISMATCH };
    vec![
        of("signed for another method", |_, draft| turn_method(draft), turn_method),
        of(
            "signed for another path",
            |_, draft| draft.path.push('x'),
            |draft| draft.path.truncate(draft.path.len() - 1),
        ),
        of(
            "signed for a path above",
            |_, draft| draft.path.insert_str(0, "/b"),
            |draft| draft.path = draft.path.split_off(2),
        ),
        of(
            "signed for another operation",
            |_, draft| draft.query.push(("torrent".into(), None)),
            |draft| {
                draft.set_parameter("torrent", None);
            },
        ),
        of(
            "signed for another version",
            |_, draft| draft.add_parameter("versionId", "1"),
            |draft| {
                draft.set_parameter("versionId", None);
            },
        ),
    ]
}

/// Another method; twice, the same.
fn turn_method(draft: &mut Draft) {
    draft.method = match draft.method.as_str() {
        "GET" => "DELETE",
        "DELETE" => "GET",
        "PUT" => "POST",
        "POST" => "PUT",
        "HEAD" => "PATCH",
        _ => "HEAD",
    }
    .to_owned();
}

/// Puts other text in the place of some in a header.
pub fn edit_header(draft: &mut Draft, name: &str, edit: impl FnOnce(String) -> String) {
    let edited = edit(draft.header(name));
    draft.set_header(name, Some(edited.as_bytes()));
}

/// The last digit or letter of a signature becomes another.
pub fn other_end(mut text: String) -> String {
    let end = if text.pop() == Some('0') { '1' } else { '0' };
    text.push(end);
    text
}

/// Credentials of a kind that no server should have.
pub fn strange_parameters(draft: &mut Draft, names: &[&str]) {
    names.iter().for_each(|name| draft.add_parameter(name, &query_of("x")));
}

/// What a signer signs as, for defects that all kinds can have.
pub trait Signs {
    fn keys(&mut self) -> &mut Keys;
}

impl Signs for v4::Signer {
    fn keys(&mut self) -> &mut Keys {
        &mut self.keys
    }
}

impl Signs for v2::Signer {
    fn keys(&mut self) -> &mut Keys {
        &mut self.keys
    }
}

/// The same for Version 4.
pub trait SignsV4 {
    fn v4(&mut self) -> &mut v4::Signer;
}

impl SignsV4 for v4::Signer {
    fn v4(&mut self) -> &mut v4::Signer {
        self
    }
}

/// Keys that are not those of the server.
pub fn strangers<S: Signs>() -> Vec<Defect<S>> {
    vec![
        signed("a wrong secret", MISMATCH, |signer: &mut S, _| signer.keys().secret.push('x')),
        signed("no secret", MISMATCH, |signer: &mut S, _| signer.keys().secret.clear()),
        signed("the key id for a secret", MISMATCH, |signer: &mut S, _| {
            signer.keys().secret = signer.keys().access.clone();
        }),
        signed("an unknown key", UNKNOWN_KEY, |signer: &mut S, _| signer.keys().access.push('X')),
        signed("a key in other letters", UNKNOWN_KEY, |signer: &mut S, _| signer.keys().access.make_ascii_lowercase()),
        signed("a session's key without a session", UNKNOWN_KEY, |signer: &mut S, _| {
            signer.keys().access = "ASIAAAAAAAAAAAAAAAAA".to_owned();
        }),
        signed("a session token of nobody", BAD_TOKEN, |signer: &mut S, _| {
            signer.keys().token = Some("nonsense".to_owned());
        }),
    ]
}
