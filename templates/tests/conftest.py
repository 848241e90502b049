"""Where the SDK and the template's files are, as a worker has them in its path."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "templates" / "tabular-torch")]
