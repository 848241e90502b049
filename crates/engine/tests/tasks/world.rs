//! A world for one test: a store, blobs, one ready version, and tasks with scripted workers.

use super::crew::{ScriptCrew, Shared};
use async_trait::async_trait;
use bytes::Bytes;
use onstage_backends::{
    blobs,
    clock::{SystemClock, entropy},
    datasets::{CACHE_BYTES_DEFAULT, HostDatasets},
    parcels::DiskParcels,
    store,
    tables::FileTables,
};
use onstage_core::{
    Error, Id, Result, Timestamp,
    batch::{BatchSpec, TableFormat},
    dataset::{DatasetFormat, DatasetSource, NewDatasetVersion},
    event::Event,
    job::{Job, JobOutput, JobSpec, JobState, NewJob},
    model::{Model, NewVersion, VersionId, VersionState},
    ports::{
        CheckError, InputCheck, Launcher, OutputCheck, Preparing, Store, WorkerProcess, WorkerSpec,
    },
    schema::ModelSchema,
    task::Lane,
    usage::{Amounts, Dimension, UsageFilter, UsageKind},
    value::{BlobRef, Stored},
};
use onstage_engine::{
    Checks, Parts,
    task::{Crew, TaskEnd, TaskSettings, run_task_with},
};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

pub(crate) struct World {
    pub(crate) parts: Parts,
    pub(crate) version: VersionId,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) async fn world(extra: Value) -> World {
    World::new(store::memory(), blobs::memory(), extra).await
}

impl World {
    /// `extra` are sections of the config and, under `schema`, fields of the schema.
    pub(crate) async fn new(
        store: Arc<dyn Store>,
        blobs: Arc<dyn onstage_core::ports::Blobs>,
        mut extra: Value,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let parcels = DiskParcels::new(folder.path(), blobs.clone());
        let datasets = HostDatasets::new(folder.path(), blobs.clone(), CACHE_BYTES_DEFAULT);
        let parts = Parts {
            store,
            blobs,
            launcher: Arc::new(NoLauncher),
            driver: None,
            tables: Arc::new(FileTables),
            parcels: Arc::new(parcels),
            datasets: Arc::new(datasets),
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(entropy),
            ids: Arc::default(),
            checks: Arc::new(TestChecks),
        };
        let version = VersionId("a".repeat(64));
        let mut schema = json!({"components": {"schemas": {
            "Input": {"type": "object", "properties": {"x": {"x-order": 0}}, "required": ["x"]},
            "Output": {},
        }}});
        if let Some(more) = extra
            .as_object_mut()
            .and_then(|extra| extra.remove("schema"))
        {
            schema
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
        }
        let mut config = json!({"model": {"name": "age"}, "jobs": {"linger": "10ms"}});
        for (key, section) in extra.as_object().unwrap() {
            config[key]
                .as_object_mut()
                .map_or_else(Default::default, |old| old.clone());
            let mut merged = config
                .get(key)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default();
            merged.extend(section.as_object().unwrap().clone());
            config[key] = Value::Object(merged);
        }
        make_version(&*parts.store, &version, &schema, &config).await;
        Self {
            parts,
            version,
            folder,
        }
    }

    pub(crate) fn settings(&self) -> TaskSettings {
        TaskSettings {
            id: self.parts.new_id(),
            version: self.version.clone(),
            lane: Lane::Jobs,
            host: "here".into(),
            pid: 1,
            tempdir: self.folder.path().to_owned(),
            linger: None,
            stop_after: Duration::from_secs(600),
            cancel_grace: Duration::from_millis(100),
        }
    }

    pub(crate) async fn run(&self, crew: &Arc<ScriptCrew>) -> TaskEnd {
        self.run_with(crew, &CancellationToken::new()).await
    }

    pub(crate) async fn run_with(
        &self,
        crew: &Arc<ScriptCrew>,
        stop: &CancellationToken,
    ) -> TaskEnd {
        run(self.parts.clone(), self.settings(), crew, stop)
            .await
            .unwrap()
    }

