//! Installation settings: every value with where it came from (default, `server.toml`, environment, flag).
//! Does not open anything that the values name.

mod layers;
mod table;

pub(crate) use layers::{Flags, Layers, Sourced, mistyped};

use crate::post::Allowed;
use onstage_core::{
    Error, Result,
    config::{Size, Span},
    usage::Prices,
};
use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

pub(crate) const SQLITE_SCHEME: &str = "sqlite://";

/// What `serve` and `task` need to know.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) name: String,
    pub(crate) owner: String,
    /// May hold a password: shown only by `onstage_backends::store::without_secret`.
    pub(crate) store: String,
    /// Whether the store is a file, whose lock keeps other servers away; a database server has any number of fronts.
    pub(crate) sole_front: bool,
    pub(crate) blobs: String,
    pub(crate) password: Option<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) proxies: Vec<IpAddr>,
    pub(crate) tls: bool,
    pub(crate) wait_default: Duration,
    pub(crate) wait_max: Duration,
    pub(crate) upload_bytes_max: u64,
    pub(crate) dataset_bytes_max: u64,
    pub(crate) queue_items_max: u32,
    pub(crate) workers_total_max: u32,
    pub(crate) webhooks: Allowed,
    /// None: as many as the machine has cores.
    pub(crate) tasks_total_max: Option<u32>,
    /// None: as many as the machine has.
    pub(crate) gpus: Option<Vec<String>>,
    /// None: models made of templates have an environment of their own.
    pub(crate) template_python: Option<PathBuf>,
    pub(crate) drain: Duration,
    pub(crate) probation: Duration,
    pub(crate) prices: Prices,
    pub(crate) log: String,
    /// The settings file, when one was named.
    pub(crate) file: Option<PathBuf>,
}

impl Settings {
    /// Reads every value; the error names the value and where it was set.
    pub(crate) fn of(layers: &Layers) -> Result<Self> {
        let data = PathBuf::from(layers.text("data"));
        let or_in_data = |key: &str, scheme: &str, place: &str| match layers.text(key) {
            "" => format!("{scheme}{}", data.join(place).display()),
            text => text.to_owned(),
        };
        Ok(Self {
            listen: parse(
                layers,
                "listen",
                "write it like `127.0.0.1:8484` or `0.0.0.0:80`",
            )?,
            name: layers.text("name").to_owned(),
            owner: layers.text("owner").to_owned(),
            sole_front: is_file(layers.text("store")),
            store: or_in_data("store", SQLITE_SCHEME, "onstage.db"),
            blobs: or_in_data("blobs", "file://", "blobs"),
            password: Some(layers.text("password"))
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            hosts: listed(layers.text("hosts")).map(str::to_owned).collect(),
            proxies: addresses(layers, "proxies")?,
            tls: parse(layers, "tls", "write `true` or `false`")?,
            wait_default: span(layers, "wait_default")?,
            wait_max: span(layers, "wait_max")?,
            upload_bytes_max: size(layers, "upload_max")?,
            dataset_bytes_max: size(layers, "dataset_max")?,
            queue_items_max: parse(layers, "queue_items_max", "write a whole number")?,
            workers_total_max: parse(layers, "workers_total_max", "write a whole number")?,
            webhooks: Allowed {
                hosts: listed(layers.text("webhook_hosts"))
                    .map(str::to_owned)
                    .collect(),
                loopback: parse(layers, "webhook_loopback", "write `true` or `false`")?,
            },
            tasks_total_max: match layers.text("tasks_total_max") {
                "" => None,
                _ => Some(parse(layers, "tasks_total_max", "write a whole number")?),
            },
            gpus: gpus(layers.text("gpus")),
            template_python: template_python(layers)?,
            drain: span(layers, "drain")?,
            probation: span(layers, "probation")?,
            prices: prices(layers)?,
            log: layers.text("log").to_owned(),
            file: layers.named_file().map(Path::to_owned),
            data,
        })
    }
}

fn is_file(store: &str) -> bool {
    store.is_empty() || store.starts_with(SQLITE_SCHEME)
}

