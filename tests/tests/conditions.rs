//! Conditional requests (RFC 9110, 13) on reads, writes and deletes, and races among them.

use std::sync::Barrier;
use weir_tests::digest::etag;
use weir_tests::{Answer, Client, Server};

const PAST: &str = "Sat, 01 Jan 2000 00:00:00 GMT";
const FUTURE: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

fn with(client: &Client, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let body = if method == "PUT" { "new" } else { "" };
    client.request(method, path).headers(headers).body(body).send()
}

#[test]
fn reads_obey_all_four_conditions() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/k", client.bucket("read-conditions"));
    client.put(&path, "old").expect(200);
    let tag = etag(b"old");
    let bare = tag.trim_matches('"');
    let list = format!("\"other\", {tag}");
    let modified = client.head(&path).must("last-modified").to_owned();
    let cases: [(&[(&str, &str)], u16); 22] = [
        (&[("if-match", &tag)], 200),
        (&[("if-match", bare)], 200),
        (&[("if-match", "*")], 200),
        (&[("if-match", &list)], 200),
        (&[("if-match", "\"other\"")], 412),
        (&[("if-none-match", "\"other\"")], 200),
        (&[("if-none-match", &tag)], 304),
        (&[("if-none-match", bare)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", &list)], 304),
        (&[("if-modified-since", PAST)], 200),
        (&[("if-modified-since", &modified)], 304),
        (&[("if-unmodified-since", FUTURE)], 200),
        (&[("if-unmodified-since", &modified)], 200),
        (&[("if-unmodified-since", PAST)], 412),
        // If-Match is stronger than If-Unmodified-Since, If-None-Match than If-Modified-Since.
        (&[("if-match", &tag), ("if-unmodified-since", PAST)], 200),
        (&[("if-none-match", "\"other\""), ("if-modified-since", FUTURE)], 200),
        (&[("if-none-match", &tag), ("if-modified-since", PAST)], 304),
        (&[("if-match", "\"other\""), ("if-none-match", &tag)], 412),
        // A date that is none is ignored.
        (&[("if-modified-since", "yesterday")], 200),
        (&[("if-unmodified-since", "yesterday")], 200),
        (&[("if-match", &tag), ("range", "bytes=0-1")], 206),
    ];
    for (headers, status) in cases {
        for method in ["GET", "HEAD"] {
            let answer = with(&client, method, &path, headers).expect(status);
            match (status, method) {
                (304, _) => {
                    assert_eq!(answer.must("etag"), tag, "{headers:?}");
                    assert!(answer.body.is_empty());
                }
                (412, "GET") => drop(answer.expect_error(412, "PreconditionFailed")),
                (_, "HEAD") => assert!(answer.body.is_empty()),
                _ => {}
            }
        }
    }
}

#[test]
fn writes_obey_if_match_and_if_none_match() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("write-conditions");
    let (path, missing) = (format!("{bucket}/k"), format!("{bucket}/missing"));
    with(&client, "PUT", &missing, &[("if-match", "*")]).expect_error(404, "NoSuchKey");
    with(&client, "PUT", &missing, &[("if-match", "\"tag\"")]).expect_error(404, "NoSuchKey");
    client.head(&missing).expect(404);
    client.put(&path, "old").expect(200);
    let tag = etag(b"old");
    with(&client, "PUT", &path, &[("if-none-match", "*")]).expect_error(412, "PreconditionFailed");
    with(&client, "PUT", &path, &[("if-match", "\"other\"")]).expect_error(412, "PreconditionFailed");
    assert_eq!(client.get(&path).expect(200).body, b"old");
    with(&client, "PUT", &path, &[("if-match", &tag)]).expect(200);
    assert_eq!(client.get(&path).expect(200).body, b"new");
    with(&client, "PUT", &path, &[("if-match", etag(b"new").trim_matches('"'))]).expect(200);
    with(&client, "PUT", &format!("{bucket}/first"), &[("if-none-match", "*")]).expect(200);
}

