"""What can go wrong with the embedded servers, each with one sentence for the person at the terminal."""


class EmbeddedError(Exception):
    """The embedded servers cannot be used; `str(error)` says what to do next."""

    code = "embedded_error"


class AlreadyRunningError(EmbeddedError):
    """Another process holds the lock of the same home."""

    code = "already_running"


class ServerStartError(EmbeddedError):
    """A server ended or stayed silent during its start; the message carries the end of its log."""

    code = "server_did_not_start"


class InterruptedStartError(EmbeddedError):
    """Somebody asked us to stop while a server was starting."""

    code = "interrupted_start"


class HomeUnusableError(EmbeddedError):
    """The home folder cannot be written or entered by those who need it."""

    code = "home_unusable"
