//! The table of installation settings: name, variable, default, meaning. The reference page is made from it.
//! Does not read any of them.

/// One setting.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The key in `server.toml`.
    pub(crate) key: &'static str,
    /// The environment variable.
    pub(crate) variable: &'static str,
    pub(crate) default: &'static str,
    pub(crate) about: &'static str,
    /// Never shown, and not allowed in a file that is easily copied.
    pub(crate) secret: bool,
}

const fn entry(
    key: &'static str,
    variable: &'static str,
    default: &'static str,
    about: &'static str,
) -> Entry {
    Entry {
        key,
        variable,
        default,
        about,
        secret: false,
    }
}

/// Every setting. An empty default is worked out from the others or means none.
pub(crate) const ENTRIES: &[Entry] = &[
    entry(
        "data",
        "ONSTAGE_DATA",
        "",
        "the data folder; default `onstage` in $XDG_DATA_HOME",
    ),
    entry(
        "listen",
        "ONSTAGE_LISTEN",
        "127.0.0.1:8484",
        "address and port to serve on",
    ),
    entry(
        "name",
        "ONSTAGE_NAME",
        "Onstage",
        "what the page calls this installation",
    ),
    entry(
        "owner",
        "ONSTAGE_OWNER",
        "lab",
        "owner of models whose folder names none",
    ),
    entry(
        "store",
        "ONSTAGE_STORE",
        "",
        "records, as a URL: `postgres://…`, `mysql://…` or `sqlite://…`; default an SQLite file in the data folder",
    ),
    entry(
        "blobs",
        "ONSTAGE_BLOBS",
        "",
        "bytes, as a URL: `s3://bucket/prefix` or `file:///folder`; default a folder in the data folder",
    ),
    Entry {
        key: "password",
        variable: "ONSTAGE_PASSWORD",
        default: "",
        about: "the stakeholders' shared password; none: they cannot log in",
        secret: true,
    },
    entry(
        "hosts",
        "ONSTAGE_HOSTS",
        "",
        "further host names that browsers may call this server by, with commas",
    ),
    entry(
        "proxies",
        "ONSTAGE_PROXIES",
        "",
        "addresses of reverse proxies whose X-Forwarded headers are believed, with commas",
    ),
    entry(
        "tls",
        "ONSTAGE_TLS",
        "false",
        "whether browsers reach this server through TLS only, so that cookies say so",
    ),
    entry(
        "wait_default",
        "ONSTAGE_WAIT_DEFAULT",
        "20s",
        "how long a realtime request is held before it is answered 202",
    ),
    entry(
        "wait_max",
        "ONSTAGE_WAIT_MAX",
        "60s",
        "the longest wait that a request may ask for",
    ),
    entry(
        "upload_max",
        "ONSTAGE_UPLOAD_MAX",
        "2GiB",
        "the largest file that may be uploaded",
    ),
    entry(
        "dataset_max",
        "ONSTAGE_DATASET_MAX",
        "64GiB",
        "the largest version that a dataset may get",
    ),
    entry(
        "queue_items_max",
        "ONSTAGE_QUEUE_ITEMS_MAX",
        "1000",
        "requests that may wait per model that sets no `queue`",
    ),
    entry(
        "workers_total_max",
        "ONSTAGE_WORKERS_TOTAL_MAX",
        "16",
        "workers of all models together on this machine",
    ),
    entry(
        "webhook_hosts",
        "ONSTAGE_WEBHOOK_HOSTS",
        "",
        "host names that webhooks may go to, with commas (`*.example.org`: all below; `*`: all that are public); none: webhooks are off",
    ),
    entry(
        "webhook_loopback",
        "ONSTAGE_WEBHOOK_LOOPBACK",
        "false",
        "whether webhooks may also go to this machine itself, and without TLS; for trying things out",
    ),
    entry(
        "tasks_total_max",
        "ONSTAGE_TASKS_TOTAL_MAX",
        "",
        "tasks of all models together on this machine; default one a core, at least 2; with 0 jobs wait",
    ),
    entry(
        "gpus",
        "ONSTAGE_GPUS",
        "",
        "GPUs that models may reserve, as CUDA_VISIBLE_DEVICES names them, with commas, or `none`; default all of this machine",
    ),
    entry(
        "template_python",
        "ONSTAGE_TEMPLATE_PYTHON",
        "",
        "path of the interpreter that models made of templates run on, with the PyTorch that is installed in it; default an environment of their own",
    ),
    entry(
        "drain",
        "ONSTAGE_DRAIN",
        "20s",
        "how long running requests may finish when the server stops",
    ),
    entry(
        "probation",
        "ONSTAGE_PROBATION",
        "60s",
        "how long a newer version that went live is watched, and the one before held ready to take over again; 0s: not at all",
    ),
    entry(
        "price_vcpu_hour",
        "ONSTAGE_PRICE_VCPU_HOUR",
        "",
        "what an hour of one core costs, in USD; default Fargate's list price",
    ),
    entry(
        "price_gb_hour",
        "ONSTAGE_PRICE_GB_HOUR",
        "",
        "what an hour of one GB of memory costs, in USD; default Fargate's list price",
    ),
    entry(
        "price_gpu_hour",
        "ONSTAGE_PRICE_GPU_HOUR",
        "",
        "what an hour of one GPU costs, in USD; default a small one's list price",
    ),
    entry(
        "log",
        "ONSTAGE_LOG",
        "info",
        "what is logged: error, warn, info, debug, or a filter like `onstage=debug`",
    ),
];

/// Variables of ours that are no settings of an installation but known all the same.
pub(crate) const OTHER_VARIABLES: &[&str] = &[
    "ONSTAGE_URL",
    "ONSTAGE_TOKEN",
    "ONSTAGE_CONFIG",
    "ONSTAGE_CACHE",
    "ONSTAGE_FAIL",
];
