"""A name server on loopback, for tests."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Records = Mapping[tuple[str, str], list[str]]
"""(name, kind) -> the records; of a name that is not there in any kind there is no domain.

One without records fails (SERVFAIL)."""


@contextlib.contextmanager
def name_server(records: Records, *, answers: bool = True) -> Iterator[str]:
    """Run a server; give its address and port.

    :param answers: whether it says anything at all.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        host, port = sock.getsockname()

        def serve() -> None:
            while True:
                asked, peer = sock.recvfrom(4096)
                if not asked:  # the test is over
                    return
                if answers:
                    sock.sendto(_answer(asked, records), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"{host}:{port}"
        finally:
            sock.sendto(b"", (host, port))
            thread.join(10)


def _answer(asked: bytes, records: Records) -> bytes:
    query = dns.message.from_wire(asked)
    (question,) = query.question
    name = question.name.to_text(omit_final_dot=True).lower()
    kind = dns.rdatatype.to_text(question.rdtype)
    response = dns.message.make_response(query, recursion_available=True)
    found = records.get((name, kind))
    if found == []:
        response.set_rcode(dns.rcode.SERVFAIL)
    elif found:
        response.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, found))
    elif not any(known == name for known, _ in records):
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response.to_wire()
