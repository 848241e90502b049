//! A model's inputs and outputs as tensors, read from its schema: the one place that says what is which tensor.
//! Does not know requests or values.

use super::datatype;
use onstage_core::{schema::ModelSchema, tensor::Dtype};
use serde_json::{Map, Value as Json, json};

/// Schemas inside schemas.
const DEPTH_MAX: usize = 32;
/// An output without a name of its own.
pub(super) const OUTPUT: &str = "output";
pub(super) const LABELS: &str = "labels";
pub(super) const PROBABILITIES: &str = "probabilities";
const FILE_TYPES: [&str; 6] = ["file", "image", "audio", "video", "table", "dataset"];

/// One tensor of a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    pub name: String,
    pub kind: Kind,
}

/// What a tensor is to the model.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// An array for the author; none is any type, any shape.
    Tensor {
        dtype: Option<Dtype>,
        shape: Option<Vec<i64>>,
    },
    /// Plain values, in so many lists inside each other; none is any number of lists.
    Plain { item: Item, lists: Option<usize> },
    /// Anything else: one element of BYTES with its JSON.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Integer,
    Number,
    Boolean,
    Text,
    File,
}

/// What a model's answer is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outputs {
    One(Kind),
    /// A record: one tensor for each field.
    Fields(Vec<Slot>),
    /// A dict: one tensor for each key, whose names only the answer tells.
    Keys(Kind),
    /// A number for each label.
    Scores,
}

impl Slot {
    fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
        }
    }

    /// As the metadata shows it.
    pub(super) fn described(&self) -> Json {
        json!({
            "name": self.name,
            "datatype": self.kind.datatype(),
            "shape": self.kind.shape(),
        })
    }
}

impl Kind {
    /// Where any type will do, the most common one is named.
    pub(super) fn datatype(&self) -> &'static str {
        match self {
            Self::Tensor { dtype, .. } => datatype::name(dtype.unwrap_or(Dtype::Float32)),
            Self::Plain { item, .. } => match item {
                Item::Integer => datatype::name(Dtype::Int64),
                Item::Number => datatype::name(Dtype::Float64),
                Item::Boolean => datatype::name(Dtype::Bool),
                Item::Text | Item::File => datatype::BYTES,
            },
            Self::Json => datatype::BYTES,
        }
    }

    /// -1 is any size. Where any shape will do, one such dimension is shown.
    pub(super) fn shape(&self) -> Vec<i64> {
        match self {
            Self::Tensor { shape, .. } => shape.clone().unwrap_or_else(|| vec![-1]),
            Self::Plain { lists: Some(0), .. } | Self::Json => vec![1],
            Self::Plain { lists, .. } => vec![-1; lists.unwrap_or(1)],
        }
    }
}

/// The inputs in the author's order.
pub(super) fn inputs(schema: &ModelSchema) -> Vec<Slot> {
    let definitions = &schema.components.schemas;
    schema
        .fields()
        .into_iter()
        .map(|(name, field)| Slot::new(name, kind_of(field, definitions)))
        .collect()
}

pub(super) fn outputs(schema: &ModelSchema) -> Outputs {
    let definitions = &schema.components.schemas;
    let empty = Json::Null;
    let output = resolved(schema.output().unwrap_or(&empty), definitions);
    if is(output, "x-onstage-type", "scores") {
        return Outputs::Scores;
    }
    if output.get("x-onstage-type").is_some() || types(output) != ["object"] {
        return Outputs::One(kind_of(output, definitions));
    }
    match output.get("properties").and_then(Json::as_object) {
        Some(fields) => Outputs::Fields(
            fields
                .iter()
                .map(|(name, field)| Slot::new(name, kind_of(field, definitions)))
                .collect(),
        ),
        None => Outputs::Keys(match output.get("additionalProperties") {
            Some(value) => kind_of(value, definitions),
            None => Kind::Json,
        }),
    }
}

impl Outputs {
    /// What is known before an answer.
    pub(super) fn slots(&self) -> Vec<Slot> {
        match self {
            Self::One(kind) => vec![Slot::new(OUTPUT, kind.clone())],
            Self::Fields(slots) => slots.clone(),
            Self::Keys(_) => Vec::new(),
            Self::Scores => vec![
                Slot::new(LABELS, list_of(Item::Text)),
                Slot::new(PROBABILITIES, list_of(Item::Number)),
            ],
        }
    }
}

fn list_of(item: Item) -> Kind {
    Kind::Plain {
        item,
        lists: Some(1),
    }
}

fn kind_of(schema: &Json, definitions: &Map<String, Json>) -> Kind {
    let mut lists = 0;
    let mut inner = resolved(schema, definitions);
    loop {
        if is(inner, "x-onstage-type", "tensor") {
            return if lists == 0 {
                tensor(inner)
            } else {
                Kind::Json
            };
        }
        if types(inner) != ["array"] || lists >= DEPTH_MAX {
            break;
        }
        lists += 1;
        match inner.get("items") {
            Some(items) if items.as_object().is_some_and(|items| !items.is_empty()) => {
                inner = resolved(items, definitions);
            }
            // An array of numpy's: numbers in lists, nobody says how many.
            _ => {
                return Kind::Plain {
                    item: Item::Number,
                    lists: None,
                };
            }
        }
    }
    match item_of(inner) {
        Some(item) => Kind::Plain {
            item,
            lists: Some(lists),
        },
        None => Kind::Json,
    }
}

