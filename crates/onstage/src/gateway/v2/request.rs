//! A request's tensors: the JSON, and the binary tensors behind it as slices of the body.
//! Does not know the model.

use super::{HEADER_LENGTH, packing};
use crate::gateway::{
    body::{self, depth},
    call::{Call, shortened},
    problem::Problem,
};
use bytes::Bytes;
use http::HeaderName;
use onstage_core::limits::{JSON_BODY_BYTES_MAX, JSON_DEPTH_MAX};
use serde::Deserialize;
use serde_json::Value as Json;

/// A request all told; its JSON has the limit of every JSON body.
const BODY_BYTES_MAX: usize = 128 << 20;
const TENSORS_MAX: usize = 1024;

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// Given back in the answer.
    pub id: Option<String>,
    pub inputs: Vec<Given>,
    /// None: all of them.
    pub outputs: Option<Vec<Wanted>>,
    /// For outputs that do not say it themselves.
    pub binary_outputs: bool,
    /// In microseconds, as Triton's clients send it.
    pub timeout_us: Option<u64>,
}

/// One input tensor.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<u64>,
    pub data: Data,
}

#[derive(Debug, Clone)]
pub(super) enum Data {
    Json(Json),
    Binary(Bytes),
    /// The whole body is the one input, of whatever type that has.
    Raw(Bytes),
}

/// One output that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub name: String,
    pub binary: Option<bool>,
    /// How many classes, best first.
    pub classes: Option<usize>,
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Parameters,
    inputs: Vec<Input>,
    #[serde(default)]
    outputs: Option<Vec<Output>>,
}

#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    binary_data_output: bool,
    #[serde(default)]
    timeout: Option<u64>,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    datatype: String,
    shape: Vec<u64>,
    #[serde(default)]
    parameters: InputParameters,
    #[serde(default)]
    data: Option<Json>,
}

#[derive(Default, Deserialize)]
struct InputParameters {
    #[serde(default)]
    binary_data_size: Option<usize>,
    #[serde(default)]
    shared_memory_region: Option<Json>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    #[serde(default)]
    parameters: OutputParameters,
}

#[derive(Default, Deserialize)]
struct OutputParameters {
    #[serde(default)]
    binary_data: Option<bool>,
    #[serde(default)]
    classification: Option<usize>,
    #[serde(default)]
    shared_memory_region: Option<Json>,
}

pub(super) async fn read(call: &mut Call) -> Result<Request, Problem> {
    let header_length = header_length(call)?;
    let body = packing::read(call, BODY_BYTES_MAX).await?;
    match header_length {
        Some(0) => Ok(raw(body)),
        Some(length) if length > body.len() => Err(Problem::invalid(
            "invalid_header_length",
            format!(
                "`Inference-Header-Content-Length` is {length}, but the body has {} bytes.",
                body.len()
            ),
        )),
        length => {
            let json = body.slice(..length.unwrap_or(body.len()));
            parse(&json, body.slice(json.len()..))
        }
    }
}

fn header_length(call: &Call) -> Result<Option<usize>, Problem> {
    let Some(value) = call.headers.get(HeaderName::from_static(HEADER_LENGTH)) else {
        return Ok(None);
    };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| {
        Problem::invalid(
            "invalid_header_length",
            "`Inference-Header-Content-Length` is not a number of bytes.",
        )
    })
}

fn raw(body: Bytes) -> Request {
    Request {
        inputs: vec![Given {
            name: String::new(),
            datatype: String::new(),
            shape: Vec::new(),
            data: Data::Raw(body),
        }],
        ..Request::default()
    }
}

fn parse(json: &Bytes, binary: Bytes) -> Result<Request, Problem> {
    if json.len() > JSON_BODY_BYTES_MAX {
        return Err(body::too_large(JSON_BODY_BYTES_MAX as u64)
            .hint("send large tensors as binary data behind the JSON"));
    }
    if depth::exceeds(json, JSON_DEPTH_MAX) {
        return Err(Problem::invalid(
            "json_too_deep",
            format!("The JSON is nested deeper than {JSON_DEPTH_MAX} levels."),
        ));
    }
    let head: Head = serde_json::from_slice(json).map_err(|error| unreadable(&error))?;
    let outputs = head.outputs.filter(|outputs| !outputs.is_empty());
    if head.inputs.len().max(outputs.as_ref().map_or(0, Vec::len)) > TENSORS_MAX {
        return Err(Problem::invalid(
            "too_many_tensors",
            format!("A request may have {TENSORS_MAX} tensors at most."),
        ));
    }
    Ok(Request {
        id: head.id,
        inputs: with_data(head.inputs, binary)?,
        outputs: outputs
            .map(|outputs| outputs.into_iter().map(wanted).collect::<Result<_, _>>())
            .transpose()?,
        binary_outputs: head.parameters.binary_data_output,
        timeout_us: head.parameters.timeout.filter(|timeout| *timeout > 0),
    })
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let problem = body::unreadable(error);
    if error.is_syntax() {
        return problem
            .hint("JSON has no NaN or Infinity; a tensor that holds them is sent as binary data");
    }
    problem
}

