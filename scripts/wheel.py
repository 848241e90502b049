"""Builds the wheel (SDK and binary in one), installs it into a clean environment and walks the quickstart there."""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from stage import Stage

ROOT = Path(__file__).resolve().parent.parent


def run(*command, **options):
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    if done.returncode != 0:
        raise SystemExit(f"error: `{' '.join(map(str, command))}` ended with code {done.returncode}:\n{done.stdout}")
    return done.stdout


def main():
    with tempfile.TemporaryDirectory(prefix="onstage-wheel-") as folder:
        folder = Path(folder)
        run("maturin", "build", "--release", "--locked", "--out", folder / "wheels", cwd=ROOT / "python")
        (wheel,) = (folder / "wheels").glob("onstage-*.whl")
        print(f"built {wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB")
        venv.create(folder / "clean", with_pip=True)
        scripts = folder / "clean/bin"
        run(scripts / "pip", "install", "--no-index", wheel)
        version = run(scripts / "python", "-c", "import onstage; print(onstage.__version__)").strip()
        print(f"import onstage: {version}; {run(scripts / 'onstage', '--version').strip()}")
        environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
        run(scripts / "onstage", "new", "hello", cwd=folder, env=environment)
        checks = "from model import *; import onstage; print('called as a plain function')"
        print(run(scripts / "python", "-c", checks, cwd=folder / "hello").strip())
        with Stage(scripts / "onstage", folder / "data") as stage:
            stage.verb("push", folder / "hello")
            answer = json.loads(stage.verb("run", "hello", "name=Ada", "--json"))
        assert answer["status"] == "succeeded" and "Ada" in answer["output"], answer
        print(f"quickstart: {answer['output']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
