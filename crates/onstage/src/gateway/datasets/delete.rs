//! `DELETE /v1/datasets/{name}` and `DELETE …/versions/{version}`: the record first, then the bytes when they were its alone.
//! Does not judge whether a job still needs one; the store does.

use super::{add::forget, find, in_path, name};
use crate::gateway::{
    call::{self, Call},
    problem::{Answer, Problem},
};
use onstage_core::{Error, Kind, Result, dataset::DatasetRef, limits::PAGE_ROWS_MAX, ports::Page};

pub(crate) async fn one(call: Call) -> Answer {
    let version = in_path(&call).await?;
    remove(&call, &version.reference()).await?;
    Ok(call::no_content())
}

/// What a job refers to stays, and is told; the others go all the same.
pub(crate) async fn all(call: Call) -> Answer {
    let name = name(&call)?;
    find(&call, &DatasetRef::newest(name.clone())).await?;
    let (mut kept, mut removed): (Option<Error>, u32) = (None, 0);
    let mut after = None;
    loop {
        let page = Page {
            after,
            limit: PAGE_ROWS_MAX,
        };
        let listed = call.state.parts.store.dataset_versions(&name, page).await?;
        for version in &listed.rows {
            match remove(&call, &version.reference()).await {
                Ok(()) => removed += 1,
                Err(error) if error.kind == Kind::NotFound => {}
                Err(error) if error.kind == Kind::Conflict => {
                    kept.get_or_insert(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    match kept {
        Some(mut error) if removed > 0 => {
            let others = match removed {
                1 => "1 other version is".to_owned(),
                more => format!("{more} other versions are"),
            };
            error.message = format!("{}; it stays, {others} removed", error.message);
            Err(Problem::from(error))
        }
        Some(error) => Err(Problem::from(error)),
        None => Ok(call::no_content()),
    }
}

async fn remove(call: &Call, which: &DatasetRef) -> Result<()> {
    let store = &call.state.parts.store;
    let (version, last) = store.remove_dataset_version(which).await?;
    if last {
        forget(call, &version.blob.key).await;
    }
    Ok(())
}
