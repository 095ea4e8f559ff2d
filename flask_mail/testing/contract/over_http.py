"""Tests of a backend that sends over HTTP."""

from .http_answers import HttpAnswers
from .http_connections import HttpConnections


class OverHttp(HttpAnswers, HttpConnections):
    """Tests of a backend that sends over HTTP; not part of :class:`BackendContract`.

    They start a service that does what a test wants, and check the outcome of each way in which a
    request and its answer may end. For a :class:`.HttpBackend`; a subclass defines the fixture
    ``backend_at``, and :attr:`accepts` if the service accepts messages with another answer.
    """
