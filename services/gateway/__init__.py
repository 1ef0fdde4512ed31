"""The read door and the small control plane: look up, wait, list, label; detectors, models, tokens."""
