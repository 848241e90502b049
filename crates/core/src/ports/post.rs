//! The post: sends messages to webhooks, to receivers that this installation allows only.

use crate::{Result, job::Job, webhook::Message};
use async_trait::async_trait;

#[async_trait]
pub trait Post: std::fmt::Debug + Send + Sync + 'static {
    /// Whether messages may go to this address. Errors: invalid, with what is allowed.
    fn check(&self, url: &str) -> Result<()>;
    /// Sends it once, under a deadline; answers the receiver's status. Errors: nothing was answered, or it may not go there.
    async fn send(&self, message: &Message, job: &Job) -> Result<u16>;
    /// What receivers verify signatures with; the same for all fronts of a store.
    async fn secret(&self) -> Result<String>;
}
