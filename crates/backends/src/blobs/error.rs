//! What the object store's errors mean to a caller.
//! Must not leak a client library's type any further.

use crate::durable::kind_of_io;
use object_store::Error as ObjectError;
use onstage_core::{Error, Kind};
use std::{error::Error as StdError, fmt, io};

/// The error that crosses the port, for the blob `key`.
pub(super) fn blob_error(key: &str, error: &ObjectError) -> Error {
    let kind = kind_of(error);
    let said = match kind {
        Kind::NotFound => return Error::not_found(format!("blob `{key}` does not exist")),
        Kind::Full => "there is no room for blob",
        Kind::Denied => "the blob storage does not allow access to blob",
        _ => "the blob storage failed on blob",
    };
    let said = Error::new(kind, format!("{said} `{key}`")).because(Whole(error.to_string()));
    match kind {
        Kind::Full => said.hint("free some disk space, then try again"),
        Kind::Denied => {
            said.hint("check the folder's permissions, or the credentials and what they allow")
        }
        _ => said,
    }
}

/// The client's errors say all that is behind them by themselves: with their own causes, each would be told three times.
#[derive(Debug)]
struct Whole(String);

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Whole {}

fn kind_of(error: &ObjectError) -> Kind {
    match error {
        ObjectError::NotFound { .. } => Kind::NotFound,
        ObjectError::PermissionDenied { .. } | ObjectError::Unauthenticated { .. } => Kind::Denied,
        ObjectError::AlreadyExists { .. } | ObjectError::Precondition { .. } => Kind::Conflict,
        other => io_cause(other).map_or(Kind::Unavailable, |cause| kind_of_io(cause.kind())),
    }
}

fn io_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_however_deep_it_lies() {
        for code in [28, 122, 27] {
            let source = io::Error::from_raw_os_error(code);
            let error = ObjectError::Generic {
                store: "LocalFileSystem",
                source: Box::new(ObjectError::Generic {
                    store: "inner",
                    source: source.into(),
                }),
            };
            let error = blob_error("a", &error);
            assert_eq!(error.kind, Kind::Full, "{error}");
            assert!(error.hint.is_some());
        }
    }

    #[test]
    fn other_failures_may_work_later() {
        let error = ObjectError::Generic {
            store: "S3",
            source: io::Error::from(io::ErrorKind::ConnectionReset).into(),
        };
        assert_eq!(blob_error("a", &error).kind, Kind::Unavailable);
    }
}
