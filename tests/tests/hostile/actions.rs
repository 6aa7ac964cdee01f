//! IAM and STS under credentials that are wrong, missing, or those of a user who may do nothing.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>

use super::case::{
    BAD_ARGUMENT, BAD_HEADER, BAD_QUERY, BAD_TOKEN, Case, DENIED, Defect, MISMATCH, Refusal, SKEWED, SignsV4,
    UNKNOWN_KEY, changed, elsewhere, signed, strangers,
};
use super::scene::{REGION, Scene, query_api_draft, root};
use super::v4_header::{coverage, malformed, scopes, signatures, times};
use super::v4_query::{self, Presigner};
use jiff::Timestamp;
use weir_tests::sign::{Draft, Keys, sha256_hex, v2, v4};
use weir_tests::{form, query_of};

/// Its name, the service, and the form without `Version`. Each would be performed for the root.
fn actions(scene: &Scene) -> Vec<(&'static str, &'static str, String)> {
    let all = query_of(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#);
    let trust = query_of(r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#);
    let key = &scene.user.access;
    vec![
        ("GetUser", "iam", "Action=GetUser&UserName=someone".to_owned()),
        ("ListUsers", "iam", "Action=ListUsers".to_owned()),
        ("ListAccessKeys", "iam", "Action=ListAccessKeys&UserName=someone".to_owned()),
        ("GetAccountAuthorizationDetails", "iam", "Action=GetAccountAuthorizationDetails".to_owned()),
        ("CreateUser", "iam", "Action=CreateUser&UserName=mallory".to_owned()),
        ("CreateAccessKey", "iam", "Action=CreateAccessKey&UserName=someone".to_owned()),
        ("PutUserPolicy", "iam", format!("Action=PutUserPolicy&UserName=someone&PolicyName=all&PolicyDocument={all}")),
        (
            "AttachUserPolicy",
            "iam",
            "Action=AttachUserPolicy&UserName=someone&PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess".to_owned(),
        ),
        (
            "UpdateAccessKey",
            "iam",
            format!("Action=UpdateAccessKey&UserName=someone&AccessKeyId={key}&Status=Inactive"),
        ),
        ("CreateGroup", "iam", "Action=CreateGroup&GroupName=rulers".to_owned()),
        ("CreatePolicy", "iam", format!("Action=CreatePolicy&PolicyName=all&PolicyDocument={all}")),
        ("CreateRole", "iam", format!("Action=CreateRole&RoleName=ruler&AssumeRolePolicyDocument={trust}")),
        (
            "UpdateAssumeRolePolicy",
            "iam",
            format!("Action=UpdateAssumeRolePolicy&RoleName=reader&PolicyDocument={trust}"),
        ),
        ("DeleteRole", "iam", "Action=DeleteRole&RoleName=reader".to_owned()),
        ("DeleteAccessKey", "iam", format!("Action=DeleteAccessKey&UserName=someone&AccessKeyId={key}")),
        ("DeleteUser", "iam", "Action=DeleteUser&UserName=someone".to_owned()),
        ("GetCallerIdentity", "sts", "Action=GetCallerIdentity".to_owned()),
        ("GetSessionToken", "sts", "Action=GetSessionToken".to_owned()),
        (
            "AssumeRole",
            "sts",
            "Action=AssumeRole&RoleArn=arn:aws:iam::000000000000:role/reader&RoleSessionName=s".to_owned(),
        ),
    ]
}

/// What S3 calls so, in the words of these services.
fn translated(refusal: Refusal) -> Refusal {
    let table = [
        (DENIED, DENIED),
        (MISMATCH, MISMATCH),
        (UNKNOWN_KEY, Refusal(403, "InvalidClientTokenId")),
        (BAD_TOKEN, Refusal(403, "InvalidClientTokenId")),
        (SKEWED, MISMATCH),
        (BAD_HEADER, Refusal(400, "IncompleteSignature")),
        (BAD_QUERY, Refusal(400, "IncompleteSignature")),
        (BAD_ARGUMENT, Refusal(400, "InvalidQueryParameter")),
    ];
    table.into_iter().find(|(of_s3, _)| *of_s3 == refusal).unwrap().1
}

fn in_header(scene: &Scene, service: &str, form: &str, defect: &Defect<v4::Signer>) -> Draft {
    let (mut draft, mut signer) = (query_api_draft(&scene.host, service, form), scene.signer());
    signer.service = service.to_owned();
    (defect.before)(&mut signer, &mut draft);
    let payload = sha256_hex(&draft.body);
    signer.sign_header(&mut draft, &payload);
    (defect.after)(&mut draft);
    draft
}

fn in_query(scene: &Scene, service: &str, form: &str, defect: &Defect<Presigner>) -> Draft {
    let (mut draft, mut presigner) = (query_api_draft(&scene.host, service, form), Presigner::new(scene));
    presigner.v4().service = service.to_owned();
    (defect.before)(&mut presigner, &mut draft);
    let payload = sha256_hex(&draft.body);
    presigner.signer.sign_query(&mut draft, &presigner.expires, &payload);
    (defect.after)(&mut draft);
    draft
}

/// `iam` is another service than S3, and us-east-1 is where IAM is: both are right here.
fn is_of_s3_alone(what: &str) -> bool {
    matches!(what, "another service" | "another region")
}

fn cases(scene: &Scene) -> Vec<Case> {
    let mut header: Vec<Defect<v4::Signer>> =
        [strangers(), scopes(BAD_HEADER), times(), elsewhere(), coverage(), malformed(), signatures()]
            .into_iter()
            .flatten()
            .collect();
    let mut query: Vec<Defect<Presigner>> =
        [strangers(), scopes(BAD_QUERY), v4_query::lives(), v4_query::malformed(), v4_query::signatures()]
            .into_iter()
            .flatten()
            .collect();
    header.retain(|defect| !is_of_s3_alone(defect.what));
    query.retain(|defect| !is_of_s3_alone(defect.what));
    let mut cases = Vec::new();
    for (name, service, form) in actions(scene) {
        let mut add = |what: &str, refusal, draft| {
            cases.push(Case { what: format!("{name}: {what}"), draft, refusal, hidden: Vec::new() });
        };
        for defect in &header {
            add(defect.what, translated(defect.refusal), in_header(scene, service, &form, defect));
        }
        for defect in &query {
            add(defect.what, translated(defect.refusal), in_query(scene, service, &form, defect));
        }
        // The query is read before it is known who is asked.
        for defect in v4_query::doubled() {
            add(defect.what, defect.refusal, in_query(scene, service, &form, &defect));
        }
        let another = changed("another form", MISMATCH, |draft| draft.body.extend_from_slice(b"&Marker=x"));
        add(another.what, another.refusal, in_header(scene, service, &form, &another));
        let of_s3 = signed("signed for S3", BAD_HEADER, |signer: &mut v4::Signer, _| signer.service = "s3".to_owned());
        add(of_s3.what, translated(of_s3.refusal), in_header(scene, service, &form, &of_s3));
    }
    cases
}

#[test]
fn iam_and_sts_refuse_every_defect_of_a_signature() {
    let scene = Scene::shared();
    scene.refuses(cases(&scene));
}

#[test]
fn iam_and_sts_know_no_other_credentials_than_those_of_version_4() {
    let scene = Scene::shared();
    let mut cases = Vec::new();
    let no_token = Refusal(403, "MissingAuthenticationToken");
    for (name, service, body) in actions(&scene) {
        let draft = query_api_draft(&scene.host, service, &body);
        let (mut old, mut presigned) = (draft.clone(), draft.clone());
        v2::Signer::new(&root(), Timestamp::now()).sign_header(&mut old);
        v2::Signer::new(&root(), Timestamp::now()).sign_query(&mut presigned, "99999999999");
        let mut a_form = draft.clone();
        a_form.set_header("content-type", Some(form::content_type().as_bytes()));
        let not_a_form = Refusal(400, "MalformedQueryString");
        let mut credentials = draft.clone();
        credentials.body.extend_from_slice(b"&AWSAccessKeyId=ROOTKEY&SignatureVersion=2&Signature=AAAA");
        for (what, draft, refusal) in [
            ("no credentials", draft, no_token),
            ("a header of Version 2", old, DENIED),
            ("a presigned URL of Version 2", presigned, DENIED),
            ("a form of POST Object", a_form, not_a_form),
            ("a signature in the form", credentials, no_token),
        ] {
            cases.push(Case { what: format!("{name}: {what}"), draft, refusal, hidden: Vec::new() });
        }
    }
    scene.refuses(cases);
}

#[test]
fn a_user_without_permission_changes_nobodys_rights() {
    let scene = Scene::shared();
    let mut cases = Vec::new();
    for (name, service, body) in actions(&scene) {
        // Whoever has a key may ask who it is, for a session of its own, and take a role that trusts everyone.
        if service == "sts" || name == "GetUser" {
            continue;
        }
        let mut draft = query_api_draft(&scene.host, service, &body);
        let mut signer = v4::Signer::new(&scene.user, Timestamp::now(), REGION);
        signer.service = service.to_owned();
        let payload = sha256_hex(&draft.body);
        signer.sign_header(&mut draft, &payload);
        cases.push(Case { what: format!("{name}: a user"), draft, refusal: DENIED, hidden: Vec::new() });
        let mixed = Keys::new(&scene.user.access, &root().secret);
        let mut draft = query_api_draft(&scene.host, service, &body);
        signer.keys = mixed;
        signer.sign_header(&mut draft, &payload);
        cases.push(Case { what: format!("{name}: another's secret"), draft, refusal: MISMATCH, hidden: Vec::new() });
    }
    scene.refuses(cases);
}

#[test]
fn forms_of_iam_and_sts_that_are_none_are_refused() {
    let scene = Scene::shared();
    let mut cases = Vec::new();
    for (what, body, refusal) in [
        ("no action", "UserName=x".to_owned(), Refusal(400, "MissingAction")),
        ("an empty form", String::new(), Refusal(400, "MissingAction")),
        ("an unknown action", "Action=Explode&Version=2010-05-08".to_owned(), Refusal(400, "InvalidAction")),
        ("no version", "Action=ListUsers".to_owned(), Refusal(400, "InvalidAction")),
        ("an unknown version", "Action=ListUsers&Version=2006-03-01".to_owned(), Refusal(400, "InvalidAction")),
        (
            "two actions",
            "Action=ListUsers&Action=DeleteUser&UserName=someone&Version=2010-05-08".to_owned(),
            Refusal(400, "MalformedQueryString"),
        ),
        (
            "a broken escape",
            "Action=ListUsers&PathPrefix=%2&Version=2010-05-08".to_owned(),
            Refusal(400, "MalformedQueryString"),
        ),
        (
            "2 MB",
            format!("Action=ListUsers&Version=2010-05-08&PathPrefix={}", "x".repeat(2 << 20)),
            Refusal(413, "RequestEntityTooLarge"),
        ),
        (
            "a name with a slash",
            "Action=CreateUser&UserName=a/../b&Version=2010-05-08".to_owned(),
            Refusal(400, "ValidationError"),
        ),
        (
            "a name with a line end",
            "Action=CreateUser&UserName=a%0Ab&Version=2010-05-08".to_owned(),
            Refusal(400, "ValidationError"),
        ),
        (
            "a name of 65 characters",
            format!("Action=CreateUser&UserName={}&Version=2010-05-08", "u".repeat(65)),
            Refusal(400, "ValidationError"),
        ),
        (
            "a policy that is none",
            "Action=PutUserPolicy&UserName=someone&PolicyName=p&PolicyDocument=%7B&Version=2010-05-08".to_owned(),
            Refusal(400, "MalformedPolicyDocument"),
        ),
        (
            "a policy with an unknown element",
            format!(
                "Action=PutUserPolicy&UserName=someone&PolicyName=p&PolicyDocument={}&Version=2010-05-08",
                query_of(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Unless":"x"}}"#)
            ),
            Refusal(400, "MalformedPolicyDocument"),
        ),
    ] {
        let mut draft = Draft::new("POST", &scene.host, "/")
            .with_body(body)
            .with_header("content-type", "application/x-www-form-urlencoded");
        let mut signer = scene.signer();
        signer.service = "iam".to_owned();
        let payload = sha256_hex(&draft.body);
        signer.sign_header(&mut draft, &payload);
        cases.push(Case { what: what.to_owned(), draft, refusal, hidden: Vec::new() });
    }
    scene.refuses(cases);
}
