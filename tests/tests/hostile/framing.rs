//! HTTP that is broken or ambiguous, around requests that are signed rightly, on each route. RFC 9112.

use super::routes::{Body, Route, routes};
use super::scene::Scene;
use super::watch::Watch;
use weir_tests::sign::{sha256_hex, v4};

/// What is done to the lines of a head, which end without their line's end; the first is the request's line.
type Mangled = (&'static str, u16, fn(&mut Vec<String>));

fn add(lines: &mut Vec<String>, line: &str) {
    lines.push(line.to_owned());
}

/// Puts other text in the place of a header's name and what follows.
fn replace(lines: &mut [String], begin: &str, with: &str) {
    let found = lines.iter_mut().find(|line| line.to_ascii_lowercase().starts_with(begin)).unwrap();
    with.clone_into(found);
}

fn method_in(lines: &mut [String], method: &str) {
    let (_, rest) = lines[0].split_once(' ').unwrap();
    lines[0] = format!("{method} {rest}");
}

const MANGLED: [Mangled; 27] = [
    ("a second host", 400, |lines| add(lines, "Host: elsewhere.test")),
    ("the same host twice", 400, |lines| {
        let host = lines[1].clone();
        lines.push(host);
    }),
    ("no host", 400, |lines| drop(lines.remove(1))),
    ("an empty host", 400, |lines| replace(lines, "host:", "Host:")),
    ("a host with a path", 400, |lines| replace(lines, "host:", "Host: a/b")),
    ("a host with a user", 400, |lines| replace(lines, "host:", "Host: a@b")),
    ("an absolute address of another host", 400, |lines| lines[0] = lines[0].replace(" /", " http://elsewhere.test/")),
    ("a length and chunks", 400, |lines| {
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("content-length"));
        lines.extend(["Content-Length: 5".to_owned(), "Transfer-Encoding: chunked".to_owned()]);
    }),
    ("two lengths", 400, |lines| {
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("content-length"));
        lines.extend(["Content-Length: 5".to_owned(), "Content-Length: 6".to_owned()]);
    }),
    ("the same length twice", 400, |lines| {
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("content-length"));
        lines.extend(["Content-Length: 5".to_owned(), "Content-Length: 5".to_owned()]);
    }),
    ("a list of lengths", 400, |lines| {
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("content-length"));
        lines.push("Content-Length: 5, 5".to_owned());
    }),
    ("a negative length", 400, |lines| {
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("content-length"));
        lines.push("Content-Length: -5".to_owned());
    }),
    ("an unknown transfer coding", 400, |lines| add(lines, "Transfer-Encoding: gzip")),
    ("chunked before another coding", 400, |lines| add(lines, "Transfer-Encoding: chunked, gzip")),
    ("a folded header", 400, |lines| lines.extend(["X-A: b".to_owned(), " c".to_owned()])),
    ("a folded first header", 400, |lines| lines.insert(1, " X-A: b".to_owned())),
    ("a space before a colon", 400, |lines| add(lines, "X-A : b")),
    ("a header without a name", 400, |lines| add(lines, ": b")),
    ("a header without a colon", 400, |lines| add(lines, "X-A")),
    ("a null byte in a header", 400, |lines| add(lines, "X-A: b\0c")),
    ("a carriage return in a header", 400, |lines| add(lines, "X-A: b\rc")),
    ("a line feed alone", 400, |lines| add(lines, "X-A: b\nX-B: c")),
    ("another version", 400, |lines| lines[0] = lines[0].replace("HTTP/1.1", "HTTP/3.7")),
    ("no version", 400, |lines| lines[0] = lines[0].replace(" HTTP/1.1", "")),
    ("two spaces in the first line", 400, |lines| lines[0] = lines[0].replace(" HTTP/1.1", "  HTTP/1.1")),
    ("101 headers", 431, |lines| lines.extend((0..101).map(|number| format!("x-{number}: v")))),
    ("an address of 70 KB", 431, |lines| lines[0] = lines[0].replace(" /", &format!(" /{}", "u".repeat(70_000)))),
];

/// What is no method of S3, on any route.
const METHODS: [(&str, u16); 9] = [
    ("get", 405),
    ("put", 405),
    ("delete", 405),
    ("PATCH", 405),
    ("TRACE", 405),
    ("PROPFIND", 405),
    ("M-SEARCH", 405),
    ("G(T", 400),
    ("CONNECT", 405),
];

/// The lines of a request that is signed rightly, and its body.
fn signed(scene: &Scene, route: &Route) -> (Vec<String>, Vec<u8>) {
    let mut draft = route.draft.clone();
    let payload = if route.body == Body::Nothing { v4::UNSIGNED_PAYLOAD.to_owned() } else { sha256_hex(&draft.body) };
    draft.add_header("x-amz-content-sha256", &payload);
    scene.signer().sign_header(&mut draft, &payload);
    let head = String::from_utf8(draft.request(&scene.client).head_bytes()).unwrap();
    (head.trim_end().split("\r\n").map(str::to_owned).collect(), draft.body)
}

/// Sends it over a connection of its own; the status of the answer, or 0 where there is none.
fn send(scene: &Scene, watch: &mut Watch<'_>, what: &str, lines: &[String], body: &[u8]) -> u16 {
    let bytes = [lines.join("\r\n").as_bytes(), b"\r\n\r\n", body].concat();
    let mut connection = scene.server.connect();
    // A server that refuses early closes while the rest is on its way.
    connection.send(&bytes).ok();
    let method = if lines[0].starts_with("HEAD ") { "HEAD" } else { "GET" };
    let Ok(answer) = connection.read_answer(method) else { return 0 };
    watch.answer(what, &answer, &[]);
    answer.status
}

#[test]
fn a_request_that_can_be_read_in_two_ways_is_refused_everywhere() {
    let scene = Scene::shared();
    let mut watch = Watch::begin(&scene);
    for route in routes(&scene) {
        for (what, expected, mangle) in MANGLED {
            let (mut lines, body) = signed(&scene, &route);
            mangle(&mut lines);
            let status = send(&scene, &mut watch, what, &lines, &body);
            if status != expected {
                watch.complain(Some(format!("{}: {what}: {status} and not {expected}", route.name)));
            }
        }
    }
    watch.end();
}

#[test]
fn a_method_that_s3_does_not_have_is_refused_everywhere() {
    let scene = Scene::shared();
    let mut watch = Watch::begin(&scene);
    for route in routes(&scene) {
        for (method, expected) in METHODS {
            let (mut lines, body) = signed(&scene, &route);
            method_in(&mut lines, method);
            let status = send(&scene, &mut watch, method, &lines, &body);
            if status != expected {
                watch.complain(Some(format!("{}: {method}: {status} and not {expected}", route.name)));
            }
        }
    }
    watch.end();
}

/// What goes before a line's end, in place of a carriage return, must not hide a request in another.
#[test]
fn bare_line_feeds_are_refused_everywhere() {
    let scene = Scene::shared();
    let mut watch = Watch::begin(&scene);
    for route in routes(&scene) {
        let (lines, body) = signed(&scene, &route);
        for (what, end) in [("line feeds", "\n"), ("carriage returns", "\r"), ("both in the wrong order", "\n\r")] {
            let joined = lines.join(end) + end + end;
            let status = send(&scene, &mut watch, what, &[joined], &body);
            if status != 400 && status != 0 {
                watch.complain(Some(format!("{}: {what}: {status}", route.name)));
            }
        }
    }
    watch.end();
}
