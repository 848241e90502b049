"""The worker runner: `python -m onstage.worker` speaks the worker protocol for a model's folder.

It must not know HTTP, stores or clouds; the host does everything that touches the outside.
"""
