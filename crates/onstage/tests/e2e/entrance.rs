//! The doors: login, tokens, and who is kept out; the data folder's lock; the port.

use crate::world::{World, answer, text};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn nothing_is_served_without_authentication() {
    let world = World::start().await;
    for path in [
        "/v1/models",
        "/v1/predictions",
        "/v1/files",
        "/v1/feedback",
        "/v1/tokens",
        "/metrics",
        "/openapi.json",
        "/v1/account",
    ] {
        let (status, problem) = answer(world.client.get(format!("{}{path}", world.url))).await;
        assert_eq!(status, 401, "{path}: {problem:#}");
        let (status, _) = answer(
            world
                .client
                .get(format!("{}{path}", world.url))
                .bearer_auth("os_wrong"),
        )
        .await;
        assert_eq!(status, 401, "{path}");
    }
    let (status, _) = answer(
        world
            .request(Method::GET, "/v1/models")
            .header("host", "evil.example"),
    )
    .await;
    assert!(
        status == 403 || status == 421 || status == 400,
        "a foreign host name got {status}"
    );
    world.close().await;
}

#[tokio::test]
async fn the_login_link_works_once() {
    let world = World::start().await;
    let printed = world.printed();
    let link = printed
        .split_whitespace()
        .find(|word| word.contains("/login?token="))
        .expect("a login link is printed")
        .to_owned();
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let first = browser.get(&link).send().await.unwrap();
    assert_eq!(first.status(), 303);
    let cookie = first.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite"),
        "{cookie}"
    );
    let pair = cookie.split(';').next().unwrap();
    let account = browser
        .get(format!("{}/v1/account", world.url))
        .header("cookie", pair)
        .send()
        .await
        .unwrap();
    assert_eq!(account.status(), 200);
    let foreign = browser
        .post(format!("{}/v1/tokens", world.url))
        .header("cookie", pair)
        .header("origin", "http://evil.example")
        .json(&json!({"name": "x"}));
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    let second = browser.get(&link).send().await.unwrap();
    assert!(
        second.headers().get("set-cookie").is_none(),
        "the link worked twice"
    );
    world.close().await;
}

#[tokio::test]
async fn a_stakeholder_logs_in_with_the_password_and_cannot_push() {
    let world = World::with(&[("ONSTAGE_PASSWORD", "open sesame please")]).await;
    let browser = reqwest::Client::new();
    let login = |password: &str| {
        browser
            .post(format!("{}/v1/login", world.url))
            .header("origin", &world.url)
            .json(&json!({ "password": password }))
            .send()
    };
    assert_eq!(login("wrong").await.unwrap().status(), 401);
    let entered = login("open sesame please").await.unwrap();
    assert_eq!(entered.status(), 204);
    let cookie = entered.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let models = browser
        .get(format!("{}/v1/models", world.url))
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(models.status(), 200);
    let tokens = browser
        .get(format!("{}/v1/tokens", world.url))
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(tokens.status(), 403);
    world.close().await;
}

#[tokio::test]
async fn a_token_opens_the_api_until_it_is_removed() {
    let world = World::start().await;
    let made = world.ok_json(&["token", "create", "--name", "ci"]).await;
    let token = made["token"].as_str().unwrap();
    let call = || {
        answer(
            world
                .client
                .get(format!("{}/v1/models", world.url))
                .bearer_auth(token),
        )
    };
    assert_eq!(call().await.0, 200);
    world
        .ok(&["token", "rm", made["id"].as_str().unwrap()])
        .await;
    assert_eq!(call().await.0, 401);
    world.close().await;
}

#[tokio::test]
async fn a_second_serve_on_the_same_folder_and_a_taken_port_are_refused() {
    let world = World::start().await;
    let second = world.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(!second.status.success());
    assert!(
        text(&second.stderr).contains(&world.server_pid().to_string()),
        "the other server is named: {}",
        text(&second.stderr)
    );
    let address = world.url.strip_prefix("http://").unwrap();
    let other = world.folder.path().join("other");
    let third = world
        .run(&[
            "serve",
            "--listen",
            address,
            "--data",
            other.to_str().unwrap(),
        ])
        .await;
    assert!(!third.status.success());
    assert!(
        text(&third.stderr).contains(address.rsplit(':').next().unwrap())
            && text(&third.stderr).contains("hint:"),
        "{}",
        text(&third.stderr)
    );
    world.close().await;
}
