"""The store: port, documents, records, adapters."""