fn with_data(inputs: Vec<Input>, mut binary: Bytes) -> Result<Vec<Given>, Problem> {
    let mut given = Vec::with_capacity(inputs.len());
    for input in inputs {
        if input.parameters.shared_memory_region.is_some() {
            return Err(no_shared_memory(&input.name));
        }
        let data = match (input.data, input.parameters.binary_data_size) {
            (Some(data), None) => Data::Json(data),
            (None, Some(size)) if size <= binary.len() => Data::Binary(binary.split_to(size)),
            (None, Some(size)) => {
                return Err(wrong(
                    &input.name,
                    &format!(
                        "says that it has {size} bytes of binary data, but {} are left",
                        binary.len()
                    ),
                ));
            }
            (None, None) => return Err(wrong(&input.name, "has no data")),
            (Some(_), Some(_)) => {
                return Err(wrong(&input.name, "has both `data` and binary data"));
            }
        };
        given.push(Given {
            name: input.name,
            datatype: input.datatype,
            shape: input.shape,
            data,
        });
    }
    if binary.is_empty() {
        Ok(given)
    } else {
        Err(Problem::invalid(
            "invalid_binary_data",
            format!(
                "The body has {} bytes of binary data that no input takes.",
                binary.len()
            ),
        ))
    }
}

fn wanted(output: Output) -> Result<Wanted, Problem> {
    if output.parameters.shared_memory_region.is_some() {
        return Err(no_shared_memory(&output.name));
    }
    Ok(Wanted {
        name: output.name,
        binary: output.parameters.binary_data,
        classes: output
            .parameters
            .classification
            .filter(|classes| *classes > 0),
    })
}

/// What is wrong with one tensor.
pub(super) fn wrong(name: &str, why: &str) -> Problem {
    Problem::invalid(
        "invalid_tensor",
        format!("The tensor `{}` {why}.", shortened(name)),
    )
}

fn no_shared_memory(name: &str) -> Problem {
    wrong(name, "lies in shared memory, which is not taken")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str, binary: &'static [u8]) -> String {
        parse(&Bytes::from(json.to_owned()), Bytes::from_static(binary))
            .unwrap_err()
            .detail
    }

    #[test]
    fn binary_tensors_are_slices_of_the_body() {
        let json = r#"{"id": "7", "inputs": [
            {"name": "a", "datatype": "INT8", "shape": [2], "parameters": {"binary_data_size": 2}},
            {"name": "b", "datatype": "INT8", "shape": [1], "data": [3]},
            {"name": "c", "datatype": "INT8", "shape": [1], "parameters": {"binary_data_size": 1}}
        ], "outputs": [{"name": "y", "parameters": {"classification": 3, "binary_data": false}}],
        "parameters": {"binary_data_output": true, "timeout": 5, "other": "x"}}"#;
        let binary = Bytes::from_static(b"xyz");
        let request = parse(&Bytes::from(json), binary.clone()).unwrap();
        let Data::Binary(first) = &request.inputs[0].data else {
            panic!()
        };
        assert_eq!(first.as_ptr(), binary.as_ptr());
        assert!(matches!(&request.inputs[2].data, Data::Binary(bytes) if bytes == "z"));
        let wanted = &request.outputs.unwrap()[0];
        assert_eq!((wanted.classes, wanted.binary), (Some(3), Some(false)));
        assert_eq!(
            (request.id.as_deref(), request.timeout_us),
            (Some("7"), Some(5))
        );
    }

    #[test]
    fn what_does_not_add_up_is_named() {
        let one = |rest: &str| {
            format!(r#"{{"inputs": [{{"name": "a", "datatype": "INT8", "shape": [2]{rest}}}]}}"#)
        };
        let sized = one(r#", "parameters": {"binary_data_size": 2}"#);
        assert!(refused(&sized, b"x").contains("`a` says that it has 2 bytes"));
        assert!(refused(&sized, b"xyz").contains("1 bytes of binary data that no input takes"));
        assert!(refused(&one(""), b"").contains("`a` has no data"));
        assert!(
            refused(
                &one(r#", "data": [1], "parameters": {"binary_data_size": 0}"#),
                b""
            )
            .contains("both")
        );
        assert!(
            refused(
                &one(r#", "parameters": {"shared_memory_region": "r"}"#),
                b""
            )
            .contains("shared memory")
        );
        assert!(refused("{}", b"").contains("inputs"));
        let problem = parse(
            &Bytes::from_static(br#"{"inputs": [{"data": [NaN]}]}"#),
            Bytes::new(),
        )
        .unwrap_err();
        assert!(problem.hint.unwrap().contains("binary data"));
    }
}
