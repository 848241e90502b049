//! What the compiled schemas found wrong, as failures of a run or a row.
//! Does not check anything itself.

use onstage_core::{
    outcome::{Failure, Reason},
    ports::CheckError,
};

/// Mistakes named in one message.
const NAMED_MAX: usize = 3;

/// The worker answered what its schema does not allow.
pub(crate) fn bad_output(errors: &[CheckError]) -> Failure {
    Failure::new(
        Reason::BadOutput,
        format!(
            "the answer does not fit the declared output: {}",
            words(errors)
        ),
    )
}

/// A row that is no input of the model.
pub(crate) fn bad_row(errors: &[CheckError]) -> Failure {
    let field = errors.first().and_then(|error| {
        let name = error.pointer.trim_start_matches('/');
        (!name.is_empty()).then(|| name.split('/').next().unwrap_or(name).to_owned())
    });
    Failure {
        field,
        ..Failure::new(Reason::UserError, words(errors))
    }
}

fn words(errors: &[CheckError]) -> String {
    let mut text = errors
        .iter()
        .take(NAMED_MAX)
        .map(|error| {
            let place = match error.pointer.trim_start_matches('/') {
                "" => String::new(),
                name => format!("`{name}` "),
            };
            format!("{place}should be {}, got {}", error.expected, error.got)
        })
        .collect::<Vec<_>>()
        .join("; ");
    if errors.len() > NAMED_MAX {
        text.push_str(&format!("; and {} more", errors.len() - NAMED_MAX));
    }
    text
}
