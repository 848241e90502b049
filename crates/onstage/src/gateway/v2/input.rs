//! From a request's tensors to a model's input: numbers for arrays as attachments, the rest as plain values.
//! Does not start anything.

use super::{
    datatype,
    request::{Data, Given, wrong},
    signature::{Item, Kind, Slot},
};
use crate::gateway::{body::depth, call::shortened, input::hide, problem::Problem};
use bytes::Bytes;
use onstage_core::{
    limits::JSON_DEPTH_MAX,
    tensor::{self, Described, Dtype},
    value::Value,
};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, HashMap};

/// Tensors up to this size are kept in a record with their numbers.
const LISTED_BYTES_MAX: usize = 4 * 1024;

/// An input as it goes to the worker, and what stands in for bytes elsewhere.
#[derive(Debug, Default)]
pub(super) struct Built {
    fields: Map<String, Json>,
    stand_ins: HashMap<String, StandIn>,
    attachments: Vec<Bytes>,
}

/// What is said of a field whose value is bytes.
#[derive(Debug)]
struct StandIn {
    /// For the check against the schema.
    schema: Json,
    record: Json,
}

impl Built {
    /// JSON text for the check against the schema.
    pub(super) fn for_schema(&self) -> String {
        self.text(|stand_in| &stand_in.schema)
    }

    pub(super) fn for_record(&self, hidden: &[String]) -> Bytes {
        let text = self.text(|stand_in| &stand_in.record);
        hide(Bytes::from(text), hidden)
    }

    pub(super) fn into_value(self) -> Value {
        Value {
            json: Bytes::from(text(&self.fields)),
            attachments: self.attachments,
        }
    }

    fn text(&self, pick: impl Fn(&StandIn) -> &Json) -> String {
        let fields: BTreeMap<&String, &Json> = self
            .fields
            .iter()
            .map(|(name, value)| (name, self.stand_ins.get(name).map_or(value, &pick)))
            .collect();
        text(&fields)
    }

    fn attach(&mut self, bytes: Bytes) -> usize {
        self.attachments.push(bytes);
        self.attachments.len() - 1
    }

    /// A field whose value is bytes.
    fn bytes(&mut self, name: &str, value: Json, stand_in: StandIn) {
        self.fields.insert(name.to_owned(), value);
        self.stand_ins.insert(name.to_owned(), stand_in);
    }
}

/// Names and values of JSON are always JSON.
fn text(fields: &impl Serialize) -> String {
    serde_json::to_string(fields).unwrap_or_default()
}

/// Errors: 400, naming the tensor at fault.
pub(super) fn build(slots: &[Slot], given: Vec<Given>) -> Result<Built, Problem> {
    let mut built = Built::default();
    for one in given {
        let slot = slot_of(slots, &one)?;
        if built.fields.contains_key(&slot.name) {
            return Err(wrong(&slot.name, "is given twice"));
        }
        match &slot.kind {
            Kind::Tensor { dtype, shape } => {
                let of = dtype.map_or(TensorOf::Any, TensorOf::One);
                add_tensor(&mut built, slot, one, of, shape.as_deref())?;
            }
            Kind::Plain {
                item: Item::File,
                lists,
            } => add_files(&mut built, slot, one, *lists)?,
            Kind::Plain { item, lists } => {
                let value = plain(slot, one, *item, *lists)?;
                built.fields.insert(slot.name.clone(), value);
            }
            Kind::Json => {
                let value = json_of(slot, one)?;
                built.fields.insert(slot.name.clone(), value);
            }
        }
    }
    Ok(built)
}

fn slot_of<'a>(slots: &'a [Slot], given: &Given) -> Result<&'a Slot, Problem> {
    let names = || {
        let names: Vec<String> = slots
            .iter()
            .map(|slot| format!("`{}`", slot.name))
            .collect();
        names.join(", ")
    };
    if matches!(given.data, Data::Raw(_)) {
        return match slots {
            [one] => Ok(one),
            _ => Err(Problem::invalid(
                "invalid_tensor",
                format!(
                    "A body without JSON is for a model with one input; this one has {}.",
                    names()
                ),
            )),
        };
    }
    let known = slots.iter().find(|slot| slot.name == given.name);
    known.ok_or_else(|| {
        Problem::invalid(
            "unknown_tensor",
            format!(
                "The model has no input `{}`; its inputs are {}.",
                shortened(&given.name),
                names()
            ),
        )
    })
}

#[derive(Clone, Copy)]
enum TensorOf {
    Any,
    One(Dtype),
}

