"""Searches over time and sources: planned into parts, worked part by part, put together."""
