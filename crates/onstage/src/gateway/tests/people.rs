//! Login, sessions, one-time links.

use super::world::{PASSWORD, World};
use crate::gateway::login_path;
use http::Method;
use serde_json::json;

fn session(cookie: &str) -> String {
    let pair = cookie.split(';').next().unwrap();
    pair.strip_prefix("onstage_session=").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shared_password_opens_a_stakeholders_session() {
    let world = World::new().await;
    let reply = world
        .ask(Method::POST, "/v1/login")
        .json(&json!({"password": PASSWORD}));
    let reply = reply.send().await.is(204);
    let cookie = reply.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let account = world
        .ask(Method::GET, "/v1/account")
        .cookie(&session(cookie))
        .send()
        .await;
    assert_eq!(account.is(200).json()["role"], "stakeholder");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_is_refused_and_a_clean_address_still_gets_in() {
    let world = World::new().await;
    let guess = |address: &str, password: &str| {
        let ask = world.ask(Method::POST, "/v1/login").by_peer(address);
        ask.json(&json!({ "password": password })).send()
    };
    for _ in 0..5 {
        guess("10.0.0.1", "wrong")
            .await
            .problem(401, "login_refused");
    }
    let refused = guess("10.0.0.1", PASSWORD).await;
    refused.problem(429, "too_many_attempts");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    guess("10.0.0.2", PASSWORD).await.is(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_password_nobody_gets_in_by_one() {
    let world = World::with(|settings| settings.password = None).await;
    for password in ["", "anything"] {
        let ask = world
            .ask(Method::POST, "/v1/login")
            .json(&json!({ "password": password }));
        ask.send().await.problem(401, "login_refused");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_link_works_once() {
    let world = World::new().await;
    let path = login_path(&world.parts).await.unwrap();
    // A program that previews links does not use it up.
    world.ask(Method::HEAD, &path).send().await.is(200);
    let both = tokio::join!(
        world.ask(Method::GET, &path).send(),
        world.ask(Method::GET, &path).send()
    );
    let (first, second) = (both.0.is(303), both.1.is(303));
    let cookies = [first.header("set-cookie"), second.header("set-cookie")];
    let given: Vec<_> = cookies.iter().filter(|cookie| !cookie.is_empty()).collect();
    assert_eq!(given.len(), 1, "{cookies:?}");
    let account = world
        .ask(Method::GET, "/v1/account")
        .cookie(&session(given[0]))
        .send()
        .await;
    assert_eq!(account.is(200).json()["role"], "owner");
    let third = world.ask(Method::GET, &path).send().await.is(303);
    assert_eq!(third.header("location"), "/login?expired=1");
    // The same by the page's own request.
    let path = login_path(&world.parts).await.unwrap();
    let token = path.split('=').nth(1).unwrap();
    let ask = || {
        world
            .ask(Method::POST, "/v1/login")
            .json(&json!({ "token": token }))
    };
    ask().send().await.is(204);
    ask().send().await.problem(401, "login_refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_not_at_rest() {
    let world = World::new().await;
    let page = onstage_core::ports::Page {
        after: None,
        limit: 100,
    };
    let kind = onstage_core::people::CredentialKind::Token;
    let stored = world
        .parts
        .store
        .credentials(kind, page)
        .await
        .unwrap()
        .rows;
    assert!(!stored.is_empty());
    let text = format!("{stored:?}");
    for secret in [&world.owner, &world.stakeholder] {
        assert!(!text.contains(secret.as_str()));
    }
}
