//! The environment of child processes: what a worker is told, and what of our own environment it may see.
//! Pure; our environment is passed in.

use std::{collections::BTreeMap, ffi::OsString};

/// The front's environment, as read in the one place that reads it.
pub type HostVariables = BTreeMap<String, String>;

/// What every child may see: where programs, the home folder and the accelerators are.
const BASE: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
];
/// How to reach the network, for model downloads and package indexes.
const NETWORK: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
];
/// Settings of the installers alone: a package index's address may hold a password.
const INSTALLER_PREFIXES: &[&str] = &["PIP_", "UV_", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"];
/// Libraries start one thread per core in every worker unless told otherwise.
const THREAD_COUNTS: &[&str] = &[
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
];

/// How glibc's allocator behaves from the start, as it would by itself once a block of 32 MiB was freed: blocks up to that size come from
/// the heap, and up to 64 MiB of it stay with the process when they are free. Until then each input of a megabyte would be new memory, a
/// page fault for every 4 KiB of it. Other allocators ignore this.
const ALLOCATOR: &[(&str, u64)] = &[
    ("MALLOC_MMAP_THRESHOLD_", 32 << 20),
    ("MALLOC_TRIM_THRESHOLD_", 64 << 20),
];

const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A child's environment; later settings win.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables(BTreeMap<OsString, OsString>);

impl Variables {
    /// What every child gets.
    pub(crate) fn base(host: &HostVariables) -> Self {
        let mut variables = Self::default();
        variables.set("PATH", DEFAULT_PATH);
        variables.set("LANG", "C.UTF-8");
        for name in BASE.iter().chain(NETWORK) {
            if let Some(value) = host.get(*name) {
                variables.set(name, value);
            }
        }
        variables
    }

    /// What `pip` and `uv` get.
    pub(crate) fn installer(host: &HostVariables) -> Self {
        let mut variables = Self::base(host);
        for (name, value) in host {
            if INSTALLER_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                variables.set(name, value);
            }
        }
        if let Some(folder) = host.get("TMPDIR") {
            variables.set("TMPDIR", folder);
        }
        variables.set("PYTHONUNBUFFERED", "1");
        variables
    }

    pub(crate) fn threads(&mut self, threads: u32) {
        for name in THREAD_COUNTS {
            self.set(name, threads.to_string());
        }
    }

    /// The child keeps memory that it has freed for what it needs next.
    pub(crate) fn reuses_memory(&mut self) {
        for (name, bytes) in ALLOCATOR {
            self.set(*name, bytes.to_string());
        }
    }

    /// The numbers of threads that libraries are told.
    pub(crate) fn thread_counts(&self) -> impl Iterator<Item = (String, String)> {
        THREAD_COUNTS.iter().filter_map(|name| {
            let value = self.0.get(std::ffi::OsStr::new(name))?;
            Some(((*name).to_owned(), value.to_string_lossy().into_owned()))
        })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(std::ffi::OsStr::new(name))
    }

    pub(crate) fn extend(&mut self, more: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in more {
            self.set(name, value);
        }
    }

    pub(crate) fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// Puts a folder before the others in `PATH`.
    pub(crate) fn path_first(&mut self, folder: &std::path::Path) {
        let mut path = folder.as_os_str().to_owned();
        if let Some(rest) = self.0.get(std::ffi::OsStr::new("PATH")) {
            path.push(":");
            path.push(rest);
        }
        self.set("PATH", path);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_sees_only_what_it_may() {
        let host: HostVariables = [
            ("PATH", "/opt/bin"),
            ("ONSTAGE_PASSWORD", "hunter2"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("HTTPS_PROXY", "http://proxy"),
            ("PIP_INDEX_URL", "https://user:pass@index"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        let names = |variables: &Variables| -> Vec<String> {
            variables
                .iter()
                .map(|(k, _)| k.to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(
            names(&Variables::base(&host)),
            ["HTTPS_PROXY", "LANG", "PATH"]
        );
        assert_eq!(
            names(&Variables::installer(&host)),
            [
                "HTTPS_PROXY",
                "LANG",
                "PATH",
                "PIP_INDEX_URL",
                "PYTHONUNBUFFERED"
            ]
        );
    }
}
