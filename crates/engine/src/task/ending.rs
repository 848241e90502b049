//! How a run ends without getting through, and what is committed for it. Does not know what was run.

use super::desk::{Halt, Orders};
use onstage_core::{
    Error, Kind,
    lifecycle::RunEnd,
    outcome::{Failure, Reason},
};

pub(crate) enum Ending {
    Halt(Halt),
    Fail(Failure),
    Broken(Error),
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl Ending {
    /// Nothing is committed when the lease is lost.
    pub(crate) fn committed(self) -> Option<RunEnd> {
        match self {
            Self::Halt(halt) => halt.end(),
            Self::Fail(failure) => Some(RunEnd::Failed(failure)),
            Self::Broken(error) => {
                let reason = match error.kind {
                    Kind::Lost => return None,
                    Kind::Invalid => Reason::UserError,
                    Kind::Full | Kind::Unavailable | Kind::Timeout | Kind::Busy => {
                        Reason::NoCapacity
                    }
                    _ => Reason::Exception,
                };
                Some(RunEnd::Failed(Failure::new(reason, error.to_string())))
            }
        }
    }
}

/// Work that an order to stop breaks off.
pub(crate) async fn or_halt<T>(
    orders: &mut Orders,
    work: impl Future<Output = Result<T, Ending>>,
) -> Result<T, Ending> {
    tokio::select! {
        biased;
        halt = orders.halt() => Err(Ending::Halt(halt)),
        done = work => done,
    }
}
