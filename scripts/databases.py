#!/usr/bin/env python3
"""PostgreSQL and MariaDB for tests: own servers in a temporary folder, on free loopback ports, gone with the test run.

`databases.py setup` is what nextest runs before the first test that needs one: it starts a keeper, waits until both
servers answer and tells the tests where they are. The keeper ends them when nextest ends, however it ends.
`databases.py run COMMAND…` does the same around any other command. `databases.py alone` is one PostgreSQL for a test
that stops it: it does every word on its standard input, and prints a line when that is done.
"""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 20
USER = "onstage"
# PostgreSQL refuses to run as root; this user is everywhere and owns nothing.
UNPRIVILEGED = "nobody"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class As:
    """The user that the servers run as: an unprivileged one when we are root, else ourselves."""

    def __init__(self) -> None:
        self.who = pwd.getpwnam(UNPRIVILEGED) if os.getuid() == 0 else None

    def give(self, path: pathlib.Path) -> None:
        if self.who:
            os.chown(path, self.who.pw_uid, self.who.pw_gid)

    def start(self, command: list[str], log: pathlib.Path) -> subprocess.Popen:
        extra = {"user": self.who.pw_uid, "group": self.who.pw_gid, "extra_groups": []} if self.who else {}
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(log.parent)}
        with log.open("ab") as out:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=log.parent, env=environment, **extra
            )

    def run(self, command: list[str], log: pathlib.Path) -> None:
        if self.start(command, log).wait() != 0:
            raise SystemExit(f"error: `{' '.join(command)}` failed:\n{log.read_text(errors='replace')[-3000:]}")


