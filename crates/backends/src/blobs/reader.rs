//! Reading a blob from somewhere to somewhere: in pieces where a read is cheap, as one answer where each is a request.
//! Holds no more than a piece.

use super::objects::in_time;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{TryStreamExt, stream::BoxStream};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, path::Path};
use onstage_core::{Error, Kind, Result, ports::BlobReader};
use std::{ops::Range, sync::Arc};

/// How often an answer may break off without having brought anything new.
const BREAKS_MAX: u32 = 2;

/// Where there are no round trips.
pub(super) struct PieceReader {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) place: Path,
    /// What is still to come.
    pub(super) rest: Range<u64>,
    pub(super) piece_bytes: u64,
}

#[async_trait]
impl BlobReader for PieceReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Range { start, end } = self.rest;
        if start >= end {
            return Ok(None);
        }
        let end = end.min(start.saturating_add(self.piece_bytes.max(1)));
        let piece = self.objects.get_range(&self.place, start..end);
        let piece = in_time(self.place.as_ref(), piece).await?;
        if piece.len() as u64 != end - start {
            return Err(cut(&self.place));
        }
        self.rest.start = end;
        Ok(Some(piece))
    }
}

type Answer = BoxStream<'static, object_store::Result<Bytes>>;

/// Where each call is a request over the network.
pub(super) struct AnswerReader {
    objects: Arc<dyn ObjectStore>,
    place: Path,
    /// What is still to come.
    rest: Range<u64>,
    answer: Option<Answer>,
}

impl AnswerReader {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, place: Path, rest: Range<u64>) -> Self {
        Self {
            objects,
            place,
            rest,
            answer: None,
        }
    }

    /// The answer under way, or one that begins where the last has ended.
    async fn answer(&mut self) -> Result<Answer> {
        if let Some(answer) = self.answer.take() {
            return Ok(answer);
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(self.rest.clone())),
            ..GetOptions::default()
        };
        let got = self.objects.get_opts(&self.place, options);
        Ok(in_time(self.place.as_ref(), got).await?.into_stream())
    }
}

#[async_trait]
impl BlobReader for AnswerReader {
    /// An answer that breaks off or comes short is asked for anew, from where it was.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let rest = self.rest.end.saturating_sub(self.rest.start);
        if rest == 0 {
            return Ok(None);
        }
        for _ in 0..=BREAKS_MAX {
            let mut answer = self.answer().await?;
            match in_time(self.place.as_ref(), answer.try_next()).await {
                Ok(Some(mut piece)) if !piece.is_empty() => {
                    piece.truncate(usize::try_from(rest).unwrap_or(usize::MAX));
                    self.rest.start += piece.len() as u64;
                    self.answer = Some(answer);
                    return Ok(Some(piece));
                }
                Err(error) if error.kind != Kind::Unavailable => return Err(error),
                _ => {}
            }
        }
        Err(cut(&self.place))
    }
}

fn cut(place: &Path) -> Error {
    Error::unavailable(format!("blob `{place}` was cut while it was read"))
}
