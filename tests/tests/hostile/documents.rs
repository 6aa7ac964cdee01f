//! Documents that are broken or made to hurt, on each route that reads one, from a sender who may.

use super::case::{Case, Refusal};
use super::routes::{Body, Route, routes};
use super::scene::Scene;
use super::watch::Watch;
use crate::bad_xml::broken;
use weir_tests::sign::{Draft, sha256_hex, v4};

const MALFORMED: Refusal = Refusal(400, "MalformedXML");
const BAD_POLICY: Refusal = Refusal(400, "MalformedPolicy");
const MIB: usize = 1 << 20;

/// A route that reads XML, its document's root, and right content with a `k` in it.
fn xml_routes(scene: &Scene) -> Vec<(Route, &'static str, String)> {
    let contents = [
        ("CreateBucket", "CreateBucketConfiguration", "<LocationConstraint>eu-k</LocationConstraint>"),
        ("PutPublicAccessBlock", "PublicAccessBlockConfiguration", "<BlockPublicAcls>true</BlockPublicAcls><!--k-->"),
        ("DeleteObjects", "Delete", "<Object><Key>k</Key></Object>"),
        (
            "CompleteMultipartUpload",
            "CompleteMultipartUpload",
            "<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part><!--k-->",
        ),
    ];
    let all = routes(scene);
    let found = |name| all.iter().find(|route| route.name == name).unwrap().clone();
    contents.map(|(name, root, inner)| (found(name), root, inner.to_owned())).into()
}

/// What says nothing, or something else that is right, on this route.
fn is_right(route: &Route, what: &str) -> bool {
    match route.name {
        "CreateBucket" => matches!(what, "nothing" | "white space" | "an empty root"),
        "PutPublicAccessBlock" => what == "an empty root" || is_in_comment(what),
        "CompleteMultipartUpload" => is_in_comment(what),
        _ => false,
    }
}

/// A comment may hold any text, and references in it are none.
fn is_in_comment(what: &str) -> bool {
    matches!(what, "a reference to no character" | "a reference beyond Unicode" | "a control character")
}

/// Ways to hurt whoever expands, fetches or remembers.
fn hurting(root: &str, inner: &str) -> Vec<(&'static str, Vec<u8>)> {
    let laughs: String =
        (1..30).map(|level| format!("<!ENTITY l{level} \"{}\">", format!("&l{};", level - 1).repeat(10))).collect();
    [
        ("a billion laughs", format!("<!DOCTYPE x [<!ENTITY l0 \"ha\">{laughs}]><{root}>&l29;{inner}</{root}>")),
        ("a quadratic entity", {
            let entity = format!("<!DOCTYPE x [<!ENTITY a \"{}\">]>", "a".repeat(100_000));
            format!("{entity}<{root}>{}{inner}</{root}>", "&a;".repeat(10_000))
        }),
        ("a DTD to be fetched", format!("<!DOCTYPE x SYSTEM \"http://127.0.0.1:9/x.dtd\"><{root}>{inner}</{root}>")),
        (
            "parameter entities",
            format!("<!DOCTYPE x [<!ENTITY % p SYSTEM \"file:///proc/self/environ\"> %p;]><{root}>{inner}</{root}>"),
        ),
        ("an inclusion", {
            let inclusion = "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"file:///etc/passwd\"/>";
            format!("<{root}>{inclusion}{inner}</{root}>")
        }),
        ("a name of 1 MB", format!("<{root}><{0}/>{inner}</{root}>", "n".repeat(MIB))),
        ("200,000 unknown elements", format!("<{root}>{}{inner}</{root}>", "<x/>".repeat(200_000))),
        ("another encoding", format!("<?xml version=\"1.0\" encoding=\"UTF-7\"?><{root}>+ADw-x/+AD4-</{root}>")),
    ]
    .map(|(what, document)| (what, document.into_bytes()))
    .into()
}

/// A request of this route with another document.
fn with(scene: &Scene, route: &Route, document: Vec<u8>) -> Draft {
    let mut draft = route.draft.clone().with_body(document);
    let payload = sha256_hex(&draft.body);
    draft.add_header("x-amz-content-sha256", &payload);
    scene.signer().sign_header(&mut draft, &payload);
    draft
}

#[test]
fn a_broken_document_is_refused_by_each_route_that_reads_one() {
    let scene = Scene::shared();
    let mut cases = Vec::new();
    for (route, root, inner) in xml_routes(&scene) {
        for (what, document) in broken(root, &inner).into_iter().chain(hurting(root, &inner)) {
            if !is_right(&route, what) {
                cases.push(Case::new(&route, what, with(&scene, &route, document), MALFORMED));
            }
        }
    }
    scene.refuses(cases);
}

