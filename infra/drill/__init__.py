"""`sightline drill`: the promises under faults. See docs/reliability.md.

It knows the platform as a user does: by its doors, its processes, its broker and its store.
"""
