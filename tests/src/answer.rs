//! What came back, and the ways a test asks about it.

use crate::xml::Element;

/// A complete HTTP answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub reason: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// `100 Continue` came first.
    pub continued: bool,
    /// The request, for messages.
    pub request: String,
}

impl Answer {
    /// The first header of that name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The same, which must be there.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn must(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("no header {name} in the answer to {self}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as a document.
    ///
    /// # Panics
    /// When it is not well-formed XML in UTF-8, or not called so.
    #[track_caller]
    pub fn xml(&self) -> Element {
        assert_eq!(self.header("content-type"), Some("application/xml"), "{self}");
        let text = std::str::from_utf8(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"));
        Element::parse(text)
    }

    /// The status is this one.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        assert!(self.header("x-amz-request-id").is_some_and(|id| !id.is_empty()), "no request id: {self}");
        self
    }

    /// An error as S3 documents it: this status and code, a message, a resource, the request id.
    ///
    /// # Panics
    /// When it is anything else.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{self}");
        let document = self.xml();
        assert_eq!(document.name, "Error", "{self}");
        assert!(!document.get("Message").is_empty(), "{self}");
        assert!(document.find("Resource").is_some(), "{self}");
        assert_eq!(document.get("RequestId"), self.must("x-amz-request-id"), "{self}");
        self
    }

    /// The code of an error's document; empty: none.
    pub fn code(&self) -> String {
        let text = self.text();
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map_or_else(String::new, |(code, _)| code.to_owned())
    }

    /// A refusal of the client's doing: 4xx or 501, never 2xx, never 500.
    ///
    /// # Panics
    /// When it is not one.
    #[track_caller]
    pub fn expect_refusal(self) -> Self {
        assert!((400..500).contains(&self.status) || self.status == 501, "{self}");
        self
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\n{} {}", self.request, self.status, self.reason)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        f.write_str(&self.text().chars().take(1500).collect::<String>())
    }
}
