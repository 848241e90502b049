//! Gives back the memory of code that only the start needed.
//! The kernel maps code in clusters around each page that runs; after a start that is most of the program, and what serves is a part of it.
#![expect(
    unsafe_code,
    reason = "no safe call takes pages of code out of a process"
)]

use rustix::mm::{Advice, madvise};
use std::{ffi::c_void, fs, io, ops::Range};

/// Unmaps the pages of this program's code; those that run again come back by themselves, from the page cache. Answers how many bytes of
/// addresses that were. Errors: what the kernel says; then nothing has changed that anybody could notice.
pub fn give_back() -> io::Result<usize> {
    let maps = fs::read_to_string("/proc/self/smaps")?;
    let program = fs::read_link("/proc/self/exe")?;
    let mut bytes = 0;
    for range in code(&maps, &program.to_string_lossy()) {
        // SAFETY: the range is mapped from a file, nobody may write to it and nobody has: what is taken out is read from the same file
        // when it is touched the next time. The program's file cannot change while it runs (ETXTBSY), nor does it move in memory.
        unsafe {
            madvise(
                range.start as *mut c_void,
                range.len(),
                Advice::LinuxDontNeed,
            )
        }?;
        bytes += range.len();
    }
    Ok(bytes)
}

/// Where `program` is mapped to be executed, not to be written to, and holds nothing that is not in its file.
fn code<'a>(maps: &'a str, program: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut mapped = None;
    maps.lines().filter_map(move |line| {
        // Pages that are no longer those of the file. Not "dirty" ones: so are a program's own that was only just written.
        if let Some(changed) = line.strip_prefix("Anonymous:") {
            return mapped.take().filter(|_| changed.trim() == "0 kB");
        }
        if let Some(range) = range_of(line) {
            let is_code = line.contains(" r-xp ") && line.ends_with(program);
            mapped = is_code.then_some(range);
        }
        None
    })
}

/// The addresses of a mapping's first line.
fn range_of(line: &str) -> Option<Range<usize>> {
    let (from, to) = line.split_once(' ')?.0.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(address(from)?..address(to)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
1000-3000 r--p 00000000 fe:00 7 /opt/onstage
Rss:                   8 kB
Anonymous:             0 kB
3000-9000 r-xp 00002000 fe:00 7 /opt/onstage
Rss:                  24 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
9000-a000 rw-p 00008000 fe:00 7 /opt/onstage
Anonymous:             4 kB
b000-c000 r-xp 00000000 fe:00 9 /lib/libc.so.6
Anonymous:             0 kB
d000-e000 r-xp 00000000 fe:00 7 /opt/onstage
Anonymous:             4 kB
";

    #[test]
    fn only_clean_code_of_the_program_itself_is_given_back() {
        let mut found = code(MAPS, "/opt/onstage");
        assert_eq!(found.next(), Some(0x3000..0x9000));
        assert_eq!(found.next(), None);
    }

    #[test]
    fn the_program_goes_on_with_less_memory() {
        let program = fs::read_link("/proc/self/exe").unwrap();
        let program = program.to_string_lossy();
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        for range in code(&maps, &program) {
            // SAFETY: code of this program is read, which changes nothing.
            unsafe {
                madvise(
                    range.start as *mut c_void,
                    range.len(),
                    Advice::LinuxPopulateRead,
                )
            }
            .unwrap();
        }
        let before = resident_kb(&program);
        let given_back = give_back().unwrap();
        assert!(given_back > 1 << 20, "{given_back}");
        let after = resident_kb(&program);
        assert!(after < before, "{before} kB, then {after} kB");
    }

    /// How much of the program's code is in memory.
    fn resident_kb(program: &str) -> u64 {
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let (mut is_code, mut sum) = (false, 0);
        for line in maps.lines() {
            if range_of(line).is_some() {
                is_code = line.contains(" r-xp ") && line.ends_with(program);
            } else if let Some(text) = line.strip_prefix("Rss:").filter(|_| is_code) {
                sum += text.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
            }
        }
        sum
    }
}