fn tensor(schema: &Json) -> Kind {
    let told = &schema["x-onstage-tensor"];
    Kind::Tensor {
        dtype: told["dtype"].as_str().and_then(Dtype::parse),
        shape: told["shape"]
            .as_array()
            .map(|shape| shape.iter().filter_map(Json::as_i64).collect()),
    }
}

fn item_of(schema: &Json) -> Option<Item> {
    let declared = schema.get("x-onstage-type").and_then(Json::as_str);
    if declared.is_some_and(|kind| FILE_TYPES.contains(&kind)) {
        return Some(Item::File);
    }
    match types(schema)[..] {
        ["integer"] => Some(Item::Integer),
        ["number"] => Some(Item::Number),
        ["boolean"] => Some(Item::Boolean),
        ["string"] => Some(Item::Text),
        _ => None,
    }
}

/// The JSON types but null.
fn types(schema: &Json) -> Vec<&str> {
    let all = match schema.get("type") {
        Some(Json::String(one)) => vec![one.as_str()],
        Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    all.into_iter().filter(|kind| *kind != "null").collect()
}

fn is(schema: &Json, key: &str, value: &str) -> bool {
    schema.get(key).and_then(Json::as_str) == Some(value)
}

/// The schema behind references and the wrappers of optional values.
fn resolved<'a>(schema: &'a Json, definitions: &'a Map<String, Json>) -> &'a Json {
    let mut here = schema;
    for _ in 0..DEPTH_MAX {
        let referred = here
            .get("$ref")
            .and_then(Json::as_str)
            .and_then(|path| definitions.get(path.rsplit('/').next()?));
        let Some(next) = referred.or_else(|| only_branch(here)) else {
            break;
        };
        here = next;
    }
    here
}

/// The one way that a schema leaves open, but for null.
fn only_branch(schema: &Json) -> Option<&Json> {
    let branches = schema.get("anyOf").or_else(|| schema.get("allOf"))?;
    let mut others = branches
        .as_array()?
        .iter()
        .filter(|branch| !is(branch, "type", "null"));
    match (others.next(), others.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(input: &Json, output: &Json) -> ModelSchema {
        serde_json::from_value(json!({"components": {"schemas": {
            "Input": {"type": "object", "properties": input},
            "Output": output,
            "Point": {"type": "object", "properties": {"x": {"type": "number"}}},
            "Zone": {"type": "string", "enum": ["N", "S"]},
        }}}))
        .unwrap()
    }

    fn shown(slots: &[Slot]) -> Vec<String> {
        slots
            .iter()
            .map(|slot| {
                format!(
                    "{} {} {:?}",
                    slot.name,
                    slot.kind.datatype(),
                    slot.kind.shape()
                )
            })
            .collect()
    }

    #[test]
    fn every_input_is_a_tensor() {
        let made = schema(
            &json!({
                "a": {"x-onstage-type": "tensor", "type": ["array", "object"], "x-onstage-tensor": {"dtype": "float16", "shape": [-1, 3]}},
                "b": {"anyOf": [{"x-onstage-type": "tensor", "type": ["array", "object"], "x-onstage-tensor": {}}, {"type": "null"}]},
                "c": {"type": ["integer", "null"]},
                "d": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
                "e": {"type": "boolean"},
                "f": {"allOf": [{"$ref": "#/components/schemas/Zone"}]},
                "g": {"type": "array", "items": {"type": "string", "x-onstage-type": "image"}},
                "h": {"allOf": [{"$ref": "#/components/schemas/Point"}]},
                "i": {"type": "array", "items": {}},
                "j": {},
            }),
            &json!({}),
        );
        assert_eq!(
            shown(&inputs(&made)),
            [
                "a FP16 [-1, 3]",
                "b FP32 [-1]",
                "c INT64 [1]",
                "d FP64 [-1, -1]",
                "e BOOL [1]",
                "f BYTES [1]",
                "g BYTES [-1]",
                "h BYTES [1]",
                "i FP64 [-1]",
                "j BYTES [1]",
            ]
        );
    }

    #[test]
    fn outputs_are_one_or_several() {
        let of = |output: Json| shown(&outputs(&schema(&json!({}), &output)).slots());
        assert_eq!(of(json!({"type": "number"})), ["output FP64 [1]"]);
        assert_eq!(
            of(json!({"type": "object", "x-onstage-type": "scores"})),
            ["labels BYTES [-1]", "probabilities FP64 [-1]"]
        );
        assert_eq!(
            of(json!({"$ref": "#/components/schemas/Point"})),
            ["x FP64 [1]"]
        );
        assert!(of(json!({"type": "object"})).is_empty());
        assert_eq!(of(json!({})), ["output BYTES [1]"]);
        assert_eq!(
            of(json!({"type": "object", "x-onstage-type": "plot"})),
            ["output BYTES [1]"]
        );
    }

    #[test]
    fn a_schema_that_goes_in_circles_ends() {
        let mut made = schema(&json!({"a": {"$ref": "#/x/Loop"}}), &json!({}));
        made.components
            .schemas
            .insert("Loop".to_owned(), json!({"$ref": "#/x/Loop"}));
        assert_eq!(shown(&inputs(&made)), ["a BYTES [1]"]);
    }
}
