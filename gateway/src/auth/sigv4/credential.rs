//! The access key id and the scope: for which day, region and service its signature counts.

use crate::error::{ErrorCode, S3Error};

/// The end of every scope.
pub(super) const TERMINAL: &str = "aws4_request";
const DATE_DIGITS: usize = 8;
const FORM: &str = "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";

/// Where a credential stands, which decides what S3 calls an error in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Header,
    Query,
    Form,
}

impl Place {
    fn refusal(self, credential: &str, reason: &str) -> S3Error {
        match self {
            Self::Header => header_malformed(reason),
            Self::Query => S3Error::with_message(ErrorCode::AuthorizationQueryParametersError, in_parameter(reason)),
            Self::Form => S3Error::invalid_argument("X-Amz-Credential", credential, in_parameter(reason)),
        }
    }
}

fn in_parameter(reason: &str) -> String {
    format!("Error parsing the X-Amz-Credential parameter; {reason}")
}

/// `AuthorizationHeaderMalformed`.
pub(super) fn header_malformed(reason: &str) -> S3Error {
    let message = format!("The authorization header is malformed; {reason}");
    S3Error::with_message(ErrorCode::AuthorizationHeaderMalformed, message)
}

/// `AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Credential<'a> {
    pub place: Place,
    pub text: &'a str,
    pub access_key_id: &'a str,
    /// Eight digits.
    pub date: &'a str,
    pub region: &'a str,
    pub service: &'a str,
}

impl<'a> Credential<'a> {
    /// # Errors
    /// What S3 answers to a malformed credential in this place.
    pub fn parse(text: &'a str, place: Place) -> Result<Self, S3Error> {
        let refused = |reason: &str| Err(place.refusal(text, reason));
        // An access key id may have slashes. What is signed line by line must have no line ends.
        let mut parts = text.rsplitn(5, '/');
        let mut next =
            || parts.next().filter(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic()));
        let (Some(terminal), Some(service), Some(region), Some(date), Some(access_key_id)) =
            (next(), next(), next(), next(), next())
        else {
            return refused(FORM);
        };
        if terminal != TERMINAL {
            return refused(&format!("incorrect terminal \"{terminal}\". This endpoint uses \"{TERMINAL}\"."));
        }
        if date.len() != DATE_DIGITS || !date.bytes().all(|byte| byte.is_ascii_digit()) {
            return refused(&format!(
                "incorrect date format \"{date}\". This date in the credential must be in the format \"yyyyMMdd\"."
            ));
        }
        Ok(Self { place, text, access_key_id, date, region, service })
    }

    /// `20130524/us-east-1/s3/aws4_request`.
    pub fn scope(&self) -> &'a str {
        self.text.get(self.access_key_id.len() + 1..).unwrap_or_default()
    }

    /// `day` is that of the request's time.
    ///
    /// # Errors
    /// What S3 answers to another day, service or region in this place; for a region with the right one.
    pub fn check(&self, day: &str, region: &str, services: &[&str]) -> Result<(), S3Error> {
        let refused = |reason: String| self.place.refusal(self.text, &reason);
        if self.date != day {
            return Err(refused(format!(
                "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{day}\".",
                self.date
            )));
        }
        if !services.contains(&self.service) {
            let expected = services.join("\" or \"");
            return Err(refused(format!(
                "incorrect service \"{}\". This endpoint belongs to \"{expected}\".",
                self.service
            )));
        }
        if self.region != region {
            let reason = format!("the region '{}' is wrong; expecting '{region}'", self.region);
            return Err(refused(reason).element("Region", region));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "AK/ID/20130524/eu-west-1/s3/aws4_request";

    #[test]
    fn a_credential_has_five_parts_and_the_first_may_have_slashes() {
        let credential = Credential::parse(TEXT, Place::Header).unwrap();
        assert_eq!(credential.access_key_id, "AK/ID");
        assert_eq!((credential.date, credential.region, credential.service), ("20130524", "eu-west-1", "s3"));
        assert_eq!(credential.scope(), "20130524/eu-west-1/s3/aws4_request");
    }

    #[test]
    fn what_is_no_credential_is_refused_in_the_words_of_its_place() {
        for text in [
            "",
            "AKID",
            "20130524/eu-west-1/s3/aws4_request",
            "/20130524/eu-west-1/s3/aws4_request",
            "AKID//eu-west-1/s3/aws4_request",
            "AKID/20130524//s3/aws4_request",
            "AKID/20130524/eu-west-1//aws4_request",
            "AKID/20130524/eu-west-1/s3/",
            "AKID/20130524/eu-west-1/s3/aws4",
            "AKID/20130524/eu-west-1/s3/aws4_request/",
            "AKID/2013052/eu-west-1/s3/aws4_request",
            "AKID/2013052x/eu-west-1/s3/aws4_request",
            "AKID/20130524/eu\nwest-1/s3/aws4_request",
            "AK ID/20130524/eu-west-1/s3/aws4_request",
            "AKIÐ/20130524/eu-west-1/s3/aws4_request",
        ] {
            for (place, code) in [
                (Place::Header, ErrorCode::AuthorizationHeaderMalformed),
                (Place::Query, ErrorCode::AuthorizationQueryParametersError),
                (Place::Form, ErrorCode::InvalidArgument),
            ] {
                assert_eq!(Credential::parse(text, place).unwrap_err().code(), code, "{text}");
            }
        }
    }

    #[test]
    fn a_scope_is_of_the_day_the_service_and_the_region() {
        let credential = Credential::parse(TEXT, Place::Header).unwrap();
        let message = |day, region, services: &[&str]| match credential.check(day, region, services) {
            Ok(()) => String::new(),
            Err(error) => error.message().to_owned(),
        };
        assert_eq!(message("20130524", "eu-west-1", &["s3"]), "");
        assert_eq!(message("20130524", "eu-west-1", &["iam", "s3"]), "");
        let begin = "The authorization header is malformed; ";
        assert_eq!(
            message("20130525", "eu-west-1", &["s3"]),
            format!(
                "{begin}Invalid credential date \"20130524\". This date is not the same as X-Amz-Date: \"20130525\"."
            )
        );
        assert_eq!(
            message("20130524", "eu-west-1", &["iam", "sts"]),
            format!("{begin}incorrect service \"s3\". This endpoint belongs to \"iam\" or \"sts\".")
        );
        assert_eq!(
            message("20130524", "us-east-1", &["s3"]),
            format!("{begin}the region 'eu-west-1' is wrong; expecting 'us-east-1'")
        );
    }
}
