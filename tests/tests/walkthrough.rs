//! The curl walk-through of Alluxio's S3 client document, every step in its order, by curl, with the commands as they
//! are written there but for the port (and quotes around addresses that hold a `&`). Where S3's answer is not the one
//! of the document's old server, a comment says so.

use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use weir_tests::digest::{etag, multipart_etag};
use weir_tests::xml::Element;
use weir_tests::{Server, noise};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// What `curl -i` printed: the last answer's status line and headers, and the body.
struct Printed {
    text: String,
    status_line: String,
    headers: String,
    body: String,
}

impl Printed {
    #[track_caller]
    fn expect(self, status_line: &str) -> Self {
        assert_eq!(self.status_line, status_line, "{}", self.text);
        assert!(self.header("date").is_some_and(|date| date.ends_with(" GMT")), "{}", self.text);
        assert!(self.header("x-amz-request-id").is_some(), "{}", self.text);
        self
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    #[track_caller]
    fn xml(&self, root: &str) -> Element {
        assert_eq!(self.header("content-type"), Some("application/xml"), "{}", self.text);
        let document = Element::parse(&self.body);
        assert_eq!(document.name, root);
        // The document's old server left the namespace empty.
        assert_eq!(document.attributes, [("xmlns".to_owned(), NAMESPACE.to_owned())], "{}", self.text);
        document
    }
}

/// A shell in a folder, as the reader of the document has one.
struct Shell {
    folder: TempDir,
    port: u16,
}

impl Shell {
    fn run(&self, command: &str) -> Printed {
        let command = command.replace("localhost:39999", &format!("localhost:{}", self.port));
        let done = Command::new("bash").args(["-c", &command]).current_dir(self.folder.path()).output();
        let done = done.expect("bash and curl are there");
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{command}\n{text}{}", String::from_utf8_lossy(&done.stderr));
        let mut rest = text.as_str();
        loop {
            let (head, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
            let (status_line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
            if !status_line.contains(" 100 ") {
                let (status_line, headers) = (status_line.to_owned(), headers.to_owned());
                return Printed { status_line, headers, body: body.to_owned(), text };
            }
            rest = body;
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn keys(listing: &Element) -> Vec<String> {
    listing.texts("Contents", "Key")
}

#[test]
fn the_curl_walk_through_of_the_document_works_step_by_step() {
    // A server of its own: the document's upload id is that of a fresh one.
    let server = Server::start();
    let shell = Shell { folder: TempDir::new().unwrap(), port: server.address().port() };
    let license: Vec<u8> = noise(1, 26_847).into_iter().map(|byte| b' ' + byte % 64).collect();
    std::fs::write(shell.path().join("LICENSE"), &license).unwrap();

    create_the_bucket(&shell);
    put_and_get_the_object(&shell, &license);
    list_in_pages(&shell, &license);
    list_by_the_shell(&server);
    delete_the_objects(&shell);
    upload_in_parts(&shell);
    server.assert_alive();
}

fn create_the_bucket(shell: &Shell) {
    let made = shell.run("curl -i -X PUT http://localhost:39999/api/v1/s3/testbucket").expect("HTTP/1.1 200 OK");
    assert_eq!(made.header("content-length"), Some("0"));
    assert_eq!(made.header("location"), Some("/testbucket"));

    let listed = shell.run("curl -i -X GET http://localhost:39999/api/v1/s3/testbucket").expect("HTTP/1.1 200 OK");
    let listing = listed.xml("ListBucketResult");
    // The old server wrote `/testbucket`; S3's Name is the bucket's.
    assert_eq!(listing.get("Name"), "testbucket");
    assert_eq!(listing.get("Prefix"), "");
    assert_eq!(listing.find("ContinuationToken").unwrap_or(""), "");
    assert_eq!(listing.find("NextContinuationToken").unwrap_or(""), "");
    assert_eq!(listing.get("KeyCount"), "0");
    assert_eq!(listing.get("MaxKeys"), "1000");
    assert_eq!(listing.get("IsTruncated"), "false");
    assert!(keys(&listing).is_empty());
}

fn put_and_get_the_object(shell: &Shell, license: &[u8]) {
    let put = shell
        .run(r#"curl -i -X PUT -T "LICENSE" http://localhost:39999/api/v1/s3/testbucket/testobject"#)
        .expect("HTTP/1.1 200 OK");
    assert_eq!(put.header("etag"), Some(etag(license).as_str()));
    assert_eq!(put.header("content-length"), Some("0"));
    // curl itself decides by its version and the file's size whether it asks for `100 Continue`, as the document shows.
    let asked = shell
        .run(
            "curl -i -X PUT -H 'Expect: 100-continue' -T LICENSE \
             http://localhost:39999/api/v1/s3/testbucket/testobject",
        )
        .expect("HTTP/1.1 200 OK");
    assert!(asked.text.starts_with("HTTP/1.1 100 Continue\r\n\r\n"), "{}", asked.text);

    let got =
        shell.run("curl -i -X GET http://localhost:39999/api/v1/s3/testbucket/testobject").expect("HTTP/1.1 200 OK");
    assert_eq!(got.body.as_bytes(), license);
    assert_eq!(got.header("content-length"), Some("26847"));
    assert!(got.header("last-modified").is_some_and(|date| date.ends_with(" GMT")));
    // The old server called everything application/xml; S3's default is this, when the client names no type.
    assert_eq!(got.header("content-type"), Some("binary/octet-stream"));
    assert_eq!(got.header("etag"), Some(etag(license).as_str()));

    let listed = shell.run("curl -i -X GET http://localhost:39999/api/v1/s3/testbucket").expect("HTTP/1.1 200 OK");
    let listing = listed.xml("ListBucketResult");
    assert_eq!(listing.get("KeyCount"), "1");
    assert_eq!(keys(&listing), ["testobject"]);
    let object = listing.child("Contents").unwrap();
    // The old server left ETag empty and told LastModified in local time; S3's is quoted, and in UTC.
    assert_eq!(object.get("ETag"), etag(license));
    assert_eq!(object.get("Size"), "26847");
    assert_eq!(object.get("StorageClass"), "STANDARD");
    let modified = object.get("LastModified");
    assert!(modified.len() == 24 && modified.ends_with('Z'), "{modified}");
}

fn list_in_pages(shell: &Shell, license: &[u8]) {
    for key in ["key1", "key2", "key3"] {
        let put = format!(r#"curl -i -X PUT -T "LICENSE" http://localhost:39999/api/v1/s3/testbucket/{key}"#);
        assert_eq!(shell.run(&put).expect("HTTP/1.1 200 OK").header("etag"), Some(etag(license).as_str()));
    }
    let first = shell
        .run(r"curl -i -X GET http://localhost:39999/api/v1/s3/testbucket\?max-keys\=2")
        .expect("HTTP/1.1 200 OK")
        .xml("ListBucketResult");
    assert_eq!(keys(&first), ["key1", "key2"]);
    assert_eq!(first.get("KeyCount"), "2");
    assert_eq!(first.get("MaxKeys"), "2");
    assert_eq!(first.get("IsTruncated"), "true");
    assert_eq!(first.get("NextContinuationToken"), "key3");

    let second = shell
        .run(r"curl -i -X GET http://localhost:39999/api/v1/s3/testbucket\?max-keys\=2\&continuation-token\=key3")
        .expect("HTTP/1.1 200 OK")
        .xml("ListBucketResult");
    // The token names the first key of this page, not the last of the one before.
    assert_eq!(keys(&second), ["key3", "testobject"]);
    assert_eq!(second.get("ContinuationToken"), "key3");
    assert_eq!(second.find("NextContinuationToken").unwrap_or(""), "");
    assert_eq!(second.get("KeyCount"), "2");
    assert_eq!(second.get("IsTruncated"), "false");
}

/// `./bin/alluxio fs ls -R /testbucket` of the document.
fn list_by_the_shell(server: &Server) {
    let mut command = Command::new(weir_tests::binary::weir());
    let done = command.args(["fs", "ls", "-R", "--data"]).arg(server.data()).arg("/testbucket").output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{text}{}", String::from_utf8_lossy(&done.stderr));
    let paths: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(paths, ["/testbucket/key1", "/testbucket/key2", "/testbucket/key3", "/testbucket/testobject"]);
}

fn delete_the_objects(shell: &Shell) {
    for key in ["key1", "key2", "key3", "testobject"] {
        let delete = format!("curl -i -X DELETE http://localhost:39999/api/v1/s3/testbucket/{key}");
        shell.run(&delete).expect("HTTP/1.1 204 No Content");
    }
    let listed = shell.run("curl -i -X GET http://localhost:39999/api/v1/s3/testbucket").expect("HTTP/1.1 200 OK");
    assert!(keys(&listed.xml("ListBucketResult")).is_empty());
}

fn upload_in_parts(shell: &Shell) {
    let begun = shell
        .run("curl -i -X POST http://localhost:39999/api/v1/s3/testbucket/testobject?uploads")
        .expect("HTTP/1.1 200 OK")
        .xml("InitiateMultipartUploadResult");
    assert_eq!(begun.get("Bucket"), "testbucket");
    assert_eq!(begun.get("Key"), "testobject");
    // The steps that follow have it written out.
    assert_eq!(begun.get("UploadId"), "2");

    // As the document writes it, the command sends no body: an empty part. Its answer shows one of 10 MiB, so that is
    // sent then, and takes the place of the empty one.
    let empty = shell
        .run("curl -i -X PUT 'http://localhost:39999/api/v1/s3/testbucket/testobject?partNumber=1&uploadId=2'")
        .expect("HTTP/1.1 200 OK");
    assert_eq!(empty.header("etag"), Some(etag(b"").as_str()));
    let part = noise(2, 10_485_760);
    std::fs::write(shell.path().join("part"), &part).unwrap();
    let sent = shell
        .run("curl -i -X PUT -T part 'http://localhost:39999/api/v1/s3/testbucket/testobject?partNumber=1&uploadId=2'")
        .expect("HTTP/1.1 200 OK");
    assert_eq!(sent.header("etag"), Some(etag(&part).as_str()));

    let parts = shell
        .run("curl -i -X GET http://localhost:39999/api/v1/s3/testbucket/testobject?uploadId=2")
        .expect("HTTP/1.1 200 OK")
        .xml("ListPartsResult");
    assert_eq!(parts.get("Bucket"), "testbucket");
    assert_eq!(parts.get("Key"), "testobject");
    assert_eq!(parts.get("UploadId"), "2");
    assert_eq!(parts.get("StorageClass"), "STANDARD");
    assert_eq!(parts.get("IsTruncated"), "false");
    assert_eq!(parts.texts("Part", "PartNumber"), ["1"]);
    assert_eq!(parts.texts("Part", "ETag"), [etag(&part)]);
    assert_eq!(parts.texts("Part", "Size"), ["10485760"]);

    // `curl -d` calls the document a form; it is none.
    let complete = format!(
        "curl -i -X POST http://localhost:39999/api/v1/s3/testbucket/testobject?uploadId=2 -d '
<CompleteMultipartUpload>
  <Part>
    <PartNumber>1</PartNumber>
    <ETag>{}</ETag>
  </Part>
</CompleteMultipartUpload>'",
        etag(&part)
    );
    let completed = shell.run(&complete).expect("HTTP/1.1 200 OK").xml("CompleteMultipartUploadResult");
    assert_eq!(completed.get("Bucket"), "testbucket");
    assert_eq!(completed.get("Key"), "testobject");
    assert!(completed.get("Location").ends_with("/testbucket/testobject"), "{}", completed.get("Location"));
    // The old server gave the MD5 of the whole; S3's is the MD5 of the parts' MD5s with their number.
    assert_eq!(completed.get("ETag"), multipart_etag(&[&part]));

    // The upload is complete already: S3 says yes and changes nothing.
    shell
        .run("curl -i -X DELETE http://localhost:39999/api/v1/s3/testbucket/testobject?uploadId=2")
        .expect("HTTP/1.1 204 No Content");
    let still =
        shell.run("curl -s -i -I http://localhost:39999/api/v1/s3/testbucket/testobject").expect("HTTP/1.1 200 OK");
    assert_eq!(still.header("content-length"), Some("10485760"));

    // So the completed object is in the bucket when the document deletes it. The old server deleted both; S3 refuses.
    let delete = "curl -i -X DELETE http://localhost:39999/api/v1/s3/testbucket";
    let refused = shell.run(delete).expect("HTTP/1.1 409 Conflict");
    assert_eq!(Element::parse(&refused.body).get("Code"), "BucketNotEmpty");
    shell
        .run("curl -i -X DELETE http://localhost:39999/api/v1/s3/testbucket/testobject")
        .expect("HTTP/1.1 204 No Content");
    let deleted = shell.run(delete).expect("HTTP/1.1 204 No Content");
    assert_eq!(deleted.body, "");
    let gone = shell.run("curl -i -X GET http://localhost:39999/api/v1/s3/testbucket").expect("HTTP/1.1 404 Not Found");
    assert_eq!(Element::parse(&gone.body).get("Code"), "NoSuchBucket");
}
