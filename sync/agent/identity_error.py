"""What goes wrong with a POD's identity, in words for whoever stands at the gate."""


class IdentityError(Exception):
    """A fault with a message fit for an operator: what happened, then the mend. It never holds a secret."""
