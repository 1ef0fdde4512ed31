"""The resources of our own HTTP API under /v1: what the doors answer and what clients read."""
