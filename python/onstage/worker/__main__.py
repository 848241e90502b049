"""`python -m onstage.worker`: dial the host's socket and serve one model.

It must not hold any logic of its own.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # `python -m` puts the model's folder first. A `signal.py` or `types.py` there must not stand in for Python's own
    # while the runner is imported; `main` puts the folder back.
    import os

    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    from onstage.worker.start import main

    sys.exit(main())
