//! A world for one test: a data folder, a server on a free port, a client. Knows only what users know: the command line and HTTP.
//! When it is closed it asserts that the server ended well and that no process was left behind.

use crate::databases;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long anything in a test may take before it counts as hung; generous, for busy machines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
const BINARY: &str = env!("CARGO_BIN_EXE_onstage");

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    /// What several fronts have in common beside their store.
    shared: Option<Arc<tempfile::TempDir>>,
    pub(crate) server: Option<Child>,
    variables: Vec<(String, String)>,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) client: reqwest::Client,
    /// Where the server is to listen, when it is handed a socket that outlives it.
    pub(crate) socket: Option<std::net::TcpListener>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A world whose server has these environment variables.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        let mut world = Self::still(variables);
        if let Some(server) = databases::wanted() {
            world.set("ONSTAGE_STORE", &databases::fresh(server));
        }
        world.serve().await;
        world
    }

    /// The first of several fronts on this store and one folder of blobs.
    pub(crate) async fn first_of_many(store: &str, variables: &[(&str, &str)]) -> Self {
        let mut world = Self::still(variables);
        let shared = temporary();
        let blobs = format!("file://{}", shared.path().join("blobs").display());
        world.set("ONSTAGE_STORE", store);
        world.set("ONSTAGE_BLOBS", &blobs);
        world.shared = Some(Arc::new(shared));
        world.serve().await;
        world
    }

    /// Another front on what this one has, in a data folder of its own.
    pub(crate) async fn beside(&self) -> Self {
        let mut world = Self::still(&[]);
        world.variables.clone_from(&self.variables);
        world.shared.clone_from(&self.shared);
        world.serve().await;
        world
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    fn still(variables: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default(); // for every client of a test
        let folder = temporary();
        share_environments(folder.path());
        Self {
            folder,
            shared: None,
            server: None,
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            url: String::new(),
            token: String::new(),
            client: reqwest::Client::builder()
                .timeout(PATIENCE)
                .build()
                .unwrap(),
            socket: None,
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the server (again, after `kill_server`) and waits until it is ready.
    pub(crate) async fn serve(&mut self) {
        if let Err(status) = self.try_serve().await {
            panic!("the server ended with {status}:\n{}", self.printed());
        }
    }

    /// The same; how it ended when it did before it was ready.
    pub(crate) async fn try_serve(&mut self) -> Result<(), std::process::ExitStatus> {
        let client_json = self.data().join("client.json");
        let _ = fs::remove_file(&client_json);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("serve.log"))
            .unwrap();
        let server = self
            .serving()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.server = Some(server.unwrap());
        let ready = async {
            loop {
                if let Some(status) = self.server.as_mut().unwrap().try_wait().unwrap() {
                    return Err(status);
                }
                if let Some((url, token)) = read_client(&client_json)
                    && self
                        .client
                        .get(format!("{url}/readyz"))
                        .timeout(Duration::from_secs(5))
                        .send()
                        .await
                        .is_ok_and(|answer| answer.status().is_success())
                {
                    return Ok((url, token));
                }
                tokio::time::sleep(Duration::from_millis(20)).await; // poll
            }
        };
        let (url, token) = tokio::time::timeout(PATIENCE, ready)
            .await
            .expect("the server gets ready")?;
        self.url = url;
        self.token = token;
        Ok(())
    }

    /// What the server printed so far.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default()
    }

    pub(crate) fn server_pid(&self) -> u32 {
        self.server.as_ref().expect("the server runs").id()
    }

    /// SIGKILL, as a crash would.
    pub(crate) fn kill_server(&mut self) {
        let mut server = self.server.take().expect("the server runs");
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// `onstage …` for a server, with its socket as the third descriptor as systemd would hand it over.
    fn serving(&self) -> Command {
        let Some(socket) = &self.socket else {
            return self.command();
        };
        let mut command = self.prepared(Command::new("sh"));
        command
            .args(["-c", r#"exec "$0" "$@" 3<&0 </dev/null"#, BINARY])
            .env("LISTEN_FDS", "1")
            .stdin(std::os::fd::OwnedFd::from(socket.try_clone().unwrap()));
        command
    }

    /// `onstage …` in this world.
    pub(crate) fn command(&self) -> Command {
        self.prepared(Command::new(BINARY))
    }

    fn prepared(&self, mut command: Command) -> Command {
        command
            .env_remove("ONSTAGE_URL")
            .env_remove("ONSTAGE_TOKEN")
            .env_remove("ONSTAGE_PASSWORD");
        command
            .env("ONSTAGE_DATA", self.data())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a verb; standard output and error are captured. Off the async threads, so that other parts of the test go on.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command();
        command.args(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    /// Runs a verb that must work; answers its standard output.
    pub(crate) async fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(
            output.status.success(),
            "`onstage {}` failed:\n{}{}\nserver:\n{}",
            arguments.join(" "),
            text(&output.stdout),
            text(&output.stderr),
            self.printed()
        );
        text(&output.stdout)
    }

    pub(crate) async fn ok_json(&self, arguments: &[&str]) -> Value {
        let out = self.ok(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&out).unwrap_or_else(|error| {
            panic!(
                "`onstage {}` does not print JSON ({error}):\n{out}",
                arguments.join(" ")
            )
        })
    }

    /// Writes a model folder: `model.py`, `onstage.toml` and whatever else.
    pub(crate) fn model(&self, name: &str, code: &str, more: &[(&str, &str)]) -> PathBuf {
        let folder = self.folder.path().join("models").join(name);
        fs::create_dir_all(folder.join("examples")).unwrap();
        fs::write(
            folder.join("onstage.toml"),
            format!("[model]\nname = \"{name}\"\n"),
        )
        .unwrap();
        fs::write(folder.join("model.py"), code).unwrap();
        for (file, content) in more {
            fs::write(folder.join(file), content).unwrap();
        }
        folder
    }

    /// Writes and pushes a model that must become ready.
    pub(crate) async fn push(&self, name: &str, code: &str, more: &[(&str, &str)]) {
        let folder = self.model(name, code, more);
        self.ok(&["push", folder.to_str().unwrap()]).await;
    }

    /// Pushes a folder of `examples/`.
    pub(crate) async fn push_example(&self, name: &str) {
        self.ok(&["push", example(name).to_str().unwrap()]).await;
    }

    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.url)
        };
        self.client.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(reqwest::Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.request(reqwest::Method::POST, path).json(body)).await
    }

    /// One realtime prediction.
    pub(crate) async fn predict(&self, model: &str, input: Value) -> (u16, Value) {
        self.post(
            &format!("/v1/models/lab/{model}/predictions"),
            &json!({ "input": input }),
        )
        .await
    }

    /// Uploads bytes as a file; answers its id.
    pub(crate) async fn upload(&self, name: &str, bytes: impl Into<Vec<u8>>) -> String {
        let part = reqwest::multipart::Part::bytes(bytes.into()).file_name(name.to_owned());
        let form = reqwest::multipart::Form::new().part("content", part);
        let (status, file) = answer(
            self.request(reqwest::Method::POST, "/v1/files")
                .multipart(form),
        )
        .await;
        assert_eq!(status, 201, "{file}");
        file["id"].as_str().unwrap().to_owned()
    }

    /// Starts a batch job over a table; more fields as JSON.
    pub(crate) async fn batch(
        &self,
        model: &str,
        name: &str,
        table: impl Into<Vec<u8>>,
        more: Value,
    ) -> (u16, Value) {
        let file = self.upload(name, table).await;
        let mut body = json!({ "table": format!("onstage://files/{file}") });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap_or_default());
        self.post(&format!("/v1/models/lab/{model}/batches"), &body)
            .await
    }

    /// Waits until a prediction or batch job is final.
    pub(crate) async fn finished(&self, path: &str) -> Value {
        self.until(path, |record| {
            matches!(
                record["status"].as_str(),
                Some("succeeded" | "failed" | "canceled")
            )
        })
        .await
    }

    /// Polls a resource until it is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, record) = self.get(path).await;
            if wanted(&record) {
                return record;
            }
            assert!(
                Instant::now() < deadline,
                "{path} did not become as wanted: {record:#}\nserver:\n{}",
                self.printed()
            );
            tokio::time::sleep(Duration::from_millis(50)).await; // poll
        }
    }

    /// The whole event log of a prediction or job, by long poll until it is final.
    pub(crate) async fn events(&self, path: &str) -> Vec<Value> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let (status, page) = self
                .get(&format!("{path}/events?after={after}&wait=20"))
                .await;
            assert_eq!(status, 200, "{page:#}");
            all.extend(page["events"].as_array().unwrap().iter().cloned());
            after = page["next"].as_u64().unwrap();
            if page["final"] == true {
                return all;
            }
        }
    }

    /// Processes of this world: those whose command line or environment names its folder.
    pub(crate) fn processes(&self) -> Vec<(u32, String)> {
        let folder = self.folder.path().to_str().unwrap().as_bytes().to_vec();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            let (line, variables) = (read("cmdline"), read("environ"));
            let ours = [&line, &variables]
                .iter()
                .any(|bytes| bytes.windows(folder.len()).any(|window| window == folder));
            if ours && pid != std::process::id() {
                found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
            }
        }
        found
    }

    /// The pids of processes whose command line contains `word`.
    pub(crate) fn pids(&self, word: &str) -> Vec<u32> {
        self.processes()
            .into_iter()
            .filter(|(_, line)| line.contains(word))
            .map(|(pid, _)| pid)
            .collect()
    }

    /// Ends the server as `kill` or a service manager would and checks that nothing is left.
    pub(crate) async fn close(mut self) {
        self.stop().await;
    }

    /// The same, and its folder stays to be looked into.
    pub(crate) async fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            signal(server.id(), "TERM");
            let status =
                tokio::task::spawn_blocking(move || wait(&mut server, Duration::from_secs(40)))
                    .await
                    .unwrap();
            assert_eq!(
                status,
                Some(0),
                "the server did not end well:\n{}",
                self.printed()
            );
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.processes().is_empty() {
            assert!(
                Instant::now() < deadline,
                "left behind: {:?}",
                self.processes()
            );
            tokio::time::sleep(Duration::from_millis(50)).await; // poll
        }
    }
}

