"""`python -m sightline` is the command."""

from sightline.command import main

main()
