//! Environments of models: made once per digest of what they need, shared by models with equal needs.
//! Does not know workers or versions.

mod build;
mod explain;
mod interpreter;
mod known;
mod lock;
mod requirements;
mod sdk;
#[cfg(test)]
mod tests;

pub(crate) use build::{Environments, Prepared};
pub(crate) use sdk::write_sdk;
