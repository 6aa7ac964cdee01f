//! Whatever a client means is verified, and nothing else.

use super::Claim;
use super::client::Wish;
use crate::auth::testing::Vector;
use crate::error::{ErrorCode, S3Error};
use crate::route::Query;
use http::{HeaderValue, Method};
use proptest::prelude::*;

fn wish() -> impl Strategy<Value = Wish> {
    let text = "[ -~äé中+%/&=]{0,12}";
    let value = "[!-~]{1,6}[ \t]{0,3}[!-~é]{1,6}";
    let target = (
        prop::sample::select(vec![Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::HEAD]),
        text.prop_map(|path| format!("/{path}")),
        prop::collection::btree_map(text.prop_map(|name| format!("q{name}")), text, 0..4),
        prop::collection::btree_map("(x-amz-meta-[a-z]{1,5}|content-type|range|cache-control)", value, 0..4),
        "([0-9a-f]{64}|UNSIGNED-PAYLOAD|STREAMING-AWS4-HMAC-SHA256-PAYLOAD)",
    );
    let signer = ("[!-~&&[^,/]]{1,20}", "[!-~]{1,70}", "[a-z]{2}-[a-z]{4}-[1-9]", prop::option::of(1_u32..604_801));
    (target, signer).prop_map(
        |((method, path, query, headers, payload_line), (access_key_id, secret, region, expires_s))| Wish {
            method,
            path,
            query,
            headers,
            // A presigned URL says nothing of its payload.
            payload_line: if expires_s.is_some() { "UNSIGNED-PAYLOAD".into() } else { payload_line },
            access_key_id,
            secret,
            region,
            service: "s3".into(),
            stamp: "20130524T000000Z".into(),
            expires_s,
        },
    )
}

fn verified(vector: &Vector, wish: &Wish) -> Result<(), S3Error> {
    let query = Query::parse(&vector.query)?;
    let claim = match wish.expires_s {
        None => Claim::from_header(&vector.headers)?,
        Some(_) => Claim::from_query(&query)?,
    };
    // The secret is looked up by the access key id: another one has another.
    if claim.access_key_id() != wish.access_key_id {
        return Err(ErrorCode::InvalidAccessKeyId.into());
    }
    claim.check_scope(&wish.region, &["s3"])?;
    claim.check_time(1_369_353_600_000)?;
    claim.verify(&wish.secret, &vector.head(), claim.payload_line(&vector.headers, &query)?)?;
    Ok(())
}

/// The request with one thing about it changed, and what was.
fn mutations(vector: &Vector, wish: &Wish) -> Vec<(String, Vector)> {
    let mut all = Vec::new();
    let mut add = |what: String, mutate: &dyn Fn(&mut Vector)| {
        let mut mutated = vector.clone();
        mutate(&mut mutated);
        all.push((what, mutated));
    };
    add("method".into(), &|v| v.method = if v.method == Method::GET { Method::PUT } else { Method::GET });
    add("path, longer".into(), &|v| v.path.push('x'));
    add("path, a slash more".into(), &|v| v.path.push('/'));
    add("path, first slash doubled".into(), &|v| v.path.insert(0, '/'));
    add("path, encoded once more".into(), &|v| v.path = format!("{}%2525", v.path));
    add("query, a parameter more".into(), &|v| {
        v.query.push_str(if v.query.is_empty() { "versionId=1" } else { "&versionId=1" });
    });
    for (at, pair) in vector.query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        add(format!("query, {pair} longer"), &|v| replace_pair(v, at, Some(&format!("{pair}x"))));
        add(format!("query, without {pair}"), &|v| replace_pair(v, at, None));
    }
    for name in vector.headers.keys() {
        add(format!("header {name}, longer"), &|v| {
            let value = [v.headers[name].as_bytes(), b"0"].concat();
            v.headers.insert(name.clone(), HeaderValue::from_bytes(&value).unwrap());
        });
        add(format!("header {name}, twice"), &|v| {
            v.headers.append(name.clone(), v.headers[name].clone());
        });
        add(format!("without header {name}"), &|v| {
            v.headers.remove(name);
        });
    }
    add("a header of S3 more".into(), &|v| {
        v.headers.insert("x-amz-acl", HeaderValue::from_static("public-read"));
    });
    if wish.expires_s.is_none() {
        let value = vector.headers["authorization"].to_str().unwrap();
        // Each byte after the name of the algorithm, which is followed by a space.
        for at in "AWS4-HMAC-SHA256 ".len()..value.len() {
            let mut bytes = value.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            add(format!("byte {at} of the authorization"), &|v| {
                v.headers.insert("authorization", HeaderValue::from_bytes(&bytes).unwrap());
            });
        }
    }
    all
}

fn replace_pair(vector: &mut Vector, at: usize, with: Option<&str>) {
    let mut pairs: Vec<&str> = vector.query.split('&').collect();
    match with {
        Some(pair) => pairs[at] = pair,
        None => drop(pairs.remove(at)),
    }
    vector.query = pairs.join("&");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_a_client_signs_verifies_and_no_mutation_of_it_does(wish in wish()) {
        let vector = wish.signed();
        if let Err(error) = verified(&vector, &wish) {
            panic!("{vector:?} is refused: {error}");
        }
        for (what, mutated) in mutations(&vector, &wish) {
            let Err(error) = verified(&mutated, &wish) else { panic!("{what} does not matter in {vector:?}") };
            prop_assert!(error.status().is_client_error(), "{}: {}", what, error);
        }
        let other = Wish { secret: format!("{}x", wish.secret), ..wish.clone() };
        prop_assert_eq!(verified(&vector, &other).unwrap_err().code(), ErrorCode::SignatureDoesNotMatch);
    }

    #[test]
    fn no_authorization_and_no_query_makes_the_parser_panic(text in "\\PC{0,80}", tail in "[ -~]{0,80}") {
        let value = format!("AWS4-HMAC-SHA256 {tail}");
        for bytes in [text.as_bytes(), tail.as_bytes(), value.as_bytes()] {
            let Ok(header) = HeaderValue::from_bytes(bytes) else { continue };
            let headers = [(http::header::AUTHORIZATION, header)].into_iter().collect();
            prop_assert!(Claim::from_header(&headers).is_err());
        }
        if let Ok(query) = Query::parse(&format!("X-Amz-Credential={tail}&{text}")) {
            prop_assert!(Claim::from_query(&query).is_err());
        }
    }
}
