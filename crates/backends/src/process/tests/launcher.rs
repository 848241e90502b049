//! The launcher with real workers: those that come, those that do not, and what is left of them.

use super::{
    host::{DIAL, Host, Told},
    number_in, runs, until,
};
use crate::process::control_groups::{ControlGroups, Limits};
use onstage_core::{
    Kind,
    ports::{Attached, Exit, Launcher, WorkerProcess},
};
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

fn data() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn blocking(attached: &Attached) -> UnixStream {
    let socket: UnixStream = attached.socket.try_clone().unwrap().into();
    socket.set_nonblocking(false).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(super::WAIT_SECONDS_MAX)))
        .unwrap();
    socket
}

/// What a script sends in one line.
fn line_of(worker: &mut Box<dyn WorkerProcess>) -> String {
    let attached = worker.attach().expect("attached once");
    let mut line = String::new();
    BufReader::new(blocking(&attached))
        .read_line(&mut line)
        .unwrap();
    line
}

#[tokio::test]
async fn a_python_model_dials_in_and_says_hello() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let model =
        "import onstage as on\n\n@on.predict\ndef double(n: int) -> int:\n    return n * 2\n";
    let spec = host
        .model(&[
            ("onstage.toml", "[model]\nname = \"age\"\n"),
            ("model.py", model),
        ])
        .await;
    let told = Told::default();
    let mut worker = host.launcher.launch(&spec, &told).await.unwrap();
    assert_eq!(
        *told.0.lock().unwrap(),
        ["Loading: starting the worker", "Loading: loading"]
    );
    let attached = worker.attach().unwrap();
    assert!(worker.attach().is_none());
    let mut head = [0; 8];
    let mut socket = blocking(&attached);
    socket.read_exact(&mut head).unwrap();
    let mut header = vec![0; u32::from_le_bytes(head[4..].try_into().unwrap()) as usize];
    socket.read_exact(&mut header).unwrap();
    let hello: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(hello["t"], "hello", "{hello}");
    assert_eq!(hello["pid"], worker.pid());
    assert!(worker.memory_bytes().unwrap() > 1 << 20);
    drop((socket, attached));
    // The host's end of the socket is closed: the worker ends by itself.
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(30), worker.wait())
            .await
            .unwrap(),
        Exit::Code(0)
    );
    assert_eq!(worker.memory_bytes(), None);
}

#[tokio::test]
async fn what_cpu_declares_bounds_a_worker() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let script = format!("{DIAL}time.sleep(60)");
    let spec = host.script("[realtime]\ncpu = 1.5\n", &script).await;
    let worker = host.launch(&spec).await.unwrap();
    let limits = Limits {
        memory_bytes: None,
        cpus: Some(1.5),
    };
    let can_bound = ControlGroups::find().make(limits).unwrap().is_some();
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", worker.pid())).unwrap();
    let own = format!("/onstage-{}-", std::process::id());
    assert_eq!(groups.contains(&own), can_bound, "{groups}");
}

