//! What a child process does between fork and exec, and signals to process groups: with `own_code`, the only unsafe code of the house.
//! Does not start anything itself.
#![expect(
    unsafe_code,
    reason = "`pre_exec` is the only way to run code between fork and exec; borrowed raw descriptors come from /proc/self/fd; the runtime watches raw descriptors"
)]

use rustix::{
    io::{FdFlags, fcntl_getfd, fcntl_setfd},
    process::{self, Pid, Resource, Rlimit, Signal},
};
use std::{
    fs, io,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
};
use tokio::io::{Interest, unix::AsyncFd};

/// How a child is bound to us.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Confinement {
    /// The kernel kills the child when the thread that spawned it ends.
    pub(crate) dies_with_parent: bool,
    /// Private writable memory. Not the address space: numeric libraries reserve far more of that than they use.
    pub(crate) data_bytes_max: Option<u64>,
    /// Files, sockets and pipes that it may have open.
    pub(crate) open_files_max: Option<u64>,
    /// The child and its children gain no rights by running set-uid programs, and leave no core files.
    pub(crate) no_new_rights: bool,
    /// How much it stands back for others, 0 to 19. Its reads and writes stand back as well: unless told otherwise, the kernel goes by this.
    pub(crate) niceness: i32,
}

/// Makes `command`'s child the leader of its own session and process group, confined as told.
pub(crate) fn confine(command: &mut Command, confinement: Confinement) {
    let parent = process::getpid();
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. `prepare` makes plain system calls through rustix
    // (no allocation, no locks), and building an `io::Error` from an errno allocates nothing.
    unsafe {
        command.pre_exec(move || prepare(parent, confinement));
    }
}

fn prepare(parent: Pid, confinement: Confinement) -> io::Result<()> {
    process::setsid()?;
    #[cfg(target_os = "linux")]
    if confinement.dies_with_parent {
        process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the line above; then nobody would ever send the signal.
        if process::getppid() != Some(parent) {
            return Err(io::Error::from_raw_os_error(
                rustix::io::Errno::CHILD.raw_os_error(),
            ));
        }
    }
    if confinement.no_new_rights {
        #[cfg(target_os = "linux")]
        rustix::thread::set_no_new_privs(true)?;
        set_limit(Resource::Core, 0)?;
    }
    if confinement.niceness > 0 {
        stand_back(confinement.niceness);
    }
    if let Some(files) = confinement.open_files_max {
        set_limit(Resource::Nofile, files)?;
    }
    if let Some(bytes) = confinement.data_bytes_max {
        set_limit(Resource::Data, bytes)?;
    }
    Ok(())
}

/// Best effort: a child that may not is only as important as we are.
fn stand_back(niceness: i32) {
    let Ok(now) = process::nice(niceness) else {
        return;
    };
    // Where the kernel shares out time by session first, each has a niceness of its own, and every child of ours leads one.
    #[cfg(target_os = "linux")]
    if let Ok(file) = rustix::fs::open(
        c"/proc/self/autogroup",
        rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    ) {
        // A leading zero would make it octal.
        let tens = if now < 10 {
            b' '
        } else {
            b'0' + (now / 10) as u8
        };
        let digits = [tens, b'0' + (now % 10) as u8];
        let _ = rustix::io::write(&file, &digits);
    }
}

fn set_limit(resource: Resource, most: u64) -> io::Result<()> {
    let hard = process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = Some(most.min(hard));
    process::setrlimit(
        resource,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    )?;
    Ok(())
}

/// Marks every open descriptor close-on-exec, except the standard ones: what we inherited, or a C library opened, must
/// not be inherited further. Ours are marked from birth; this is for the others.
pub(crate) fn close_others_on_exec() {
    let Ok(entries) = fs::read_dir("/proc/self/fd").or_else(|_| fs::read_dir("/dev/fd")) else {
        return;
    };
    for entry in entries.flatten() {
        let Some(number) = entry
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<i32>().ok())
        else {
            continue;
        };
        if number <= 2 {
            continue;
        }
        // SAFETY: the number was open a moment ago. Should it be closed by now, the calls answer EBADF; should it be reused, the new
        // descriptor is only marked as all of ours are.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if let Ok(flags) = fcntl_getfd(fd)
            && !flags.contains(FdFlags::CLOEXEC)
        {
            let _ = fcntl_setfd(fd, flags | FdFlags::CLOEXEC);
        }
    }
}

/// Has the runtime tell when a descriptor can be read.
pub(crate) fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned, and neither closed nor replaced before it is given back.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?)
}

/// Sends a signal to a process group; a group that is gone is fine.
pub(crate) fn signal_group(leader: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(leader)
        .ok()
        .filter(|pid| *pid > 1)
        .and_then(Pid::from_raw)
    {
        let _ = process::kill_process_group(pid, signal);
    }
}
