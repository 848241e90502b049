//! Load that `wrk` cannot make: requests at the times of a plan, many idle connections, many event streams.
//! Reads its plan as one line of JSON and prints its figures as one; what they mean is the benchmark's to say.

mod client;
mod figures;
mod idle;
mod open;
mod plan;
mod streams;

use std::io::Write as _;

/// One core: the other one is the server's.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let figures = match serde_json::from_str(&line)? {
        plan::Plan::Open(plan) => serde_json::to_string(&open::run(plan).await)?,
        plan::Plan::Idle(plan) => serde_json::to_string(&idle::run(plan).await?)?,
        plan::Plan::Streams(plan) => serde_json::to_string(&streams::run(plan).await)?,
    };
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}
