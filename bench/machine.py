"""What the machine says: a process tree's CPU, memory and wake-ups, and which machine this is. Linux only."""

import ctypes
import os
import platform
import re
import signal
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Whatever a measured server leaves behind becomes a child of this process, and is ended with its server."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stat(pid):
    """The fields of a process behind its name, or None when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def tree(pid):
    """A process and all its descendants."""
    children = {}
    for entry in Path("/proc").iterdir():
        fields = stat(entry.name) if entry.name.isdigit() else None
        if fields and fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def cpu_seconds(pid):
    """User and system time of a tree; what ended children took counts once their parent has waited for them."""
    return sum(sum(map(int, fields[11:15])) for fields in map(stat, tree(pid)) if fields) / TICKS


def pss_mb(pid):
    """Memory of a tree, pages that several hold divided among them."""
    return sum(one_pss_kb(one) for one in tree(pid)) / 1024


def one_pss_kb(pid):
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+)", text, re.M)
    return int(found.group(1)) if found else 0


def settled_pss_mb(pid, seconds_max=60):
    """Memory of a tree once it has stopped growing."""
    last, until = 0.0, time.monotonic() + seconds_max
    while time.monotonic() < until:
        now = pss_mb(pid)
        if last and abs(now - last) < 0.01 * last:
            return now
        last = now
        time.sleep(1.5)
    return last


def switches(pid):
    """How often the threads of one process have gone to sleep of themselves."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M).group(1))
    return total


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def end_tree(process, seconds_max=20):
    """Ends a server and everything it has started: asked first, then told."""
    pids = tree(process.pid)
    born = {pid: fields[19] for pid in pids if (fields := stat(pid))}
    send(pids, signal.SIGCONT)
    send([process.pid], signal.SIGTERM)
    try:
        process.wait(seconds_max)
    except Exception:
        pass
    left = [pid for pid, start in born.items() if (fields := stat(pid)) and fields[19] == start and fields[0] != "Z"]
    send(left, signal.SIGKILL)
    process.wait()
    reap()


def reap():
    """Waits for adopted orphans that have ended; children with a `Popen` of their own have been waited for."""
    for entry in Path("/proc").iterdir():
        fields = stat(entry.name) if entry.name.isdigit() else None
        if fields and fields[0] == "Z" and int(fields[1]) == os.getpid():
            try:
                os.waitpid(int(entry.name), os.WNOHANG)
            except ChildProcessError:
                pass


def described():
    """Cores, processor, memory and system; no names of hosts or people."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory = int(re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M).group(1)) / 1024**2
    return {
        "cores": str(os.cpu_count()),
        "processor": cpu.group(1) if cpu else platform.machine(),
        "memory": f"{memory:.0f} GiB",
        "system": f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}",
        "load before the run": f"{os.getloadavg()[0]:.2f}",
    }


def free_memory_gb():
    return int(re.search(r"^MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M).group(1)) / 1024**2
