//! `GET /v1/files`, newest first.
//! Does not change anything.

use crate::gateway::{
    call::{Call, Paging},
    problem::{Answer, Problem},
    wire::{file, page},
};
use onstage_core::file::File;

/// Pages of everybody's files that are looked through for one's own.
const LOOKS_MAX: usize = 100;

pub(crate) async fn run(call: Call) -> Answer {
    let paging: Paging = call.query()?;
    let rows = if call.is_owner() {
        call.state.parts.store.files(paging.page()).await?
    } else {
        own_files(&call, &paging).await?
    };
    let (rows, next) = page::cut(&call, &paging, rows, |file| file.id.to_string());
    let results = rows.iter().map(|row| file::show(&call, row)).collect();
    page::answer(results, next)
}

/// One's own only, cut after choosing: even the id of another's file would open it.
async fn own_files(call: &Call, paging: &Paging) -> Result<Vec<File>, Problem> {
    let who = &call.principal()?.id;
    let wanted = paging.page().limit as usize;
    let (mut own, mut page) = (Vec::new(), paging.page());
    for _ in 0..LOOKS_MAX {
        let rows = call.state.parts.store.files(page.clone()).await?;
        let is_last = rows.len() < page.limit as usize;
        page.after = rows.last().map(|file| file.id.to_string());
        own.extend(rows.into_iter().filter(|file| file.by == *who));
        if is_last || own.len() >= wanted {
            break;
        }
    }
    own.truncate(wanted);
    Ok(own)
}
