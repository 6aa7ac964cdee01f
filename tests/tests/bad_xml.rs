//! Documents that are broken, of the wrong kind, or made to hurt: refused, and nothing changes.

use crate::multipart::Upload;
use weir_tests::Server;
use weir_tests::digest::etag;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// Ways to break a document whose root is `root` and whose right content is `inner`.
pub fn broken(root: &str, inner: &str) -> Vec<(&'static str, Vec<u8>)> {
    let right = format!("<{root}>{inner}</{root}>");
    let text = |document: String| document.into_bytes();
    let utf16: Vec<u8> = format!("\u{feff}{right}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("nothing", Vec::new()),
        ("white space", b" \n ".to_vec()),
        ("text", b"hello".to_vec()),
        ("JSON", b"{\"Objects\": []}".to_vec()),
        ("an empty root", text(format!("<{root}/>"))),
        ("a wrong root", text(format!("<Wrong>{inner}</Wrong>"))),
        (
            "a wrong root in the right namespace",
            text(format!("<Wrong xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</Wrong>")),
        ),
        ("no end", text(format!("<{root}>{inner}"))),
        ("half an end", text(right[..right.len() - 3].to_owned())),
        ("ends crossed", text(format!("<{root}><A><B></A></B>{inner}</{root}>"))),
        ("an unknown element", text(format!("<{root}><Unknown/>{inner}</{root}>"))),
        ("text between elements", text(format!("<{root}>text{inner}</{root}>"))),
        ("a second root", text(format!("{right}{right}"))),
        ("trailing junk", text(format!("{right}junk"))),
        ("a trailing element", text(format!("{right}<x/>"))),
        ("leading junk", text(format!("junk{right}"))),
        ("a DTD", text(format!("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{right}"))),
        (
            "entities that grow",
            text(format!(
                "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><{root}>&b;{inner}</{root}>"
            )),
        ),
        ("an unknown entity", text(format!("<{root}>&unknown;{inner}</{root}>"))),
        ("a reference to no character", text(format!("<{root}>{}</{root}>", inner.replacen("k", "&#0;", 1)))),
        ("a reference beyond Unicode", text(format!("<{root}>{}</{root}>", inner.replacen("k", "&#x110000;", 1)))),
        ("a null byte", text(format!("<{root}>{}</{root}>", inner.replacen("k", "\0", 1)))),
        ("a control character", text(format!("<{root}>{}</{root}>", inner.replacen("k", "\u{1}", 1)))),
        ("bytes that are not UTF-8", [b"<", root.as_bytes(), b">\xff\xfe</", root.as_bytes(), b">"].concat()),
        ("UTF-16", utf16),
        ("depth of 100,000", text(format!("<{root}>{}{}</{root}>", "<a>".repeat(100_000), "</a>".repeat(100_000)))),
        ("depth without end", text(format!("<{root}>{}", "<a>".repeat(200_000)))),
        ("an attribute twice", text(format!("<{root} a=\"1\" a=\"2\">{inner}</{root}>"))),
        ("a comment without end", text(format!("<{root}><!-- {inner}</{root}>"))),
        ("an element's end alone", text(format!("</{root}>"))),
    ]
}

#[test]
fn a_broken_delete_deletes_nothing() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("broken-delete");
    client.put(&format!("{bucket}/k"), "x").expect(200);
    let path = format!("{bucket}?delete");
    for (what, document) in broken("Delete", "<Object><Key>k</Key></Object>") {
        let refused = client.post(&path, document);
        assert_eq!((refused.status, refused.code().as_str()), (400, "MalformedXML"), "{what}: {refused}");
        assert_eq!(client.head(&format!("{bucket}/k")).status, 200, "{what}");
    }
    for inner in [
        "<Object/>",
        "<Object><Key/></Object>",
        "<Object>k</Object>",
        "<Quiet>perhaps</Quiet><Object><Key>k</Key></Object>",
        "<Object><Key>k</Key><Key>k</Key></Object>",
    ] {
        let refused = client.post(&path, format!("<Delete>{inner}</Delete>"));
        assert!(refused.status == 400 || inner.contains("<Key/>") && refused.status == 200, "{inner}: {refused}");
        client.head(&format!("{bucket}/k")).expect(200);
    }
    server.assert_alive();
}

