"""The all-in-one composition: every service in one process."""