#[tokio::test]
async fn a_worker_sees_its_own_environment_and_nothing_of_the_front() {
    let data = data();
    let host = Host::new(
        data.path(),
        &[
            ("ONSTAGE_PASSWORD", "hunter2"),
            ("AWS_KEY", "x"),
            ("HF_TOKEN", "t0ken"),
            ("HTTPS_PROXY", "http://p"),
        ],
    );
    // An inheritable descriptor, such as a build tool leaves open.
    let leaked = rustix::io::dup(fs::File::open("/dev/null").unwrap()).unwrap();
    let script = format!(
        "{DIAL}
fds = [fd for fd in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + fd) and int(fd) != host.fileno()]
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines() if ':' in line)
host.sendall((json.dumps({{'env': dict(os.environ), 'cwd': os.getcwd(), 'fds': sorted(fds), 'nnp': status['NoNewPrivs'].strip(), 'sid': os.getsid(0) == os.getpid(), 'core': __import__('resource').getrlimit(4)}}) + chr(10)).encode())
time.sleep(60)"
    );
    let spec = host
        .script(
            "[secrets]\nnames = [\"HF_TOKEN\"]\n[realtime]\ncpu = 1.5\n",
            &script,
        )
        .await;
    let mut worker = host.launch(&spec).await.unwrap();
    let told: serde_json::Value = serde_json::from_str(&line_of(&mut worker)).unwrap();
    drop(leaked);
    let env = told["env"].as_object().unwrap();
    for (name, value) in [
        ("HF_TOKEN", "t0ken"),
        ("HTTPS_PROXY", "http://p"),
        ("ONSTAGE_PROTOCOL", "1"),
        ("ONSTAGE_ENTRY", "model.py"),
        ("ONSTAGE_WORKER", "age-1"),
        ("ONSTAGE_EXTRA", "more"),
        ("OMP_NUM_THREADS", "2"),
        ("PYTHONUNBUFFERED", "1"),
    ] {
        assert_eq!(env[name], value, "{name}");
    }
    assert!(
        !env.contains_key("ONSTAGE_PASSWORD") && !env.contains_key("AWS_KEY"),
        "{env:?}"
    );
    assert!(
        env["TMPDIR"]
            .as_str()
            .unwrap()
            .starts_with(data.path().to_str().unwrap())
    );
    assert!(
        Path::new(env["PYTHONPATH"].as_str().unwrap())
            .join("onstage/__init__.py")
            .exists()
    );
    assert!(env["ONSTAGE_SOCKET"].as_str().unwrap().len() < 100);
    assert!(
        !Path::new(env["ONSTAGE_SOCKET"].as_str().unwrap()).exists(),
        "the socket stays open to others"
    );
    assert_eq!(
        told["cwd"],
        host.launcher
            .folder(&spec.bundle)
            .await
            .unwrap()
            .to_str()
            .unwrap()
    );
    // 3 is the listing itself.
    assert!(
        told["fds"].as_array().unwrap().len() <= 3,
        "{}",
        told["fds"]
    );
    assert_eq!(
        (told["nnp"].as_str(), &told["sid"]),
        (Some("1"), &true.into())
    );
    assert_eq!(told["core"], serde_json::json!([0, 0]));
}

#[tokio::test]
async fn a_missing_secret_is_told() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let spec = host
        .script("[secrets]\nnames = [\"HF_TOKEN\"]\n", DIAL)
        .await;
    let error = host.launch(&spec).await.err().unwrap();
    assert_eq!(error.to_string(), "secret `HF_TOKEN` is not set here");
}

#[tokio::test]
async fn a_worker_that_ends_before_it_connects_tells_why() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    for (script, expected) in [
        (
            "raise RuntimeError('no luck')",
            "exited with code 1 before it connected: Traceback",
        ),
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        (
            "import sys; sys.exit(7)",
            "exited with code 7 before it connected: it printed nothing",
        ),
        (
            "import os; os.kill(os.getpid(), 11)",
            "crashed (segmentation fault)",
        ),
        ("print('only this')", "only this"),
    ] {
        let error = host
            .launch(&host.script("", script).await)
            .await
            .err()
            .unwrap();
        assert_eq!(error.kind, Kind::UserCode, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let killed = host.script("", "import os; os.kill(os.getpid(), 9)").await;
    let error = host.launch(&killed).await.err().unwrap();
    assert_eq!(error.kind, Kind::Unavailable, "nobody's fault: {error}");
    assert_eq!(temp_folders(data.path()), 0);
}

/// Temporary folders of workers that are still there.
fn temp_folders(data: &Path) -> usize {
    let owned: Vec<_> = fs::read_dir(data.join("tmp")).unwrap().flatten().collect();
    assert_eq!(owned.len(), 1);
    fs::read_dir(owned[0].path())
        .unwrap()
        .flatten()
        .filter(|e| e.path().is_dir())
        .count()
}

#[tokio::test]
async fn a_worker_that_does_not_connect_is_killed_in_time() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let file = data.path().join("pid");
    let script = format!(
        "import os, time, sys\nprint('thinking', file=sys.stderr)\nopen({file:?}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    );
    let mut spec = host.script("", &script).await;
    spec.dial_in_timeout = Duration::from_secs(2);
    let error = host.launch(&spec).await.err().unwrap();
    assert_eq!(error.kind, Kind::Timeout);
    assert!(
        error
            .to_string()
            .contains("did not connect within 2 s: thinking"),
        "{error}"
    );
    let pid = number_in(&file).unwrap();
    until("the worker is gone", || !runs(pid)).await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let toml = "[model]\nname = \"age\"\ncommand = [\"no-such-program-here\"]\n";
    let error = host
        .launch(&host.model(&[("onstage.toml", toml)]).await)
        .await
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("program `no-such-program-here` could not start"),
        "{error}"
    );
    assert!(error.hint.unwrap().contains("not on PATH"));
}

