//! Workers out of a template, as the launcher hands them over: whose children they are, how they end, and what is left.

use super::{
    super::procfs,
    host::{Host, Told},
    runs, until,
};
use onstage_core::{
    Kind,
    ports::{Exit, Launcher, WorkerProcess, WorkerSpec},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, os::unix::net::UnixStream, path::Path, time::Duration};

const MODEL: &str = "import onstage as on\nprint('imported')\n\n@on.setup\ndef net():\n    import os\n    os._exit(7)\n\n@on.predict\ndef f(n: int, *, net) -> int:\n    return n\n";

async fn spec(host: &Host, code: &str, share: &str) -> WorkerSpec {
    let toml = format!("[model]\nname = \"age\"\n[realtime]\nshare = \"{share}\"\n");
    host.model(&[("onstage.toml", &toml), ("model.py", code)])
        .await
}

/// The program of a process, and whether it is a template's.
fn template_of(data: &Path) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let has = |bytes: &[u8], word: &str| {
                bytes
                    .windows(word.len())
                    .any(|window| window == word.as_bytes())
            };
            has(&read("cmdline"), "onstage.template")
                && has(&read("environ"), data.to_str().unwrap())
        })
        .collect()
}

fn parent(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let mut fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.nth(1).unwrap().parse().unwrap()
}

async fn ended(worker: &mut Box<dyn WorkerProcess>) -> Exit {
    tokio::time::timeout(Duration::from_secs(super::WAIT_SECONDS_MAX), worker.wait())
        .await
        .unwrap()
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn how_a_forked_worker_ends_is_known_also_without_its_template() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::new(data.path(), &[]);
    let spec = spec(&host, MODEL, "import").await;
    let told = Told::default();
    let mut first = host.launcher.launch(&spec, &told).await.unwrap();
    assert!(
        told.0.lock().unwrap().contains(&"imported".to_owned()),
        "{told:?}"
    );
    let mut second = host.launch(&spec).await.unwrap();
    let template = template_of(data.path());
    assert_eq!(template.len(), 1, "one for both");
    for worker in [&first, &second] {
        assert_eq!(procfs::stat(worker.pid()).unwrap().group, worker.pid());
        assert!(worker.memory_bytes().unwrap() > 1 << 20);
    }
    // What its own code says is its exit code.
    let attached = first.attach().unwrap();
    let header = br#"{"t":"setup","weights":null,"tempdir":"/tmp","seed":1}"#;
    let mut frame = Vec::new();
    frame.extend((header.len() as u32 + 4).to_le_bytes());
    frame.extend((header.len() as u32).to_le_bytes());
    frame.extend(header);
    let socket: UnixStream = attached.socket.try_clone().unwrap().into();
    std::io::Write::write_all(&mut &socket, &frame).unwrap();
    assert_eq!(ended(&mut first).await, Exit::Code(7));
    until("the template reaps it", || {
        procfs::stat(first.pid()).is_none()
    })
    .await;
    // A killed template takes no worker along.
    kill(template[0]);
    until("the template is reaped", || {
        procfs::stat(template[0]).is_none()
    })
    .await;
    let pid = second.pid();
    assert!(runs(pid));
    assert_eq!(parent(pid), std::process::id(), "it has come to us");
    kill(pid);
    assert_eq!(ended(&mut second).await, Exit::Signal(9));
    assert_eq!(procfs::stat(pid), None, "reaped");
    let third = host.launch(&spec).await.unwrap();
    let pid = third.pid();
    drop(third);
    until("a dropped worker is killed and reaped", || {
        procfs::stat(pid).is_none()
    })
    .await;
    assert_eq!(
        template_of(data.path()).len(),
        1,
        "the next start has made another"
    );
    host.launcher.forget(&spec.version);
    until("the template of a removed version ends", || {
        template_of(data.path()).is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_template_that_hangs_is_given_up_in_time() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::new(data.path(), &[]);
    let mut spec = spec(&host, "import time\ntime.sleep(600)\n", "import").await;
    spec.dial_in_timeout = Duration::from_secs(2);
    let error = host.launch(&spec).await.err().unwrap();
    assert_eq!(error.kind, Kind::Timeout);
    assert!(
        error.to_string().contains("was not ready within 2 s"),
        "{error}"
    );
    until("it is killed", || template_of(data.path()).is_empty()).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_launch_that_nobody_waits_for() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::new(data.path(), &[]);
    let spec = spec(&host, "import time\ntime.sleep(600)\n", "setup").await;
    tokio::select! {
        _ = host.launch(&spec) => panic!("it sleeps"),
        () = until("the template imports", || !template_of(data.path()).is_empty()) => {}
    }
    until("it is killed", || template_of(data.path()).is_empty()).await;
}
