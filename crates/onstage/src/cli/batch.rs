//! `onstage batch`: every row of a table through a model, and the table with the answers back.
//! Does not read the table itself.

mod follow;

use super::{
    bars::Bar, caller::Caller, exit::Failure, interrupt::Interrupt, out, packed::Packed, print,
    push::words,
};
use crate::client::Client;
use onstage_core::{Error, Result, batch::TableFormat, dataset::DatasetRef};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

const DATASETS: &str = "onstage://datasets/";

/// Run every row of a table through a model
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: `age`, `lab/age`, or one version of it, `age@v3` or `age@staging`
    #[arg(value_name = "MODEL")]
    model: String,
    /// The table: CSV, JSON lines, Parquet or Arrow; or a dataset, `onstage://datasets/fish`
    #[arg(value_name = "TABLE")]
    table: PathBuf,
    /// Which column an input takes, where the names differ (again for each)
    #[arg(long, value_name = "INPUT=COLUMN")]
    map: Vec<String>,
    /// The files that the table names by their paths: a folder, or a ZIP or TAR of one
    #[arg(long, value_name = "FOLDER|FILE")]
    files: Option<PathBuf>,
    /// A column with the right answers: the result says how many were met
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Only the first rows
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// Where to write the result (default: beside where you stand, `TABLE.result.csv`)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Return at once with the job's id
    #[arg(long = "async", conflicts_with = "out")]
    detached: bool,
}

pub(super) async fn run(caller: &Caller, args: Args) -> Result<(), Failure> {
    let map = mapping(&args.map)?;
    let client = caller.client()?;
    let table = Table::of(caller, &client, &args.table).await?;
    let out = out_path(caller, &args, &table)?;
    let (model, version) = args
        .model
        .split_once('@')
        .map_or((&*args.model, None), |(model, version)| {
            (model, Some(version))
        });
    let model = crate::client::full_name(&client.model(model).await?);
    let interrupt = Interrupt::default();
    let work = async {
        let files = match &args.files {
            Some(files) => Some(upload_files(&client, &caller.path(files)).await?),
            None => None,
        };
        let named = table.named(&client).await?;
        let mut body = body(&args, &map, &named, table.format);
        if let Some(files) = files {
            body["files"] = files.into();
        }
        if let Some(version) = version {
            body["version"] = version.into();
        }
        let job = client
            .post(&format!("/v1/models/{model}/batches"), &body)
            .await?;
        interrupt.says(going_on(words(&job, "id")));
        if args.detached {
            return detached(caller, &job);
        }
        let job = follow::to_end(&client, &job).await?;
        end(caller, &client, &job, &out).await
    };
    interrupt.or(work).await
}

/// Answers how a batch job names them.
async fn upload_files(client: &Client, files: &Path) -> Result<String> {
    let files = Packed::of(files).await?;
    let size = std::fs::metadata(files.path()).map_or(0, |facts| facts.len());
    let bar = Bar::bytes(size, "uploading the files");
    let uploaded = client
        .upload_as(files.path(), &files.name, bar.moved())
        .await;
    bar.end();
    Ok(format!("onstage://files/{}", words(&uploaded?, "id")))
}

fn detached(caller: &Caller, job: &Value) -> Result<(), Failure> {
    if caller.json {
        return print::json(job);
    }
    print::say(&going_on(words(job, "id")));
    print::line(words(job, "id"))
}

/// How to come back to a job that goes on without us.
fn going_on(id: &str) -> String {
    format!(
        "the batch job goes on; see it with `onstage jobs show {id}`, fetch its result with `onstage jobs result {id}`"
    )
}

/// Where the rows come from.
struct Table {
    /// None for a dataset.
    file: Option<(PathBuf, u64)>,
    /// The file's name, or what a file of the dataset would be called.
    name: PathBuf,
    dataset: String,
    format: Option<TableFormat>,
}

