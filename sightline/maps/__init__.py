"""Maps of what conjunction searches find; drawing needs Pillow, the extra `map`."""
