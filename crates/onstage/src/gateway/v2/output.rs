//! From a model's answer to tensors: arrays as the bytes they came in, plain values as numbers, all else as JSON.
//! Does not know which of them are asked for, nor how they are sent.

use super::{
    datatype,
    signature::{Item, Kind, LABELS, OUTPUT, Outputs, PROBABILITIES},
};
use crate::gateway::wire::value::{Links, show_value};
use bytes::Bytes;
use onstage_core::{
    tensor::{self, Described, Dtype},
    value::Value,
};
use serde_json::Value as Json;

/// One tensor of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub name: String,
    pub shape: Vec<u64>,
    pub data: Data,
    /// What its numbers are numbers of.
    pub labels: Option<Vec<Bytes>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Numbers(Dtype, Bytes),
    Elements(Vec<Bytes>),
}

impl Tensor {
    fn new(name: &str, shape: Vec<u64>, data: Data) -> Self {
        Self {
            name: name.to_owned(),
            shape,
            data,
            labels: None,
        }
    }

    pub(super) fn datatype(&self) -> &'static str {
        match &self.data {
            Data::Numbers(dtype, _) => datatype::name(*dtype),
            Data::Elements(_) => datatype::BYTES,
        }
    }
}

/// The tensors of an answer. None when it is not what the signature says, which is a fault of the worker.
pub(super) fn tensors(outputs: &Outputs, value: &Value, links: &Links) -> Option<Vec<Tensor>> {
    let json: Json = serde_json::from_slice(&value.json).ok()?;
    let from = From {
        attachments: &value.attachments,
        links,
    };
    match outputs {
        Outputs::One(kind) => Some(vec![from.tensor(OUTPUT, kind, &json)?]),
        Outputs::Scores => scores(&json),
        Outputs::Keys(kind) => json
            .as_object()?
            .iter()
            .map(|(name, value)| from.tensor(name, kind, value))
            .collect(),
        Outputs::Fields(slots) => {
            let object = json.as_object()?;
            slots
                .iter()
                .map(|slot| {
                    let value = object.get(&slot.name).unwrap_or(&Json::Null);
                    from.tensor(&slot.name, &slot.kind, value)
                })
                .collect()
        }
    }
}

struct From<'a> {
    attachments: &'a [Bytes],
    links: &'a Links,
}

impl From<'_> {
    fn tensor(&self, name: &str, kind: &Kind, value: &Json) -> Option<Tensor> {
        let found = match kind {
            Kind::Tensor { .. } => self.array(value)?,
            Kind::Plain {
                item: Item::Text, ..
            } => elements(value, &text_of),
            Kind::Plain {
                item: Item::File, ..
            } => elements(value, &|file| self.attached(file)),
            Kind::Plain { item, .. } => plain(value, *item),
            Kind::Json => None,
        };
        let (shape, data) = found.unwrap_or_else(|| self.json(value));
        Some(Tensor::new(name, shape, data))
    }

    /// Inner none: there is no array, as where an optional one was left out. Outer none: its bytes are not what they should be.
    #[expect(clippy::option_option, reason = "said above")]
    fn array(&self, value: &Json) -> Option<Option<(Vec<u64>, Data)>> {
        let Some(object) = value.as_object() else {
            return Some(None);
        };
        let tensor = Described::of(object)?;
        let bytes = match object.get("data") {
            Some(data) => tensor::read_json(tensor.dtype, data).ok()?.into(),
            None => self.attached(value)?,
        };
        (tensor.size_bytes() == Some(bytes.len()))
            .then(|| Some((tensor.shape, Data::Numbers(tensor.dtype, bytes))))
    }

    fn attached(&self, value: &Json) -> Option<Bytes> {
        let number = usize::try_from(value.get("$attachment")?.as_u64()?).ok()?;
        self.attachments.get(number).cloned()
    }

    /// What has no tensor's shape, as text.
    fn json(&self, value: &Json) -> (Vec<u64>, Data) {
        let value = Value {
            json: Bytes::from(value.to_string()),
            attachments: self.attachments.to_vec(),
        };
        (
            vec![1],
            Data::Elements(vec![show_value(&value, self.links)]),
        )
    }
}

fn scores(json: &Json) -> Option<Vec<Tensor>> {
    let object = json.as_object()?;
    let labels: Vec<Bytes> = object
        .keys()
        .map(|label| Bytes::from(label.clone()))
        .collect();
    let numbers = Json::from(object.values().cloned().collect::<Vec<_>>());
    let numbers = tensor::read_json(Dtype::Float64, &numbers).ok()?;
    let shape = vec![labels.len() as u64];
    Some(vec![
        Tensor::new(LABELS, shape.clone(), Data::Elements(labels.clone())),
        Tensor {
            labels: Some(labels),
            ..Tensor::new(
                PROBABILITIES,
                shape,
                Data::Numbers(Dtype::Float64, numbers.into()),
            )
        },
    ])
}

/// Numbers in lists of equal length; none where they are not, or one is missing.
fn plain(value: &Json, item: Item) -> Option<(Vec<u64>, Data)> {
    let dtype = match item {
        Item::Integer => Dtype::Int64,
        Item::Boolean => Dtype::Bool,
        _ => Dtype::Float64,
    };
    let shape = shape_of(value)?;
    let numbers = tensor::read_json(dtype, value).ok()?;
    Some((shape, Data::Numbers(dtype, numbers.into())))
}

