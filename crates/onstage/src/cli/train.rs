//! `onstage train`: a model's training function, watched until its new version is there.
//! Does not know how inputs are typed (`typed`).

mod follow;

use super::{
    caller::Caller, exit::Failure, interrupt::Interrupt, print, push::words, run::fill, typed,
};
use crate::client::Client;
use onstage_core::{Error, Result};
use serde_json::{Map, Value, json};

/// Train a model: its training function makes a new version
///
/// Inputs are written as for `onstage run`; a dataset is named (`data=labels`, `data=labels@v3`), or a file is sent
/// (`data=@labels.csv`).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: `age`, `lab/age`, or one version of it, `age@v3` or `age@staging`; the live version trains when none is named
    #[arg(value_name = "MODEL")]
    model: String,
    /// What the training takes: `data=labels epochs=5`
    #[arg(value_name = "KEY=VALUE")]
    inputs: Vec<String>,
    /// The model that gets the new version (default: the model itself)
    #[arg(long, value_name = "MODEL")]
    to: Option<String>,
    /// Make the new version live when it is ready and reaches its gates
    #[arg(long)]
    promote: bool,
    /// What a metric must reach before that, like `accuracy>=0.95` (again for each)
    #[arg(long = "gate", value_name = "GATE")]
    gates: Vec<String>,
    /// The seed of whatever is drawn by chance
    #[arg(long)]
    seed: Option<u64>,
    /// Return at once with the training's id
    #[arg(long = "async")]
    detached: bool,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let client = caller.client()?;
    let trainer = Trainer::find(&client, &args.model).await?;
    let typed = typed::inputs(&args.inputs, &trainer.schemas)?;
    let interrupt = Interrupt::default();
    let work = async {
        let input = fill(caller, &client, typed).await?;
        let training = client.post(&trainer.path, &body(&args, &input)).await?;
        let id = words(&training, "id");
        interrupt.says(going_on(id));
        if args.detached {
            return detached(caller, &training);
        }
        let training = follow::to_end(&client, id).await?;
        follow::end(caller, &client, &training).await
    };
    interrupt.or(work).await
}

/// How to come back to a training that goes on without us.
fn going_on(id: &str) -> String {
    format!(
        "the training goes on; see it with `onstage jobs show {id}`, stop it with `onstage jobs cancel {id}`"
    )
}

fn detached(caller: &Caller, training: &Value) -> Result<(), Failure> {
    if caller.json {
        return print::json(training);
    }
    let id = words(training, "id");
    print::say(&going_on(id));
    print::line(id)
}

fn body(args: &Args, input: &Value) -> Value {
    let mut body = json!({"input": input, "promote": args.promote, "gates": args.gates});
    if let Some(to) = &args.to {
        body["destination"] = to.as_str().into();
    }
    if let Some(seed) = args.seed {
        body["seed"] = seed.into();
    }
    body
}

/// The version that trains.
pub(super) struct Trainer {
    /// Where trainings of it are asked for.
    path: String,
    pub(super) schemas: Map<String, Value>,
}

impl Trainer {
    pub(super) async fn find(client: &Client, name: &str) -> Result<Self> {
        let (name, version) = name
            .split_once('@')
            .map_or((name, None), |(name, version)| (name, Some(version)));
        let model = client.model(name).await?;
        let full = crate::client::full_name(&model);
        let version = match version {
            Some(version) => {
                let path = format!("/v1/models/{full}/versions/{version}");
                client.get(&path).await?
            }
            None => model["latest_version"].clone(),
        };
        if version.is_null() {
            let text = format!("model `{full}` has no live version");
            return Err(Error::conflict(text).hint(format!(
                "name the version that trains: `onstage train {name}@v1 …`"
            )));
        }
        let schemas = version
            .pointer("/schema/training/components/schemas")
            .and_then(Value::as_object)
            .cloned();
        let schemas = schemas.ok_or_else(|| {
            let number = words(&version, "name");
            Error::conflict(format!("{number} of `{full}` has no training function"))
                .hint("put `@on.train` on a function of its `model.py` and push it again")
        })?;
        Ok(Self {
            path: format!(
                "/v1/models/{full}/versions/{}/trainings",
                words(&version, "id")
            ),
            schemas,
        })
    }
}
