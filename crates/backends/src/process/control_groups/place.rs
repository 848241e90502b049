//! Where groups of a controller are made, in both versions of control groups.
//! Makes none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub(super) const PREFIX: &str = "onstage-";
/// In version 2 a group with processes of its own cannot bound groups inside it, so we move into this one.
const OWN: &str = "onstage-front";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Each controller has a tree of its own.
    One,
    Two,
}

/// Our own group of one controller.
#[derive(Debug)]
pub(super) struct Place {
    controller: &'static str,
    pub(super) base: PathBuf,
    pub(super) version: Version,
}

impl Place {
    /// `own` is what the kernel says our groups are.
    pub(super) fn of(controller: &'static str, mounted: &Path, own: &str) -> Option<Self> {
        let mut found = None;
        for line in own.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
                continue;
            };
            let path = path.trim_start_matches('/');
            if controllers.split(',').any(|name| name == controller) {
                found = Some((mounted.join(controller).join(path), Version::One));
                break;
            }
            if controllers.is_empty() {
                // Where a front has moved into its own group, groups are made beside that.
                let path = path.strip_suffix(OWN).unwrap_or(path);
                found = Some((mounted.join(path), Version::Two));
            }
        }
        let (base, version) = found?;
        Some(Self {
            controller,
            base,
            version,
        })
    }

    /// Lets groups inside ours have limits, which version 2 asks for.
    pub(super) fn hand_down(&self) -> io::Result<()> {
        if self.version == Version::One {
            return Ok(());
        }
        let control = self.base.join("cgroup.subtree_control");
        let hands_down = format!("+{}", self.controller);
        if fs::write(&control, &hands_down).is_ok() {
            return Ok(());
        }
        let me = std::process::id().to_string();
        if fs::read_to_string(self.base.join("cgroup.procs"))?.trim() != me {
            // Somebody's session: it is not ours to arrange.
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let own = self.base.join(OWN);
        if !own.is_dir() {
            fs::create_dir(&own)?;
        }
        fs::write(own.join("cgroup.procs"), me)?;
        fs::write(&control, &hands_down)
    }
}

/// The process that has made a group of this name.
pub(super) fn owner(name: &str) -> Option<u32> {
    let (pid, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    pid.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_group_is_found_in_both_versions() {
        let mounted = Path::new("/mounted");
        let place = |controller, text| {
            Place::of(controller, mounted, text).map(|place| (place.base, place.version))
        };
        let both = "4:memory:/a/b\n1:cpu,cpuacct:/c\n0::/\n";
        assert_eq!(
            place("memory", both),
            Some((mounted.join("memory/a/b"), Version::One))
        );
        assert_eq!(
            place("cpu", both),
            Some((mounted.join("cpu/c"), Version::One))
        );
        assert_eq!(
            place("memory", "0::/user.slice/x.service\n"),
            Some((mounted.join("user.slice/x.service"), Version::Two))
        );
        assert_eq!(
            place("cpu", "0::/system.slice/x.service/onstage-front\n"),
            Some((mounted.join("system.slice/x.service/"), Version::Two))
        );
        assert_eq!(place("cpu", ""), None);
    }

    #[test]
    fn only_groups_of_workers_have_an_owner() {
        assert_eq!(owner("onstage-417-3"), Some(417));
        assert_eq!(owner("onstage-front"), None);
        assert_eq!(owner("docker-417-3"), None);
    }
}
