"""What every backend promises, as tests for its author to run.

Derive a test class from :class:`BackendContract` and give it a backend. If the tests can look at
what arrived, give it that too; then they check much more::

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

Needs nothing but pytest.
"""

from .batches import Batches
from .data import BREAKS, FIELDS, THREADS, Delivered
from .failures import Failures
from .features import Declaring
from .messages import Messages
from .options import Configuring
from .refusals import Refusals
from .sessions import Sessions
from .signals import Signalling
from .streaming import Streaming

__all__ = [
    "BREAKS",
    "FIELDS",
    "THREADS",
    "BackendContract",
    "Batches",
    "Configuring",
    "Declaring",
    "Delivered",
    "Failures",
    "Messages",
    "Refusals",
    "Sessions",
    "Signalling",
    "Streaming",
]


class BackendContract(
    Messages, Refusals, Signalling, Failures, Batches, Sessions, Configuring, Declaring
):
    """The promises of a backend: one test for each.

    A subclass gives the fixture ``backend``. The others are optional; what is not given is not
    looked at. Where your backend cannot keep a promise by its nature, override that test and say
    why. Each group of promises is a class of its own, for who wants some of them; one is not among
    these: ``Streaming``, for a backend that delivers in pieces.
    """
