"""How many queries lie in the store, asked of the store itself and not of the platform."""

import sqlite3
from pathlib import Path


def count(store: str, state: str = "answered") -> int:
    """Count documents in a state, with majority read concern where there is such a thing."""
    if store.startswith("sqlite:"):
        path = Path(store.removeprefix("sqlite:///"))
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            (found,) = connection.execute("SELECT count(*) FROM queries WHERE state = ?", (state,)).fetchone()
        finally:
            connection.close()
        return int(found)
    from pymongo import MongoClient
    from pymongo.read_concern import ReadConcern

    with MongoClient[dict[str, object]](store) as client:
        collection = client.get_default_database().get_collection("queries", read_concern=ReadConcern("majority"))
        return collection.count_documents({"state": state})
