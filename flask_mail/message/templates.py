"""Messages written as Jinja templates: the text, the HTML and the subject of one name."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import jinja2

from ..errors import MessageError
from ..util.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SUBJECT = "subject"
"""The name of the block that holds the subject."""

_PLAIN = "flask_mail_plain"
_SUFFIXES = (".txt", ".html")
_BLANK_LINES = re.compile(r"\A(?:[ \t]*\r?\n)+")
# No others: an ideographic or a no-break space is meant, and sending refuses further controls.
_SPACES = re.compile(r"[ \t\r\n]+")


class Source(Protocol):
    """Where templates come from: an app."""

    @property
    def environment(self) -> jinja2.Environment:
        """The environment, with the app's filters, globals and loader."""

    def folders(self) -> Iterable[str]:
        """The folders that it looks into."""

    def rendering(self, template: jinja2.Template, variables: dict[str, Any]) -> None:
        """Add what the app gives to all of its templates; tell that one is about to be rendered."""

    def rendered(self, template: jinja2.Template, variables: dict[str, Any]) -> None:
        """Tell that one was rendered."""


class TemplateNotFound(MessageError, jinja2.TemplatesNotFound):
    """There is no template of this name, neither for text nor for HTML."""

    def __init__(self, names: Iterable[str], message: str) -> None:
        jinja2.TemplatesNotFound.__init__(self, list(names), message)


class Rendered(NamedTuple):
    """What the templates of one name give."""

    subject: str
    body: str | None
    html: str | None


def render(source: Source, name: str, variables: Mapping[str, Any]) -> Rendered:
    """Render ``name.txt``, ``name.html`` and ``name.subject.txt``, as far as they are there.

    The subject is that of ``name.subject.txt``, else of a block ``subject`` in the text, else in
    the HTML. That block is left out of both.

    :raises TemplateNotFound: there is neither a text nor HTML; it is a :class:`MessageError` and
        jinja2's `TemplateNotFound` too.
    :raises jinja2.TemplateError: as a template does.
    """
    if name.endswith(_SUFFIXES):
        raise MessageError(
            f"The template {describe(name)} is named with its suffix: leave that away, and both the"
            " text and the HTML are looked for."
        )
    plain = _unescaping(source.environment)
    text = _find(plain, f"{name}.txt")
    page = _find(source.environment, f"{name}.html")
    if text is None and page is None:
        wanted = [f"{name}{suffix}" for suffix in _SUFFIXES]
        raise TemplateNotFound(
            wanted,
            f"There is no template {' or '.join(map(repr, wanted))} in"
            f" {', '.join(map(repr, source.folders())) or 'any folder'}.",
        )
    body, subject = (None, None) if text is None else _written(source, text, variables)
    own = _find(plain, f"{name}.{SUBJECT}.txt")
    if own is not None:
        subject, _ = _written(source, own, variables)
    html = None
    if page is not None:
        # A subject is no HTML, wherever it stands.
        unescaped = plain.get_template(f"{name}.html") if subject is None else None
        html, of_page = _written(source, page, variables, unescaped)
        subject = of_page if subject is None else subject
    return Rendered(_SPACES.sub(" ", subject or "").strip(" "), body, html)


def _written(
    source: Source,
    template: jinja2.Template,
    variables: Mapping[str, Any],
    unescaped: jinja2.Template | None = None,
) -> tuple[str, str | None]:
    """Render a template without its subject; return that beside it, ``None`` if it has none.

    :param unescaped: the same template, for the subject.
    """
    given = dict(variables)
    source.rendering(template, given)
    text, subject = _apart(template, given)
    if subject is not None and unescaped is not None:
        # Whole, since its block may use what stands outside of it.
        _, subject = _apart(unescaped, given)
    source.rendered(template, given)
    return _BLANK_LINES.sub("", text), subject


def _apart(template: jinja2.Template, variables: dict[str, Any]) -> tuple[str, str | None]:
    context = template.new_context(variables)
    nothing = _nothing_later if template.environment.is_async else _nothing
    blocks = context.blocks[SUBJECT] = _Silenced(context.blocks.get(SUBJECT, []), nothing)
    try:
        text = _joined(template.root_render_func(context))
        context.blocks[SUBJECT] = blocks.collected
        subject = _joined(blocks.collected[0](context)) if blocks.collected else None
    except Exception:  # noqa: BLE001
        template.environment.handle_exception()  # raises it, with the template's own lines
    return text, subject


class _Silenced(list[Any]):
    """The blocks of one name, which inheritance collects: the first, which is written, is empty."""

    # None is added: of a block that is required, Jinja counts them.

    def __init__(self, blocks: Iterable[Any], nothing: Callable[[object], object]) -> None:
        super().__init__()
        self._nothing = nothing
        self.collected: list[Any] = []
        for block in blocks:
            self.append(block)

    def append(self, block: Any) -> None:
        super().append(block if self.collected else self._nothing)
        self.collected.append(block)


def _nothing(context: object) -> Iterator[str]:
    return iter(())


async def _nothing_later(context: object) -> AsyncIterator[str]:
    yield ""


def _joined(pieces: Iterator[str] | AsyncIterator[str]) -> str:
    if isinstance(pieces, Iterator):
        return "".join(pieces)
    import asyncio  # slow to import, and only environments with enable_async need it

    async def gather() -> str:
        return "".join([piece async for piece in pieces])

    # As Template.render() does, so that an error is the same.
    return asyncio.run(gather())


def _find(environment: jinja2.Environment, name: str) -> jinja2.Template | None:
    try:
        return environment.get_template(name)
    except jinja2.TemplateNotFound as error:
        if error.name != name:
            raise
        return None


def _unescaping(environment: jinja2.Environment) -> jinja2.Environment:
    """Return an environment that is the same but escapes nothing, whatever an app says."""
    # Kept, for the templates that it has compiled, until the app changes its own. Two threads may
    # make one at the same time: copied at once, the table does not change while it is read.
    state = vars(environment).copy()
    made_of, plain = state.pop(_PLAIN, (None, None))
    state["extensions"] = tuple(environment.extensions)  # which grow in place
    if made_of != state:
        plain = environment.overlay(autoescape=False)
        setattr(environment, _PLAIN, (state, plain))
    return plain  # type: ignore[no-any-return]
