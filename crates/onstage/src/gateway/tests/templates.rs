//! Versions made of a template: what is listed, what is refused and how, what a good config becomes.

use super::world::World;
use serde_json::{Value, json};

const VERSIONS: &str = "/v1/models/lab/cancer/versions";

fn config() -> Value {
    json!({"target": "diagnosis", "layers": [{"type": "Linear", "out": 8}, "ReLU", {"type": "Dropout", "p": 0.2}]})
}

/// A world whose interpreter for templates starts at once and has no PyTorch: nothing is trained here.
async fn world() -> World {
    World::with(|settings| settings.template_python = Some("/usr/bin/python3".into())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_are_listed_with_the_schema_of_their_config() {
    let world = world().await;
    let ask = world.ask(http::Method::GET, "/v1/templates");
    let listed = ask.bearer(&world.stakeholder).send().await.is(200).json();
    let template = &listed["results"][0];
    assert_eq!(template["name"], "tabular-torch", "{listed}");
    assert_eq!(
        template["config_schema"]["required"],
        json!(["target", "layers"])
    );
    assert!(
        jsonschema::validator_for(&template["config_schema"])
            .unwrap()
            .is_valid(&config())
    );
}

/// What is changed in a good config, where the error is, what is expected there, and the hint.
const WRONG: &str = r#"
{"target": null}                                            | /config/target          | a text                 | `GET
{"layers": ["Relu"]}                                        | /config/layers/0        | one of "ReLU"          | did you mean `ReLU`?
{"layers": ["ReLU", {"type": "Lineal", "out": 2}]}          | /config/layers/1/type   | one of "Linear"        | did you mean `Linear`?
{"layers": [{"type": "Linear"}]}                            | /config/layers/0/out    | given                  | `GET
{"layers": [{"type": "Linear", "out": 0}]}                  | /config/layers/0/out    | at least 1             | `GET
{"layers": [{"type": "Dropout", "P": 0.5}]}                 | /config/layers/0/P      | a key that the         | did you mean `p`?
{"layers": [{"type": "Dropout", "p": 1}]}                   | /config/layers/0/p      | less than 1            | `GET
{"layers": [7]}                                             | /config/layers/0        | an object              | `GET
{"optimiser": "Adam"}                                       | /config/optimiser       | a key that the         | did you mean `optimizer`?
{"optimizer": {"type": "Adam", "lr": -1}}                   | /config/optimizer/lr    | more than 0            | `GET
{"loss": "MSE"}                                             | /config/loss            | one of "CrossEntropy   | `GET
{"columns": {"id": "skip"}}                                 | /config/columns/id      | one of "number", "cat  | `GET
"#;

/// The 422 that a request gets.
async fn refusal(world: &World, body: &Value) -> Value {
    let answer = world.post(VERSIONS).json(body).send().await;
    answer.problem(422, "invalid_input")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_that_does_not_fit_names_the_field() {
    let world = world().await;
    for line in WRONG.trim().lines() {
        let [changed, pointer, expected, hint] =
            *line.split('|').map(str::trim).collect::<Vec<_>>()
        else {
            panic!("{line}");
        };
        let mut config = config();
        let changed: Value = serde_json::from_str(changed).unwrap();
        for (key, value) in changed.as_object().unwrap() {
            config[key] = value.clone();
        }
        let problem = refusal(
            &world,
            &json!({"template": "tabular-torch", "config": config}),
        )
        .await;
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], pointer, "{problem:#}");
        let begins =
            |text: &Value, start: &str| text.as_str().is_some_and(|text| text.starts_with(start));
        assert!(begins(&error["expected"], expected), "{problem:#}");
        assert!(begins(&problem["hint"], hint), "{problem:#}");
        let name = pointer.trim_start_matches('/').replace('/', ".");
        let detail = format!("The field `{name}` should be ");
        assert!(begins(&problem["detail"], &detail), "{problem:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_names_no_template_or_has_no_config_makes_nothing() {
    let world = world().await;
    for (config, pointer) in [
        (json!({"layers": []}), "/config/target"),
        (json!([]), "/config"),
    ] {
        let problem = refusal(
            &world,
            &json!({"template": "tabular-torch", "config": config}),
        )
        .await;
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
    let problem = refusal(&world, &json!({"template": "tabular", "config": {}})).await;
    assert_eq!(problem["errors"][0]["pointer"], "/template");
    assert!(problem.to_string().contains("(tabular-torch)"), "{problem}");
    let none = world.post(VERSIONS).json(&json!({"config": {}}));
    none.send().await.problem(422, "invalid_body");
    let model = world.get("/v1/models/lab/cancer").send().await;
    model.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_one_makes_the_model_and_a_version_once() {
    let world = world().await;
    let body = json!({"template": "tabular-torch", "config": config()});
    let first = world.post(VERSIONS).json(&body).send().await.is(201).json();
    assert_eq!(
        (&first["number"], &first["state"]),
        (&json!(1), &json!("building")),
        "{first:#}"
    );
    let again = world.post(VERSIONS).json(&body).send().await.is(200).json();
    assert_eq!(again["id"], first["id"], "equal configs are one version");
    let mut other = body;
    other["config"]["epochs"] = json!(5);
    let second = world
        .post(VERSIONS)
        .json(&other)
        .send()
        .await
        .is(201)
        .json();
    assert_eq!(second["number"], 2, "{second:#}");
    let model = world
        .get("/v1/models/lab/cancer")
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(model["name"], "cancer", "{model:#}");
}
