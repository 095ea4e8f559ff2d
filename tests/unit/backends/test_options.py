"""The options of a backend: the parameters of its constructor, as settings give them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, Union

import pytest

from flask_mail import BackendUnavailable, ConfigurationError
from flask_mail.backends import Backend
from flask_mail.backends.options import declared, read_options, secrets_of
from flask_mail.util.secret import Secret, Token

if TYPE_CHECKING:
    from nowhere import Imaginary


class Lazy:
    """A string of Flask-Babel: words that are found when they are needed."""

    def __init__(self, text):
        self._text = text

    def __str__(self):
        return self._text


def read(cls, **options):
    return read_options(cls, lambda option: f"MAIL_PIGEON_{option.upper()}", options)


def taking(annotation):
    """Return a class whose option `value` has this annotation."""

    class Pigeon:
        def __init__(self, *, value=None): ...

    Pigeon.__init__.__annotations__ = {"value": annotation}
    return Pigeon


class TestKinds:
    @pytest.mark.parametrize(
        ("annotation", "given", "wanted"),
        [
            (int, "3", 3),
            (int, " 3 ", 3),
            (int, 3, 3),
            (float, "2.5", 2.5),
            (float, "2", 2.0),
            (float, 2, 2.0),
            (bool, "true", True),
            (bool, "Off", False),
            (bool, "0", False),
            (bool, 1, True),
            (bool, False, False),
            (str, "text", "text"),
            (str, Lazy("text"), "text"),
            (Path, "some/folder", Path("some/folder")),
            (Path, PurePath("some/folder"), Path("some/folder")),
            (os.PathLike, "some/folder", "some/folder"),
            ("int", "3", 3),
            (Optional[int], "3", 3),  # noqa: UP045 (what people write)
            (Union[None, int], "3", 3),  # noqa: UP007 (what people write)
            (int | None, "3", 3),
            ("Path | None", "some/folder", Path("some/folder")),
            (Annotated[int, {"unit": "letters"}], "3", 3),
            (Literal["slow", "fast"], "fast", "fast"),
            (Literal["slow", "fast"] | None, "slow", "slow"),
        ],
    )
    def test_a_string_of_the_environment_becomes_what_is_annotated(self, annotation, given, wanted):
        found = read(taking(annotation), value=given)["value"]
        assert (type(found), found) == (type(wanted), wanted)

    @pytest.mark.parametrize(
        "annotation",
        [
            "Any",
            "object",
            "str | Path",
            "int | str | None",
            "list[str]",
            "Imaginary",
            "Imaginary | None",
            "nowhere.Imaginary",
            "os.NoSuchName",
            "memoryview[int][str]",
            "what is this",
            "[int]",
            "Any[int]",
        ],
    )
    def test_what_no_kind_is_known_for_is_the_constructors_to_check(self, annotation):
        """These include annotations that only a type checker can read."""
        value = object()
        assert read(taking(annotation), value=value)["value"] is value
        assert read(taking(annotation), value="3")["value"] == "3"

    def test_an_option_without_annotation_is_given_as_it_is(self):
        class Pigeon:
            def __init__(self, *, value): ...

        assert read(Pigeon, value="3") == {"value": "3"}

    @pytest.mark.parametrize("unset", [None, ""])
    def test_what_is_unset_is_left_to_the_default(self, unset):
        assert read(taking(int), value=unset) == {}

    def test_false_and_zero_are_set(self):
        assert read(taking(bool), value=False) == {"value": False}
        assert read(taking(int), value=0) == {"value": 0}

    @pytest.mark.parametrize(
        ("annotation", "given", "expected"),
        [
            (int, "s3cret", "a whole number"),
            (int, 2.5, "a whole number"),
            (int, b"s3cret", "a whole number"),
            (float, "s3cret", "a number"),
            (float, True, "a number"),
            (float, ["s3cret"], "a number"),
            (bool, "s3cret", "true or false"),
            (str, b"s3cret", "a string"),
            (str, ["s3cret"], "a string"),
            (Path, b"s3cret", "a path"),
            (Path, 4711, "a path"),
            (os.PathLike, 4711, "a path"),
            (Literal["slow", "fast"], "s3cret", "one of 'slow', 'fast'"),
            (Literal["slow", "fast"], ["s3cret"], "one of 'slow', 'fast'"),
            (Secret, ["s3cret"], "a string, or a callable that returns one"),
        ],
    )
    def test_a_wrong_kind_names_the_key_and_shows_the_value(self, annotation, given, expected):
        with pytest.raises(ConfigurationError) as caught:
            read(taking(annotation), value=given)
        is_hidden = annotation is Secret or isinstance(given, (bytes, list))
        found = f"a value of type {type(given).__name__}" if is_hidden else repr(given)
        message = f"MAIL_PIGEON_VALUE must be {expected}, not {found}."
        if annotation in (str, Secret) and isinstance(given, list):  # as JSON may have been read
            message += " If the environment has it, write it there as a JSON string: '\"1e6\"'."
        assert str(caught.value) == message
        # A traceback shows the errors before this one too.
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


class TestConstructors:
    def test_keyword_parameters_of_both_sorts_are_options(self):
        class Pigeon:
            def __init__(self, speed: int = 1, *rest: int, colour: str = "grey") -> None: ...

        assert read(Pigeon, speed="2", colour="white") == {"speed": 2, "colour": "white"}
        with pytest.raises(ConfigurationError, match="MAIL_PIGEON_REST is not an option"):
            read(Pigeon, rest="1")

    def test_without_a_constructor_there_are_none(self):
        class Pigeon:
            pass

        assert read(Pigeon) == {}
        with pytest.raises(ConfigurationError) as caught:
            read(Pigeon, speed="2")
        assert str(caught.value) == (
            "MAIL_PIGEON_SPEED is not an option of Pigeon (its options: none)."
        )

    def test_the_fields_of_a_dataclass_are_options(self):
        @dataclass
        class Pigeon:
            speed: int
            loft: Path | None = None

        assert read(Pigeon, speed="2", loft="loft") == {"speed": 2, "loft": Path("loft")}

    def test_an_inherited_constructor_is_read_where_it_was_written(self, monkeypatch):
        """The subclass's module need not import what the annotations name."""
        elsewhere = ModuleType("elsewhere")
        monkeypatch.setitem(sys.modules, "elsewhere", elsewhere)
        source = (
            "from __future__ import annotations\n"
            "from pathlib import Path as Folder\n"
            "class Pigeon:\n"
            "    def __init__(self, *, loft: Folder): ...\n"
        )
        exec(source, vars(elsewhere))

        class Own(elsewhere.Pigeon):
            pass

        assert read(Own, loft="loft") == {"loft": Path("loft")}

    def test_a_decorated_constructor_is_read_where_it_was_written(self):
        elsewhere = ModuleType("elsewhere")
        source = (
            "import functools\n"
            "def decorated(function):\n"
            "    @functools.wraps(function)\n"
            "    def wrapper(*args, **kwargs): ...\n"
            "    return wrapper\n"
        )
        exec(source, vars(elsewhere))

        class Pigeon:
            @elsewhere.decorated
            def __init__(self, *, loft: Path) -> None: ...

        assert read(Pigeon, loft="loft") == {"loft": Path("loft")}

    def test_a_class_that_is_built_by_new_takes_values_as_they_are(self):
        class Pigeon:
            def __new__(cls, *, speed: Imaginary = 1): ...

        assert read(Pigeon, speed="2") == {"speed": "2"}

    def test_a_signature_is_read_once(self):
        class Pigeon:
            def __init__(self, *, speed: int = 1, **more: Any) -> None: ...

        names, takes_any = declared(Pigeon)
        assert ([*names], takes_any) == (["speed"], True)
        assert declared(Pigeon)[0] is names

    def test_a_missing_option_is_named(self):
        class Pigeon:
            def __init__(self, *, loft: Path, speed: int = 1) -> None: ...

        for unset in ({}, {"loft": ""}, {"loft": None}):
            with pytest.raises(ConfigurationError) as caught:
                read(Pigeon, **unset)
            assert str(caught.value) == "Pigeon needs MAIL_PIGEON_LOFT: set it."


