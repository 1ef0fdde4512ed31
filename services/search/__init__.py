"""Searches over time and data sources; for now their engine."""