    pub(crate) async fn predict(&self, input: Value) -> Id {
        let input = Stored::Inline(input.to_string());
        let datasets = Vec::new();
        self.submit(JobSpec::Prediction { input, datasets }).await
    }

    /// Adds a version to the dataset `labels`.
    pub(crate) async fn labels(&self, text: &'static str) {
        let key = format!("datasets/{}", self.parts.new_id());
        let new = NewDatasetVersion {
            dataset: "labels".parse().unwrap(),
            blob: self.parts.blobs.put(&key, text.into()).await.unwrap(),
            file_name: "labels.csv".to_owned(),
            media_type: "text/csv".to_owned(),
            format: DatasetFormat::Csv,
            source: DatasetSource::Upload,
            by: "person-1".parse().unwrap(),
            created_at: self.parts.clock.now(),
        };
        self.parts.store.add_dataset_version(new).await.unwrap();
    }

    pub(crate) async fn batch(&self, lines: &str, change: impl FnOnce(&mut BatchSpec)) -> Id {
        let key = format!("files/{}", self.parts.new_id());
        let table = self
            .parts
            .blobs
            .put(&key, Bytes::from(lines.to_owned()))
            .await
            .unwrap();
        let mut spec = BatchSpec {
            table,
            table_name: "table.jsonl".into(),
            format: TableFormat::Jsonl,
            dataset: None,
            map: Default::default(),
            label: None,
            limit_rows: None,
            only_rows_of: None,
            files: None,
        };
        change(&mut spec);
        self.submit(JobSpec::Batch(spec)).await
    }

    pub(crate) async fn submit(&self, spec: JobSpec) -> Id {
        let id = self.parts.new_id();
        let new = NewJob {
            id: id.clone(),
            model: "lab/age".parse().unwrap(),
            version: self.version.clone(),
            version_number: 1,
            spec,
            urgency: Default::default(),
            webhook: None,
            by: "person-1".parse().unwrap(),
            source: "api".into(),
            created_at: self.parts.clock.now(),
            claimed_by: None,
            idempotency: None,
        };
        self.parts.store.submit(new).await.unwrap();
        id
    }

    pub(crate) async fn job(&self, id: &Id) -> Job {
        self.parts.store.job(id).await.unwrap().unwrap()
    }

    /// What jobs of a kind have used, as tasks wrote it.
    pub(crate) async fn used(&self, kind: UsageKind) -> Amounts {
        let by = [Dimension::Kind];
        let sums = self
            .parts
            .store
            .usage(&UsageFilter::default(), &by)
            .await
            .unwrap();
        let sum = sums.into_iter().find(|sum| sum.kind == Some(kind));
        sum.map(|sum| sum.amounts).unwrap_or_default()
    }

    pub(crate) async fn events(&self, id: &Id) -> Vec<Event> {
        self.parts.store.events(id, 0, 10_000).await.unwrap()
    }

    /// The output of a background prediction that succeeded.
    pub(crate) async fn output(&self, id: &Id) -> Value {
        let job = self.job(id).await;
        match job.state {
            JobState::Succeeded {
                output: JobOutput::Prediction { output, .. },
                ..
            } => {
                let value = onstage_engine::values::load_value(&*self.parts.blobs, &output)
                    .await
                    .unwrap();
                serde_json::from_slice(&value.json).unwrap()
            }
            state => panic!("{state:?}"),
        }
    }

    /// The rows of a batch job's result, and its output.
    pub(crate) async fn result(&self, id: &Id) -> (Vec<Value>, JobOutput) {
        let job = self.job(id).await;
        let JobState::Succeeded { output, .. } = job.state else {
            panic!("{:?}", job.state)
        };
        let JobOutput::Batch { result, .. } = &output else {
            panic!("{output:?}")
        };
        let rows = self.lines(result).await;
        (rows, output)
    }