fn add_tensor(
    built: &mut Built,
    slot: &Slot,
    given: Given,
    of: TensorOf,
    dims: Option<&[i64]>,
) -> Result<(), Problem> {
    let (dtype, shape) = match given.data {
        Data::Raw(ref bytes) => raw_shape(slot, of, dims, bytes.len())?,
        _ => (numbers_of(slot, &given.datatype)?, given.shape.clone()),
    };
    let fits_type = matches!(of, TensorOf::Any) || matches!(of, TensorOf::One(one) if one == dtype);
    if !fits_type || !fits(dims, &shape) {
        return Err(wrong(
            &slot.name,
            &format!(
                "should be {} {:?}, but it is {} {shape:?}",
                slot.kind.datatype(),
                slot.kind.shape(),
                datatype::name(dtype),
            ),
        ));
    }
    let tensor = Described { dtype, shape };
    let bytes = numbers(slot, &tensor, given.data)?;
    let listed = (bytes.len() <= LISTED_BYTES_MAX)
        .then(|| serde_json::from_str(&tensor.in_json(&bytes)?).ok())
        .flatten();
    let number = built.attach(bytes);
    let stand_in = StandIn {
        schema: tensor.with_data(&json!([])),
        record: listed.unwrap_or_else(|| tensor.with_data(&Json::Null)),
    };
    let value = json!({"$attachment": number, "dtype": dtype.name(), "shape": tensor.shape});
    built.bytes(&slot.name, value, stand_in);
    Ok(())
}

/// The type and shape of a body that is nothing but numbers: one dimension may be left open.
fn raw_shape(
    slot: &Slot,
    of: TensorOf,
    dims: Option<&[i64]>,
    bytes: usize,
) -> Result<(Dtype, Vec<u64>), Problem> {
    let (TensorOf::One(dtype), Some(dims)) = (of, dims) else {
        return Err(wrong(
            &slot.name,
            "has no type and shape of its own, so it needs the JSON that names them",
        ));
    };
    let known: u64 = dims
        .iter()
        .filter_map(|dim| u64::try_from(*dim).ok())
        .product();
    let open = dims.iter().filter(|dim| **dim < 0).count();
    let row = known.saturating_mul(dtype.item_bytes() as u64);
    let left = (bytes as u64).checked_div(row);
    match (open, left) {
        (0, _) => {}
        (1, Some(left)) if left * row == bytes as u64 => {}
        _ => {
            return Err(wrong(
                &slot.name,
                &format!(
                    "cannot be {} {dims:?} with {bytes} bytes",
                    datatype::name(dtype)
                ),
            ));
        }
    }
    let shape = dims
        .iter()
        .map(|dim| u64::try_from(*dim).unwrap_or(left.unwrap_or(0)))
        .collect();
    Ok((dtype, shape))
}

fn fits(dims: Option<&[i64]>, shape: &[u64]) -> bool {
    dims.is_none_or(|dims| {
        dims.len() == shape.len()
            && dims
                .iter()
                .zip(shape)
                .all(|(dim, size)| *dim < 0 || u64::try_from(*dim) == Ok(*size))
    })
}

/// The numbers as bytes, checked for their count.
fn numbers(slot: &Slot, tensor: &Described, data: Data) -> Result<Bytes, Problem> {
    let bytes = match data {
        Data::Binary(bytes) | Data::Raw(bytes) => bytes,
        Data::Json(_) if tensor.dtype == Dtype::Bfloat16 => {
            return Err(wrong(
                &slot.name,
                "is BF16, which is sent as binary data only",
            ));
        }
        Data::Json(data) => tensor::read_json(tensor.dtype, &data)
            .map_err(|why| wrong(&slot.name, &format!("holds what does not fit: {why}")))?
            .into(),
    };
    if tensor.size_bytes() != Some(bytes.len()) {
        return Err(wrong(
            &slot.name,
            &format!(
                "has {} numbers for the shape {:?}",
                bytes.len() as f64 / tensor.dtype.item_bytes() as f64,
                tensor.shape
            ),
        ));
    }
    if tensor.dtype == Dtype::Bool && bytes.iter().any(|byte| *byte > 1) {
        return Err(wrong(&slot.name, "is BOOL, whose bytes are 0 and 1"));
    }
    Ok(bytes)
}

fn numbers_of(slot: &Slot, text: &str) -> Result<Dtype, Problem> {
    datatype::parse(text).ok_or_else(|| {
        wrong(
            &slot.name,
            &format!(
                "should be {}, but it is {}",
                slot.kind.datatype(),
                shortened(text)
            ),
        )
    })
}

/// A plain value, or lists of them in the tensor's shape.
fn plain(slot: &Slot, given: Given, item: Item, lists: Option<usize>) -> Result<Json, Problem> {
    let shape = given.shape.clone();
    let items = match item {
        Item::Text => texts(slot, given)?,
        _ => plain_numbers(slot, given, item)?,
    };
    shaped(slot, items, &shape, lists)
}

