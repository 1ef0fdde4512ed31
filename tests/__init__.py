"""A package in the full sense, unlike its folders: `sscws` brings one called `tests` too, and would win."""