#[test]
fn a_broken_policy_is_refused() {
    let scene = Scene::shared();
    let route = routes(&scene).into_iter().find(|route| route.name == "PutBucketPolicy").unwrap();
    let statement = |more: &str| {
        format!(
            "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":\"*\",\
             \"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::held/*\"{more}}}]}}"
        )
    };
    let right = statement("");
    let utf16: Vec<u8> = right.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let documents: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("no object", b"[]".to_vec()),
        ("no statement", b"{\"Version\":\"2012-10-17\"}".to_vec()),
        ("no end", right.as_bytes()[..right.len() - 1].to_vec()),
        ("trailing junk", format!("{right}x").into_bytes()),
        ("a second document", format!("{right}{right}").into_bytes()),
        ("UTF-16", utf16),
        ("bytes that are not UTF-8", right.replace("held/*", "held/\u{1}").replace('\u{1}', "\\ud800").into_bytes()),
        ("a null byte", right.replace("held/*", "held/\0").into_bytes()),
        ("a depth of 100,000", statement(&format!(",\"Condition\":{}", "[".repeat(100_000))).into_bytes()),
        ("an effect twice", statement(",\"Effect\":\"Deny\"").into_bytes()),
        ("an unknown effect", right.replace("Allow", "allow").into_bytes()),
        ("an unknown element", statement(",\"Unless\":\"x\"").into_bytes()),
        ("an unknown operator", statement(",\"Condition\":{\"Perhaps\":{\"aws:SourceIp\":\"1.2.3.4\"}}").into_bytes()),
        ("an address that is none", {
            statement(",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"1.2.3.400/8\"}}").into_bytes()
        }),
        ("an unknown version", right.replace("2012", "2013").into_bytes()),
        ("no principal", right.replace("\"Principal\":\"*\",", "").into_bytes()),
        ("a principal that is nobody", right.replace("\"*\",", "{\"AWS\":\"nonsense\"},").into_bytes()),
        ("another's bucket", right.replace("held/*", "empty/*").into_bytes()),
        ("all buckets", right.replace("arn:aws:s3:::held/*", "*x").into_bytes()),
        ("an action of another service", right.replace("s3:GetObject", "iam:CreateUser").into_bytes()),
        ("a number for an action", right.replace("\"s3:GetObject\"", "1").into_bytes()),
        ("20 KB and a byte", {
            let id = (20 << 10) + 1 - right.len() - ",\"Id\":\"\"".len();
            right.replacen('}', &format!("}}],\"Id\":\"{}\"}}", "i".repeat(id)), 1).replace("}]}", "}").into_bytes()
        }),
        ("1 MB", statement(&format!(",\"Sid\":\"{}\"", "s".repeat(MIB))).into_bytes()),
    ];
    let cases = documents
        .into_iter()
        .map(|(what, document)| Case::new(&route, what, with(&scene, &route, document), BAD_POLICY));
    scene.refuses(cases.collect::<Vec<_>>());
}

#[test]
fn a_document_of_100_mib_is_refused_before_it_is_read() {
    let scene = Scene::shared();
    let mut watch = Watch::begin(&scene);
    for route in routes(&scene).iter().filter(|route| route.body == Body::Document || route.name == "CreateBucket") {
        for (what, framing) in [
            ("a length", "Content-Length: 104857600\r\n\r\n"),
            ("chunks", "Transfer-Encoding: chunked\r\n\r\n6400000\r\n"),
        ] {
            let mut draft = route.draft.clone().with_header("x-amz-content-sha256", v4::UNSIGNED_PAYLOAD);
            draft.body.clear();
            scene.signer().sign_header(&mut draft, v4::UNSIGNED_PAYLOAD);
            let head = draft.request(&scene.client).without_length().head_bytes();
            let mut connection = scene.server.connect();
            connection.send(&[&head[..head.len() - 2], framing.as_bytes()].concat()).unwrap();
            // What a server does not take waits in the socket, until the answer ends it.
            let piece = vec![b' '; MIB];
            let sent = (0..100).take_while(|_| connection.send(&piece).is_ok()).count();
            match connection.read_answer("PUT") {
                Ok(answer) if (answer.status, answer.code().as_str()) == (400, "MalformedXML") => {
                    watch.answer(what, &answer, &[]);
                }
                Ok(answer) => watch.complain(Some(format!("{}: {what}: {answer}", route.name))),
                // The rest of the body was on its way when the server closed.
                Err(_) if sent < 100 => {}
                Err(error) => watch.complain(Some(format!("{}: {what}: {error}", route.name))),
            }
        }
    }
    watch.end();
}
