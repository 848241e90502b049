"""`python -m onstage.worker`: dial the host's socket and serve one model.

It must not hold any logic of its own.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from onstage.worker.start import main

    sys.exit(main())
