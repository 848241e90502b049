//! `GET /v1/files`, newest first.
//! Does not change anything.

use crate::gateway::{
    call::{Call, Paging},
    problem::{Answer, Problem},
    wire::{file, page},
};
use onstage_core::{
    file::File,
    ports::{Cursor, Listed, Page},
};

/// Pages of everybody's files that are looked through for one's own.
const LOOKS_MAX: usize = 100;

pub(crate) async fn run(call: Call) -> Answer {
    let paging: Paging = call.query()?;
    let listed = if call.is_owner() {
        call.state.parts.store.files(paging.page()?).await?
    } else {
        own_files(&call, paging.page()?).await?
    };
    let next = page::link(&call, listed.next.as_ref());
    let results = listed
        .rows
        .iter()
        .map(|row| file::show(&call, row))
        .collect();
    page::answer(results, next)
}

/// One's own only, cut after choosing: even the id of another's file would open it.
async fn own_files(call: &Call, mut page: Page) -> Result<Listed<File>, Problem> {
    let who = &call.principal()?.id;
    let wanted = page.limit as usize;
    let mut own = Vec::new();
    for _ in 0..LOOKS_MAX {
        let listed = call.state.parts.store.files(page.clone()).await?;
        own.extend(listed.rows.into_iter().filter(|file| file.by == *who));
        page.after = listed.next;
        if page.after.is_none() || own.len() > wanted {
            break;
        }
    }
    if own.len() > wanted {
        own.truncate(wanted);
        page.after = own.last().map(|file| Cursor::of(file.created_at, &file.id));
    }
    Ok(Listed {
        rows: own,
        next: page.after,
    })
}
