"""Constructors and serializers of messages: templates, JSON, and parsed octets."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from .. import _context
from ..config import table as settings
from ..errors import MessageError
from ..util.text import describe
from .fields import copied, frozen

if TYPE_CHECKING:
    from typing_extensions import Self

    from .attachment_records import Load, Store
    from .message import AddressLike

_ELSEWHERE = {
    **dict.fromkeys(("to", "to_emails", "to_addrs", "recipient", "recipient_list"), "recipients"),
    **dict.fromkeys(("from_", "from_email", "from_addr", "mail_from"), "sender"),
}
"""Names of parameters in other mail libraries, and ours."""


class Formats:
    """Mixin: alternative constructors and serialization."""

    if TYPE_CHECKING:

        def __init__(
            self,
            subject: str = "",
            recipients: Iterable[AddressLike] | None = None,
            body: str | None = None,
            html: str | None = None,
            **fields: Any,
        ) -> None: ...

        date: Any

        def _rendered_at(self) -> float:
            """Return the default of the date."""

        @classmethod
        def _blank(cls) -> Self:
            """Return an empty message."""

    @classmethod
    def from_template(
        cls,
        name: str,
        recipients: Iterable[AddressLike] | None = None,
        /,
        *,
        variables: Mapping[str, Any] | None = None,
        locale: object = None,
        embed: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> Self:
        """Render the current app's templates ``name.txt`` and ``name.html`` as a message.

        Either of the two may be missing. ``name.md``, in Markdown, takes the place of HTML that is
        missing, and needs the extra ``markdown``; its values are never read as Markdown. The
        subject comes from ``name.subject.txt``, or from the block ``subject`` in the text or HTML,
        which is left out of the output. Only the HTML is escaped. Its style sheets are inlined with
        the extra ``css`` (``MAIL_INLINE_CSS``).

        :param given: fields of the message, by the names of its parameters, such as ``cc``; a
            `subject` overrides that of the templates. All others are template variables.
        :param variables: template variables of any name, including those of fields.
        :param locale: the language, such as ``"de_AT"``; default: the current locale of
            Flask-Babel, if the app uses that. Of each template, ``name.de_AT.html`` or
            ``name.de.html`` is preferred if it exists; Flask-Babel translates to it; and the
            templates have it as the variable `locale`. Flask-Babel's locale leaves that variable
            as it is if the app has one, such as of a context processor.
        :param embed: images, each a path, bytes or an open file, by the name of a template variable
            for its URL: ``<img src="{{ logo }}">``.
        :raises jinja2.TemplateNotFound: all are missing; it is also a :class:`MessageError`.
        :raises MessageError: a `body` or `html` is given that a template writes, addresses are
            given as ``to`` or ``from_email`` and not as a field, or the locale does not exist.
        :raises RuntimeError: there is no app context; :meth:`Mail.render` needs none.
        """
        from . import templates
        from .css import inline_css
        from .locales import current_locale, forced, locale_name, variants

        ids = _content_ids(embed or {})
        variables = {**{each: f"cid:{ids[each]}" for each in ids}, **(variables or {})}
        fields = {field: given.pop(field) for field in _parameters() if field in given}
        if recipients is not None and fields.setdefault("recipients", recipients) is not recipients:
            raise TypeError("from_template() got multiple values for argument 'recipients'")
        _refuse_names_of_others(given, fields)
        if fields.get("unsubscribe") is not None:
            variables = {"unsubscribe_url": _unsubscribe_url(fields), **variables}
        source, subject = _context.app_templates(), fields.get("subject")
        translating: AbstractContextManager[object] = nullcontext()
        if locale is None:
            language = source.locale = current_locale(source.extensions)
        else:
            given["locale"] = language = locale_name(locale)
            translating = forced(source.extensions, language)
        given.update(variables)
        names = [name] if language is None else variants(name, language)
        with translating:
            written = templates.render(source, name, given, names, subject=subject)
            if language is not None:
                for field in {"subject", "body", "html"}.intersection(fields):
                    fields[field] = frozen(fields[field])  # lazy strings follow the locale
        html = written.html
        if html is not None:
            wanted = settings.lookup(source.config, "MAIL_INLINE_CSS")
            html = inline_css(html, wanted)
        for field, text, suffix in (("body", written.body, "txt"), ("html", html, "html")):
            if fields.get(field) is None:
                fields[field] = text
            elif text is not None:
                raise MessageError(
                    f"The template {describe(f'{name}.{suffix}')} writes the {field}: leave"
                    f" {field} out. Give a template variable of that name as"
                    f" variables={{{field!r}: ...}}."
                )
        if fields.get("subject") is None:
            fields["subject"] = written.subject
        message = cls(**fields)
        _embed(message, embed or {}, ids)
        return message

    def to_dict(self, *, files: bool = False, store: Store | None = None) -> dict[str, Any]:
        """Return this message as JSON types, for a queue or a database.

        :param files: store the paths of files that were attached by path, not their content; for
            a reader on the same machine.
        :param store: called with the data of each attachment, unless that is text; stores it
            elsewhere and returns a str that names it, or ``None`` to leave it in the record.
        :raises MessageError: a value has no JSON type, such as an attribute of a subclass, or an
            attached file is missing or has changed.
        """
        from .serialize import to_record

        if self.date is None:
            self._rendered_at()  # fixes the date
        return to_record(self, files=files, store=store)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Parse a message of any origin, such as an ``.eml`` file, as well as possible.

        Of repeated headers, such as Received, `extra_headers` has the first.

        :raises MessageError: its parts are nested too deeply or too many.
        """
        from .parse import fields_of

        message = cls._blank()
        for name, value in fields_of(content).items():
            setattr(message, name, value)
        return message

    @classmethod
    def from_dict(
        cls, record: Mapping[str, Any], *, files: bool = False, load: Load | None = None
    ) -> Self:
        """Return the message that :meth:`to_dict` serialized.

        It renders to the same bytes in the same time zone; another zone changes how its Date is
        written, and applies to a datetime without a zone.

        Loading a record from an untrusted source runs and imports nothing.

        :param files: attach the files that the record names. The author of a record could attach
            any file that this program can read: do not set it for untrusted records.
        :param load: returns the data that `store` has stored under a name.
        :raises MessageError: the record is invalid or of another version, or it names a file that
            is missing or has changed, or any file without `files`, or stored data without `load`.
        """
        from .serialize import fill

        message = cls._blank()
        fill(message, record, files=files, load=load)
        return message


