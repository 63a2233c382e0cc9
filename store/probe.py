"""Asks an address whether a node answers there, without the driver: by what every node answers before a login."""

from __future__ import annotations

import contextlib
import socket
import ssl

# An OPTIONS request of the native protocol, which a node answers with SUPPORTED before anything else is said:
# https://github.com/apache/cassandra/blob/cassandra-5.0/doc/native_protocol_v5.spec
_OPTIONS = bytes((5, 0, 0, 0, 5, 0, 0, 0, 0))
_SUPPORTED = 6


def refusal(address: str, port: int, *, timeout: float = 2.0, tls: ssl.SSLContext | None = None) -> str:
    """Give why no node answers there in CQL's protocol; empty: one does.

    Args:
        address: a host's name or number.
        port: for CQL.
        timeout: seconds for each step.
        tls: how to speak TLS; None: without.
    """
    try:
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection((address, port), timeout=timeout))
            if tls is not None:
                connection = stack.enter_context(tls.wrap_socket(connection, server_hostname=address))
            connection.sendall(_OPTIONS)
            head = connection.recv(9)
    except ssl.SSLError as error:
        return f"it does not speak TLS with us ({error.reason or error})"
    except socket.gaierror:
        return "there is no host of this name"
    except TimeoutError:
        return f"it does not answer within {timeout:g} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if len(head) >= 5 and head[4] == _SUPPORTED:
        return ""
    return "what listens there speaks another protocol than CQL" + ("" if tls else ", or only TLS")
