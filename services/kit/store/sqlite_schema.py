"""The tables of the SQLite store, and how values lie in their columns.

Documents are JSON text beside the columns that the port's questions need. Times are integers, microseconds of Unix
time, so that they sort. No column holds an integer above 64 bits: large numbers of clients stay inside JSON text.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from services.kit.errors import ConfigError
from services.kit.places import address_to_look, check_file
from services.kit.store.micros import to_micros
from services.kit.store.port import Cursor

FORMAT = 1
"""Grows when a version could not use the tables of the one before it."""

_APPLICATION_ID = 0x5316471E
_LOG_BYTES = 64 * 1024 * 1024

# A large blob leaves a write-ahead log of its size behind, which is cut back to `journal_size_limit` bytes.
# The indexes of lists carry the columns of the filters at their end, so that a filter that few match is decided in
# the index without fetching every document on the way. The partial ones stay as small as the work that waits.
SCHEMA = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {FORMAT};
PRAGMA journal_size_limit = {_LOG_BYTES};

CREATE TABLE IF NOT EXISTS queries (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  lane TEXT NOT NULL,
  state TEXT NOT NULL,
  revision INTEGER NOT NULL,
  detector_id TEXT,
  image_sha256 TEXT,
  label TEXT,
  held TEXT,
  open INTEGER NOT NULL,
  passed INTEGER NOT NULL,
  answered INTEGER NOT NULL,
  requested INTEGER NOT NULL,
  erased INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,
  request_expires_at INTEGER,
  document TEXT NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX IF NOT EXISTS queries_by_time
  ON queries (tenant, created_at, id, state, label, open, answered) WHERE erased = 0;
CREATE INDEX IF NOT EXISTS queries_by_detector
  ON queries (tenant, detector_id, created_at, id, state, label, open, answered) WHERE erased = 0;
CREATE INDEX IF NOT EXISTS queries_by_image
  ON queries (tenant, image_sha256, id) WHERE erased = 0 AND image_sha256 IS NOT NULL;
CREATE INDEX IF NOT EXISTS queries_by_retention ON queries (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS queries_waiting
  ON queries (created_at, id) WHERE open = 1 AND answered = 0 AND requested = 1 AND erased = 0 AND held IS NULL;
CREATE INDEX IF NOT EXISTS queries_passed ON queries (tenant, kind, lane, created_at) WHERE passed = 1;
CREATE INDEX IF NOT EXISTS queries_by_expiry
  ON queries (request_expires_at) WHERE open = 1 AND erased = 0 AND request_expires_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS queries_held
  ON queries (tenant, detector_id, created_at, id) WHERE open = 1 AND erased = 0 AND held IS NOT NULL;

CREATE TABLE IF NOT EXISTS claims (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  key TEXT,
  expires_at INTEGER NOT NULL,
  claim TEXT NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS claims_by_key ON claims (tenant, key) WHERE key IS NOT NULL;
CREATE INDEX IF NOT EXISTS claims_by_retention ON claims (expires_at);
CREATE INDEX IF NOT EXISTS claims_by_image ON claims (tenant, json_extract(claim, '$.request.image.sha256'), id);

CREATE TABLE IF NOT EXISTS blobs (
  blob_id INTEGER PRIMARY KEY,
  collection TEXT NOT NULL,
  tenant TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  media_type TEXT NOT NULL,
  expires_at INTEGER,
  UNIQUE (collection, tenant, sha256)
);
CREATE INDEX IF NOT EXISTS blobs_by_retention ON blobs (collection, expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS blob_data (
  blob_id INTEGER PRIMARY KEY,
  data BLOB NOT NULL
);

CREATE TABLE IF NOT EXISTS search_parts (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  part INTEGER NOT NULL,
  chunks INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (tenant, id, part)
);
CREATE INDEX IF NOT EXISTS search_parts_by_retention ON search_parts (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS search_chunks (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  part INTEGER NOT NULL,
  chunk INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (tenant, id, part, chunk)
);

CREATE TABLE IF NOT EXISTS records (
  kind TEXT NOT NULL,
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  unique_name TEXT,
  revision INTEGER NOT NULL,
  removed INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (kind, tenant, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS records_by_name
  ON records (kind, tenant, unique_name) WHERE unique_name IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_by_id ON records (kind, id);
CREATE INDEX IF NOT EXISTS records_by_time ON records (kind, tenant, created_at, id) WHERE removed = 0;

CREATE TABLE IF NOT EXISTS ephemeris (
  tenant TEXT NOT NULL,
  source INTEGER NOT NULL,
  name TEXT NOT NULL,
  day INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (tenant, source, name, day)
);
CREATE TABLE IF NOT EXISTS data_products (
  tenant TEXT NOT NULL,
  source INTEGER NOT NULL,
  url TEXT NOT NULL,
  type TEXT NOT NULL,
  start_at INTEGER NOT NULL,
  end_at INTEGER NOT NULL,
  product TEXT NOT NULL,
  PRIMARY KEY (tenant, source, url)
);
CREATE INDEX IF NOT EXISTS data_products_by_time ON data_products (tenant, start_at, source, url, end_at, type);

CREATE TABLE IF NOT EXISTS dead_letters (
  id TEXT PRIMARY KEY,
  died_at INTEGER NOT NULL,
  letter TEXT NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS dead_letters_by_time ON dead_letters (died_at, id);
CREATE INDEX IF NOT EXISTS dead_letters_by_query
  ON dead_letters (json_extract(letter, '$.query_id'), died_at, id);
CREATE INDEX IF NOT EXISTS dead_letters_by_reason
  ON dead_letters (json_extract(letter, '$.reason'), died_at, id);

CREATE TABLE IF NOT EXISTS checks (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  checked_at INTEGER NOT NULL
);
"""


def before(cursor: Cursor | None) -> tuple[int, str]:
    """Return the (created_at, id) that every row of the page lies before."""
    # Without a cursor: above every microsecond of the calendar.
    return (to_micros(cursor.created_at), cursor.id) if cursor else (2**62, "")


def verify_format(path: Path) -> None:
    """Return if there is no file yet, or it is a store of this format.

    Looked at before the file is opened for writing, so that a foreign file is left as it was.

    Raises:
        ConfigError: the file is something else, or a newer version made it.
    """
    check_file(path)
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with closing(sqlite3.connect(address_to_look(path), uri=True)) as connection:
            application_id = connection.execute("PRAGMA application_id").fetchone()[0]
            number = connection.execute("PRAGMA user_version").fetchone()[0]
            empty = connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    except sqlite3.Error as error:
        raise ConfigError(f"{path} cannot be used as a store: {error}") from error
    if application_id == 0 and empty:  # a process ended between making the file and making the tables
        return
    if application_id != _APPLICATION_ID:
        raise ConfigError(f"{path} is a SQLite file of something else than a Sightline store; choose another path")
    if number > FORMAT:
        raise ConfigError(f"{path} was made by a newer version of Sightline (format {number}, this one knows {FORMAT})")
