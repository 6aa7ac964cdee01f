//! Multipart uploads from Create to Complete or Abort.

use weir_tests::digest::{etag, multipart_etag};
use weir_tests::{Answer, Client, Server, noise};

const MIB: usize = 1 << 20;

/// An open upload of one key.
pub struct Upload<'a> {
    pub client: &'a Client,
    pub path: String,
    pub id: String,
}

impl<'a> Upload<'a> {
    pub fn begin(client: &'a Client, path: &str, headers: &[(&str, &str)]) -> Self {
        let begun = client.request("POST", &format!("{path}?uploads")).headers(headers).send().expect(200).xml();
        assert_eq!(begun.name, "InitiateMultipartUploadResult");
        Self { client, path: path.to_owned(), id: begun.get("UploadId").to_owned() }
    }

    pub fn part_path(&self, number: impl std::fmt::Display) -> String {
        format!("{}?partNumber={number}&uploadId={}", self.path, self.id)
    }

    pub fn part(&self, number: u32, body: &[u8]) {
        let put = self.client.put(&self.part_path(number), body).expect(200);
        assert_eq!(put.must("etag"), etag(body));
    }

    /// Completes with these parts, by number and ETag.
    pub fn complete(&self, parts: &[(u32, String)]) -> Answer {
        self.complete_by(&document(parts), &[])
    }

    pub fn complete_by(&self, document: &str, headers: &[(&str, &str)]) -> Answer {
        self.client.request("POST", &self.whole()).headers(headers).body(document).send()
    }

    /// The path of the upload as a whole.
    pub fn whole(&self) -> String {
        format!("{}?uploadId={}", self.path, self.id)
    }

    pub fn listed(&self, query: &str) -> weir_tests::xml::Element {
        self.client.get(&format!("{}{query}", self.whole())).expect(200).xml()
    }
}

pub fn document(parts: &[(u32, String)]) -> String {
    let parts: String = parts
        .iter()
        .map(|(number, tag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"))
        .collect();
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
    )
}

#[test]
fn an_upload_becomes_one_object() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("upload"));
    let headers = [("content-type", "text/plain"), ("x-amz-meta-a", "b"), ("cache-control", "no-store")];
    let upload = Upload::begin(&client, &path, &headers);
    let parts = [noise(1, 5 * MIB), noise(2, 5 * MIB + 123), noise(3, 1000)];
    for (number, part) in parts.iter().enumerate() {
        upload.part(number as u32 + 1, part);
    }
    client.get(&path).expect_error(404, "NoSuchKey");
    let completed = upload.complete(&[(1, etag(&parts[0])), (2, etag(&parts[1])), (3, etag(&parts[2]))]).expect(200);
    let result = completed.xml();
    assert_eq!(result.name, "CompleteMultipartUploadResult");
    let tag = multipart_etag(&[&parts[0], &parts[1], &parts[2]]);
    assert_eq!((result.get("Bucket"), result.get("Key"), result.get("ETag")), ("upload", "k", tag.as_str()));
    assert!(result.get("Location").ends_with("/upload/k"));

    let got = client.get(&path).expect(200);
    assert!(got.body == parts.concat());
    assert_eq!(got.must("etag"), tag);
    assert_eq!(
        (got.must("content-type"), got.must("x-amz-meta-a"), got.must("cache-control")),
        ("text/plain", "b", "no-store")
    );
    let listed = client.get("/upload").expect(200).xml();
    assert_eq!(listed.texts("Contents", "ETag"), std::slice::from_ref(&tag));
    // A range over the seam of two parts.
    let from = 5 * MIB - 10;
    let range = client.request("GET", &path).header("range", &format!("bytes={from}-{}", from + 19)).send().expect(206);
    assert!(range.body == parts.concat()[from..from + 20]);
    for (number, part) in parts.iter().enumerate() {
        let got = client.get(&format!("{path}?partNumber={}", number + 1)).expect(206);
        assert!(got.body == *part);
        assert_eq!(got.must("x-amz-mp-parts-count"), "3");
        assert_eq!(got.must("etag"), tag);
        let head = client.head(&format!("{path}?partNumber={}", number + 1)).expect(206);
        assert_eq!(head.must("content-length"), part.len().to_string());
        assert_eq!(head.must("content-range"), got.must("content-range"));
    }
    client.get(&format!("{path}?partNumber=4")).expect_error(416, "InvalidPartNumber");
}