fn elements(value: &Json, of: &dyn Fn(&Json) -> Option<Bytes>) -> Option<(Vec<u64>, Data)> {
    let shape = shape_of(value)?;
    let mut found = Vec::new();
    collect(value, of, &mut found)?;
    Some((shape, Data::Elements(found)))
}

fn collect(
    value: &Json,
    of: &dyn Fn(&Json) -> Option<Bytes>,
    found: &mut Vec<Bytes>,
) -> Option<()> {
    match value {
        Json::Array(items) => items.iter().try_for_each(|item| collect(item, of, found)),
        other => {
            found.push(of(other)?);
            Some(())
        }
    }
}

fn text_of(value: &Json) -> Option<Bytes> {
    Some(Bytes::from(value.as_str()?.to_owned()))
}

/// The shape of lists inside each other; a plain value is a tensor of one. None where lists differ.
fn shape_of(value: &Json) -> Option<Vec<u64>> {
    if value.is_array() {
        nested_shape(value)
    } else {
        Some(vec![1])
    }
}

fn nested_shape(value: &Json) -> Option<Vec<u64>> {
    let Json::Array(items) = value else {
        return Some(Vec::new());
    };
    let mut shape = vec![items.len() as u64];
    if let Some(first) = items.first() {
        let inner = nested_shape(first)?;
        if !items[1..]
            .iter()
            .all(|item| nested_shape(item).as_ref() == Some(&inner))
        {
            return None;
        }
        shape.extend(inner);
    }
    Some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::wire::value::Part;
    use serde_json::json;

    fn made(outputs: &Outputs, json: &Json, attachments: &[&'static [u8]]) -> Option<Vec<Tensor>> {
        let value = Value {
            json: Bytes::from(json.to_string()),
            attachments: attachments
                .iter()
                .map(|bytes| Bytes::from_static(bytes))
                .collect(),
        };
        let links = Links::new("/v1/files/p/content".to_owned(), Part::Output);
        tensors(outputs, &value, &links)
    }

    fn one(kind: Kind, json: &Json, attachments: &[&'static [u8]]) -> Option<Tensor> {
        Some(made(&Outputs::One(kind), json, attachments)?.remove(0))
    }

    fn plain(item: Item) -> Kind {
        Kind::Plain { item, lists: None }
    }

    #[test]
    fn arrays_are_checked_against_their_bytes() {
        let any = || Kind::Tensor {
            dtype: None,
            shape: None,
        };
        let good = json!({"$attachment": 0, "dtype": "int16", "shape": [1, 2]});
        let tensor = one(any(), &good, &[b"abcd"]).unwrap();
        assert_eq!(
            (tensor.datatype(), &tensor.shape[..]),
            ("INT16", &[1, 2][..])
        );
        assert!(one(any(), &good, &[b"abc"]).is_none());
        assert!(one(any(), &good, &[]).is_none());
        assert!(one(any(), &json!({"$attachment": 0}), &[b"abcd"]).is_none());
        let listed = json!({"dtype": "int8", "shape": [2], "data": [1, 2]});
        let tensor = one(any(), &listed, &[]).unwrap();
        assert_eq!(
            tensor.data,
            Data::Numbers(Dtype::Int8, Bytes::from_static(b"\x01\x02"))
        );
        assert_eq!(one(any(), &Json::Null, &[]).unwrap().datatype(), "BYTES");
    }

    #[test]
    fn what_has_no_shape_is_json() {
        for (value, datatype, shape) in [
            (json!(1.5), "FP64", vec![1]),
            (json!([[1, 2], [3, 4]]), "FP64", vec![2, 2]),
            (json!([]), "FP64", vec![0]),
            (json!([[1], [2, 3]]), "BYTES", vec![1]),
            (json!([1, null]), "BYTES", vec![1]),
            (Json::Null, "BYTES", vec![1]),
        ] {
            let tensor = one(plain(Item::Number), &value, &[]).unwrap();
            assert_eq!(
                (tensor.datatype(), tensor.shape),
                (datatype, shape),
                "{value}"
            );
        }
        let texts = one(plain(Item::Text), &json!(["a", "b"]), &[]).unwrap();
        assert_eq!(texts.data, Data::Elements(vec!["a".into(), "b".into()]));
        let file = one(plain(Item::File), &json!({"$attachment": 0}), &[b"png"]).unwrap();
        assert_eq!(file.data, Data::Elements(vec!["png".into()]));
        let json = one(Kind::Json, &json!({"a": {"$attachment": 0}}), &[b"hi"]).unwrap();
        let shown = br#"{"a":"data:application/octet-stream;base64,aGk="}"#;
        assert_eq!(json.data, Data::Elements(vec![Bytes::from_static(shown)]));
    }

    #[test]
    fn several_outputs_have_their_names() {
        let scores = made(&Outputs::Scores, &json!({"cat": 0.9, "dog": 0.1}), &[]).unwrap();
        assert_eq!(
            scores[0].data,
            Data::Elements(vec!["cat".into(), "dog".into()])
        );
        assert_eq!(scores[1].labels.as_ref().unwrap().len(), 2);
        let keys = Outputs::Keys(plain(Item::Integer));
        let names: Vec<String> = made(&keys, &json!({"b": 1, "a": [2]}), &[])
            .unwrap()
            .into_iter()
            .map(|tensor| tensor.name)
            .collect();
        assert_eq!(names, ["b", "a"]);
        assert!(made(&keys, &json!([1]), &[]).is_none());
    }
}
