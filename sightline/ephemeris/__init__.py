"""Ephemeris of one's own: made of elements or of a site's place, or read from files, checked whole, then sent.

A part of the client that takes the extra `ephemeris` (NumPy and friends). The command imports its modules when they are
asked for, and nothing else of the client does.
"""
