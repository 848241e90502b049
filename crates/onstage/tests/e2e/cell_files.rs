//! Tables whose cells name files: a folder sent beside the table, uploaded files, data URLs.

use crate::world::World;
use serde_json::{Value, json};

/// Reads what it is given, one by one and many at once, as the author's code does.
const READS: &str = "import onstage as on\n\n@on.predict\ndef f(photo: on.File, again: int = 1) -> str:\n    return photo.bytes().decode() * again\n\n@f.many(max=3)\ndef _(rows):\n    return [row['photo'].path.read_text() * row['again'] + '|' + row['photo'].name for row in rows]\n";

#[tokio::test]
async fn a_folder_goes_with_the_table_that_names_its_files() {
    let world = World::start().await;
    world.push("reads", READS, &[]).await;
    let folder = world.folder.path().join("photos");
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    for (name, text) in [("a.txt", "anna"), ("deep/b.txt", "bert"), ("c.txt", "carl")] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let table = world.folder.path().join("people.csv");
    let rows = "who,photo\n1,a.txt\n2,photos/deep/b.txt\n3,./c.txt\n4,nobody.txt\n5,../../etc/passwd\n6,\"data:,dora\"\n";
    std::fs::write(&table, rows).unwrap();
    let out = world.folder.path().join("answers.csv");
    let (table, out) = (table.to_str().unwrap(), out.to_str().unwrap());
    let files = folder.to_str().unwrap();
    let verb = ["batch", "reads", table, "--files", files, "--out", out];
    world.run(&verb).await;
    let answers = std::fs::read_to_string(out).unwrap();
    let lines: Vec<&str> = answers.lines().collect();
    assert_eq!(
        lines,
        [
            "who,photo,answer,error",
            "1,a.txt,anna|a.txt,",
            "2,photos/deep/b.txt,bert|b.txt,",
            "3,./c.txt,carl|c.txt,",
            "4,nobody.txt,,`photo`: `nobody.txt` is not among the job's files: a cell is the path of its file in their archive",
            "5,../../etc/passwd,,`photo`: `../../etc/passwd` is not among the job's files: a cell is the path of its file in their archive",
            "6,\"data:,dora\",dora,",
        ]
    );
    world.close().await;
}

#[tokio::test]
async fn a_dataset_and_uploaded_files_are_found_and_failed_rows_are_tried_again_with_them() {
    let world = World::start().await;
    world.push("reads", READS, &[]).await;
    let folder = world.folder.path().join("shots");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.txt"), "anna").unwrap();
    let folder = folder.to_str().unwrap();
    world.ok(&["data", "put", "shots", folder]).await;
    let bert = world.upload("bert.txt", "bert").await;
    let table =
        format!("photo,again\na.txt,2\nonstage://files/{bert},1\nonstage://files/nothing,1\n");
    let wish = json!({"files": "onstage://datasets/shots"});
    let (status, batch) = world.batch("reads", "t.csv", table, wish).await;
    assert_eq!(status, 202, "{batch:#}");
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    let batch = world.finished(&path).await;
    let counts = |batch: &Value| {
        (
            batch["counts"]["done"].clone(),
            batch["counts"]["failed"].clone(),
        )
    };
    assert_eq!(counts(&batch), (json!(2), json!(1)), "{batch:#}");
    let (_, items) = world.get(&format!("{path}/items")).await;
    let outputs: Vec<&Value> = items["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["output"])
        .collect();
    assert_eq!(
        outputs[..2],
        [&json!("annaanna|a.txt"), &json!("bert|bert.txt")]
    );
    // The dataset stays as long as the job refers to it.
    let removed = world
        .request(reqwest::Method::DELETE, "/v1/datasets/shots/versions/1")
        .send()
        .await
        .unwrap();
    assert_eq!(removed.status(), 409);
    let (_, again) = world
        .post(&format!("{path}/retry"), &json!({"only": "failed"}))
        .await;
    let again = world
        .finished(&format!("/v1/batches/{}", again["id"].as_str().unwrap()))
        .await;
    assert_eq!(counts(&again), (json!(0), json!(1)), "{again:#}");
    world.close().await;
}
