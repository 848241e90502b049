//! F40: bytes lie in a bucket, and a fifth of its answers is an error, breaks off, comes short or was asked with a changed byte.
//! What the server gives is the right bytes or an error, and it does not besiege a storage that is ill.

use crate::{experiment::Experiment, world::World};
use onstage_s3_emulator::{Fault, S3Emulator};
use reqwest::Method;
use serde_json::Value;

/// So that small blobs, large ones and those of several parts come by.
const SIZES: [usize; 4] = [2_000, 70_000, 900_000, 9 << 20];

#[tokio::test]
async fn f40_a_bucket_that_is_ill() {
    let title = "a fifth of the bucket's answers fails, breaks off, comes short or was asked with a changed byte";
    let mut it = Experiment::new("F40", title, 1_000, 60);
    let emulator = S3Emulator::start();
    let world = world_on(&emulator).await;
    let rounds = it.rounds();
    let before = emulator.requests();
    for round in 0..rounds {
        let (put, got) = there_and_back(&world, &mut it, "well", round).await;
        it.check(put && got, || {
            format!("round {round} failed in a bucket that is well")
        });
    }
    let expected = emulator.requests() - before;

    emulator.fall_ill();
    let before = emulator.requests();
    for round in 0..rounds {
        let (put, got) = there_and_back(&world, &mut it, "ill", round).await;
        it.counted("puts_refused", usize::from(!put));
        it.counted("reads_refused", usize::from(put && !got));
    }
    let needed = emulator.requests() - before;
    emulator.get_well();

    let faults = emulator.faults();
    let all: u64 = faults.values().sum();
    it.measured("faults", all);
    it.check(all > 0, || "the bucket was never ill".to_owned());
    it.at_most(
        "requests_over_expected",
        needed as f64 / expected as f64,
        1.3,
    );
    // An upload that was begun by an answer that nobody got is known to the bucket alone, whose rule removes it.
    let lost = faults.get(&Fault::Reset).copied().unwrap_or_default();
    let left = emulator.leftovers().len() as u64;
    it.measured("uploads_left_to_the_buckets_rule", left);
    it.check(left <= lost, || {
        format!("{left} uploads are left of {lost} lost answers")
    });
    world.close().await;
    it.end();
}

/// A world whose bytes lie in the emulator's bucket.
async fn world_on(emulator: &S3Emulator) -> World {
    let found = emulator.variables();
    let found = found.iter().map(|(name, value)| (*name, value.as_str()));
    let blobs = ("ONSTAGE_BLOBS", S3Emulator::PLACE);
    World::with(&found.chain([blobs]).collect::<Vec<_>>()).await
}

/// Adds a version to a dataset and reads it: whether each was answered. Other bytes than were sent are a failure.
async fn there_and_back(
    world: &World,
    it: &mut Experiment,
    name: &str,
    round: usize,
) -> (bool, bool) {
    let size = SIZES[round % SIZES.len()] + round;
    // Equal bytes would be kept once, with fewer requests.
    let kind = name.len();
    let bytes: Vec<u8> = (0..size)
        .map(|at| ((at * 31) >> kind) as u8 ^ round as u8)
        .collect();
    let path = format!("/v1/datasets/{name}?filename=x.bin");
    let put = world.request(Method::PUT, &path).body(bytes.clone());
    let Ok(put) = put.send().await else {
        it.counted("puts_broken_off", 1);
        return (false, false);
    };
    let status = put.status();
    let told = put.json::<Value>().await.unwrap();
    it.check(status.is_success() || told["retryable"] == true, || {
        format!("a put was answered {status} with {told}")
    });
    if !status.is_success() {
        return (false, false);
    }
    let content = told["urls"]["content"].as_str().unwrap();
    let got = world.request(Method::GET, content).send().await.unwrap();
    let status = got.status();
    if !status.is_success() {
        return (true, false);
    }
    match got.bytes().await {
        Ok(got) => {
            it.check(got == bytes, || format!("round {round} read other bytes"));
            (true, true)
        }
        // Cut in the middle: the length was announced, so that nobody takes it for the whole.
        Err(_) => (true, false),
    }
}
