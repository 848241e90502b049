"""Runs the page's Playwright tests in real Chromium against a real server with the examples on it."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from stage import Stage

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("activity", "activity-plan", "digits", "heavy", "flowers")
PASSWORD = "a password for the browser test"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", required=True)
    options.add_argument("rest", nargs="*", help="handed to Playwright")
    chosen = options.parse_args()
    cache = Path(os.environ.get("ONSTAGE_CACHE") or Path.home() / ".cache/onstage")
    with tempfile.TemporaryDirectory(prefix="onstage-browser-") as folder:
        share_environments(Path(folder), cache)
        settings = {"ONSTAGE_PASSWORD": PASSWORD, "HEAVY_MB": "16", "HEAVY_SECONDS": "0.5"}
        with Stage(chosen.binary, folder, environment=settings) as stage:
            for name in MODELS:
                stage.verb("push", ROOT / "examples" / name)
            environment = {
                **os.environ,
                "ONSTAGE_URL": stage.url,
                "ONSTAGE_LOGIN": stage.login,
                "ONSTAGE_TOKEN": stage.token,
                "ONSTAGE_PASSWORD": PASSWORD,
                "ONSTAGE_EXAMPLES": str(ROOT / "examples"),
            }
            done = subprocess.run(
                ["npm", "run", "--silent", "e2e", "--", *chosen.rest], check=False, cwd=ROOT / "ui", env=environment
            )
            if done.returncode != 0:
                print(stage.printed()[-5000:], file=sys.stderr)
    shot = ROOT / "ui/screenshots/digits.png"
    if done.returncode == 0 and shot.exists() and os.environ.get("ONSTAGE_UPDATE_SCREENSHOT"):
        shutil.copy(shot, ROOT / "docs/screenshot.png")
    return done.returncode


def share_environments(data, cache):
    """Python environments are made once for all test runs."""
    shared = cache / "test-environments"
    shared.mkdir(parents=True, exist_ok=True)
    (data / "environments").symlink_to(shared)


if __name__ == "__main__":
    sys.exit(main())
