//! Blobs in an S3 bucket: opened with retries, back-off and deadlines of the client.
//! Must not sign or speak S3 by itself; credentials come from where every AWS client finds them.

use super::objects::ObjectBlobs;
use object_store::{
    BackoffConfig, ClientConfigKey, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    path::Path,
    prefix::PrefixStore,
};
use onstage_core::{Error, Result, ports::Blobs};
use std::{sync::Arc, time::Duration};

/// S3 takes parts of 5 MiB or more and at most 10,000 of them: this allows 78 GiB.
const PART_BYTES: usize = 8 << 20;
/// After the first try. More would multiply the load on a storage that is ill; who calls tries again later.
const RETRIES_MAX: usize = 2;
/// No further try starts after so long; below the deadline of a call.
const RETRY_MS_MAX: u64 = 60_000;
const BACKOFF_MS: u64 = 100;
const BACKOFF_MS_MAX: u64 = 10_000;
const CONNECT_MS_MAX: u64 = 5_000;
/// One request, body included.
const REQUEST_MS_MAX: u64 = 60_000;

/// `place` is `bucket` or `bucket/prefix`.
pub(super) fn open(place: &str) -> Result<Arc<dyn Blobs>> {
    let environment = AmazonS3Builder::from_env();
    Ok(Arc::new(open_with(place, environment)?))
}

/// The same with what `builder` says of endpoint and credentials.
pub(super) fn open_with(place: &str, builder: AmazonS3Builder) -> Result<ObjectBlobs> {
    // Fails where there is a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let milliseconds = |span: u64| format!("{span} ms");
    let of_client = AmazonS3ConfigKey::Client;
    let bucket = builder
        .with_bucket_name(bucket)
        .with_config(
            of_client(ClientConfigKey::ConnectTimeout),
            milliseconds(CONNECT_MS_MAX),
        )
        .with_config(
            of_client(ClientConfigKey::Timeout),
            milliseconds(REQUEST_MS_MAX),
        )
        .with_retry(retries())
        .build()
        .map_err(|error| not_opened(place).because(error))?;
    let prefix = Path::parse(prefix.trim_end_matches('/'))
        .map_err(|error| not_opened(place).because(error))?;
    let bucket = Arc::new(PrefixStore::new(bucket, prefix));
    let links = Arc::clone(&bucket);
    Ok(ObjectBlobs::new(bucket, PART_BYTES).with_links(links))
}

/// The client adds jitter to the back-off by itself.
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(BACKOFF_MS),
            max_backoff: Duration::from_millis(BACKOFF_MS_MAX),
            base: 2.0,
        },
        max_retries: RETRIES_MAX,
        retry_timeout: Duration::from_millis(RETRY_MS_MAX),
    }
}

fn not_opened(place: &str) -> Error {
    Error::invalid(format!("blob storage `s3://{place}` cannot be opened"))
        .hint("write it like `s3://bucket/prefix`; region and credentials come from the AWS environment or role")
}
