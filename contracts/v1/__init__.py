"""Version 1 of every payload. Inside a version only optional additions; anything else is a v2 beside it."""
