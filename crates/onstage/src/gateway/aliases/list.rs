//! `GET …/aliases`, by name; they are few.
//! Does not change anything.

use crate::gateway::{
    call::Call,
    models,
    problem::Answer,
    wire::{alias, page},
};

pub(crate) async fn run(call: Call) -> Answer {
    let name = call.model_name()?;
    let model = models::get::find(&call, &name).await?;
    let show = |(alias, to)| alias::show(&call, &name, alias, to);
    page::answer(model.aliases.iter().map(show).collect(), None)
}