impl Table {
    async fn of(caller: &Caller, client: &Client, given: &Path) -> Result<Self> {
        let text = given.to_string_lossy();
        if let Some(dataset) = text.strip_prefix(DATASETS) {
            let which: DatasetRef = dataset.parse()?;
            let version = client.get(&super::data::path(&which)).await?;
            let format = words(&version, "format");
            return Ok(Self {
                file: None,
                name: PathBuf::from(format!("{}.{format}", which.name)),
                dataset: text.into_owned(),
                format: None,
            });
        }
        let path = caller.path(given);
        let size = std::fs::metadata(&path).map_err(|error| {
            let missing = Error::invalid(format!("table `{}` cannot be read", path.display()));
            match given.to_str().map(str::parse::<DatasetRef>) {
                Some(Ok(which)) => missing.hint(format!("a dataset is named `{DATASETS}{which}`")),
                _ => missing,
            }
            .because(error)
        })?;
        Ok(Self {
            file: Some((path, size.len())),
            name: given.to_owned(),
            dataset: String::new(),
            format: given.to_str().and_then(TableFormat::of_file_name),
        })
    }

    /// How the job names it; a file is uploaded first.
    async fn named(&self, client: &Client) -> Result<String> {
        let Some((file, size)) = &self.file else {
            return Ok(self.dataset.clone());
        };
        let bar = Bar::bytes(*size, "uploading");
        let uploaded = client.upload(file, bar.moved()).await;
        bar.end();
        Ok(format!("onstage://files/{}", words(&uploaded?, "id")))
    }
}

fn out_path(caller: &Caller, args: &Args, table: &Table) -> Result<PathBuf> {
    let out = match &args.out {
        Some(out) => caller.path(out),
        None => out::for_table(&caller.folder, &table.name),
    };
    let kind = table.name.to_str().and_then(TableFormat::of_file_name);
    out::of_kind(&out, kind)?;
    let same = |path: &Path| path.canonicalize().ok();
    if same(&out).is_some_and(|out| Some(out) == same(&caller.path(&args.table))) {
        return Err(Error::invalid("the result cannot go where the table lies")
            .hint("name another file with `--out`"));
    }
    if !args.detached {
        out::checked(&out)?;
    }
    Ok(out)
}

fn mapping(pairs: &[String]) -> Result<Map<String, Value>> {
    pairs
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((input, column)) if !input.is_empty() => Ok((input.to_owned(), column.into())),
            _ => Err(Error::invalid(format!("`{pair}` is not a mapping"))
                .hint("write it like `--map photo=file_name`")),
        })
        .collect()
}

fn body(args: &Args, map: &Map<String, Value>, table: &str, format: Option<TableFormat>) -> Value {
    let mut body = json!({"table": table});
    if !map.is_empty() {
        body["map"] = Value::Object(map.clone());
    }
    if let Some(label) = &args.label {
        body["label"] = label.as_str().into();
    }
    if let Some(limit) = args.limit {
        body["limit"] = limit.into();
    }
    if let Some(format) = format {
        body["format"] = format.name().into();
    }
    body
}

/// Fetches the result of a job that has ended and sums it up.
pub(super) async fn end(
    caller: &Caller,
    client: &Client,
    job: &Value,
    out: &Path,
) -> Result<(), Failure> {
    if caller.json {
        print::json(job)?;
    }
    if words(job, "status") != "succeeded" {
        return Err(follow::tell_failure(job));
    }
    let bar = Bar::spinner();
    let path = format!("/v1/batches/{}/result", words(job, "id"));
    let got = client
        .download(&path, out, std::sync::Arc::new(|_| {}))
        .await;
    bar.end();
    got?;
    follow::sum_up(client, job).await?;
    if !caller.json {
        print::line(&out.display().to_string())?;
    }
    if follow::nothing_was_answered(job) {
        print::error(
            &Error::user_code("no row could be answered")
                .hint("the result's `error` column says why, row by row"),
        );
        return Err(Failure::Told);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_pairs() {
        let map = mapping(&["photo=file".to_owned(), "a=b=c".to_owned()]).unwrap();
        assert_eq!(Value::Object(map), json!({"photo": "file", "a": "b=c"}));
        assert!(mapping(&["photo".to_owned()]).is_err());
    }
}
