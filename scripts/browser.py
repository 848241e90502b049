"""Runs the page's Playwright tests in real Chromium against a real server with the examples on it."""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from stage import Stage

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("activity", "activity-plan", "digits", "heavy", "flowers")
# What is different when the bytes of the installation lie in a bucket.
BUCKET_MODELS, BUCKET_WALKS = ("activity",), ("uploads.spec.ts",)
PASSWORD = "a password for the browser test"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", required=True)
    options.add_argument("--s3-emulator", help="with it, what goes past the server to a bucket is walked too")
    options.add_argument("rest", nargs="*", help="handed to Playwright")
    chosen = options.parse_args()
    settings = {"ONSTAGE_PASSWORD": PASSWORD, "HEAVY_MB": "16", "HEAVY_SECONDS": "0.5"}
    code = walk(chosen.binary, settings, MODELS, chosen.rest)
    shot = ROOT / "ui/screenshots/digits.png"
    if code == 0 and shot.exists() and os.environ.get("ONSTAGE_UPDATE_SCREENSHOT"):
        shutil.copy(shot, ROOT / "docs/screenshot.png")
    if code == 0 and chosen.s3_emulator:
        with bucket(chosen.s3_emulator) as variables:
            code = walk(chosen.binary, {**settings, **variables}, BUCKET_MODELS, BUCKET_WALKS)
    return code


def walk(binary, settings, models, rest):
    """Runs Playwright against a server with these settings and models; returns its exit status."""
    cache = Path(os.environ.get("ONSTAGE_CACHE") or Path.home() / ".cache/onstage")
    with tempfile.TemporaryDirectory(prefix="onstage-browser-") as folder:
        share_environments(Path(folder), cache)
        with Stage(binary, folder, environment=settings) as stage:
            for name in models:
                stage.verb("push", ROOT / "examples" / name)
            environment = {
                **os.environ,
                "ONSTAGE_URL": stage.url,
                "ONSTAGE_LOGIN": stage.login,
                "ONSTAGE_TOKEN": stage.token,
                "ONSTAGE_PASSWORD": PASSWORD,
                "ONSTAGE_EXAMPLES": str(ROOT / "examples"),
                "ONSTAGE_STORAGE": settings.get("AWS_ENDPOINT_URL", ""),
            }
            command = ["npm", "run", "--silent", "e2e", "--", *rest]
            done = subprocess.run(command, check=False, cwd=ROOT / "ui", env=environment)
            if done.returncode != 0:
                print(stage.printed()[-5000:], file=sys.stderr)
    return done.returncode


@contextlib.contextmanager
def bucket(emulator):
    """An S3 as long as the block runs; yields the variables with which a server finds it."""
    with subprocess.Popen([emulator], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        lines = iter(process.stdout.readline, "\n")
        yield dict(line.rstrip("\n").split("=", 1) for line in lines)
        process.stdin.close()


def share_environments(data, cache):
    """Python environments are made once for all test runs."""
    shared = cache / "test-environments"
    shared.mkdir(parents=True, exist_ok=True)
    (data / "environments").symlink_to(shared)


if __name__ == "__main__":
    sys.exit(main())
