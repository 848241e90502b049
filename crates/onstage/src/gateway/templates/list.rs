//! `GET /v1/templates`: every template, with what its config may say. One page holds them all.
//! Does not make anything of them.

use super::embedded;
use crate::gateway::{
    call::Call,
    problem::Answer,
    wire::{page, template},
};

pub(crate) async fn run(_call: Call) -> Answer {
    page::answer(embedded::all().iter().map(template::show).collect(), None)
}