    pub(crate) async fn lines(&self, blob: &BlobRef) -> Vec<Value> {
        let bytes = self.parts.blobs.get(blob).await.unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Polls until `is` holds, for a minute at most.
    pub(crate) async fn until(&self, id: &Id, is: impl Fn(&Job) -> bool) -> Job {
        for _ in 0..6_000 {
            let job = self.job(id).await;
            if is(&job) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came to that: {:?}", self.job(id).await);
    }
}

/// A batch job over a table of any format.
pub(crate) async fn table_job(world: &World, table: &str, format: TableFormat) -> Id {
    world.batch(table, |spec| spec.format = format).await
}

pub(crate) async fn run(
    parts: Parts,
    settings: TaskSettings,
    crew: &Arc<ScriptCrew>,
    stop: &CancellationToken,
) -> Result<TaskEnd> {
    let crew = Shared(crew.clone());
    run_task_with(parts, settings, stop.clone(), |_| {
        Arc::new(crew) as Arc<dyn Crew>
    })
    .await
}

async fn make_version(store: &dyn Store, id: &VersionId, schema: &Value, config: &Value) {
    let model = Model::new("lab/age".parse().unwrap(), Timestamp(0));
    store.ensure_model(model.clone()).await.unwrap();
    let new = NewVersion {
        id: id.clone(),
        model: model.name,
        bundle: BlobRef {
            key: "bundles/b".into(),
            size_bytes: 0,
            sha256: String::new(),
        },
        config: serde_json::from_value(config.clone()).unwrap(),
        examples: "[]".into(),
        promote_when_ready: false,
        created_at: Timestamp(0),
        weights: None,
        lineage: None,
    };
    store.add_version(new).await.unwrap();
    let schema: ModelSchema = serde_json::from_value(schema.clone()).unwrap();
    let ready = VersionState::Ready {
        schema: Arc::new(schema),
        withdrawn: None,
        environment_sha256: None,
    };
    store.set_version_state(id, ready).await.unwrap();
}

struct NoLauncher;

#[async_trait]
impl Launcher for NoLauncher {
    async fn launch(&self, _: &WorkerSpec, _: &dyn Preparing) -> Result<Box<dyn WorkerProcess>> {
        Err(Error::internal("these tests script their workers"))
    }

    async fn folder(&self, _: &BlobRef) -> Result<PathBuf> {
        Err(Error::internal("these tests script their workers"))
    }

    fn forget(&self, _: &VersionId) {}
}

/// `x` must be a number, or text that is one; an output must not be the word `nonsense`.
struct TestChecks;

impl Checks for TestChecks {
    fn input(&self, _: &ModelSchema) -> Result<Arc<dyn InputCheck>> {
        Ok(Arc::new(TestChecks))
    }

    fn output(&self, _: &ModelSchema) -> Result<Arc<dyn OutputCheck>> {
        Ok(Arc::new(TestChecks))
    }
}

impl InputCheck for TestChecks {
    fn check(&self, _: &[u8]) -> Result<(), Vec<CheckError>> {
        Ok(())
    }

    fn coerce(&self, cells: &[(String, Value)]) -> Result<Bytes, Vec<CheckError>> {
        let x = cells
            .iter()
            .find(|(name, _)| name == "x")
            .map(|(_, x)| x.clone());
        let number = match &x {
            Some(Value::String(text)) => text.parse::<f64>().ok().map(Value::from),
            Some(Value::Number(number)) => Some(Value::Number(number.clone())),
            _ => None,
        };
        match number {
            Some(x) => Ok(json!({ "x": x }).to_string().into()),
            None => Err(vec![CheckError {
                pointer: "/x".into(),
                expected: "a number".into(),
                got: x.unwrap_or_default().to_string(),
            }]),
        }
    }
}

impl OutputCheck for TestChecks {
    fn check(&self, json: &[u8]) -> Result<(), Vec<CheckError>> {
        if json == b"\"nonsense\"" {
            return Err(vec![CheckError {
                pointer: String::new(),
                expected: "sense".into(),
                got: "nonsense".into(),
            }]);
        }
        Ok(())
    }
}
