//! Why a command of the shell failed, in the words that it prints.

use super::path::{PathError, ShellPath};
use std::io;
use std::path::PathBuf;
use tonic::{Code, Status};
use weir_gateway::body::Md5Lost;
use weir_proto::Failure;
use weir_proto::v1::Reason;

/// What a command says on standard output before it ends with [`super::FAILED`].
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    #[error("Path \"{0}\" does not exist.")]
    Missing(ShellPath),
    #[error("Path \"{0}\" must be a file.")]
    NotFile(ShellPath),
    #[error(transparent)]
    Path(#[from] PathError),
    /// Said in the command's own words.
    #[error("{0}")]
    Said(String),
    /// Each path's own error is printed already.
    #[error("some paths failed")]
    Reported,
    #[error("{0}")]
    Refused(Failure),
    /// The call did not get through.
    #[error("{0}")]
    Unreachable(String),
    #[error(transparent)]
    Md5(#[from] Md5Lost),
    #[error("{path}: {source}", path = path.display())]
    Local { path: PathBuf, source: io::Error },
    /// Nobody reads what the command prints.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
}

impl ShellError {
    pub fn said(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }

    pub fn local(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Local { path, source }
    }

    /// The metaserver's reason, if it was the metaserver that refused.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused(failure) => Some(failure.reason),
            _ => None,
        }
    }

    /// The same, where a bucket or key that is not there means that `path` does not exist.
    pub fn about(self, path: &ShellPath) -> Self {
        match self.reason() {
            Some(Reason::NoSuchBucket | Reason::NoSuchKey) => Self::Missing(path.clone()),
            _ => self,
        }
    }
}

impl From<Status> for ShellError {
    fn from(status: Status) -> Self {
        if let Some(fault) = foreign(&status) {
            return Self::Unreachable(fault.to_owned());
        }
        if status.details().is_empty() && status.code() == Code::Unauthenticated {
            // Its own words, or those of the channel about a peer that is a stranger: as S3's port or an admin port.
            let advice = "Is this the address of a metaserver, and not of a gateway or an admin port, and the secret its \
                          cluster's?";
            return Self::Said(format!("{}.\n{advice}", status.message()));
        }
        let by_transport = status.details().is_empty() && matches!(status.code(), Code::Unavailable | Code::Unknown);
        if !by_transport {
            return Self::Refused(Failure::from_status(&status));
        }
        // The innermost cause says what is wrong (`Connection refused`); what is around it repeats that it is.
        let mut text = status.message().to_owned();
        let mut cause = std::error::Error::source(&status);
        while let Some(inner) = cause {
            text = inner.to_string();
            cause = inner.source();
        }
        Self::Unreachable(text)
    }
}

/// What answers, when it is no metaserver: that one gives each refusal a reason of ours.
fn foreign(status: &Status) -> Option<&'static str> {
    if !status.details().is_empty() {
        return None;
    }
    // The words of the library that calls; the status of HTTP is not to be had otherwise.
    if status.message().contains("mapped from HTTP status code") {
        return Some("something answers HTTP there, as a gateway or an admin port does, and is not a metaserver");
    }
    let unknown = "what answers there is not a metaserver, as a worker is none, or one of an earlier build: it does not \
                   know the call";
    (status.code() == Code::Unimplemented).then_some(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn what_is_not_there_is_named_by_its_path() {
        let path = ShellPath::parse(OsStr::new("/missing")).unwrap();
        let status = Status::from(Failure::new(Reason::NoSuchBucket, "missing", "there is no such bucket"));
        assert_eq!(ShellError::from(status).about(&path).to_string(), "Path \"/missing\" does not exist.");
        let status = Status::from(Failure::new(Reason::Unavailable, "", "the store is full"));
        assert_eq!(ShellError::from(status).about(&path).to_string(), "the store is full");
    }

    #[test]
    fn another_role_that_answers_is_told_from_silence_and_from_a_refusal() {
        let said = |status: Status| match ShellError::from(status) {
            ShellError::Unreachable(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(said(Status::unimplemented("")).starts_with("what answers there is not a metaserver"));
        let http = Status::unknown("grpc-status header missing, mapped from HTTP status code 501");
        assert!(said(http).contains("a gateway or an admin port"));
        let stranger = ShellError::from(Status::unauthenticated("the peer does not prove the cluster's secret"));
        assert!(stranger.to_string().contains("not of a gateway or an admin port"), "{stranger}");
        let refused = Status::from(Failure::new(Reason::InvalidRequest, "", "no"));
        assert!(matches!(ShellError::from(refused), ShellError::Refused(_)));
    }

    #[test]
    fn a_call_that_does_not_get_through_says_why() {
        let error = ShellError::from(Status::from_error(Box::new(io::Error::other("Connection refused"))));
        assert!(matches!(&error, ShellError::Unreachable(text) if text.contains("Connection refused")), "{error:?}");
    }
}
