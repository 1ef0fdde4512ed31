"""Where things are on the private network of infra/compose.yaml, and in its containers."""

from pathlib import Path

SECRETS = Path(__file__).parents[1] / "secrets"
"""The folder of the secrets on the host; never committed, never in an image."""
MOUNTED = Path("/run/secrets")
"""Where compose mounts them."""
BUS = "rabbitmq:5672"
VHOST = "sightline"
STORE = "mongodb:27017"
DATABASE = "sightline"
ADMINISTRATOR = "administrator"
"""File of the password of MongoDB's administrator."""