/// The parts of a list with commas.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

fn gpus(text: &str) -> Option<Vec<String>> {
    match text {
        "" => None,
        "none" => Some(Vec::new()),
        names => Some(listed(names).map(str::to_owned).collect()),
    }
}

fn template_python(layers: &Layers) -> Result<Option<PathBuf>> {
    let Sourced { value, origin, .. } = layers.get("template_python");
    match value.as_str() {
        "" => Ok(None),
        path if path.starts_with('/') => Ok(Some(PathBuf::from(path))),
        other => Err(Error::invalid(format!(
            "setting `template_python` cannot be `{other}` (set by {origin})"
        ))
        .hint("write the absolute path of an interpreter, like `/opt/torch/bin/python`")),
    }
}

/// The usual ones, but for what is set.
fn prices(layers: &Layers) -> Result<Prices> {
    let usual = Prices::usual();
    let price =
        |key: &str, usual: f64| match layers.text(key) {
            "" => Ok(usual),
            _ => parse(layers, key, "write USD an hour, like `0.04`").and_then(|price: f64| {
                match price.is_finite() && price >= 0.0 {
                    true => Ok(price),
                    false => Err(
                        Error::invalid(format!("setting `{key}` cannot be `{price}`"))
                            .hint("write USD an hour, like `0.04`"),
                    ),
                }
            }),
        };
    let prices = Prices {
        vcpu_hour: price("price_vcpu_hour", usual.vcpu_hour)?,
        gb_hour: price("price_gb_hour", usual.gb_hour)?,
        gpu_hour: price("price_gpu_hour", usual.gpu_hour)?,
        source: usual.source.clone(),
    };
    if prices == usual {
        return Ok(prices);
    }
    Ok(Prices {
        source: format!(
            "this server's settings; what they leave out: {}",
            usual.source
        ),
        ..prices
    })
}

fn addresses(layers: &Layers, key: &str) -> Result<Vec<IpAddr>> {
    let Sourced { value, origin, .. } = layers.get(key);
    let parsed: std::result::Result<_, _> = listed(value).map(str::parse).collect();
    parsed.map_err(|_| {
        Error::invalid(format!(
            "setting `{key}` cannot be `{value}` (set by {origin})"
        ))
        .hint("write IP addresses with commas, like `10.0.0.2,10.0.0.3`")
    })
}

fn span(layers: &Layers, key: &str) -> Result<Duration> {
    parse::<Span>(layers, key, "write it like `250ms`, `30s`, `10m` or `2h`").map(|span| span.0)
}

fn size(layers: &Layers, key: &str) -> Result<u64> {
    parse::<Size>(layers, key, "write it like `512MiB` or `2GB`").map(|size| size.0)
}

fn parse<T: FromStr>(layers: &Layers, key: &str, hint: &str) -> Result<T> {
    let Sourced { value, origin, .. } = layers.get(key);
    value.parse().map_err(|_| {
        Error::invalid(format!(
            "setting `{key}` cannot be `{value}` (set by {origin})"
        ))
        .hint(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    #[test]
    fn the_defaults_are_valid_and_lie_in_the_data_folder() {
        let environment = Environment::of([("HOME", "/nowhere")]);
        let settings =
            Settings::of(&Layers::load(&environment, &Flags::default()).unwrap()).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8484");
        assert_eq!(
            settings.store,
            "sqlite:///nowhere/.local/share/onstage/onstage.db"
        );
        assert_eq!(settings.blobs, "file:///nowhere/.local/share/onstage/blobs");
        assert_eq!(settings.password, None);
    }

    #[test]
    fn a_bad_value_is_refused_with_its_place() {
        let environment = Environment::of([("HOME", "/nowhere"), ("ONSTAGE_LISTEN", "everywhere")]);
        let error =
            Settings::of(&Layers::load(&environment, &Flags::default()).unwrap()).unwrap_err();
        assert_eq!(
            error.message,
            "setting `listen` cannot be `everywhere` (set by the variable `ONSTAGE_LISTEN`)"
        );
    }
}
