"""The engine of searches: pure functions on columns, without a store, a bus or a clock. docs/search.md explains it."""
