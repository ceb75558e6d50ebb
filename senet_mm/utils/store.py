"""The store of a group of processes, by a connection that waits for none of them."""

import os
import socket
import time
from datetime import timedelta

from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch does not list it


def open_store(timeout: float, hosts: bool = False) -> TCPStore:
    """The store at ``MASTER_ADDR`` and ``MASTER_PORT``, which ``torch.distributed`` uses too.

    Args:
        timeout: Time that an operation may take, in seconds.
        hosts: Host it, if this process does not host it yet.

    Raises:
        RuntimeError: It does not answer.
    """
    return TCPStore(
        os.environ['MASTER_ADDR'],
        int(os.environ['MASTER_PORT']),
        is_master=hosts,
        multi_tenant=True,
        wait_for_workers=False,
        timeout=timedelta(seconds=timeout),
    )


def wait_for_port(address: str, port: int, end: float) -> bool:
    """Whether something listens there before a time of the monotonic clock.

    The store prints its stack when nobody does.
    """
    while (left := end - time.monotonic()) > 0:
        try:
            socket.create_connection((address, port), timeout=left).close()
            return True
        except OSError:
            time.sleep(min(0.5, left))
    return False
