//! Versions of a model side by side, and what came from what, as the wire has them.
//! Does not fetch.

use super::version;
use onstage_core::{
    ModelName,
    alias::{Alias, pointing_at},
    model::{Model, Version},
};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Each row has one value for each version, in their order; null where it has none.
#[derive(Serialize, ToSchema)]
pub(crate) struct Comparison {
    versions: Vec<Compared>,
    #[schema(value_type = BTreeMap<String, Vec<Value>>)]
    parameters: BTreeMap<String, Vec<Value>>,
    metrics: BTreeMap<String, Vec<Option<f64>>>,
    /// By the example's name: its input, and the output that is expected, if any.
    #[schema(value_type = BTreeMap<String, Vec<Value>>)]
    examples: BTreeMap<String, Vec<Value>>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Compared {
    id: String,
    number: u32,
    state: &'static str,
    live: bool,
    /// Names that point at it.
    aliases: Vec<String>,
    lineage: Option<version::Lineage>,
}

pub(crate) fn compare(versions: &[Version], of: &Model) -> Comparison {
    let parameters: Vec<_> = versions.iter().map(parameters).collect();
    let metrics: Vec<_> = versions.iter().map(version::metrics).collect();
    let examples: Vec<_> = versions.iter().map(examples).collect();
    Comparison {
        versions: versions
            .iter()
            .map(|version| Compared {
                id: version.id.0.clone(),
                number: version.number,
                state: version.state.name(),
                live: of.live.as_ref() == Some(&version.id),
                aliases: pointing_at(&of.aliases, &version.id)
                    .map(Alias::to_string)
                    .collect(),
                lineage: version.lineage.as_ref().map(version::lineage),
            })
            .collect(),
        parameters: rows(&parameters),
        metrics: rows(&metrics.iter().map(some).collect::<Vec<_>>()),
        examples: rows(&examples),
    }
}

fn some(metrics: &BTreeMap<String, f64>) -> BTreeMap<String, Option<f64>> {
    let one = |(name, value): (&String, &f64)| (name.clone(), Some(*value));
    metrics.iter().map(one).collect()
}

/// One row for each name that any of them has.
fn rows<T: Clone + Default>(columns: &[BTreeMap<String, T>]) -> BTreeMap<String, Vec<T>> {
    let names: BTreeSet<&String> = columns.iter().flat_map(BTreeMap::keys).collect();
    let row = |name: &String| {
        let cell = |column: &BTreeMap<String, T>| column.get(name).cloned().unwrap_or_default();
        columns.iter().map(cell).collect()
    };
    names
        .into_iter()
        .map(|name| (name.clone(), row(name)))
        .collect()
}

fn parameters(of: &Version) -> BTreeMap<String, Value> {
    match of.lineage.as_ref().map(version::parameters) {
        Some(Value::Object(fields)) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

fn examples(of: &Version) -> BTreeMap<String, Value> {
    let Value::Array(all) = version::examples(of) else {
        return BTreeMap::new();
    };
    all.into_iter()
        .filter_map(|mut example| {
            let fields = example.as_object_mut()?;
            let Some(Value::String(name)) = fields.remove("name") else {
                return None;
            };
            Some((name, example))
        })
        .collect()
}

/// What came from what; a node is `owner/name@v3`, `dataset:labels@v3` or `training:id`.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineageGraph {
    nodes: BTreeSet<String>,
    edges: Vec<Edge>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Edge {
    from: String,
    to: String,
}

pub(crate) fn lineage(model: &ModelName, versions: &[Version]) -> LineageGraph {
    let mut edges = Vec::new();
    let mut nodes: BTreeSet<String> = versions
        .iter()
        .map(|version| format!("{model}@v{}", version.number))
        .collect();
    for version in versions {
        let Some(lineage) = &version.lineage else {
            continue;
        };
        let training = format!("training:{}", lineage.training);
        let trainer = format!("{}@v{}", lineage.trainer_model, lineage.trainer_number);
        let datasets = lineage.datasets.iter().map(|it| format!("dataset:{it}"));
        let resumed = lineage.resumed.iter().map(|it| format!("training:{it}"));
        for from in std::iter::once(trainer).chain(datasets).chain(resumed) {
            edges.push(Edge {
                from,
                to: training.clone(),
            });
        }
        edges.push(Edge {
            from: training,
            to: format!("{model}@v{}", version.number),
        });
    }
    nodes.extend(
        edges
            .iter()
            .flat_map(|edge| [edge.from.clone(), edge.to.clone()]),
    );
    LineageGraph { nodes, edges }
}