fn plain_numbers(slot: &Slot, given: Given, item: Item) -> Result<Vec<Json>, Problem> {
    if let Data::Raw(_) = given.data {
        return Err(wrong(&slot.name, "needs the JSON that tells its type"));
    }
    let dtype = numbers_of(slot, &given.datatype)?;
    let fits = match item {
        Item::Boolean => dtype == Dtype::Bool,
        Item::Integer => dtype != Dtype::Bool && !dtype.is_float(),
        _ => dtype != Dtype::Bool,
    };
    if !fits {
        return Err(wrong(
            &slot.name,
            &format!(
                "should be {}, but it is {}",
                slot.kind.datatype(),
                datatype::name(dtype)
            ),
        ));
    }
    let shape = given.shape;
    let bytes = numbers(slot, &Described { dtype, shape }, given.data)?;
    let mut listed = Vec::new();
    tensor::write_json(dtype, &bytes, &mut listed).map_err(|_| {
        wrong(
            &slot.name,
            "holds a number that is not finite; only arrays (`on.Tensor`) take these",
        )
    })?;
    Ok(serde_json::from_slice(&listed).unwrap_or_default())
}

fn texts(slot: &Slot, given: Given) -> Result<Vec<Json>, Problem> {
    elements(slot, given)?
        .into_iter()
        .map(|element| match std::str::from_utf8(&element) {
            Ok(text) => Ok(Json::from(text)),
            Err(_) => Err(wrong(&slot.name, "holds text that is not UTF-8")),
        })
        .collect()
}

/// The elements of a BYTES tensor, as many as its shape says.
fn elements(slot: &Slot, given: Given) -> Result<Vec<Bytes>, Problem> {
    let elements = match given.data {
        // Without JSON there are no lengths either: the body is the one element.
        Data::Raw(bytes) => return Ok(vec![bytes]),
        _ if given.datatype != datatype::BYTES => {
            return Err(wrong(
                &slot.name,
                &format!("should be BYTES, but it is {}", shortened(&given.datatype)),
            ));
        }
        Data::Binary(bytes) => datatype::elements(bytes).ok_or_else(|| {
            wrong(
                &slot.name,
                "is BYTES, and the lengths before its elements do not add up",
            )
        })?,
        Data::Json(data) => {
            let mut found = Vec::new();
            flatten(slot, data, &mut found)?;
            found
        }
    };
    if tensor::count(&given.shape) != Some(elements.len()) {
        return Err(wrong(
            &slot.name,
            &format!(
                "has {} elements for the shape {:?}",
                elements.len(),
                given.shape
            ),
        ));
    }
    Ok(elements)
}

/// Nesting is bounded by the parser.
fn flatten(slot: &Slot, data: Json, found: &mut Vec<Bytes>) -> Result<(), Problem> {
    match data {
        Json::Array(items) => items
            .into_iter()
            .try_for_each(|item| flatten(slot, item, found)),
        Json::String(text) => {
            found.push(Bytes::from(text));
            Ok(())
        }
        _ => Err(wrong(&slot.name, "is BYTES, whose JSON is texts")),
    }
}

/// Items in as many lists as the input has; a plain value is a tensor of one.
fn shaped(
    slot: &Slot,
    mut items: Vec<Json>,
    shape: &[u64],
    lists: Option<usize>,
) -> Result<Json, Problem> {
    let refused = || {
        Err(wrong(
            &slot.name,
            &format!(
                "should have the shape {:?}, but it has {shape:?}",
                slot.kind.shape()
            ),
        ))
    };
    match lists {
        Some(0) if items.len() == 1 => Ok(items.remove(0)),
        Some(0) => refused(),
        Some(lists) if lists != shape.len() && !shape.is_empty() => refused(),
        _ => {
            for size in shape.iter().skip(1).rev() {
                let size = usize::try_from(*size).unwrap_or(usize::MAX);
                if size == 0 {
                    return refused();
                }
                items = items
                    .chunks(size)
                    .map(|row| Json::from(row.to_vec()))
                    .collect();
            }
            Ok(Json::from(items))
        }
    }
}

fn add_files(
    built: &mut Built,
    slot: &Slot,
    given: Given,
    lists: Option<usize>,
) -> Result<(), Problem> {
    let shape = given.shape.clone();
    let elements = elements(slot, given)?;
    let kept: Vec<Json> = elements
        .iter()
        .map(|element| format!("[{} bytes, not kept]", element.len()).into())
        .collect();
    let attached: Vec<Json> = elements
        .into_iter()
        .map(|element| json!({"$attachment": built.attach(element)}))
        .collect();
    let worker = shaped(slot, attached, &shape, lists)?;
    let kept = shaped(slot, kept, &shape, lists)?;
    let stand_in = StandIn {
        schema: kept.clone(),
        record: kept,
    };
    built.bytes(&slot.name, worker, stand_in);
    Ok(())
}

fn json_of(slot: &Slot, given: Given) -> Result<Json, Problem> {
    let elements = elements(slot, given)?;
    let [element] = &elements[..] else {
        return Err(wrong(&slot.name, "should be one element with JSON in it"));
    };
    if depth::exceeds(element, JSON_DEPTH_MAX) {
        return Err(wrong(&slot.name, "holds JSON that is nested too deep"));
    }
    serde_json::from_slice(element)
        .map_err(|error| wrong(&slot.name, &format!("holds what is not JSON: {error}")))
}

#[cfg(test)]
mod tests;
