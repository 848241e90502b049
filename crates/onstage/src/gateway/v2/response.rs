//! An answer's tensors as they leave: JSON, and behind it the binary ones, each piece where it lies.
//! Does not know models.

use super::{
    HEADER_LENGTH, classes, datatype,
    output::{Data, Tensor},
    packing::{self, Packing},
    request::{Request, wrong},
};
use crate::gateway::{
    call,
    problem::{Answer, Problem},
};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::body::{Frame, SizeHint};
use onstage_core::tensor::{self, Dtype};
use serde_json::{Value as Json, json};
use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// Who answers.
pub(super) struct By<'a> {
    pub model: &'a str,
    pub version: u32,
}

/// The answer to `request`. Errors: 400 for an output that there is not, or that cannot be sent as it was asked for.
pub(super) async fn answer(
    by: &By<'_>,
    request: &Request,
    tensors: Vec<Tensor>,
    packing: Option<Packing>,
) -> Answer {
    let mut head = Head::new(by, request.id.as_deref());
    let mut pieces = Vec::new();
    for (tensor, binary) in selected(request, tensors)? {
        if binary {
            let data = pieces_of(tensor.data.clone());
            head.binary(&tensor, data.iter().map(Bytes::len).sum());
            pieces.extend(data);
        } else {
            head.listed(&tensor)?;
        }
    }
    let is_binary = head.has_binary;
    let json = head.finish();
    let media_type = if is_binary {
        "application/octet-stream"
    } else {
        "application/json"
    };
    let length = HeaderValue::from(json.len());
    pieces.insert(0, json);
    let mut response = call::bytes(StatusCode::OK, media_type, Bytes::new());
    if is_binary {
        let name = HeaderName::from_static(HEADER_LENGTH);
        response.headers_mut().insert(name, length);
    }
    if let Some(packing) = packing {
        return packing::pack(response, pieces, packing).await;
    }
    *response.body_mut() = Body::new(Pieces::new(pieces));
    Ok(response)
}

/// What is asked for, in the order of the request, and whether it goes as binary data.
fn selected(request: &Request, tensors: Vec<Tensor>) -> Result<Vec<(Tensor, bool)>, Problem> {
    let Some(wanted) = &request.outputs else {
        return Ok(tensors
            .into_iter()
            .map(|tensor| (tensor, request.binary_outputs))
            .collect());
    };
    wanted
        .iter()
        .map(|one| {
            let tensor = tensors.iter().find(|tensor| tensor.name == one.name);
            let tensor = tensor.ok_or_else(|| no_such(&one.name, &tensors))?;
            let binary = one.binary.unwrap_or(request.binary_outputs);
            let Some(count) = one.classes else {
                return Ok((tensor.clone(), binary));
            };
            let best = classes::best(tensor, count);
            let best = best.ok_or_else(|| {
                wrong(
                    &one.name,
                    "has no numbers that have an order, so it cannot be classified",
                )
            })?;
            Ok((best, binary))
        })
        .collect()
}

fn no_such(name: &str, tensors: &[Tensor]) -> Problem {
    let names: Vec<String> = tensors
        .iter()
        .map(|tensor| format!("`{}`", tensor.name))
        .collect();
    Problem::invalid(
        "unknown_tensor",
        format!(
            "The model has no output `{}`; its outputs are {}.",
            call::shortened(name),
            names.join(", ")
        ),
    )
}

fn pieces_of(data: Data) -> Vec<Bytes> {
    match data {
        Data::Numbers(_, bytes) => vec![bytes],
        Data::Elements(elements) => datatype::joined(&elements),
    }
}

/// The JSON of an answer, as it grows.
struct Head {
    json: Vec<u8>,
    outputs: usize,
    has_binary: bool,
}

impl Head {
    fn new(by: &By<'_>, id: Option<&str>) -> Self {
        let mut head = json!({
            "model_name": by.model,
            "model_version": by.version.to_string(),
        });
        if let Some(id) = id {
            head["id"] = Json::from(id);
        }
        let mut json = head.to_string().into_bytes();
        json.pop();
        json.extend_from_slice(b",\"outputs\":[");
        Self {
            json,
            outputs: 0,
            has_binary: false,
        }
    }

    fn begin(&mut self, tensor: &Tensor) {
        if self.outputs > 0 {
            self.json.push(b',');
        }
        self.outputs += 1;
        let described = json!({
            "name": tensor.name,
            "datatype": tensor.datatype(),
            "shape": tensor.shape,
        });
        self.json
            .extend_from_slice(described.to_string().as_bytes());
        self.json.pop();
    }

    fn binary(&mut self, tensor: &Tensor, size: usize) {
        self.has_binary = true;
        self.begin(tensor);
        let parameters = format!(",\"parameters\":{{\"binary_data_size\":{size}}}}}");
        self.json.extend_from_slice(parameters.as_bytes());
    }

    fn listed(&mut self, tensor: &Tensor) -> Result<(), Problem> {
        self.begin(tensor);
        self.json.extend_from_slice(b",\"data\":");
        let advice = "ask for it with `binary_data`";
        match &tensor.data {
            Data::Numbers(Dtype::Bfloat16, _) => {
                return Err(
                    wrong(&tensor.name, "is BF16, which is sent as binary data only").hint(advice),
                );
            }
            Data::Numbers(dtype, bytes) => {
                tensor::write_json(*dtype, bytes, &mut self.json).map_err(|_| {
                    wrong(
                        &tensor.name,
                        "holds a number that is not finite, for which JSON has no word",
                    )
                    .hint(advice)
                })?;
            }
            Data::Elements(elements) => {
                let texts: Result<Vec<&str>, _> = elements
                    .iter()
                    .map(|element| std::str::from_utf8(element))
                    .collect();
                let texts = texts.map_err(|_| {
                    wrong(&tensor.name, "holds bytes that are not text").hint(advice)
                })?;
                let texts = json!(texts).to_string();
                self.json.extend_from_slice(texts.as_bytes());
            }
        }
        self.json.push(b'}');
        Ok(())
    }

    fn finish(mut self) -> Bytes {
        self.json.extend_from_slice(b"]}");
        Bytes::from(self.json)
    }
}

/// A body of pieces whose length is known, so that they are neither joined nor chunked.
struct Pieces {
    pieces: VecDeque<Bytes>,
    left: u64,
}

impl Pieces {
    fn new(pieces: Vec<Bytes>) -> Self {
        Self {
            left: pieces.iter().map(|piece| piece.len() as u64).sum(),
            pieces: pieces.into(),
        }
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.pieces.pop_front();
        if let Some(piece) = &next {
            self.left -= piece.len() as u64;
        }
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
