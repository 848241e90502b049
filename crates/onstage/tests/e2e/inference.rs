//! The Open Inference Protocol as an unmodified client of Triton's speaks it.

use crate::world::{World, text};
use serde_json::json;
use std::{path::PathBuf, process::Command};

const NUMPY: &[(&str, &str)] = &[("requirements.txt", "numpy\n")];

const SCALE: &str = r#"
import onstage as on

@on.predict
def scale(x: on.Tensor["float32", (-1, 16)], factor: float = 2.0) -> on.Tensor["float32", (-1, 16)]:
    if factor > 1e6:
        raise on.UserError("the factor is too large", field="factor")
    1 / factor
    return x * x.dtype.type(factor)
"#;

const ECHO: &str = r#"
import ml_dtypes
import onstage as on

@on.predict
def echo(x: on.Tensor) -> on.Tensor:
    return x
"#;

const KINDS: &str = r#"
from typing import List, TypedDict

import onstage as on

class Out(TypedDict):
    text: str
    number: int
    halves: List[float]
    back: on.File

@on.predict
def kinds(name: str, number: int, weights: List[float], sure: bool, photo: on.File) -> Out:
    assert sure
    return {
        "text": f"hello {name}".upper(),
        "number": number + 1,
        "halves": [w / 2 for w in weights],
        "back": on.File(photo.bytes()[::-1]),
    }
"#;

const PETS: &str = r#"
import onstage as on

@on.predict
def pets(name: str) -> on.Scores:
    return {"cat": 0.2, "dog": 0.75, "fish": 0.05}
"#;

/// The Python that `scripts/setup.sh test` made, with the client in it.
fn tools() -> PathBuf {
    let home = std::env::var("HOME").unwrap_or_else(|_| "/tmp".to_owned());
    let cache = std::env::var("ONSTAGE_CACHE").map_or_else(
        |_| PathBuf::from(home).join(".cache/onstage"),
        PathBuf::from,
    );
    cache.join("tools/bin/python")
}

#[tokio::test]
async fn an_unmodified_triton_client_finds_everything_it_asks_for() {
    let world = World::start().await;
    world.push("scale", SCALE, NUMPY).await;
    world
        .push("echo", ECHO, &[("requirements.txt", "ml_dtypes\nnumpy\n")])
        .await;
    world.push("kinds", KINDS, &[]).await;
    world.push("pets", PETS, &[]).await;
    let script =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../python/tests/inference_client.py");
    let mut command = Command::new(tools());
    command.arg(script).arg(&world.url).arg(&world.token);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}\nserver:\n{}",
        text(&output.stdout),
        text(&output.stderr),
        world.printed()
    );
    same_tensor_over_the_ordinary_api(&world).await;
    world.close().await;
}

/// What `/v1` shows of a tensor, and what is kept of one that came through `/v2`.
async fn same_tensor_over_the_ordinary_api(world: &World) {
    let (status, answer) = world
        .predict("scale", json!({"x": [vec![0.5; 16]], "factor": 3}))
        .await;
    assert_eq!(status, 201, "{answer:#}");
    let expected = json!({"dtype": "float32", "shape": [1, 16], "data": vec![1.5; 16]});
    assert_eq!(answer["output"], expected, "{answer:#}");
    let (status, problem) = world.predict("scale", json!({"x": "text"})).await;
    assert_eq!(status, 422, "{problem:#}");
    let (_, answer) = world.predict("scale", json!({"x": [[1, 2]]})).await;
    assert!(
        answer["error"].as_str().is_some_and(
            |error| error.contains("expected a tensor float32 [-1, 16], got float32 [1, 2]")
        ),
        "{answer:#}"
    );
    // The largest that the client sent: of its megabyte, only type and shape are kept.
    let listed = world
        .until("/v1/predictions?model=lab/scale&limit=100", |listed| {
            large(listed).is_some()
        })
        .await;
    let large = large(&listed).unwrap();
    let described = json!({"dtype": "float32", "shape": [16384, 16], "data": null});
    assert_eq!(
        (&large["input"]["x"], &large["output"]),
        (&described, &described)
    );
}

fn large(listed: &serde_json::Value) -> Option<&serde_json::Value> {
    listed["results"]
        .as_array()?
        .iter()
        .find(|one| one["input"]["x"]["shape"] == json!([16384, 16]))
}