fn temporary() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("onstage-e2e-").tempdir().unwrap()
}

impl Drop for World {
    /// A failed test must not leave processes either.
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
            for (pid, _) in self.processes() {
                signal(pid, "KILL");
            }
        }
    }
}

/// Sends a signal to one process that the test owns.
pub(crate) fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

pub(crate) fn wait(server: &mut Child, patience: Duration) -> Option<i32> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = server.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > deadline {
            let _ = server.kill();
            let _ = server.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(20)); // poll
    }
}

fn read_client(path: &Path) -> Option<(String, String)> {
    let client: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some((
        client["url"].as_str()?.to_owned(),
        client["token"].as_str()?.to_owned(),
    ))
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("the server answers");
    let status = response.status().as_u16();
    let body = response.bytes().await.expect("the answer is whole");
    let value = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    (status, value)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
        .canonicalize()
        .unwrap()
}

/// Python environments are made once for all tests: only this folder is shared between worlds.
fn share_environments(folder: &Path) {
    let home = std::env::var("HOME").unwrap_or_else(|_| "/tmp".to_owned());
    let cache = std::env::var("ONSTAGE_CACHE").map_or_else(
        |_| PathBuf::from(home).join(".cache/onstage"),
        PathBuf::from,
    );
    let shared = cache.join("test-environments");
    fs::create_dir_all(&shared).unwrap();
    fs::create_dir_all(folder.join("data")).unwrap();
    std::os::unix::fs::symlink(shared, folder.join("data/environments")).unwrap();
}
