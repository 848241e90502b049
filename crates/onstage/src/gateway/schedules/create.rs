//! `POST /v1/schedules`.
//! Does not make jobs; what is asked for is checked against the model at every tick.

use super::check;
use crate::gateway::{
    auth::LOCAL_TOKEN,
    body,
    call::{self, Call, set, shortened},
    models,
    problem::{Answer, Problem},
    versions,
    wire::schedule::{NewSchedule, show},
};
use http::{StatusCode, header};
use onstage_core::{
    ModelName,
    ports::Page,
    schedule::{Overlap, Pace, SCHEDULES_MAX, Schedule},
};

pub(crate) async fn run(mut call: Call) -> Answer {
    let new: NewSchedule = body::json(&mut call).await?;
    let schedule = of(&call, &new).await?;
    call.state
        .parts
        .store
        .add_schedule(schedule.clone())
        .await?;
    call.state.engine.nudge_schedules();
    let mut response = call::json(StatusCode::CREATED, &show(&call, &schedule))?;
    let path = call.link(&format!("/v1/schedules/{}", schedule.id));
    set(&mut response, header::LOCATION, &path);
    Ok(response)
}

async fn of(call: &Call, new: &NewSchedule) -> Result<Schedule, Problem> {
    let now = call.state.parts.clock.now();
    let kind = check::kind(&new.kind)?;
    let model = model(call, &new.model).await?;
    if let Some(version) = &new.version {
        versions::find::find(call, &model, version).await?;
    }
    let principal = call.principal()?.clone();
    let by_cookie = call.who.as_ref().is_some_and(|who| who.by_cookie);
    let mut schedule = Schedule {
        id: call.state.parts.new_id(),
        name: None,
        kind,
        version: new.version.clone(),
        request: check::request(kind, &new.request)?,
        when: check::when(
            new.cron.as_deref(),
            new.timezone.as_deref(),
            new.every.as_deref(),
            now,
        )?,
        catch_up: new.catch_up.unwrap_or(true),
        overlap: new
            .overlap
            .as_deref()
            .map_or(Ok(Overlap::Skip), check::overlap)?,
        // Sessions, and the tokens of this machine's user, come and go without anybody's wish.
        by_token: !by_cookie && !principal.name.starts_with(LOCAL_TOKEN),
        by: principal,
        created_at: now,
        pace: Pace::Paused { why: None },
        last: None,
        last_job: None,
        revision: 0,
        model,
    };
    if !new.paused.unwrap_or(false) {
        schedule.go_on_after(now);
    }
    check_room(call, &schedule.model).await?;
    Ok(schedule)
}

async fn model(call: &Call, text: &str) -> Result<ModelName, Problem> {
    let name = match text.split_once('/') {
        Some((owner, name)) => ModelName::new(owner, name),
        None => ModelName::new(&call.state.settings.default_owner, text),
    };
    let name =
        name.map_err(|_| Problem::field("/model", "`owner/name` of a model", shortened(text)))?;
    Ok(models::get::find(call, &name).await?.name)
}

async fn check_room(call: &Call, model: &ModelName) -> Result<(), Problem> {
    let page = Page {
        after: None,
        limit: SCHEDULES_MAX,
    };
    let there = call.state.parts.store.schedules(Some(model), page).await?;
    if there.rows.len() < SCHEDULES_MAX as usize {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::CONFLICT,
        "too_many_schedules",
        format!("The model `{model}` has {SCHEDULES_MAX} schedules, and cannot have more."),
    )
    .hint("remove one that is not needed"))
}
