//! The result table of a batch job: written while rows are computed where its columns are known before, and the same either way.

use super::{
    crew::{Act, ScriptCrew},
    world::{World, run},
};
use async_trait::async_trait;
use bytes::Bytes;
use onstage_backends::{blobs, store};
use onstage_core::{
    Error, Result,
    outcome::{Failure, Reason},
    ports::{BlobReader, BlobWriter, Blobs, PutLink},
    value::BlobRef,
};
use onstage_engine::Parts;
use serde_json::{Value, json};
use std::{
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// More than the rows of two chunks.
const ROWS: u64 = 25_000;

async fn world(output: Value) -> World {
    let input = json!({"type": "object", "properties": {"x": {"x-order": 0}}, "required": ["x"]});
    let schemas = json!({"schemas": {"Input": input, "Output": output}});
    let extra = json!({"schema": {"many": {"max": 100}, "components": schemas}});
    World::new(store::memory(), blobs::memory(), extra).await
}

fn table(rows: u64) -> String {
    (0..rows).map(|x| format!("{{\"x\":{x}}}\n")).collect()
}

fn answer(input: &Value) -> Act {
    match input["x"].as_u64() {
        Some(17) => Act::Fail(Failure::new(Reason::UserError, "no 17")),
        x => Act::Answer(json!(x.map(|x| x * 2)).to_string()),
    }
}

#[tokio::test]
async fn a_result_is_the_same_whether_or_not_its_columns_are_known_before() {
    let mut results = Vec::new();
    for output in [json!({"type": "integer"}), json!({})] {
        let world = world(output).await;
        let id = world.batch(&table(ROWS), |_| {}).await;
        world.run(&ScriptCrew::new(answer)).await;
        results.push(world.result(&id).await.0);
    }
    assert_eq!(results[0].len() as u64, ROWS);
    assert_eq!(results[0][17], json!({"x": 17, "error": "no 17"}));
    assert_eq!(results[0][18], json!({"x": 18, "answer": 36}));
    assert!(results[0] == results[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_result_is_written_while_rows_are_computed() {
    let world = world(json!({"type": "integer"})).await;
    let id = world.batch(&table(ROWS), |_| {}).await;
    let (folder, seen) = (world.folder.path().to_owned(), Arc::new(AtomicU64::new(0)));
    let written = seen.clone();
    let crew = ScriptCrew::new(move |input| {
        if input["x"] == json!(ROWS - 1) {
            for _look in 0..1_000 {
                written.store(result_bytes(&folder), Ordering::SeqCst);
                if written.load(Ordering::SeqCst) > 0 {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        answer(input)
    });
    world.run(&crew).await;
    assert!(seen.load(Ordering::SeqCst) > 0, "nothing was written");
    assert_eq!(world.result(&id).await.0.len() as u64, ROWS);
}

/// Of the result that some run in this folder is writing.
fn result_bytes(folder: &Path) -> u64 {
    let runs = std::fs::read_dir(folder).unwrap().flatten();
    let sizes = runs.filter_map(|run| std::fs::metadata(run.path().join("result")).ok());
    sizes.map(|result| result.len()).sum()
}

/// Blobs of which the second and the third piece of any chunk that is asked for cannot be read.
struct Hiccup {
    blobs: Arc<dyn Blobs>,
    pieces: Arc<AtomicU32>,
}

struct HiccupReader(Box<dyn BlobReader>, Arc<AtomicU32>);

#[async_trait]
impl BlobReader for HiccupReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if matches!(self.1.fetch_add(1, Ordering::SeqCst), 1 | 2) {
            return Err(Error::unavailable("the disk hiccups"));
        }
        self.0.next().await
    }
}

#[async_trait]
impl Blobs for Hiccup {
    async fn writer(&self, key: &str) -> Result<Box<dyn BlobWriter>> {
        self.blobs.writer(key).await
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.blobs.read(key, range).await
    }

    fn reader(&self, key: &str, range: Range<u64>, bytes: u64) -> Result<Box<dyn BlobReader>> {
        let reader = self.blobs.reader(key, range, bytes)?;
        Ok(match key.contains("/chunk-") {
            true => Box::new(HiccupReader(reader, Arc::clone(&self.pieces))),
            false => reader,
        })
    }

    async fn size(&self, key: &str) -> Result<u64> {
        self.blobs.size(key).await
    }

    async fn fetch(&self, blob: &BlobRef, to: &Path) -> Result<()> {
        self.blobs.fetch(blob, to).await
    }

    fn gives_links(&self) -> bool {
        self.blobs.gives_links()
    }

    async fn put_link(&self, blob: &BlobRef, lasts: Duration) -> Result<PutLink> {
        self.blobs.put_link(blob, lasts).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.blobs.delete(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.blobs.list(prefix).await
    }
}

#[tokio::test]
async fn a_result_whose_beginning_could_not_be_written_is_written_anew() {
    for output in [json!({"type": "integer"}), json!({})] {
        let world = world(output).await;
        let id = world.batch(&table(ROWS), |_| {}).await;
        let hiccup = Arc::new(Hiccup {
            blobs: world.parts.blobs.clone(),
            pieces: Arc::default(),
        });
        let parts = Parts {
            blobs: hiccup.clone(),
            ..world.parts.clone()
        };
        let stop = CancellationToken::new();
        run(parts, world.settings(), &ScriptCrew::new(answer), &stop)
            .await
            .unwrap();
        assert!(hiccup.pieces.load(Ordering::SeqCst) > 3);
        let (rows, _) = world.result(&id).await;
        assert_eq!(rows.len() as u64, ROWS);
        let right = |(x, row): (usize, &Value)| x == 17 || row["answer"] == json!(x * 2);
        assert!(rows.iter().enumerate().all(right));
    }
}
