"""Rendering of the text, HTML and subject of a message from Jinja templates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import jinja2
from jinja2.utils import LRUCache
from markupsafe import Markup

from ..errors import MessageError
from ..util.patterns import lazy_pattern
from ..util.text import describe
from . import markdown
from .untranslated import warn_of_untranslated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

SUBJECT = "subject"
"""Name of the block with the subject."""

LAYOUT = "flask_mail/markdown.html"
"""Name of the template around Markdown, with which an app replaces the default one."""

_OVERLAY = "flask_mail_overlay_"
_DEFAULT_LAYOUT = "markdown.html"
_LAYOUTS = Path(__file__).parent / "layouts"
_SUFFIXES = (".txt", ".html", ".md")
_BLANK_LINES = lazy_pattern(r"\A(?:[ \t]*\r?\n)+")
# Only these: ideographic and no-break spaces are intended, and sending refuses other controls.
_SPACES = lazy_pattern(r"[ \t\r\n]+")

_MOST_MISSING = 5000
_missing: WeakKeyDictionary[jinja2.BaseLoader, LRUCache] = WeakKeyDictionary()


class Source(Protocol):
    """A source of templates: an app."""

    @property
    def environment(self) -> jinja2.Environment:
        """The environment, with the app's filters, globals and loader."""

    def folders(self) -> Iterable[str]:
        """Return the folders that are searched."""

    def rendering(self, template: jinja2.Template, variables: dict[str, Any]) -> None:
        """Add the app's template context, and send the signal before rendering."""

    def rendered(self, template: jinja2.Template, variables: dict[str, Any]) -> None:
        """Send the signal after rendering."""


class TemplateNotFound(MessageError, jinja2.TemplatesNotFound):
    """Neither a text nor an HTML template of this name exists."""

    def __init__(self, names: Iterable[str], message: str) -> None:
        jinja2.TemplatesNotFound.__init__(self, list(names), message)


class Rendered(NamedTuple):
    """The output of the templates of one name."""

    subject: str
    body: str | None
    html: str | None


def render(
    source: Source,
    name: str,
    variables: Mapping[str, Any],
    names: Sequence[str] = (),
    *,
    subject: object = None,
) -> Rendered:
    """Render those of ``name.txt``, ``name.html`` and ``name.subject.txt`` that exist.

    The subject is that of ``name.subject.txt``, else of a block ``subject`` in the text, else in
    the HTML. That block is left out of both. ``name.md`` takes the place of HTML that is missing.
    If only some of them are translated, a warning names the others.

    :param names: names to look for instead, for each of the three; the first one found is rendered.
        A subject of an earlier name takes precedence.
    :param subject: the subject that the program gives, for the layout of Markdown.
    :raises TemplateNotFound: neither a text nor HTML exists; it is a :class:`MessageError` and
        jinja2's `TemplateNotFound` too.
    :raises jinja2.TemplateError: raised by a template.
    """
    if name.endswith(_SUFFIXES):
        raise MessageError(
            f"Leave off the extension of the template {describe(name)}:"
            f" {describe(name.rpartition('.')[0])} finds .txt, .html and .md."
        )
    names = names or [name]
    plain = _overlay(source.environment, "plain", autoescape=False)
    text, text_rank = _first(plain, names, ".txt")
    page, page_rank = _first(source.environment, names, ".html")
    marked, page_rank = _first(_marking(source.environment), names, ".md", page_rank)
    page = marked or page
    if text is None and page is None:
        wanted = [f"{name}{suffix}" for suffix in _SUFFIXES]
        raise TemplateNotFound(
            wanted,
            f"Template not found: {', '.join(map(repr, wanted[:-1]))} or {wanted[-1]!r} in"
            f" {', '.join(map(repr, source.folders())) or 'any folder'}.",
        )
    body, written = (None, None) if text is None else _written(source, text, variables)
    rank = len(names) if written is None else text_rank
    own, own_rank = _first(plain, names, f".{SUBJECT}.txt")
    if own is not None and own_rank <= rank:
        (written, _), rank = _written(source, own, variables), own_rank
    else:
        own = None
    html = None
    if page is not None:
        is_wanted = page_rank < rank
        # A subject must not be escaped, even in an HTML template.
        html, of_page = _written(
            source, page, variables, plain if is_wanted else None, is_marked=marked is not None
        )
        if is_wanted and of_page is not None:
            written, own = of_page, None
    used = [(text, text_rank), (page, page_rank), (own if subject is None else None, own_rank)]
    warn_of_untranslated(used, names)
    line = _SPACES.sub(" ", written or "").strip(" ")
    if marked is not None and html is not None:
        content = Markup(markdown.to_html(html, marked.name or name))  # noqa: S704 (escaped)
        title = line if subject is None else subject
        layout = _find(source.environment, LAYOUT) or _default_layout(source.environment)
        html, _ = _written(source, layout, {**variables, "content": content, SUBJECT: title})
    return Rendered(line, body, html)


