//! The form that a browser sends, with its policy; right or wrong. RFC 7578.

use crate::digest::base64_of;
use crate::{Answer, Client};

/// Between the parts of every form here.
pub const BOUNDARY: &str = "----WebKitFormBoundaryPOePgEQAFYtUBMZE";

/// A form being filled in. Its parts come in the order in which they are added.
#[derive(Clone, Default)]
pub struct Form {
    body: Vec<u8>,
}

impl Form {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn field(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.part(format!("Content-Disposition: form-data; name=\"{name}\"\r\n").as_bytes(), value.as_ref())
    }

    #[must_use]
    pub fn fields(self, fields: &[(&str, &str)]) -> Self {
        fields.iter().fold(self, |form, (name, value)| form.field(name, value))
    }

    /// The file as it leaves a browser: with its name and a type.
    #[must_use]
    pub fn file(self, file_name: &str, content: impl AsRef<[u8]>) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\nContent-Type: image/jpeg\r\n"
        );
        self.part(head.as_bytes(), content.as_ref())
    }

    /// Any part: the lines of its headers, and its content.
    #[must_use]
    pub fn part(mut self, head: &[u8], content: &[u8]) -> Self {
        for piece in [b"--", BOUNDARY.as_bytes(), b"\r\n", head, b"\r\n", content, b"\r\n"] {
            self.body.extend_from_slice(piece);
        }
        self
    }

    /// The body as it is so far, without the last boundary.
    pub fn unfinished(&self) -> Vec<u8> {
        self.body.clone()
    }

    /// The whole body.
    pub fn body(&self) -> Vec<u8> {
        [&self.body, &b"--"[..], BOUNDARY.as_bytes(), b"--\r\n"].concat()
    }

    /// Sends it to a bucket's path.
    #[track_caller]
    pub fn post(&self, client: &Client, path: &str) -> Answer {
        post(client, path, &content_type(), self.body())
    }
}

/// The Content-Type of a form.
pub fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// Sends any body as any type.
#[track_caller]
pub fn post(client: &Client, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
    client.request("POST", path).header("content-type", content_type).body(body).send()
}

/// A policy that holds until the year 2099, as the field carries it. `conditions` are elements of a JSON list.
pub fn policy(conditions: &str) -> String {
    policy_until("2099-12-31T23:59:59.000Z", conditions)
}

pub fn policy_until(expiration: &str, conditions: &str) -> String {
    base64_of(format!("{{\"expiration\": \"{expiration}\", \"conditions\": [{conditions}]}}").as_bytes())
}
