"""One file a workload: what is run, interleaved how, and which figures come of it. What is enough: `targets.py`."""
