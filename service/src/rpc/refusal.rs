//! How refusals that tonic or a service made are told: as the caller's fault where it is, and in a text that fits.

use http::Response;
use tonic::body::Body;
use tonic::{Code, Status};

/// Callers refuse headers of more than 16 KiB in all, and would then know nothing. On its way a byte may take three.
const TEXT_MAX_BYTES: usize = 1 << 10;
const DETAILS_MAX_BYTES: usize = 4 << 10;
/// So begins what prost says of a message that is none. tonic makes INTERNAL of it, as if it were this side's fault.
const UNDECODABLE: &str = "failed to decode Protobuf message";

/// The answer as it goes out.
pub(super) fn told(answer: Response<Body>) -> Response<Body> {
    // Only refusals before anything of an answer was sent have their status among the headers.
    let Some(status) = Status::from_header_map(answer.headers()).filter(|status| status.code() != Code::Ok) else {
        return answer;
    };
    let is_undecodable = status.code() == Code::Internal && status.message().starts_with(UNDECODABLE);
    let (text, details) = (status.message(), status.details());
    if !is_undecodable && text.len() <= TEXT_MAX_BYTES && details.len() <= DETAILS_MAX_BYTES {
        return answer;
    }
    let code = if is_undecodable { Code::InvalidArgument } else { status.code() };
    let details = if details.len() <= DETAILS_MAX_BYTES { details.to_vec() } else { Vec::new() };
    let end = text.floor_char_boundary(TEXT_MAX_BYTES);
    Status::with_details(code, &text[..end], details.into()).into_http()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_of(status: Status) -> Status {
        Status::from_header_map(told(status.into_http()).headers()).unwrap()
    }

    #[test]
    fn what_can_not_be_decoded_is_the_callers_fault() {
        let status = told_of(Status::internal("failed to decode Protobuf message: buffer underflow"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().ends_with("buffer underflow"));
        assert_eq!(told_of(Status::internal("the disk is gone")).code(), Code::Internal);
        assert_eq!(told_of(Status::data_loss(UNDECODABLE)).code(), Code::DataLoss);
    }

    #[test]
    fn long_texts_are_cut_and_details_that_do_not_fit_are_left_out() {
        let details = |length: usize| vec![7; length].into();
        let status = told_of(Status::with_details(Code::NotFound, "é".repeat(40_000), details(10)));
        assert_eq!((status.code(), status.message().len()), (Code::NotFound, TEXT_MAX_BYTES));
        assert_eq!(status.details().len(), 10);
        let status = told_of(Status::with_details(Code::NotFound, "gone", details(DETAILS_MAX_BYTES + 1)));
        assert_eq!((status.message(), status.details().len()), ("gone", 0));
        let status = told_of(Status::with_details(Code::NotFound, "gone", details(DETAILS_MAX_BYTES)));
        assert_eq!(status.details().len(), DETAILS_MAX_BYTES);
    }

    #[test]
    fn answers_pass() {
        let answer = told(Response::new(Body::empty()));
        assert!(answer.headers().is_empty());
        assert_eq!(told_of(Status::ok("")).code(), Code::Ok);
    }
}