#[tokio::test]
async fn dropping_a_worker_takes_its_children_and_its_files_along() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let script = format!(
        "{DIAL}
open(os.environ['TMPDIR'] + '/scratch', 'w').write('x')
child = subprocess.Popen(['sleep', '600'])
host.sendall((str(child.pid) + chr(10)).encode())
time.sleep(600)"
    );
    let mut worker = host.launch(&host.script("", &script).await).await.unwrap();
    let child: u32 = line_of(&mut worker).trim().parse().unwrap();
    let pid = worker.pid();
    assert!(runs(child) && runs(pid));
    assert_eq!(temp_folders(data.path()), 1);
    drop(worker);
    until("the group is gone", || !runs(child) && !runs(pid)).await;
    let reaped = || crate::process::procfs::stat(pid).is_none();
    until("the worker is reaped", reaped).await;
    assert_eq!(temp_folders(data.path()), 0);
}

#[tokio::test]
async fn a_worker_that_crashes_leaves_no_children() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let script = format!(
        "{DIAL}
child = subprocess.Popen(['sleep', '600'])
host.sendall((str(child.pid) + chr(10)).encode())
os.kill(os.getpid(), 11)"
    );
    let mut worker = host.launch(&host.script("", &script).await).await.unwrap();
    let child: u32 = line_of(&mut worker).trim().parse().unwrap();
    assert_eq!(worker.wait().await, Exit::Signal(11));
    until("its child is gone", || !runs(child)).await;
}

#[tokio::test]
async fn terminate_asks_and_kill_does_not() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let polite = format!(
        "{DIAL}
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
host.sendall(b'ready' + bytes([10]))
time.sleep(600)"
    );
    let mut worker = host.launch(&host.script("", &polite).await).await.unwrap();
    assert_eq!(line_of(&mut worker).trim(), "ready");
    worker.terminate();
    assert_eq!(worker.wait().await, Exit::Code(5));
    assert_eq!(worker.wait().await, Exit::Code(5), "asked again");
    let deaf = format!(
        "{DIAL}
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
host.sendall(b'deaf' + bytes([10]))
time.sleep(600)"
    );
    let mut worker = host.launch(&host.script("", &deaf).await).await.unwrap();
    assert_eq!(line_of(&mut worker).trim(), "deaf");
    worker.terminate();
    worker.kill();
    assert_eq!(worker.wait().await, Exit::Signal(9));
}

#[tokio::test]
async fn half_a_megabyte_of_words_before_connecting_does_not_block() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let script = format!(
        "import sys\nsys.stderr.write('x' * 500_000)\nsys.stderr.flush()\n{DIAL}\ntime.sleep(600)"
    );
    assert!(host.launch(&host.script("", &script).await).await.is_ok());
}