class TestUnknownOptions:
    class Pigeon:
        def __init__(self, *, loft: str = "", speed: int = 1) -> None: ...

    def test_the_error_suggests_the_nearest_and_lists_all(self):
        with pytest.raises(ConfigurationError) as caught:
            read(self.Pigeon, sped="s3cret")
        assert str(caught.value) == (
            "MAIL_PIGEON_SPED is not an option of Pigeon; did you mean 'MAIL_PIGEON_SPEED'? (its"
            " options: MAIL_PIGEON_LOFT, MAIL_PIGEON_SPEED)."
        )

    @pytest.mark.parametrize(
        ("given", "meant"),
        [("host", "server"), ("mail_server", "server"), ("mail_host", "server")],
    )
    def test_names_from_elsewhere_are_understood(self, given, meant):
        class Dove:
            def __init__(self, *, server: str = "", port: int = 1) -> None: ...

        suggestion = f"; did you mean 'MAIL_PIGEON_{meant.upper()}'"
        with pytest.raises(ConfigurationError, match=suggestion):
            read(Dove, **{given: "h"})

    def test_it_is_told_before_what_is_missing(self):
        """The misspelt name of a required option is the mistake to report."""

        class Pigeon:
            def __init__(self, *, loft: str) -> None: ...

        with pytest.raises(ConfigurationError, match="MAIL_PIGEON_LOFFT .* 'MAIL_PIGEON_LOFT'"):
            read(Pigeon, lofft="here")

    @pytest.mark.parametrize("unset", [None, ""])
    def test_one_that_is_unset_is_no_option(self, unset):
        assert read(self.Pigeon, sped=unset) == {}

    def test_a_constructor_may_take_any(self):
        class Pigeon:
            def __init__(self, *, speed: int = 1, **others) -> None: ...

        assert read(Pigeon, speed="2", colour="3") == {"speed": 2, "colour": "3"}


