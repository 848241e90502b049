//! `onstage rollback`: back to the version that was live before.
//! Does not choose it; the server remembers.

use super::{caller::Caller, exit::Failure, promote};
use serde_json::json;

/// Go back to the version that was live before
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: `age` or `lab/age`
    #[arg(value_name = "MODEL")]
    model: String,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let name = crate::client::full_name(&client.model(&args.model).await?);
    let model = client
        .post(&format!("/v1/models/{name}/rollback"), &json!({}))
        .await?;
    promote::tell(caller, &name, &model)
}
