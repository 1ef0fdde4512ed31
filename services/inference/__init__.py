"""The inference service: decodes images, runs the detectors' models, publishes answers."""
