//! `GET …/versions`, newest first.
//! Does not change anything.

use crate::gateway::{
    call::{Call, Paging},
    models,
    problem::Answer,
    wire::{page, version},
};
use onstage_core::model::VersionState;

pub(crate) async fn run(call: Call) -> Answer {
    let name = call.model_name()?;
    let paging: Paging = call.query()?;
    let model = models::get::find(&call, &name).await?;
    let before = paging
        .cursor
        .as_deref()
        .and_then(|cursor| cursor.parse::<u32>().ok());
    let rows: Vec<_> = call
        .state
        .parts
        .store
        .versions(&name)
        .await?
        .into_iter()
        .filter(|version| !matches!(version.state, VersionState::Deleted))
        .filter(|version| before.is_none_or(|before| version.number < before))
        .take(paging.rows() as usize + 1)
        .collect();
    let (rows, next) = page::cut(&call, &paging, rows, |version| version.number.to_string());
    let results = rows
        .iter()
        .map(|row| version::show(&call, row, &model, None))
        .collect();
    page::answer(results, next)
}
