"""Makes words of a file or a server fit for a terminal: they can show, and steer nothing. Pure."""


def harmless(text: str) -> str:
    """The text with a mark in the place of every control character but the line end."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
