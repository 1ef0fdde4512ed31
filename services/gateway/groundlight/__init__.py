"""The read door and control plane of the Groundlight surface, under /device-api/v1, as the PyPI client uses it."""