class TestFromOptions:
    """Building a backend from its options."""

    class PigeonBackend(Backend[None]):
        name = "pigeon"

        def __init__(self, *, loft: Path, speed: int = 1) -> None:
            self.loft = loft
            self.speed = speed

        def deliver(self, mail, session):
            return self.accepted(mail)

    def test_it_calls_the_constructor(self):
        backend = self.PigeonBackend.from_options({"loft": "here", "speed": "3"}, None)
        assert (backend.loft, backend.speed) == (Path("here"), 3)

    def test_errors_name_its_settings(self):
        with pytest.raises(ConfigurationError, match="^PigeonBackend needs MAIL_PIGEON_LOFT"):
            self.PigeonBackend.from_options({}, None)
        with pytest.raises(ConfigurationError, match="^MAIL_PIGEON_SPEED must be a whole number"):
            self.PigeonBackend.from_options({"loft": "here", "speed": "fast"}, None)


class TestSecrets:
    @pytest.mark.parametrize(
        ("annotation", "kind"),
        [
            (Secret, Secret),
            ("Secret", Secret),
            (Secret | None, Secret),
            (Optional["Secret"], Secret),
            (Token, Token),
            (Union[Token, str, None], Token),  # noqa: UP007 (what people write)
        ],
    )
    def test_one_that_is_annotated_as_a_secret_shows_nowhere(self, annotation, kind):
        cls = taking(annotation)
        cls.__init__.__globals__.setdefault("Secret", Secret)

        (given,) = read(cls, value="s3cret").values()

        assert secrets_of(cls) == {"value": kind}
        assert type(given) is kind
        assert (repr(given), given.reveal()) == ("***", "s3cret")
        assert given.setting == "MAIL_PIGEON_VALUE"

    def test_one_that_is_wrapped_already_is_given_as_it_is(self):
        secret = Secret("s3cret", "MAIL_PIGEON_VALUE")
        assert read(taking(Secret), value=secret)["value"] is secret

    def test_one_of_another_kind_is_wrapped_anew(self):
        token = read(taking(Token), value=Secret("s3cret"))["value"]
        assert (type(token), token.setting) == (Token, "MAIL_PIGEON_VALUE")
        assert token.reveal() == "s3cret"

    def test_callable_is_called_lazily_and_its_error_names_the_setting(self):
        fresh = read(taking(Secret), value=iter(["one", None]).__next__)["value"]

        assert fresh.reveal() == "one"
        with pytest.raises(BackendUnavailable, match="the callable in MAIL_PIGEON_VALUE"):
            fresh.reveal()

    def test_nothing_else_is_a_secret(self):
        assert secrets_of(taking(str)) == {}
        assert secrets_of(taking("Imaginary")) == {}
        assert secrets_of(taking(list[Secret])) == {}
        assert read(taking(list[Secret]), value=["a", "b"]) == {"value": ["a", "b"]}
