"""Faults the cloud knows by name. Each message says what is wrong and how to mend it."""


class CloudError(Exception):
    """A fault with a message fit for an operator: what happened, then the mend. It never holds a password."""


class DatabaseError(CloudError):
    """The database cannot be reached, refuses, or is not one that this program can use."""


class IdentityError(CloudError):
    """What is shown lets nobody in, or an authority cannot certify."""


class AuthorityError(IdentityError):
    """The authority that certifies PODs does not answer, or not with what it was asked for."""


class BrokerError(CloudError):
    """A broker cannot be had, or does not start."""
