"""What goes wrong with servers of one's own."""


class ServerMissingError(RuntimeError):
    """No such server can be had here; the message says what to install."""


class ServerFailedError(RuntimeError):
    """A server did not start, stop or answer; the message ends with what it logged last."""
