//! Every route by every kind of caller. A route that is not in the expected matrix fails the test.

use super::world::World;
use crate::gateway::table::{Access, routes};
use http::Method;
use std::collections::BTreeMap;

/// P: anybody, S: anybody signed in, O: the owner.
const EXPECTED: &str = "
GET /v1/models S
POST /v1/models O
GET /v1/models/{owner}/{name} S
PATCH /v1/models/{owner}/{name} O
DELETE /v1/models/{owner}/{name} O
GET /v1/models/{owner}/{name}/versions S
POST /v1/models/{owner}/{name}/versions O
GET /v1/templates S
GET /v1/models/{owner}/{name}/versions/{version} S
DELETE /v1/models/{owner}/{name}/versions/{version} O
GET /v1/models/{owner}/{name}/aliases S
PUT /v1/models/{owner}/{name}/aliases/{alias} O
DELETE /v1/models/{owner}/{name}/aliases/{alias} O
GET /v1/models/{owner}/{name}/compare S
GET /v1/models/{owner}/{name}/lineage S
POST /v1/models/{owner}/{name}/versions/{version}/promote O
GET /v1/models/{owner}/{name}/versions/{version}/logs O
GET /v1/models/{owner}/{name}/versions/{version}/weights O
POST /v1/models/{owner}/{name}/versions/{version}/trainings O
GET /v1/schedules O
POST /v1/schedules O
GET /v1/schedules/preview O
GET /v1/schedules/{id} O
PATCH /v1/schedules/{id} O
POST /v1/schedules/{id}/run O
DELETE /v1/schedules/{id} O
GET /v1/trainings O
GET /v1/trainings/{id} O
POST /v1/trainings/{id}/cancel O
POST /v1/trainings/{id}/retry O
GET /v1/trainings/{id}/events O
GET /v1/trainings/{id}/metrics O
GET /v1/trainings/{id}/logs O
GET /v1/models/{owner}/{name}/versions/{version}/examples/{file} S
POST /v1/models/{owner}/{name}/rollback O
POST /v1/models/{owner}/{name}/warmup S
POST /v1/models/{owner}/{name}/predictions S
POST /v1/predictions S
GET /v1/predictions S
GET /v1/predictions/{id} S
PUT /v1/predictions/{id} S
DELETE /v1/predictions/{id} S
POST /v1/predictions/{id}/cancel S
GET /v1/predictions/{id}/events S
GET /v1/predictions/{id}/stream S
GET /v1/predictions/{id}/logs S
POST /v1/predictions/{id}/feedback S
GET /v1/feedback O
POST /v1/feedback/export O
GET /v1/usage O
GET /v1/webhooks/default/secret O
GET /v1/webhooks/dead O
POST /v1/webhooks/dead/{id}/retry O
POST /v1/models/{owner}/{name}/batches S
POST /v1/models/{owner}/{name}/batches/preview S
GET /v1/batches S
GET /v1/batches/{id} S
POST /v1/batches/{id}/cancel S
GET /v1/batches/{id}/events S
GET /v1/batches/{id}/items S
POST /v1/batches/{id}/retry S
GET /v1/batches/{id}/result S
GET /v1/batches/{id}/logs S
GET /v1/jobs O
GET /v1/jobs/{id} O
POST /v1/jobs/{id}/cancel O
POST /v1/jobs/{id}/retry O
GET /v1/tasks O
POST /v1/files S
GET /v1/files S
GET /v1/files/{id} S
GET /v1/files/{id}/content S
DELETE /v1/files/{id} S
POST /v1/uploads S
GET /v1/uploads/{id} S
DELETE /v1/uploads/{id} S
PUT /v1/uploads/{id}/parts/{part} S
POST /v1/uploads/{id}/complete S
POST /v1/uploads/{id}/parts/{part} S
POST /v1/uploads/{id}/parts/{part}/link S
PUT /v1/datasets/{name} O
GET /v1/datasets O
GET /v1/datasets/{name} O
DELETE /v1/datasets/{name} O
GET /v1/datasets/{name}/versions O
GET /v1/datasets/{name}/versions/{version} O
DELETE /v1/datasets/{name}/versions/{version} O
GET /v1/datasets/{name}/versions/{version}/content O
GET /v1/datasets/{name}/versions/{version}/preview O
POST /v1/login P
POST /v1/logout S
GET /v1/account S
POST /v1/login-links O
GET /v1/tokens O
POST /v1/tokens O
DELETE /v1/tokens/{id} O
GET /healthz P
GET /readyz P
GET /metrics O
GET /openapi.json S
POST /m/{name}/predictions S
PUT /m/{name}/predictions/{id} S
POST /m/{name}/predictions/{id}/cancel S
GET /m/{name}/health-check S
GET /m/{name}/openapi.json S
POST /m/{owner}/{name}/predictions S
PUT /m/{owner}/{name}/predictions/{id} S
POST /m/{owner}/{name}/predictions/{id}/cancel S
GET /m/{owner}/{name}/health-check S
GET /m/{owner}/{name}/openapi.json S
GET /v2 S
GET /v2/health/live P
GET /v2/health/ready P
GET /v2/models/{name} S
GET /v2/models/{name}/versions/{version} S
GET /v2/models/{name}/ready S
GET /v2/models/{name}/versions/{version}/ready S
GET /v2/models/stats S
GET /v2/models/{name}/stats S
GET /v2/models/{name}/versions/{version}/stats S
POST /v2/models/{name}/infer S
POST /v2/models/{name}/versions/{version}/infer S
POST /v2/repository/index S
GET / P
GET /login P
GET /m/{name} P
GET /m/{owner}/{name} P
GET /m/{owner}/{name}/{tab} P
GET /runs/{id} P
GET /batches/{id} P
GET /trainings/{id} P
GET /datasets P
GET /datasets/{name} P
GET /schedules P
GET /usage P
GET /assets/{*path} P
";