def program(name: str, package: str, *folders: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", *folders]))
    if not found:
        raise SystemExit(f"error: `{name}` is missing; install {package} and try again")
    return found


def postgres_folders() -> list[str]:
    versions = pathlib.Path("/usr/lib/postgresql").glob("*/bin")
    return [str(path) for path in sorted(versions, key=lambda path: path.parent.name.zfill(4), reverse=True)]


def certificates(folder: pathlib.Path, servers: As) -> None:
    """An authority and a certificate of it for this machine, so that TLS is tested as it is used."""
    openssl = program("openssl", "openssl")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    extensions = folder / "extensions"
    extensions.write_text("basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost\n")
    for command in (
        ["req", "-x509", *key, "-days", "2", "-subj", "/CN=Onstage tests", "-keyout", "ca.key", "-out", "ca.pem"],
        ["req", *key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"],
        ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
        + ["-extfile", str(extensions), "-out", "server.pem"],
    ):
        subprocess.run([openssl, *command], cwd=folder, check=True, capture_output=True)
    (folder / "server.key").chmod(0o600)
    for name in ("server.key", "server.pem", "ca.pem"):
        servers.give(folder / name)


def make_postgres(folder: pathlib.Path, servers: As, password: str) -> None:
    words = folder / "password"
    words.write_text(password)
    servers.give(words)
    # A locale unlike the order of bytes: keys must be compared by their bytes all the same.
    initdb = program("initdb", "postgresql", *postgres_folders())
    options = ["--username", USER, "--pwfile", str(words), "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
    locale = ["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8"]
    servers.run([initdb, "--pgdata", str(folder / "postgres"), *options, *locale], folder / "postgres.log")


def start_postgres(folder: pathlib.Path, servers: As, port: int, *, is_killed: bool = False) -> subprocess.Popen:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        "max_connections": 400,
        "shared_buffers": "64MB",
        # Nothing here outlives the machine.
        "fsync": "off",
        # What is acknowledged outlives a killed server where one is to be killed.
        "synchronous_commit": "on" if is_killed else "off",
        "full_page_writes": "off",
        "ssl": "on",
        "ssl_cert_file": folder / "server.pem",
        "ssl_key_file": folder / "server.key",
    }
    given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    postgres = program("postgres", "postgresql", *postgres_folders())
    return servers.start([postgres, "-D", str(folder / "postgres"), *given], folder / "postgres.log")


def postgres_url(password: str, port: int) -> str:
    return f"postgres://{USER}:{password}@127.0.0.1:{port}/postgres?sslmode=disable"


def start_mysql(folder: pathlib.Path, servers: As, password: str, port: int) -> subprocess.Popen:
    data, log, first = folder / "mysql", folder / "mysql.log", folder / "first.sql"
    install = program("mariadb-install-db", "mariadb-server-core")
    given = [f"--datadir={data}", "--skip-test-db", "--auth-root-authentication-method=normal"]
    servers.run([install, "--no-defaults", *given], log)
    first.write_text(
        f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n"
    )
    servers.give(first)
    settings = {
        "datadir": data,
        "socket": folder / "mysql.sock",
        "pid-file": folder / "mysql.pid",
        "port": port,
        "bind-address": "127.0.0.1",
        "max-connections": 400,
        "innodb-buffer-pool-size": "128M",
        "innodb-log-file-size": "32M",
        "innodb-flush-log-at-trx-commit": 0,
        "innodb-flush-method": "nosync",
        "innodb-doublewrite": 0,
        # Every test makes its tables; files of their own would take most of its time.
        "innodb-file-per-table": 0,
        "ssl-cert": folder / "server.pem",
        "ssl-key": folder / "server.key",
        "init-file": first,
    }
    given = [f"--{name}={value}" for name, value in settings.items()]
    return servers.start([program("mariadbd", "mariadb-server-core"), "--no-defaults", *given], log)


def wait_for(name: str, server: subprocess.Popen, port: int, log: pathlib.Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
                # MariaDB greets; PostgreSQL waits to be asked.
                if name == "postgres" or probe.recv(1):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"error: {name} does not start:\n{log.read_text(errors='replace')[-3000:]}")


def keep(folder: pathlib.Path, watched: int) -> None:
    """Runs both servers until the watched process is gone."""
    gone = os.pidfd_open(watched)
    servers, running = As(), []
    try:
        servers.give(folder)
        certificates(folder, servers)
        password = secrets.token_hex(8)
        ports = {name: free_port() for name in ("postgres", "mysql")}
        make_postgres(folder, servers, password)
        running.append(start_postgres(folder, servers, ports["postgres"]))
        running.append(start_mysql(folder, servers, password, ports["mysql"]))
        for server, (name, port) in zip(running, ports.items()):
            wait_for(name, server, port, folder / f"{name}.log")
        login = f"{USER}:{password}@127.0.0.1"
        facts = {
            "ONSTAGE_TEST_POSTGRES": postgres_url(password, ports["postgres"]),
            "ONSTAGE_TEST_MYSQL": f"mysql://{login}:{ports['mysql']}/mysql?ssl-mode=DISABLED",
            "ONSTAGE_TEST_CA": str(folder / "ca.pem"),
        }
        (folder / "ready.part").write_text(json.dumps(facts))
        (folder / "ready.part").rename(folder / "ready.json")
        select.select([gone], [], [])
    except SystemExit as error:
        (folder / "failed").write_text(str(error))
        select.select([gone], [], [], 10)
    finally:
        for server in running:
            # Both take it for: finish at once, without waiting for who is connected.
            server.send_signal(signal.SIGINT if server is running[0] else signal.SIGTERM)
        for server in running:
            try:
                server.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def tell_all(server: subprocess.Popen, number: int) -> None:
    """A signal to a server and all its processes, each of which is in a session of its own."""
    pids = [int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit()]
    for pid in [server.pid, *(pid for pid in pids if parent_of(pid) == server.pid)]:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def parent_of(pid: int) -> int | None:
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def alone() -> None:
    """One PostgreSQL that does as it is told, `start`, `freeze`, `thaw` or `kill`, and ends with its standard input."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="onstage-postgres-"))
    folder.chmod(0o755)
    servers, password, port, server = As(), secrets.token_hex(8), free_port(), None
    try:
        servers.give(folder)
        certificates(folder, servers)
        make_postgres(folder, servers, password)
        for word in map(str.strip, sys.stdin):
            if word == "start":
                server = start_postgres(folder, servers, port, is_killed=True)
                wait_for("postgres", server, port, folder / "postgres.log")
            else:
                tell_all(server, {"freeze": signal.SIGSTOP, "thaw": signal.SIGCONT, "kill": signal.SIGKILL}[word])
            if word == "kill":
                server.wait()
            print(postgres_url(password, port), flush=True)
    finally:
        if server:
            tell_all(server, signal.SIGCONT)
            tell_all(server, signal.SIGKILL)
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def start(watched: int) -> dict[str, str]:
    """Starts a keeper that outlives us, not the watched process; answers what the tests must know."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="onstage-databases-"))
    folder.chmod(0o755)
    subprocess.Popen(
        [sys.executable, __file__, "keep", str(folder), str(watched)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if (folder / "ready.json").exists():
            return json.loads((folder / "ready.json").read_text())
        if (folder / "failed").exists():
            raise SystemExit((folder / "failed").read_text())
        time.sleep(0.05)
    raise SystemExit("error: the databases for tests do not start")


def main() -> None:
    verb, *rest = sys.argv[1:] or ["help"]
    if verb == "keep":
        keep(pathlib.Path(rest[0]), int(rest[1]))
    elif verb == "setup":
        with open(os.environ["NEXTEST_ENV"], "a") as out:
            out.writelines(f"{name}={value}\n" for name, value in start(os.getppid()).items())
    elif verb == "alone":
        alone()
    elif verb == "run":
        raise SystemExit(subprocess.run(rest, check=False, env={**os.environ, **start(os.getpid())}).returncode)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