#[test]
fn a_broken_complete_completes_nothing() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("broken-complete");
    let path = format!("{bucket}/k");
    let upload = Upload::begin(&client, &path, &[]);
    upload.part(1, b"part");
    upload.part(2, b"two");
    let part = format!("<Part><PartNumber>1</PartNumber><ETag>{}</ETag><!--k--></Part>", etag(b"part"));
    for (what, document) in broken("CompleteMultipartUpload", &part) {
        // Its comment holds the letter that is to be replaced: a comment may hold any text but these.
        if what == "a reference to no character"
            || what == "a reference beyond Unicode"
            || what == "a control character"
        {
            continue;
        }
        let refused = client.post(&upload.whole(), document);
        assert_eq!((refused.status, refused.code().as_str()), (400, "MalformedXML"), "{what}: {refused}");
        assert_eq!(client.head(&path).status, 404, "{what}");
    }
    let (one, two) = ((1, etag(b"part")), (2, etag(b"two")));
    upload.complete(&[]).expect_error(400, "MalformedXML");
    upload.complete(&[two.clone(), one.clone()]).expect_error(400, "InvalidPartOrder");
    upload.complete(&[one.clone(), one.clone()]).expect_error(400, "InvalidPartOrder");
    upload.complete(&[one.clone(), (3, etag(b"two"))]).expect_error(400, "InvalidPart");
    upload.complete(&[(1, etag(b"other"))]).expect_error(400, "InvalidPart");
    upload.complete(&[(1, "nonsense".to_owned())]).expect_error(400, "InvalidPart");
    for part in [
        "<PartNumber>x</PartNumber>",
        "<PartNumber>-1</PartNumber>",
        "<PartNumber>99999999999</PartNumber>",
        "<PartNumber/>",
        "",
    ] {
        let document =
            format!("<CompleteMultipartUpload><Part>{part}<ETag>{}</ETag></Part></CompleteMultipartUpload>", one.1);
        upload.complete_by(&document, &[]).expect_error(400, "MalformedXML");
    }
    client.head(&path).expect(404);
    assert_eq!(upload.listed("").all("Part").count(), 2);
    client.delete(&upload.whole()).expect(204);
    server.assert_alive();
}

#[test]
fn a_document_may_have_what_xml_allows() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("allowed-xml");
    let documents = [
        format!("{DECLARATION}<Delete><Object><Key>k</Key></Object></Delete>"),
        format!("\n{DECLARATION}<Delete><Object><Key>k</Key></Object></Delete>").trim_start().to_owned(),
        format!("\u{feff}{DECLARATION}<Delete><Object><Key>k</Key></Object></Delete>"),
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n <Object>\n <Key>k</Key>\n </Object>\n</Delete>\n".to_owned(),
        "<s:Delete xmlns:s=\"http://s3.amazonaws.com/doc/2006-03-01/\"><s:Object><s:Key>k</s:Key></s:Object></s:Delete>".to_owned(),
        "<Delete><!-- a comment --><Object><Key><![CDATA[k]]></Key></Object></Delete>".to_owned(),
        "<Delete><Object><Key>&#107;</Key></Object></Delete>".to_owned(),
        "<Delete><Object><Key>&#x6b;</Key></Object><Quiet>false</Quiet></Delete>".to_owned(),
    ];
    for document in documents {
        client.put(&format!("{bucket}/k"), "x").expect(200);
        let answer = client.post(&format!("{bucket}?delete"), document.clone());
        assert_eq!(answer.status, 200, "{document}: {answer}");
        assert_eq!(client.head(&format!("{bucket}/k")).status, 404, "{document}");
    }
}

#[test]
fn many_attributes_cost_linear_time() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("many-attributes");
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=\"\"")).collect();
    let began = std::time::Instant::now();
    let answer =
        client.post(&format!("{bucket}?delete"), format!("<Delete{attributes}><Object><Key>k</Key></Object></Delete>"));
    assert!(matches!(answer.status, 200 | 400), "{answer}");
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn keys_in_a_document_are_no_paths() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("doc-keys");
    client.bucket("doc-victim");
    client.put("/doc-victim/k", "x").expect(200);
    for key in ["../doc-victim/k", "/doc-victim/k", "..%2Fdoc-victim%2Fk", "doc-victim/k", "./../doc-victim/k"] {
        let document = format!("<Delete><Object><Key>{key}</Key></Object></Delete>");
        let answer = client.post("/doc-keys?delete", document).expect(200).xml();
        assert_eq!(answer.texts("Deleted", "Key"), [key]);
    }
    client.head("/doc-victim/k").expect(200);
}
