"""The one family of exceptions that a user is expected to meet."""


class AidagenError(Exception):
    """Something a user can put right; its message is one sentence that says how.

    The command line prints the message alone and exits with code 2; in a notebook it is
    raised as it is. A kind of its own, derived from this class, has what
    somebody catches by name.
    """


class VideoError(AidagenError):
    """A clip or picture that cannot be read, shown or written."""
