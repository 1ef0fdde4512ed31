"""MongoDB's users and roles, each allowed what its service needs."""
