//! `GET /v1/datasets`, by name, and `GET …/versions`, newest first.
//! Does not change anything.

use super::{find, name};
use crate::gateway::{
    call::{Call, Paging},
    problem::{Answer, Problem},
    wire::{dataset, page},
};
use onstage_core::{dataset::DatasetRef, ports::Page};

pub(crate) async fn datasets(call: Call) -> Answer {
    let paging: Paging = call.query()?;
    let listed = call
        .state
        .parts
        .store
        .datasets(paging.page_by_name())
        .await?;
    let next = page::link(&call, listed.next.as_ref());
    let shown = listed.rows.iter().map(|row| dataset::show(&call, row));
    page::answer(shown.collect(), next)
}

pub(crate) async fn versions(call: Call) -> Answer {
    let paging: Paging = call.query()?;
    let name = name(&call)?;
    let after = paging.cursor.as_deref().map(str::parse).transpose();
    let after = after
        .map_err(|_| Problem::invalid("invalid_query", "The cursor is wrong: it is no number."))?;
    let page = Page {
        after,
        limit: paging.rows(),
    };
    let listed = call.state.parts.store.dataset_versions(&name, page).await?;
    if listed.rows.is_empty() && after.is_none() {
        find(&call, &DatasetRef::newest(name)).await?;
    }
    let next = page::link(&call, listed.next.as_ref());
    let shown = listed.rows.iter().map(|row| dataset::version(&call, row));
    page::answer(shown.collect(), next)
}
