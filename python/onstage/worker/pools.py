"""The thread pools of numeric libraries: given their real size in workers.

In a template they are kept at one thread by the environment, because more would stand in the way of forking.

It must not import any of those libraries.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Dict, Set

# By the beginning of a library's file name: what to call with the number of threads, whichever of them it has.
SETTERS: Dict[str, Any] = {
    "libopenblas": ("openblas_set_num_threads", "openblas_set_num_threads64_"),
    "libscipy_openblas": ("scipy_openblas_set_num_threads", "scipy_openblas_set_num_threads64_"),
    "libgomp": ("omp_set_num_threads",),
    "libomp": ("omp_set_num_threads",),
    "libiomp5": ("omp_set_num_threads",),
    "libmkl_rt": ("MKL_Set_Num_Threads",),
    "libblis": ("bli_thread_set_num_threads",),
}
VARIABLE = "OMP_NUM_THREADS"


def grow() -> None:
    """Gives the libraries that are loaded the size that the environment says."""
    text = os.environ.get(VARIABLE, "1")
    threads = int(text) if text.isdigit() else 1
    if threads <= 1:
        return
    for module, setter in (("torch", "set_num_threads"), ("numexpr", "set_num_threads")):
        call = getattr(sys.modules.get(module), setter, None)
        if call is not None:
            call(threads)
    for path in _loaded():
        _set(path, threads)


def _loaded() -> Set[str]:
    """Files of this process's memory that are libraries with a pool."""
    found = set()
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if path and os.path.basename(path).startswith(tuple(SETTERS)):
                found.add("/" + path)
    return found


def _set(path: str, threads: int) -> None:
    try:
        # Only one that is loaded already: a file that was replaced meanwhile is another library.
        library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return
    name = os.path.basename(path)
    for prefix, setters in SETTERS.items():
        for setter in setters if name.startswith(prefix) else ():
            if hasattr(library, setter):
                getattr(library, setter)(ctypes.c_int(threads))
                return