def _content_ids(names: Iterable[str]) -> dict[str, str]:
    """Return a Content-ID for each name, as :meth:`Message.embed` makes them."""
    from secrets import token_hex  # slow to import, and few messages need it

    return {each: f"part{place}.{token_hex(8)}@embedded" for place, each in enumerate(names, 1)}


def _embed(message: Any, contents: Mapping[str, Any], ids: Mapping[str, str]) -> None:
    for name, content in contents.items():
        message.embed(content, content_id=ids[name])


def _refuse_names_of_others(given: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Refuse addresses for a template variable that other libraries take for a field."""
    for name, field in _ELSEWHERE.items():
        if fields.get(field) is None and _has_address(given.get(name)):
            raise MessageError(
                f"{name} is not a field of the message: use {field}=.... Give a template variable"
                f" of that name as variables={{{name!r}: ...}}."
            )


def _has_address(value: object) -> bool:
    if isinstance(value, str):
        return "@" in value
    return isinstance(value, (list, tuple, set, frozenset)) and any(map(_has_address, value))


@cache
def _parameters() -> list[str]:
    from .message import Message

    return list(inspect.signature(Message).parameters)


def _unsubscribe_url(fields: dict[str, Any]) -> str:
    """Return the link for the recipient in `fields`, whose iterables become lists."""
    from .unsubscribing import only_recipient

    names = ("recipients", "cc", "bcc")
    fields.update({name: copied(fields.get(name), list) for name in names})
    find = getattr(_context.current_state(), "unsubscribe_url", None)
    if find is None:
        raise RuntimeError("unsubscribe needs an app with Flask-Mail: call Mail(app).")
    url: str = find(only_recipient(*(fields[name] for name in names)), fields["unsubscribe"])
    return url
