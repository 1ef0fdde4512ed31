"""The colours of the map, and those that stand for distances."""

from bisect import bisect_right

PAPER, INK, FAINT = "#ffffff", "#1d2733", "#7b8794"
SKY, NET, NET_WORDS = "#12203a", "#2f4368", "#8ea3c8"
SITE, SITE_WORDS = "#ffffff", "#e8eef8"
# Near is bright, far is dim, and the order is seen without colour too.
_RAMP = ("#ffe76a", "#ffb14e", "#fa7f5e", "#d9598a", "#9d54b8", "#5f5fc4")


def color_of(share: float) -> str:
    """Return the colour between near (0) and far (1)."""
    at = min(max(share, 0.0), 1.0) * (len(_RAMP) - 1)
    step = min(bisect_right(range(len(_RAMP)), at) - 1, len(_RAMP) - 2)
    low, high = bytes.fromhex(_RAMP[step][1:]), bytes.fromhex(_RAMP[step + 1][1:])
    return "#" + bytes(round(a + (b - a) * (at - step)) for a, b in zip(low, high, strict=True)).hex()