#[test]
fn deletes_obey_if_match() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("delete-conditions");
    let (path, missing) = (format!("{bucket}/k"), format!("{bucket}/missing"));
    client.put(&path, "old").expect(200);
    with(&client, "DELETE", &missing, &[("if-match", "*")]).expect_error(404, "NoSuchKey");
    with(&client, "DELETE", &path, &[("if-match", "\"other\"")]).expect_error(412, "PreconditionFailed");
    client.head(&path).expect(200);
    with(&client, "DELETE", &path, &[("if-match", &etag(b"old"))]).expect(204);
    client.head(&path).expect(404);

    client.put(&path, "old").expect(200);
    client.put(&format!("{bucket}/other"), "old").expect(200);
    let tag = etag(b"old");
    let body = format!(
        "<Delete><Object><Key>k</Key><ETag>&quot;wrong&quot;</ETag></Object>\
         <Object><Key>other</Key><ETag>{}</ETag></Object></Delete>",
        tag.replace('"', "&quot;")
    );
    let answer = client.post(&format!("{bucket}?delete"), body).expect(200).xml();
    assert_eq!(answer.texts("Deleted", "Key"), ["other"]);
    assert_eq!(answer.texts("Error", "Key"), ["k"]);
    assert_eq!(answer.texts("Error", "Code"), ["PreconditionFailed"]);
    client.head(&path).expect(200);
}

#[test]
fn completing_and_copying_obey_conditions() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("complete-conditions");
    let path = format!("{bucket}/k");
    client.put(&path, "old").expect(200);
    let id = client.post(&format!("{path}?uploads"), "").expect(200).xml().get("UploadId").to_owned();
    client.put(&format!("{path}?partNumber=1&uploadId={id}"), "part").expect(200);
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        etag(b"part")
    );
    let complete = |headers: &[(&str, &str)]| {
        client.request("POST", &format!("{path}?uploadId={id}")).headers(headers).body(body.clone()).send()
    };
    complete(&[("if-none-match", "*")]).expect_error(412, "PreconditionFailed");
    complete(&[("if-match", "\"other\"")]).expect_error(412, "PreconditionFailed");
    assert_eq!(client.get(&path).expect(200).body, b"old");
    complete(&[("if-match", &etag(b"old"))]).expect(200);
    assert_eq!(client.get(&path).expect(200).body, b"part");

    let copy = |headers: &[(&str, &str)]| {
        let request = client.request("PUT", &format!("{bucket}/copy")).header("x-amz-copy-source", &path);
        request.headers(headers).send()
    };
    copy(&[("if-none-match", "*")]).expect(200);
    copy(&[("if-none-match", "*")]).expect_error(412, "PreconditionFailed");
}

#[test]
fn of_racing_first_writers_one_wins() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("first-writers");
    let (writers, rounds) = (8usize, 15);
    let barrier = Barrier::new(writers);
    let mut won: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|writer| {
                let (client, barrier, bucket) = (&client, &barrier, &bucket);
                let wins = move |&round: &usize| {
                    barrier.wait();
                    // Inline bodies and bodies in blocks take turns.
                    let body = vec![b'a' + writer as u8; if round.is_multiple_of(2) { 10 } else { 100_000 }];
                    let put = client.request("PUT", &format!("{bucket}/{round}")).header("if-none-match", "*");
                    let put = put.body(body).send();
                    let lost = matches!(
                        (put.status, put.code().as_str()),
                        (412, "PreconditionFailed") | (409, "ConditionalRequestConflict")
                    );
                    assert!(put.status == 200 || lost, "{put}");
                    put.status == 200
                };
                scope.spawn(move || (0..rounds).filter(wins).map(|round| (round, writer)).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    won.sort_unstable();
    let rounds_won: Vec<usize> = won.iter().map(|(round, _)| *round).collect();
    assert_eq!(rounds_won, (0..rounds).collect::<Vec<_>>(), "each round has one winner: {won:?}");
    for (round, winner) in won {
        let body = client.get(&format!("{bucket}/{round}")).expect(200).body;
        assert!(body.iter().all(|&byte| byte == b'a' + winner as u8), "round {round}");
    }
}

#[test]
fn no_increment_by_if_match_is_lost() {
    let server = Server::shared();
    let client = server.client();
    let path = format!("{}/counter", client.bucket("counter"));
    client.put(&path, "0").expect(200);
    let increments: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|_| {
                let (client, path) = (&client, &path);
                scope.spawn(move || {
                    let mut done = 0;
                    while done < 10 {
                        let read = client.get(path).expect(200);
                        let next = read.text().parse::<u64>().unwrap() + 1;
                        let write = client.request("PUT", path).header("if-match", read.must("etag"));
                        let write = write.body(next.to_string()).send();
                        assert!(matches!(write.status, 200 | 409 | 412), "{write}");
                        done += u64::from(write.status == 200);
                    }
                    done
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(client.get(&path).expect(200).text(), increments.to_string());
}
