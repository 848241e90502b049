//! `GET …/versions/{version}/examples/{file}`: a file that an example's input names.
//! Does not read archives; the `Bundles` port does.

use super::find;
use crate::gateway::{call::Call, files::download, problem::Answer};

pub(crate) async fn run(call: Call) -> Answer {
    let version = find::in_path(&call).await?;
    let file = call.param("file").to_owned();
    let bytes = call.state.bundles.example(&version.bundle, &file).await?;
    Ok(download::whole(&file, media_type(&file), bytes))
}

/// By the name's ending; only what a browser shows without running it.
fn media_type(name: &str) -> &'static str {
    let ending = name
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match ending.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "csv" => "text/csv",
        "txt" => "text/plain",
        "json" => "application/json",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}
