//! What texts of an input stand for: where the schema has files, and what their texts say.
//! Does not read files.

pub mod data_url;
pub mod stand_in;
pub mod uploaded;
