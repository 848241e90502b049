//! The emulator by itself, for tests that are no Rust: prints the variables that lead to it, and ends with its standard input.

use onstage_s3_emulator::S3Emulator;
use std::io::{self, Write};

fn main() -> io::Result<()> {
    let emulator = S3Emulator::start();
    let mut out = io::stdout().lock();
    writeln!(out, "ONSTAGE_BLOBS={}", S3Emulator::PLACE)?;
    for (name, value) in emulator.variables() {
        writeln!(out, "{name}={value}")?;
    }
    writeln!(out)?;
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}