#[test]
fn an_object_that_is_not_multipart_is_its_own_only_part() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("one-part"));
    client.put(&path, "whole").expect(200);
    let got = client.get(&format!("{path}?partNumber=1"));
    assert!(matches!(got.status, 200 | 206), "{got}");
    assert_eq!(got.body, b"whole");
    client.get(&format!("{path}?partNumber=2")).expect_error(416, "InvalidPartNumber");
}

#[test]
fn a_part_sent_again_replaces_the_former() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("part-again"));
    let upload = Upload::begin(&client, &path, &[]);
    let (old, new, last) = (noise(1, 6 * MIB), noise(2, 5 * MIB), noise(3, 10));
    upload.part(1, &old);
    upload.part(2, &last);
    upload.part(1, &new);
    let listed = upload.listed("");
    assert_eq!(listed.texts("Part", "ETag"), [etag(&new), etag(&last)]);
    assert_eq!(listed.texts("Part", "Size"), [new.len().to_string(), last.len().to_string()]);
    upload.complete(&[(1, etag(&old)), (2, etag(&last))]).expect_error(400, "InvalidPart");
    upload.complete(&[(1, etag(&new)), (2, etag(&last))]).expect(200);
    assert!(client.get(&path).expect(200).body == [new, last].concat());
}

#[test]
fn only_the_listed_parts_are_taken_and_gaps_are_allowed() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("listed-parts"));
    let upload = Upload::begin(&client, &path, &[]);
    let parts: Vec<Vec<u8>> = (0..3).map(|seed| noise(seed, 5 * MIB + seed as usize)).collect();
    upload.part(1, &parts[0]);
    upload.part(7, &parts[1]);
    upload.part(10_000, &parts[2]);
    upload.complete(&[(1, etag(&parts[0])), (10_000, etag(&parts[2]))]).expect(200);
    assert!(client.get(&path).expect(200).body == [parts[0].clone(), parts[2].clone()].concat());
    let head = client.head(&format!("{path}?partNumber=2"));
    assert_eq!(head.header("x-amz-mp-parts-count").unwrap_or("2"), "2", "{head}");
}

#[test]
fn the_smallest_part_is_five_mib_and_one_mib_at_the_base_path() {
    let server = Server::shared();
    let (root, base) = (server.client(), server.base_path_client());
    root.bucket("small-parts");
    for (client, least) in [(&root, 5 * MIB), (&base, MIB)] {
        for (size, status) in [(least - 1, 400), (least, 200), (least + 1, 200)] {
            let upload = Upload::begin(client, "/small-parts/k", &[]);
            let (first, last) = (noise(1, size), noise(2, 1));
            upload.part(1, &first);
            upload.part(2, &last);
            let completed = upload.complete(&[(1, etag(&first)), (2, etag(&last))]);
            if status == 400 {
                completed.expect_error(400, "EntityTooSmall");
                // The upload is still open.
                assert_eq!(upload.listed("").all("Part").count(), 2);
                client.delete(&upload.whole()).expect(204);
            } else {
                completed.expect(200);
            }
        }
    }
}

#[test]
fn one_part_may_be_of_any_size() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("only-part");
    for size in [0, 1, 100_000] {
        let upload = Upload::begin(&client, "/only-part/k", &[]);
        let part = noise(4, size);
        upload.part(5, &part);
        upload.complete(&[(5, etag(&part))]).expect(200);
        let got = client.get("/only-part/k").expect(200);
        assert!(got.body == part);
        assert_eq!(got.must("etag"), multipart_etag(&[&part]));
    }
}

#[test]
fn a_repeated_complete_gets_the_first_result() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("complete-again"));
    let upload = Upload::begin(&client, &path, &[]);
    upload.part(1, b"part");
    let parts = [(1, etag(b"part"))];
    let first = upload.complete(&parts).expect(200).xml();
    assert_eq!(upload.complete(&parts).expect(200).xml().get("ETag"), first.get("ETag"));
    // Also when the object was replaced meanwhile: it is not brought back.
    client.put(&path, "newer").expect(200);
    assert_eq!(upload.complete(&parts).expect(200).xml().get("ETag"), first.get("ETag"));
    assert_eq!(client.get(&path).expect(200).body, b"newer");
}

