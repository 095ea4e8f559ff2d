"""The code around a transaction: it may fail, and then its mail is not meant to be sent."""

from __future__ import annotations

import sys
from typing import Any

from flask import after_this_request, has_request_context


class Surroundings:
    """The request or block in which a message joins a transaction."""

    def __init__(self) -> None:
        self._status = 0
        # Its id, as the exception would keep alive the frames that it passed. It does not count:
        # a message may be sent, and its commit forgotten, where an exception is handled.
        self._handled = id(sys.exc_info()[1])
        if has_request_context():
            after_this_request(self._note)

    def _note(self, response: Any) -> Any:
        self._status = response.status_code
        return response

    def have_failed(self) -> bool:
        """Return True if an exception has ended them, or their response is an error."""
        error = sys.exc_info()[1]
        return self._status >= 400 or (error is not None and id(error) != self._handled)
