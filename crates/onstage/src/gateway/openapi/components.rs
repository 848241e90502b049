//! The named schemas of the API's description: the wire's own structs, and the few bodies that no struct has.
//! Does not know routes.

use crate::gateway::{
    problem::{FieldProblem, ProblemBody},
    wire::{
        alias, batch, compare, dataset, feedback, file, job, model, people, prediction, schedule,
        template, training, upload, usage, version, webhook,
    },
};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

pub(crate) fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    add::<ProblemBody<'_>>(&mut all);
    add::<FieldProblem>(&mut all);
    add::<model::Model>(&mut all);
    add::<model::Ready>(&mut all);
    add::<model::Money>(&mut all);
    add::<model::NewModel>(&mut all);
    add::<model::ModelChange>(&mut all);
    add::<model::Warmup>(&mut all);
    add::<template::Template>(&mut all);
    add::<template::NewTemplateVersion>(&mut all);
    add::<version::Version>(&mut all);
    add::<version::Withdrawn>(&mut all);
    add::<version::Promotion>(&mut all);
    add::<version::Weights>(&mut all);
    add::<version::Lineage>(&mut all);
    add::<compare::Comparison>(&mut all);
    add::<compare::Compared>(&mut all);
    add::<compare::LineageGraph>(&mut all);
    add::<compare::Edge>(&mut all);
    add::<prediction::Prediction<'_>>(&mut all);
    add::<prediction::Metrics>(&mut all);
    add::<prediction::Queue>(&mut all);
    add_jobs(&mut all);
    add::<file::File>(&mut all);
    add::<upload::NewUpload>(&mut all);
    add::<upload::Upload>(&mut all);
    add::<upload::PartLink>(&mut all);
    add::<upload::UploadPart>(&mut all);
    add::<dataset::Dataset>(&mut all);
    add::<dataset::DatasetVersion>(&mut all);
    add::<dataset::DatasetPreview>(&mut all);
    add::<dataset::PreviewColumn>(&mut all);
    add::<dataset::ArchivedFile>(&mut all);
    add::<feedback::Feedback>(&mut all);
    add::<feedback::NewFeedback>(&mut all);
    add::<feedback::NewExport>(&mut all);
    add::<usage::UsageReport>(&mut all);
    add::<usage::UsageLine>(&mut all);
    add::<usage::UsageAmounts>(&mut all);
    add::<usage::UsagePrices>(&mut all);
    add::<people::Account>(&mut all);
    add::<people::Installation>(&mut all);
    add::<people::Token>(&mut all);
    add::<people::NewToken>(&mut all);
    add::<people::LoginLink>(&mut all);
    add::<people::Login>(&mut all);
    add::<webhook::WebhookSecret>(&mut all);
    add::<webhook::WebhookRetry>(&mut all);
    add::<webhook::WebhookMessage>(&mut all);
    add_names_and_times(&mut all);
    for (name, schema) in by_hand().into_iter().chain(of_inference()) {
        all.insert(name.to_owned(), schema);
    }
    all
}

/// Batch jobs, trainings, and what all jobs have in common.
fn add_jobs(all: &mut Map<String, Value>) {
    add::<batch::Batch>(all);
    add::<batch::RowCounts>(all);
    add::<batch::BatchProgress>(all);
    add::<batch::BatchMetrics>(all);
    add::<batch::TableInfo>(all);
    add::<batch::NewBatch>(all);
    add::<batch::Retry>(all);
    add::<batch::BatchItem>(all);
    add::<batch::Preview>(all);
    add::<training::Training>(all);
    add::<training::Trained>(all);
    add::<training::KeptCheckpoint>(all);
    add::<training::NewTraining>(all);
    add::<training::TrainingSeries>(all);
    add::<training::Point>(all);
    add::<job::Job>(all);
    add::<job::EndedRun>(all);
    add::<job::Task>(all);
}

/// Aliases and schedules.
fn add_names_and_times(all: &mut Map<String, Value>) {
    add::<alias::Alias>(all);
    add::<alias::NewAlias>(all);
    add::<schedule::Schedule>(all);
    add::<schedule::LastTick>(all);
    add::<schedule::NewSchedule>(all);
    add::<schedule::ScheduleChange>(all);
    add::<schedule::ScheduleTicks>(all);
}

fn add<T: ToSchema + PartialSchema>(all: &mut Map<String, Value>) {
    let schema = serde_json::to_value(T::schema()).unwrap_or_default();
    all.insert(T::name().into_owned(), schema);
}

/// The Open Inference Protocol's own bodies.
fn of_inference() -> [(&'static str, Value); 4] {
    let tensors =
        json!({"type": "array", "items": {"$ref": "#/components/schemas/InferenceTensor"}});
    [
        (
            "InferenceTensor",
            json!({
                "type": "object",
                "required": ["name", "datatype", "shape"],
                "properties": {
                    "name": {"type": "string"},
                    "datatype": {"type": "string", "description": "`FP32`, `INT64`, `BOOL`, `BYTES` and so on"},
                    "shape": {"type": "array", "items": {"type": "integer"}},
                    "parameters": {"type": "object", "description": "`binary_data_size`: how many bytes of the data behind the JSON are its own"},
                    "data": {"type": "array", "description": "nested or flat; absent when it is binary"},
                },
            }),
        ),
        (
            "InferenceRequest",
            json!({
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {"type": "string"},
                    "parameters": {"type": "object", "description": "`binary_data_output`, `timeout` in microseconds"},
                    "inputs": tensors,
                    "outputs": {"type": "array", "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "parameters": {"type": "object", "description": "`binary_data`, `classification`"},
                        },
                    }},
                },
            }),
        ),
        (
            "InferenceResponse",
            json!({
                "type": "object",
                "required": ["model_name", "model_version", "outputs"],
                "properties": {
                    "model_name": {"type": "string"},
                    "model_version": {"type": "string"},
                    "id": {"type": "string"},
                    "outputs": tensors,
                },
            }),
        ),
        (
            "InferenceError",
            json!({
                "type": "object",
                "required": ["error"],
                "properties": {"error": {"type": "string"}},
            }),
        ),
    ]
}

fn by_hand() -> [(&'static str, Value); 3] {
    [
        (
            "NewPrediction",
            json!({
                "type": "object",
                "properties": {
                    "input": {"type": "object", "description": "the model's inputs by name; see the model's own openapi.json"},
                    "stream": {"type": "boolean", "description": "answer at once; the output is read from `urls.stream`"},
                    "version": {"type": "string", "description": "where the path names no model: the id of a version, or `owner/name`"},
                    "model": {"type": "string", "description": "where the path names no model: `owner/name`"},
                    "webhook": {"type": "string", "description": "an address that is told of the job that the prediction then is"},
                    "webhook_events_filter": {"type": "array", "items": {"type": "string", "enum": ["start", "output", "logs", "completed"]}},
                },
            }),
        ),
        (
            "NewFile",
            json!({
                "type": "object",
                "required": ["content"],
                "properties": {
                    "content": {"type": "string", "contentMediaType": "application/octet-stream"},
                    "metadata": {"type": "string", "description": "a JSON object"},
                },
            }),
        ),
        ("Anything", json!({})),
    ]
}
