"""The result store: the only writer of query documents. It folds every fact, dead letters included."""
