"""The peers: how each is started for a workload, and how each is asked. Their own code is in the folders beside."""
