//! Connections that ask once and then stay open, as browsers' do.
//! Standard input ends: they are asked once more, which shows how many were kept.

use crate::{
    client::{Client, Fault},
    plan::Idle,
};
use serde::Serialize;
use std::io::Write as _;
use tokio::{io::AsyncReadExt as _, task::LocalSet};

#[derive(Serialize)]
pub(crate) struct Figures {
    opened: usize,
    /// Still answered at the end.
    alive: usize,
    /// Why the first one that failed did.
    trouble: Option<String>,
}

pub(crate) async fn run(plan: Idle) -> Result<Figures, Fault> {
    LocalSet::new().run_until(hold(plan)).await
}

async fn hold(plan: Idle) -> Result<Figures, Fault> {
    let client = Client::new(plan.ask, plan.connections);
    let (mut open, mut trouble) = (Vec::with_capacity(plan.connections), None);
    for _ in 0..plan.connections {
        let first = async {
            let mut connection = client.connect().await?;
            let answer = client.ask_on(&mut connection).await?;
            match answer.status {
                200..300 => Ok(connection),
                status => Err(Fault::from(format!("answered {status}"))),
            }
        };
        match first.await {
            Ok(connection) => open.push(connection),
            Err(fault) => {
                trouble.get_or_insert_with(|| fault.to_string());
            }
        }
    }
    writeln!(std::io::stdout(), "{{\"opened\": {}}}", open.len())?;
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    let (opened, mut alive) = (open.len(), 0);
    for mut connection in open {
        alive += usize::from(client.ask_on(&mut connection).await.is_ok());
    }
    Ok(Figures {
        opened,
        alive,
        trouble,
    })
}