#[test]
fn racing_completes_all_get_the_one_result() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("complete-races"));
    let upload = Upload::begin(&client, &path, &[]);
    upload.part(1, b"part");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let completed = upload.complete(&[(1, etag(b"part"))]).expect(200).xml();
                assert_eq!(completed.get("ETag"), multipart_etag(&[b"part"]));
            });
        }
    });
    assert_eq!(client.get(&path).expect(200).body, b"part");
}

#[test]
fn an_aborted_upload_is_gone() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("abort"));
    let upload = Upload::begin(&client, &path, &[]);
    upload.part(1, &noise(1, 100_000));
    assert_eq!(client.delete(&upload.whole()).expect(204).body, b"");
    client.put(&upload.part_path(2), "x").expect_error(404, "NoSuchUpload");
    client.get(&upload.whole()).expect_error(404, "NoSuchUpload");
    upload.complete(&[(1, etag(&noise(1, 100_000)))]).expect_error(404, "NoSuchUpload");
    client.head(&path).expect(404);
    // Again, and after Complete: yes, and nothing changes.
    client.delete(&upload.whole()).expect(204);
    let other = Upload::begin(&client, &path, &[]);
    other.part(1, b"x");
    other.complete(&[(1, etag(b"x"))]).expect(200);
    client.delete(&other.whole()).expect(204);
    assert_eq!(client.get(&path).expect(200).body, b"x");
}

#[test]
fn an_upload_belongs_to_its_key() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("own-key");
    let upload = Upload::begin(&client, &format!("{bucket}/k"), &[]);
    for id in [upload.id.as_str(), "0", "999999999", "x", "-1", "18446744073709551616", ""] {
        let path = format!("{bucket}/other?uploadId={id}");
        client.delete(&path).expect_error(404, "NoSuchUpload");
        client.get(&path).expect_error(404, "NoSuchUpload");
        client.put(&format!("{path}&partNumber=1"), "x").expect_error(404, "NoSuchUpload");
        client.post(&path, document(&[(1, etag(b"x"))])).expect_error(404, "NoSuchUpload");
    }
    client.head(&format!("{bucket}/other")).expect(404);
    client.delete(&upload.whole()).expect(204);
}

#[test]
fn parts_are_listed_in_pages() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("part-pages"));
    let upload = Upload::begin(&client, &path, &[]);
    let numbers: Vec<u32> = vec![1, 2, 3, 10, 20, 100, 1000, 9_999, 10_000];
    for &number in &numbers {
        upload.part(number, number.to_string().as_bytes());
    }
    let first = upload.listed("");
    assert_eq!(first.name, "ListPartsResult");
    assert_eq!((first.get("Bucket"), first.get("Key"), first.get("UploadId")), ("part-pages", "k", upload.id.as_str()));
    assert!(first.find("Owner/ID").is_some() && first.find("Initiator/ID").is_some());
    assert_eq!((first.get("MaxParts"), first.get("IsTruncated")), ("1000", "false"));
    let mut found = Vec::new();
    let mut marker = "0".to_owned();
    loop {
        let page = upload.listed(&format!("&max-parts=2&part-number-marker={marker}"));
        assert_eq!(page.get("MaxParts"), "2");
        assert_eq!(page.get("PartNumberMarker"), marker);
        let parts = page.texts("Part", "PartNumber");
        found.extend(parts.iter().map(|number| number.parse::<u32>().unwrap()));
        if page.get("IsTruncated") == "false" {
            break;
        }
        assert_eq!(parts.len(), 2);
        marker = page.get("NextPartNumberMarker").to_owned();
        assert_eq!(Some(&marker), parts.last());
    }
    assert_eq!(found, numbers);
    assert_eq!(upload.listed("&part-number-marker=10000").all("Part").count(), 0);
}

