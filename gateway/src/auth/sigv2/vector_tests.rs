//! What AWS published, and what clients sent.

use super::{Claim, Naming};
use crate::auth::testing::{SECRET, SUITE_SECRET, Vector};
use crate::error::{ErrorCode, S3Error};

/// The examples of S3's documentation. That of DELETE is here as its string is: the page shows an x-amz-date beside it,
/// which would leave the line of the date empty.
const EXAMPLES: &str = include_str!("vectors/rest_authentication.txt");
/// Recorded from clients.
const CLIENTS: &str = include_str!("vectors/clients.txt");

fn verified(vector: &Vector, naming: Naming<'_>, secret: &str) -> Result<(), S3Error> {
    let query = vector.parsed_query();
    let claim = if vector.headers.contains_key("authorization") {
        Claim::from_header(&vector.headers)?
    } else {
        Claim::from_query(&query, &vector.headers)?
    };
    claim.verify(secret, &vector.head(), &query, naming)
}

#[test]
fn the_examples_of_the_documentation_verify() {
    let vectors = Vector::all(EXAMPLES);
    assert_eq!(vectors.len(), 9);
    for vector in vectors {
        let host_bucket = match vector.headers["host"].to_str().unwrap() {
            "johnsmith.s3.amazonaws.com" => Some("johnsmith"),
            "static.johnsmith.net:8080" => Some("static.johnsmith.net"),
            _ => None,
        };
        let naming = Naming { host_bucket, base_path: "" };
        verified(&vector, naming, SECRET).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        let error = verified(&vector, naming, SUITE_SECRET).unwrap_err();
        assert_eq!(error.code(), ErrorCode::SignatureDoesNotMatch, "{}", vector.name);
    }
}

#[test]
fn with_x_amz_date_the_line_of_the_date_is_empty() {
    let vector = Vector::all(
        "# DELETE\nDELETE /johnsmith/photos/puppy.jpg\nDate: Tue, 27 Mar 2007 21:20:27 +0000\n\
         x-amz-date: Tue, 27 Mar 2007 21:20:26 +0000\nAuthorization: AWS AKIAIOSFODNN7EXAMPLE:R4dJ53KECjStyBO5iTBJZ4XVOaI=",
    );
    verified(&vector[0], Naming::default(), SECRET).unwrap();
}

#[test]
fn what_clients_send_verifies() {
    let vectors = Vector::all(CLIENTS);
    assert_eq!(vectors.len(), 21);
    for vector in vectors {
        let base_path = if vector.path.starts_with("/api/v1/s3") { "/api/v1/s3" } else { "" };
        let naming = Naming { host_bucket: None, base_path };
        verified(&vector, naming, SUITE_SECRET).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        let refused = |mutated: Vector| {
            let error = verified(&mutated, naming, SUITE_SECRET).unwrap_err();
            assert_eq!(error.code(), ErrorCode::SignatureDoesNotMatch, "{mutated:?}");
        };
        refused(Vector { path: format!("{}x", vector.path), ..vector.clone() });
        refused(Vector { method: http::Method::OPTIONS, ..vector.clone() });
        let and = if vector.query.is_empty() { "" } else { "&" };
        refused(Vector { query: format!("{}{and}tagging", vector.query), ..vector.clone() });
        let mut with_header = vector.clone();
        with_header.headers.insert("x-amz-copy-source", "a/b".parse().unwrap());
        refused(with_header);
    }
}
