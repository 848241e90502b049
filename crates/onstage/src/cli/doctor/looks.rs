//! What `onstage doctor` looks at: programs, the data folder, the port, the server.
//! Each look answers by itself; none may fail the others.

use super::Look;
use crate::{
    cli::{caller::Caller, print, push::words, when},
    client::Client,
    settings::{Settings, mistyped},
};
use onstage_core::Kind;
use std::{net::TcpListener, path::Path, process::Command};

/// Less room than this on the data folder's disk is worth a warning; environments alone take hundreds of MiB.
const DISK_FREE_BYTES_LEAST: u64 = 2 << 30;
/// Less than this and nothing can be done at all.
const DISK_FREE_BYTES_NEEDED: u64 = 100 << 20;
/// The oldest Python that the SDK runs on.
const PYTHON_MINOR_LEAST: u32 = 9;
/// A server's clock may be off by so much before tokens and ages look wrong.
const CLOCK_SKEW_MAX_MS: u64 = 30_000;

pub(super) async fn all(caller: &Caller) -> Vec<Look> {
    let mut looks = vec![python(caller), uv(caller), node(caller)];
    looks.push(sqlite().await);
    for (set, meant) in mistyped(&caller.environment) {
        looks.push(Look::warn(
            "variables",
            format!("`{set}` is not known"),
            format!("did you mean `{meant}`?"),
        ));
    }
    match caller
        .layers(None, None)
        .and_then(|layers| Settings::of(&layers))
    {
        Ok(settings) => {
            looks.push(gpus(&settings, caller));
            looks.push(folder(&settings.data));
            looks.push(disk(&settings.data));
            looks.extend(bucket(&settings.blobs).await);
            let server = server(caller).await;
            let runs = server
                .iter()
                .any(|look| look.standing == super::Standing::Ok);
            if !runs {
                looks.push(port(&settings));
            }
            looks.extend(server);
        }
        Err(error) => looks.push(Look::fail(
            "settings",
            error.to_string(),
            error.hint.unwrap_or_default(),
        )),
    }
    looks
}

fn python(caller: &Caller) -> Look {
    const HINT: &str = "install Python 3.9 or newer, with its `venv` module";
    let Some(program) = ["python3", "python"]
        .iter()
        .find_map(|name| caller.environment.program(name))
    else {
        return Look::fail("python", "not found on the search path", HINT);
    };
    let Some(version) = output(
        &program,
        &[
            "-c",
            "import sys, venv, ssl; print('%d.%d.%d' % sys.version_info[:3])",
        ],
    ) else {
        return Look::fail(
            "python",
            format!(
                "`{}` does not work, or lacks `venv` or `ssl`",
                program.display()
            ),
            HINT,
        );
    };
    let minor = version
        .strip_prefix("3.")
        .and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    let text = format!("{version} ({})", program.display());
    match minor {
        Some(minor) if minor >= PYTHON_MINOR_LEAST => Look::ok("python", text),
        _ => Look::fail("python", text, HINT),
    }
}

async fn sqlite() -> Look {
    match crate::serve::sqlite_version().await {
        Ok(version) => Look::ok("sqlite", format!("{version}, built in")),
        Err(error) => Look::fail("sqlite", error.to_string(), error.hint.unwrap_or_default()),
    }
}

/// Only where bytes go elsewhere than to the data folder.
async fn bucket(url: &str) -> Option<Look> {
    let place = url.strip_prefix("s3://")?;
    Some(match crate::serve::prove_blobs(url).await {
        Ok(()) => Look::ok("bucket", place),
        Err(error) => Look::fail("bucket", error.to_string(), error.hint.unwrap_or_default()),
    })
}

fn uv(caller: &Caller) -> Look {
    match caller
        .environment
        .program("uv")
        .and_then(|uv| output(&uv, &["--version"]))
    {
        Some(version) => Look::ok("uv", version),
        None => Look::warn(
            "uv",
            "not found; environments are made with `venv` and `pip`",
            "`uv` makes them many times faster: pip install uv",
        ),
    }
}

/// None is nothing to warn of.
fn gpus(settings: &Settings, caller: &Caller) -> Look {
    let found = crate::serve::gpus(settings, &caller.environment);
    let text = match found.len() {
        0 => "none that models could reserve".to_owned(),
        count => format!("{count} that models may reserve ({})", found.join(", ")),
    };
    Look::ok("gpus", text)
}

