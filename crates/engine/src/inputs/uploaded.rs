//! How texts name uploaded files.

use onstage_core::Id;

/// Before the id.
pub const SCHEME: &str = "onstage://files/";
const PATH: &str = "/v1/files/";

/// The file's id: `onstage://files/{id}`, `/v1/files/{id}`, `…/v1/files/{id}/content`.
pub fn id(text: &str) -> Option<Id> {
    if let Some(id) = text.strip_prefix(SCHEME) {
        return id.parse().ok();
    }
    of_rest(after_path(text)?)
}

/// What follows `/v1/files/` in a path; a prefix may stand in front.
pub fn after_path(path: &str) -> Option<&str> {
    let at = path.find(PATH).filter(|_| path.starts_with('/'))?;
    Some(&path[at + PATH.len()..])
}

/// The id in `{id}` or `{id}/content`.
pub fn of_rest(rest: &str) -> Option<Id> {
    rest.strip_suffix("/content").unwrap_or(rest).parse().ok()
}
