"""The services of Sightline and the kit under them."""