#[tokio::test]
async fn memory_over_the_limit_is_refused_to_the_worker() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let script = format!(
        "{DIAL}
try:
    held = bytearray(1 << 30)
except MemoryError:
    sys.exit(9)
sys.exit(0)"
    );
    let spec = host
        .script("[realtime]\nmemory = \"256MiB\"\n", &script)
        .await;
    let mut worker = host.launch(&spec).await.unwrap();
    assert_eq!(worker.wait().await, Exit::Code(9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_outlives_the_thread_that_asked_for_it() {
    let data = data();
    let host = Arc::new(Host::new(data.path(), &[]));
    let script = format!(
        "{DIAL}
host.sendall(host.recv(100))
time.sleep(600)"
    );
    let spec = host.script("", &script).await;
    let runtime = tokio::runtime::Handle::current();
    let asking = {
        let host = host.clone();
        std::thread::spawn(move || runtime.block_on(host.launch(&spec)).unwrap())
    };
    let mut worker = tokio::task::spawn_blocking(move || asking.join().unwrap())
        .await
        .unwrap();
    let attached = worker.attach().unwrap();
    let mut socket = blocking(&attached);
    std::io::Write::write_all(&mut socket, b"still here\n").unwrap();
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).unwrap();
    assert_eq!(line, "still here\n");
}

#[tokio::test]
async fn many_workers_start_at_once_from_one_bundle() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let spec = host.script("", &format!("{DIAL}\ntime.sleep(600)")).await;
    let started = futures::future::join_all((0..8).map(|_| host.launch(&spec))).await;
    let mut pids: Vec<u32> = started
        .iter()
        .map(|worker| worker.as_ref().unwrap().pid())
        .collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 8);
    let folders = fs::read_dir(data.path().join("bundles")).unwrap().flatten();
    assert_eq!(folders.filter(|entry| entry.path().is_dir()).count(), 1);
}

/// Whoever makes room takes what nobody has locked.
#[tokio::test]
async fn a_bundle_stays_as_long_as_a_worker_runs_in_it() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let spec = host.script("", &format!("{DIAL}\ntime.sleep(600)")).await;
    let (first, second) = (
        host.launch(&spec).await.unwrap(),
        host.launch(&spec).await.unwrap(),
    );
    let lock = data
        .path()
        .join(format!("bundles/{}.lock", spec.bundle.sha256));
    let is_free = || fs::File::open(&lock).unwrap().try_lock().is_ok();
    drop(first);
    assert!(!is_free(), "another runs in it");
    drop(second);
    until("nobody has it", is_free).await;
}

#[tokio::test]
async fn a_bundle_that_arrives_damaged_is_not_used() {
    let data = data();
    let host = Host::new(data.path(), &[]);
    let mut spec = host.script("", DIAL).await;
    spec.bundle.sha256 = "0".repeat(64);
    let error = host.launch(&spec).await.err().unwrap();
    assert!(error.to_string().contains("arrived damaged"), "{error}");
    spec.bundle.sha256 = "../../../etc".to_owned();
    assert_eq!(host.launch(&spec).await.err().unwrap().kind, Kind::Invalid);
}

/// Not a test: the host process that the next test kills.
#[tokio::test]
#[ignore = "runs inside of `a_worker_dies_with_its_host`"]
async fn host_that_is_killed() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how the outer test passes its folder"
    )]
    let Ok(folder) = std::env::var("ONSTAGE_TEST_FOLDER") else {
        return;
    };
    let folder = Path::new(&folder);
    let host = Host::new(folder, &[]);
    let spec = host.script("", &format!("{DIAL}\ntime.sleep(600)")).await;
    let worker = host.launch(&spec).await.unwrap();
    fs::write(folder.join("pid-new"), worker.pid().to_string()).unwrap();
    fs::rename(folder.join("pid-new"), folder.join("pid")).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_worker_dies_with_its_host() {
    let data = data();
    let mut host = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "process::tests::launcher::host_that_is_killed",
        ])
        .env("ONSTAGE_TEST_FOLDER", data.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let file = data.path().join("pid");
    until("the worker runs", || number_in(&file).is_some_and(runs)).await;
    let pid = number_in(&file).unwrap();
    host.kill().unwrap();
    host.wait().unwrap();
    until("the worker is gone", || !runs(pid)).await;
    // The next host sweeps what the killed one left.
    let next = Host::new(data.path(), &[]);
    assert_eq!(fs::read_dir(data.path().join("tmp")).unwrap().count(), 1);
    drop(next);
}