#[test]
fn uploads_are_listed_in_pages_with_prefix_and_delimiter() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("upload-pages");
    let keys = ["a", "a", "a", "b/1", "b/2", "b/2", "c", "d/x/y"];
    let uploads: Vec<Upload<'_>> =
        keys.iter().map(|key| Upload::begin(&client, &format!("{bucket}/{key}"), &[])).collect();
    let expected: Vec<(String, String)> =
        keys.iter().zip(&uploads).map(|(key, upload)| ((*key).to_owned(), upload.id.clone())).collect();
    let at = |query: &str| client.get(&format!("{bucket}?uploads{query}")).expect(200).xml();
    let names = |page: &weir_tests::xml::Element| -> Vec<(String, String)> {
        page.all("Upload").map(|upload| (upload.get("Key").to_owned(), upload.get("UploadId").to_owned())).collect()
    };
    let all = at("");
    assert_eq!(all.name, "ListMultipartUploadsResult");
    assert_eq!(names(&all), expected, "by key, then in the order they were begun");
    let upload = all.child("Upload").unwrap();
    assert!(upload.find("Owner/ID").is_some() && upload.find("Initiator/ID").is_some());
    assert!(upload.get("Initiated").ends_with('Z'));
    assert_eq!(upload.get("StorageClass"), "STANDARD");
    for size in 1..=8 {
        let (mut found, mut query) = (Vec::new(), String::new());
        loop {
            let page = at(&format!("&max-uploads={size}{query}"));
            found.extend(names(&page));
            if page.get("IsTruncated") == "false" {
                break;
            }
            assert_eq!(names(&page).len(), size);
            let (key, id) = (page.get("NextKeyMarker"), page.get("NextUploadIdMarker"));
            query = format!("&key-marker={}&upload-id-marker={id}", weir_tests::query_of(key));
        }
        assert_eq!(found, expected, "in pages of {size}");
    }
    let delimited = at("&delimiter=/");
    assert_eq!(names(&delimited), [expected[0].clone(), expected[1].clone(), expected[2].clone(), expected[6].clone()]);
    assert_eq!(delimited.texts("CommonPrefixes", "Prefix"), ["b/", "d/"]);
    assert_eq!(names(&at("&prefix=b/")), expected[3..6]);
    assert_eq!(at("&prefix=d/&delimiter=/").texts("CommonPrefixes", "Prefix"), ["d/x/"]);
    // A key marker alone goes past all uploads of that key.
    assert_eq!(names(&at("&key-marker=a")), expected[3..]);
    for upload in &uploads {
        client.delete(&upload.whole()).expect(204);
    }
    assert_eq!(names(&at("")), []);
}

#[test]
fn many_parts_at_the_same_time_are_all_kept() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("parts-at-once"));
    let upload = Upload::begin(&client, &path, &[]);
    let parts: Vec<Vec<u8>> = (0..8).map(|seed| noise(seed, 5 * MIB + 7 * seed as usize)).collect();
    std::thread::scope(|scope| {
        for (number, part) in parts.iter().enumerate() {
            let upload = &upload;
            scope.spawn(move || upload.part(number as u32 + 1, part));
        }
    });
    let listed: Vec<_> = parts.iter().enumerate().map(|(number, part)| (number as u32 + 1, etag(part))).collect();
    upload.complete(&listed).expect(200);
    assert!(client.get(&path).expect(200).body == parts.concat());
}

#[test]
fn an_etag_in_complete_may_lack_quotes() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("bare-etag"));
    let upload = Upload::begin(&client, &path, &[]);
    upload.part(1, b"part");
    let quoted = etag(b"part").replace('"', "&quot;");
    upload.complete(&[(1, "\"wrong\"".to_owned())]).expect_error(400, "InvalidPart");
    upload.complete(&[(1, quoted)]).expect(200);
    let upload = Upload::begin(&client, &path, &[]);
    upload.part(1, b"part");
    upload.complete(&[(1, etag(b"part").trim_matches('"').to_owned())]).expect(200);
}

#[test]
fn the_cost_of_complete_does_not_depend_on_the_size() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("cheap-complete");
    let mut took = Vec::new();
    for size in [5 * MIB, 40 * MIB] {
        let upload = Upload::begin(&client, "/cheap-complete/k", &[]);
        let (first, last) = (noise(1, size), noise(2, 10));
        upload.part(1, &first);
        upload.part(2, &last);
        let began = std::time::Instant::now();
        upload.complete(&[(1, etag(&first)), (2, etag(&last))]).expect(200);
        took.push(began.elapsed().as_secs_f64());
    }
    // Moving 35 MiB more would show; a busy machine's noise must not.
    assert!(took[1] < took[0] * 5.0 + 0.1, "{took:?} s");
}

#[test]
fn the_announced_size_of_the_whole_is_checked() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("announced-size"));
    let upload = Upload::begin(&client, &path, &[]);
    upload.part(1, b"part");
    let body = document(&[(1, etag(b"part"))]);
    upload.complete_by(&body, &[("x-amz-mp-object-size", "5")]).expect_error(400, "InvalidRequest");
    client.head(&path).expect(404);
    upload.complete_by(&body, &[("x-amz-mp-object-size", "4")]).expect(200);
}