fn node(caller: &Caller) -> Look {
    match caller
        .environment
        .program("node")
        .and_then(|node| output(&node, &["--version"]))
    {
        Some(version) => Look::ok("node", version),
        None => Look::ok("node", "not found; only models written for it need it"),
    }
}

/// What a program prints on its standard output; none when it fails.
fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn folder(data: &Path) -> Look {
    let what = "data folder";
    let shown = data.display();
    if !data.exists() {
        return match existing_parent(data) {
            Some(parent) if writable(parent) => {
                Look::ok(what, format!("{shown} (made at the first start)"))
            }
            _ => Look::fail(
                what,
                format!("{shown} cannot be made"),
                "name another one with `--data DIR` or ONSTAGE_DATA",
            ),
        };
    }
    if !writable(data) {
        return Look::fail(
            what,
            format!("{shown} cannot be written"),
            "name another one with `--data DIR` or ONSTAGE_DATA",
        );
    }
    use std::os::unix::fs::PermissionsExt;
    let open = data
        .metadata()
        .is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
    if open {
        return Look::warn(
            what,
            format!("{shown} can be read by others on this machine"),
            format!("chmod 700 {shown}"),
        );
    }
    Look::ok(what, shown.to_string())
}

fn writable(folder: &Path) -> bool {
    tempfile::tempfile_in(folder).is_ok()
}

fn existing_parent(path: &Path) -> Option<&Path> {
    path.ancestors().skip(1).find(|parent| parent.is_dir())
}

fn disk(data: &Path) -> Look {
    let what = "disk";
    let place = if data.is_dir() {
        Some(data)
    } else {
        existing_parent(data)
    };
    let Some(free) = place.and_then(|place| fs4::available_space(place).ok()) else {
        return Look::warn(what, "free space is not known", "look at `df`");
    };
    let text = format!("{} free", print::size(free));
    const HINT: &str = "make room, or move the data folder with `--data DIR` or ONSTAGE_DATA";
    match free {
        0..DISK_FREE_BYTES_NEEDED => Look::fail(what, text, HINT),
        DISK_FREE_BYTES_NEEDED..DISK_FREE_BYTES_LEAST => Look::warn(what, text, HINT),
        _ => Look::ok(what, text),
    }
}

fn port(settings: &Settings) -> Look {
    match TcpListener::bind(settings.listen) {
        Ok(_) => Look::ok("port", format!("{} is free", settings.listen)),
        Err(error) => Look::warn(
            "port",
            format!("{}: {error}", settings.listen),
            "serve on another one with `--listen 127.0.0.1:PORT`",
        ),
    }
}

/// Whether a server answers, as whom it knows us, and what its clock says.
async fn server(caller: &Caller) -> Vec<Look> {
    let what = "server";
    let client = match caller.client() {
        Ok(client) => client,
        Err(error) if error.kind == Kind::Unavailable => {
            return vec![Look::warn(
                what,
                error.to_string(),
                error.hint.unwrap_or_default(),
            )];
        }
        Err(error) => {
            return vec![Look::fail(
                what,
                error.to_string(),
                error.hint.unwrap_or_default(),
            )];
        }
    };
    match client.get("/v1/account").await {
        Ok(account) => {
            let version = account["installation"]["version"].as_str().unwrap_or("?");
            let text = format!(
                "{} answers, version {version}, you are {}",
                client.url(),
                words(&account, "role")
            );
            let mut looks = vec![Look::ok(what, text)];
            looks.extend(clock(caller, &client).await);
            looks
        }
        Err(error) => vec![Look::fail(
            what,
            error.to_string(),
            error.hint.unwrap_or_default(),
        )],
    }
}

async fn clock(caller: &Caller, client: &Client) -> Option<Look> {
    let response = client
        .send(client.request(reqwest::Method::GET, "/healthz"))
        .await
        .ok()?;
    let date = response.headers().get("date")?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(date)
        .ok()?
        .timestamp()
        .as_millisecond();
    let ours = caller.now().0;
    let skew = std::time::Duration::from_millis(ours.abs_diff(theirs));
    Some(if skew.as_millis() > u128::from(CLOCK_SKEW_MAX_MS) {
        Look::warn(
            "clock",
            format!("this machine and the server are {} apart", when::span(skew)),
            "set both by NTP",
        )
    } else {
        Look::ok("clock", "agrees with the server's")
    })
}
