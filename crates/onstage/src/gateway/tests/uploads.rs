//! Uploads in parts: in any order, again, cut, completed twice, forgotten.

use super::{ask::Ask, world::World};
use http::Method;
use onstage_core::{Id, Timestamp, upload::UPLOAD_KEPT_MS};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::pin::pin;

const PART: usize = 16 << 20;

/// Bytes that differ everywhere.
fn bytes(size: usize) -> Vec<u8> {
    let line = |n: usize| format!("{n},{}\n", n * 7 % 1_000);
    let mut text = String::from("n,x\n");
    for n in 0.. {
        if text.len() >= size {
            break;
        }
        text.push_str(&line(n));
    }
    text.truncate(size);
    text.into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    crate::gateway::hex(&Sha256::digest(bytes))
}

impl World {
    async fn begin(&self, wish: &Value) -> Value {
        self.post("/v1/uploads")
            .json(wish)
            .send()
            .await
            .is(201)
            .json()
    }

    fn part(&self, upload: &Value, number: usize, bytes: &[u8]) -> Ask<'_> {
        let parts = upload["urls"]["parts"].as_str().unwrap();
        let path = format!("{parts}/{number}?sha256={}", hex(bytes));
        let ask = self.ask(Method::PUT, &path).bearer(&self.owner);
        ask.body(bytes.to_vec())
    }

    async fn left(&self) -> usize {
        self.parts.blobs.list("uploads/").await.unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_become_a_version_in_any_order() {
    let world = World::new().await;
    let file = bytes(2 * PART + 1_000);
    let wish = json!({"name": "../fish.csv", "size": file.len(), "dataset": "fish"});
    let upload = world.begin(&wish).await;
    assert_eq!(
        (&upload["name"], &upload["part_size"]),
        (&json!("fish.csv"), &json!(PART))
    );
    assert_eq!(upload["part_count"], 3);
    let (get, complete) = (
        upload["urls"]["get"].as_str().unwrap(),
        upload["urls"]["complete"].as_str().unwrap(),
    );
    let pieces: Vec<&[u8]> = file.chunks(PART).collect();
    world.part(&upload, 3, pieces[2]).send().await.is(200);
    world.part(&upload, 1, pieces[1]).send().await.is(200);
    let early = world.post(complete).send().await.problem(409, "conflict");
    assert!(
        early["detail"].as_str().unwrap().contains("part 2"),
        "{early}"
    );
    world.part(&upload, 2, pieces[1]).send().await.is(200);
    let again = world
        .part(&upload, 1, pieces[0])
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(again["sha256"], hex(pieces[0]));
    let shown = world.get(get).send().await.is(200).json();
    let numbers: Vec<&Value> = shown["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["part"])
        .collect();
    assert_eq!(numbers, [&json!(1), &json!(2), &json!(3)]);
    assert_eq!(world.left().await, 3, "the part that was replaced is gone");

    let made = world.post(complete).send().await.is(201).json();
    assert_eq!(made["reference"], "fish@v1");
    assert_eq!(
        (&made["format"], &made["checksums"]["sha256"]),
        (&json!("csv"), &json!(hex(&file)))
    );
    assert_eq!(world.left().await, 0);
    let twice = world.post(complete).send().await.is(200).json();
    assert_eq!(twice, made);
    world
        .part(&upload, 1, pieces[0])
        .send()
        .await
        .problem(409, "conflict");
    assert_eq!(world.left().await, 0);
    let content = made["urls"]["content"].as_str().unwrap();
    assert!(world.get(content).send().await.is(200).body == file);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stakeholder_uploads_a_file_of_their_own() {
    let world = World::new().await;
    let ask = |method, path: &str| world.ask(method, path).bearer(&world.stakeholder);
    let wish = json!({"name": "a.bin", "size": 3});
    let upload = ask(Method::POST, "/v1/uploads")
        .json(&wish)
        .send()
        .await
        .is(201)
        .json();
    let (get, complete) = (
        upload["urls"]["get"].as_str().unwrap(),
        upload["urls"]["complete"].as_str().unwrap(),
    );
    let part = format!("{get}/parts/1");
    ask(Method::PUT, &part).body("abc").send().await.is(200);
    let made = ask(Method::POST, complete).send().await.is(201).json();
    assert_eq!((&made["name"], &made["size"]), (&json!("a.bin"), &json!(3)));
    let twice = ask(Method::POST, complete).send().await.is(200).json();
    assert_eq!(twice, made);
    let files = ask(Method::GET, "/v1/files").send().await.is(200).json();
    assert_eq!(files["results"], json!([made]));
    let dataset = json!({"name": "a.bin", "size": 3, "dataset": "fish"});
    let refused = ask(Method::POST, "/v1/uploads").json(&dataset).send().await;
    refused.problem(403, "owner_only");
    let owners = world.begin(&wish).await;
    let foreign = ask(Method::GET, owners["urls"]["get"].as_str().unwrap())
        .send()
        .await;
    foreign.problem(403, "not_yours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_parts_and_wishes_are_refused_and_leave_nothing() {
    let world = World::with(|settings| settings.upload_bytes_max = 1_000).await;
    let begin = |wish: Value| world.post("/v1/uploads").json(&wish).send();
    begin(json!({"name": "a", "size": 1_001}))
        .await
        .problem(413, "body_too_large");
    begin(json!({"name": "a", "size": 0}))
        .await
        .problem(422, "invalid_input");
    begin(json!({"name": "a", "size": -1}))
        .await
        .problem(422, "invalid_body");
    begin(json!({"name": "a", "size": 1, "dataset": "A"}))
        .await
        .problem(400, "invalid_request");
    begin(json!({"name": "a", "size": 1, "dataset": "a", "format": "x"}))
        .await
        .problem(422, "invalid_input");
    let upload = world.begin(&json!({"name": "a", "size": 3})).await;
    world
        .part(&upload, 1, b"ab")
        .send()
        .await
        .problem(422, "invalid_input");
    world
        .part(&upload, 1, b"abcd")
        .send()
        .await
        .problem(413, "body_too_large");
    for number in [0, 2] {
        world
            .part(&upload, number, b"abc")
            .send()
            .await
            .problem(404, "not_found");
    }
    let other = world.part(&upload, 1, b"xyz").body("abc").send().await;
    other.problem(422, "wrong_checksum");
    assert_eq!(world.left().await, 0);
    let get = upload["urls"]["get"].as_str().unwrap();
    world.part(&upload, 1, b"abc").send().await.is(200);
    world
        .ask(Method::DELETE, get)
        .bearer(&world.owner)
        .send()
        .await
        .is(204);
    assert_eq!(world.left().await, 0);
    world.get(get).send().await.problem(404, "not_found");
    let late = world.part(&upload, 1, b"abc").send().await;
    late.problem(404, "not_found");
    assert_eq!(world.left().await, 0);
}

#[tokio::test]
async fn what_was_put_together_and_never_fetched_goes_with_its_upload() {
    let world = World::new().await;
    let store = &world.parts.store;
    for (wish, folder) in [
        (json!({"name": "a", "size": 3}), "files/"),
        (
            json!({"name": "a", "size": 3, "dataset": "fish"}),
            "datasets/",
        ),
    ] {
        for by_its_owner in [true, false] {
            let upload = world.begin(&wish).await;
            let (get, complete) = (
                upload["urls"]["get"].as_str().unwrap(),
                upload["urls"]["complete"].as_str().unwrap(),
            );
            world.part(&upload, 1, b"abc").send().await.is(200);
            let id: Id = upload["id"].as_str().unwrap().parse().unwrap();
            let (_, parts) = store.upload(&id).await.unwrap().unwrap();
            let whole = async || world.parts.blobs.list(folder).await.unwrap();
            {
                // The client goes away as soon as the parts are being put together.
                let mut asked = pin!(world.post(complete).send());
                loop {
                    assert!(futures::poll!(&mut asked).is_pending());
                    if world.state.assemblies.done_bytes(&id).is_some() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            world
                .until("it is put together", async || {
                    (whole().await.len() == 1).then_some(())
                })
                .await;
            match by_its_owner {
                true => {
                    let delete = world.ask(Method::DELETE, get).bearer(&world.owner);
                    delete.send().await.is(204);
                }
                false => {
                    let long_ago = Timestamp(world.parts.clock.now().0 - UPLOAD_KEPT_MS - 1_000);
                    store
                        .put_part(&id, parts[0].clone(), long_ago)
                        .await
                        .unwrap();
                    let swept = onstage_engine::reaper::sweep_uploads(&world.parts).await;
                    assert_eq!(swept.unwrap(), 1);
                }
            }
            assert_eq!(whole().await, Vec::<String>::new(), "{wish}");
            assert_eq!(world.left().await, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_of_a_swept_upload_stays() {
    let world = World::new().await;
    let store = &world.parts.store;
    let wish = json!({"name": "a", "size": 3, "dataset": "fish"});
    let upload = world.begin(&wish).await;
    world.part(&upload, 1, b"abc").send().await.is(200);
    let id: Id = upload["id"].as_str().unwrap().parse().unwrap();
    let (unmade, _) = store.upload(&id).await.unwrap().unwrap();
    let complete = upload["urls"]["complete"].as_str().unwrap();
    let made = world.post(complete).send().await.is(201).json();
    // As if its front had died before it noted what became of it.
    onstage_engine::reaper::clear_whole(&world.parts, &unmade)
        .await
        .unwrap();
    let content = made["urls"]["content"].as_str().unwrap();
    assert_eq!(world.get(content).send().await.is(200).text(), "abc");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_stands_still_for_a_day_is_forgotten() {
    let world = World::new().await;
    let old = world.begin(&json!({"name": "a", "size": 3})).await;
    let new = world.begin(&json!({"name": "b", "size": 3})).await;
    for upload in [&old, &new] {
        world.part(upload, 1, b"abc").send().await.is(200);
    }
    let id = old["id"].as_str().unwrap().parse().unwrap();
    let (_, parts) = world.parts.store.upload(&id).await.unwrap().unwrap();
    let long_ago = Timestamp(world.parts.clock.now().0 - UPLOAD_KEPT_MS - 1_000);
    let store = &world.parts.store;
    store
        .put_part(&id, parts[0].clone(), long_ago)
        .await
        .unwrap();
    let swept = onstage_engine::reaper::sweep_uploads(&world.parts).await;
    assert_eq!(swept.unwrap(), 1);
    assert_eq!(world.left().await, 1);
    let get = |upload: &Value| world.get(upload["urls"]["get"].as_str().unwrap());
    get(&old).send().await.problem(404, "not_found");
    get(&new).send().await.is(200);
}