def _written(
    source: Source,
    template: jinja2.Template,
    variables: Mapping[str, Any],
    plain: jinja2.Environment | None = None,
    *,
    is_marked: bool = False,
) -> tuple[str, str | None]:
    """Render a template; return its text without the subject, and the subject or ``None``.

    :param plain: the environment without escaping, for the subject of HTML and Markdown.
    :param is_marked: the text has the marks of Markdown, which a filter could cut in the subject.
    """
    given = dict(variables)
    source.rendering(template, given)
    text, subject = _apart(template, given)
    # Whatever is escaped gets an ampersand.
    if plain is not None and subject is not None and (is_marked or "&" in subject):
        # Render all of it, since the block may use variables set outside of it.
        _, subject = _apart(plain.get_template(template.name or ""), given)
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
        template.environment.handle_exception()  # reraises with the lines of the template
    return text, subject


class _Silenced(list[Any]):
    """The list of blocks of one name that Jinja builds; the first, which is rendered, is empty.

    It stays as long as Jinja expects, which counts the definitions of a required block.
    """

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

    # As Template.render() does, for the same errors.
    return asyncio.run(gather())


def _first(
    environment: jinja2.Environment, names: Sequence[str], suffix: str, count: int | None = None
) -> tuple[jinja2.Template | None, int]:
    """Return the first template that exists, and its place among the first `count` names."""
    count = len(names) if count is None else count
    for rank, name in enumerate(names[:count]):
        find = _find if rank == len(names) - 1 else _find_translated
        template = find(environment, f"{name}{suffix}")
        if template is not None:
            return template, rank
    return None, count


def _find_translated(environment: jinja2.Environment, name: str) -> jinja2.Template | None:
    """Find a template in a language, of which most are missing.

    Missing ones are remembered while Jinja remembers those that exist, whatever their files become.
    """
    if environment.auto_reload or environment.cache is None:
        return _find(environment, name)
    loader: Any = environment.loader
    missing = _missing.get(loader) or _missing.setdefault(loader, LRUCache(_MOST_MISSING))
    if name in missing:
        return None
    template = _find(environment, name)
    if template is None:
        missing[name] = True
    return template


def _find(environment: jinja2.Environment, name: str) -> jinja2.Template | None:
    try:
        return environment.get_template(name)
    except jinja2.TemplateNotFound as error:
        if error.name != name:
            raise
        return None


def _marking(environment: jinja2.Environment) -> jinja2.Environment:
    """Return the same environment for templates in Markdown."""
    return _overlay(environment, "markdown", autoescape=True, extensions=[markdown.Marking])


def _default_layout(environment: jinja2.Environment) -> jinja2.Template:
    loader = jinja2.FileSystemLoader(_LAYOUTS)
    overlay = _overlay(environment, "layout", autoescape=True, loader=loader)
    return overlay.get_template(_DEFAULT_LAYOUT)


def _overlay(environment: jinja2.Environment, purpose: str, **changes: Any) -> jinja2.Environment:
    """Return the same environment with changes."""
    # Cached with its compiled templates until the app changes its environment. Compare a copy, as
    # another thread may set the cache meanwhile.
    state = vars(environment).copy()
    name = f"{_OVERLAY}{purpose}"
    made_of, overlay = state.get(name, (None, None))
    state = {key: value for key, value in state.items() if not key.startswith(_OVERLAY)}
    state["extensions"] = tuple(environment.extensions)  # this dict changes in place
    if made_of != state:
        # Code in a shared bytecode cache is that of the app's environment.
        overlay = environment.overlay(bytecode_cache=None, **changes)
        setattr(environment, name, (state, overlay))
    return overlay  # type: ignore[no-any-return]