fn expected() -> BTreeMap<(String, String), Access> {
    EXPECTED
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            let (method, path, access) = (words.next(), words.next(), words.next());
            let access = match access.unwrap().as_str() {
                "P" => Access::Public,
                "S" => Access::Stakeholder,
                "O" => Access::Owner,
                other => panic!("{other}"),
            };
            ((method.unwrap(), path.unwrap()), access)
        })
        .collect()
}

#[test]
fn the_table_is_what_was_agreed() {
    let table: BTreeMap<(String, String), Access> = routes()
        .into_iter()
        .map(|route| {
            (
                (route.method.to_string(), route.path.to_owned()),
                route.access,
            )
        })
        .collect();
    assert_eq!(table, expected());
    assert_eq!(routes().len(), table.len(), "a route is listed twice");
}

/// A path that leads to the route and to nothing that exists.
pub(crate) fn sample(path: &str) -> String {
    path.replace("{owner}", "lab")
        .replace("{name}", "nothing")
        .replace("{version}", "v1")
        .replace("{file}", "x.png")
        .replace("{tab}", "runs")
        .replace("{part}", "1")
        .replace("{id}", "nothing-here")
        .replace("{*path}", "x.js")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_by_every_caller() {
    let world = World::new().await;
    let unknown =
        crate::gateway::auth::secret::make(onstage_core::people::CredentialKind::Token, &|| 42);
    for route in routes() {
        let path = sample(route.path);
        let ask = || world.ask(route.method.clone(), &path);
        let strangers = [
            ("nobody", ask()),
            ("unknown token", ask().bearer(&unknown)),
            ("malformed token", ask().bearer("os_1")),
            ("expired token", ask().bearer(&world.expired)),
            ("basic", ask().header("authorization", "Basic b3duZXI6")),
            ("session as token", ask().bearer(&world.session)),
            ("token as session", ask().cookie(&world.owner)),
            (
                "token in the path",
                world.ask(
                    route.method.clone(),
                    &format!("{path}?token={}", world.owner),
                ),
            ),
        ];
        for (who, ask) in strangers {
            let status = ask.send().await.status.as_u16();
            if route.access == Access::Public {
                assert_ne!(status, 403, "{who}: {} {path}", route.method);
            } else {
                assert_eq!(status, 401, "{who}: {} {path}", route.method);
            }
        }
        let stakeholder = ask()
            .bearer(&world.stakeholder)
            .send()
            .await
            .status
            .as_u16();
        if route.access == Access::Owner {
            assert_eq!(stakeholder, 403, "stakeholder: {} {path}", route.method);
        } else {
            assert_ne!(stakeholder, 403, "stakeholder: {} {path}", route.method);
        }
        let owner = ask().bearer(&world.owner).send().await.status.as_u16();
        if route.path != "/v1/login" {
            assert!(
                ![401, 403, 405, 500].contains(&owner),
                "owner: {} {path}: {owner}",
                route.method
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_is_refused_at_once() {
    let world = World::new().await;
    let made = world
        .post("/v1/tokens")
        .json(&serde_json::json!({"name": "ci"}))
        .send()
        .await
        .is(201)
        .json();
    let token = made["token"].as_str().unwrap();
    world
        .ask(Method::GET, "/v1/account")
        .bearer(token)
        .send()
        .await
        .is(200);
    let path = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    world
        .ask(Method::DELETE, &path)
        .bearer(&world.owner)
        .send()
        .await
        .is(204);
    world
        .ask(Method::GET, "/v1/account")
        .bearer(token)
        .send()
        .await
        .is(401);
    let listed = world.get("/v1/tokens").send().await.is(200).text();
    assert!(!listed.contains("os_"), "{listed}");
}
