"""The peers' Python environments: one each, from pinned requirements, kept. A failure is a reason, not an end."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent / "requirements"
INSTALL_SECONDS_MAX = 600


class CannotInstallError(Exception):
    """Why a peer has no environment."""


def folder():
    cache = (
        os.environ.get("ONSTAGE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "onstage"
    )
    return Path(cache) / "bench-environments"


def installed(name):
    """The environment's Python, installed first when its requirements have changed. Errors: `CannotInstallError`."""
    pins = REQUIREMENTS / f"{name}.txt"
    place = folder() / name
    stamp = place / ".onstage-stamp"
    if not (stamp.is_file() and stamp.read_bytes() == pins.read_bytes()):
        print(f"  … installing {name}", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        for command in commands(place, pins):
            run(command)
        stamp.write_bytes(pins.read_bytes())
    return place / "bin" / "python"


def commands(place, pins):
    wanted = interpreter(pins)
    uv = shutil.which("uv")
    if uv:
        python = str(place / "bin" / "python")
        yield [uv, "venv", "--quiet", "--python", wanted, str(place)]
        yield [uv, "pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--python", python, "-r", str(pins)]
    else:
        yield [wanted, "-m", "venv", str(place)]
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        yield [*pip, "--no-deps", "-r", str(pins)]


def interpreter(pins):
    """The Python that the first line of the pins names, if it is on this machine; else the one that runs this."""
    named = re.search(r"Python (3\.\d+)", pins.read_text().splitlines()[0]).group(1)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for found in [shutil.which(f"python{named}"), *sorted(pyenv.glob(f"{named}.*/bin/python{named}"))]:
        # A version manager's stand-in may be there without the Python behind it.
        if found and subprocess.run([found, "-c", ""], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return str(found)
    return sys.executable


def run(command):
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstallError(f"`{command[0]}`: {error}") from error
    if done.returncode != 0:
        raise CannotInstallError(f"`{' '.join(command[:4])} …` ended with {done.returncode}: {done.stdout[-300:]}")


def version(name, package):
    """The pinned version of a package."""
    for line in (REQUIREMENTS / f"{name}.txt").read_text().splitlines():
        if line.lower().startswith(f"{package.lower()}=="):
            return line.split("==", 1)[1]
    return "unknown"
