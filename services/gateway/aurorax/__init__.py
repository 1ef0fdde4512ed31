"""The surface of AuroraX: what the unmodified client `pyaurorax` reads of searches. See docs/aurorax.md."""
