"""Who sits at the command line, for the audit."""

import getpass
import os


def operator() -> str:
    """Such as `command line, user root`; behind sudo the user who called it."""
    try:
        return f"command line, user {os.environ.get('SUDO_USER') or getpass.getuser()}"
    except (KeyError, OSError):  # a user without a name, as in containers
        return f"command line, user {os.getuid()}"
