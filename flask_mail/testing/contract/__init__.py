"""Contract tests for backends.

Derive a test class from :class:`BackendContract` and define the fixture ``backend``. With the
fixture ``delivered``, which returns what arrived, the tests check much more::

    class TestPigeonBackend(BackendContract):
        @pytest.fixture
        def backend(self, tmp_path):
            return PigeonBackend(loft=tmp_path)

        @pytest.fixture
        def delivered(self, backend):
            return lambda: [(letter.envelope, letter.content) for letter in backend.letters()]

        @pytest.fixture
        def options(self, tmp_path):
            return {"loft": tmp_path}

Only pytest is needed.
"""

from .batches import Batches
from .composing import Composing
from .data import BREAKS, FIELDS, THREADS, Delivered
from .events import ReportsEvents
from .failures import Failures
from .features import Declaring
from .http_service import Ending, Plan, ScriptedService, answer, scripted_service
from .inspection import Inspection
from .messages import Messages
from .options import Configuring
from .over_http import OverHttp
from .refusals import Refusals
from .scripted import ScriptedBackend
from .sessions import Sessions
from .signals import Signalling
from .streaming import Streaming

__all__ = [
    "BREAKS",
    "FIELDS",
    "THREADS",
    "BackendContract",
    "Batches",
    "Composing",
    "Configuring",
    "Declaring",
    "Delivered",
    "Ending",
    "Failures",
    "Inspection",
    "Messages",
    "OverHttp",
    "Plan",
    "Refusals",
    "ReportsEvents",
    "ScriptedBackend",
    "ScriptedService",
    "Sessions",
    "Signalling",
    "Streaming",
    "answer",
    "scripted_service",
]


class BackendContract(
    Messages,
    Refusals,
    Signalling,
    Failures,
    Batches,
    Sessions,
    Configuring,
    Declaring,
    Inspection,
):
    """Tests of everything that a backend must do.

    A subclass defines the fixture ``backend``. The others are optional; tests that need a missing
    one are skipped or check less. If your backend cannot pass a test by its nature, override the
    test and say why. Each group of tests is also available as a class. Not included are
    ``Streaming``, for a backend that delivers in pieces, ``Composing``, for one that is made of
    others, ``OverHttp``, for one that sends over HTTP, and ``ReportsEvents``, for one that reads
    events.
    """
