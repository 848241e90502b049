//! `PUT /v1/predictions/{id}`: under an id of the client's own; the same again answers the same record.
//! Does not start anything itself.

use super::{
    by_model::{Body, Extras, input_of},
    by_version::named,
    start::{self, Wanted},
};
use crate::gateway::{
    body,
    call::Call,
    hex, input,
    problem::{Answer, Problem},
};
use bytes::Bytes;
use onstage_core::Id;
use onstage_engine::Loaded;
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

pub(crate) async fn run(mut call: Call) -> Answer {
    let id = own_id(&call)?;
    let bytes = body::read_json(&mut call).await?;
    let parsed: Body<'_> = body::parse(&bytes)?;
    let loaded = named(&call, &parsed).await?;
    let extras = parsed.extras(&call)?;
    let json = input_of(&bytes, parsed.input);
    under_id(&call, id, loaded, &bytes, json, extras).await
}

pub(crate) fn own_id(call: &Call) -> Result<Id, Problem> {
    call.param("id")
        .parse()
        .map_err(|error: onstage_core::Error| Problem::from(error))
}

pub(crate) async fn under_id(
    call: &Call,
    id: Id,
    loaded: Arc<Loaded>,
    body: &Bytes,
    json: Bytes,
    extras: Extras,
) -> Answer {
    let place = call.state.parts.new_id();
    let input = input::prepare(call, &loaded, &place, json, Vec::new()).await?;
    let wanted = Wanted {
        id,
        waited: Duration::ZERO,
        own_id: true,
        body_sha256: hex(&Sha256::digest(body)),
        loaded,
        input,
        extras,
    };
    start::start(call, wanted).await
}
