//! The one error that crosses crate borders: a kind to act on, a sentence to read, a hint, a cause.
//! Does not know HTTP statuses or exit codes; each is mapped from `Kind` in one place elsewhere.

use std::fmt;

/// `Result` with Onstage's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request itself is wrong; sending it again will not help.
    Invalid,
    /// The named thing does not exist.
    NotFound,
    /// The thing is not in the state the request needs, or somebody else was first.
    Conflict,
    /// A lease was lost: the caller must stop what it was doing for that job.
    Lost,
    /// The caller may not do this.
    Denied,
    /// A queue or a limit is full; try again after a while.
    Busy,
    /// It would cost more than the model's owner allows.
    OverBudget,
    /// A deadline passed.
    Timeout,
    /// An outside thing (disk, database, process) does not answer now; safe to try again.
    Unavailable,
    /// The storage has no room left.
    Full,
    /// The author's code failed; data on a record, never our own failure.
    UserCode,
    /// A bug of ours.
    Internal,
}

impl Kind {
    /// Whether the same call may work later without any change.
    pub fn retryable(self) -> bool {
        matches!(self, Self::Busy | Self::Timeout | Self::Unavailable)
    }
}

/// An error with its kind, a lower-case message that names the thing in back-ticks, and a hint.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    pub hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Adds the line that tells what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause; its text is appended to the message after a colon when printed.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message)
    }
    pub fn lost(message: impl Into<String>) -> Self {
        Self::new(Kind::Lost, message)
    }
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Kind::Denied, message)
    }
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(Kind::Busy, message)
    }
    pub fn over_budget(message: impl Into<String>) -> Self {
        Self::new(Kind::OverBudget, message)
    }
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(Kind::Timeout, message)
    }
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }
    pub fn user_code(message: impl Into<String>) -> Self {
        Self::new(Kind::UserCode, message)
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause: Option<&(dyn std::error::Error + 'static)> =
            self.source.as_deref().map(|cause| cause as _);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

// `source` is printed by `Display`, so it is not reported a second time through the trait.
impl std::error::Error for Error {}
