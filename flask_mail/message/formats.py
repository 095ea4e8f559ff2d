"""The other forms of a message: templates, JSON, and its own octets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import _context
from ..config import table as settings
from ..errors import MessageError
from ..util.text import describe

if TYPE_CHECKING:
    from typing_extensions import Self

    from .message import AddressLike


# The parameters of a message.
_FIELDS = (
    *("subject", "recipients", "body", "html", "alts", "sender", "cc", "bcc", "attachments"),
    *("reply_to", "date", "charset", "extra_headers", "mail_options", "rcpt_options", "priority"),
    *("in_reply_to", "references", "auto_submitted", "tags", "metadata", "options", "seed"),
)


class Forms:
    """What can be written as templates, and read and written in other forms."""

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
        _first_rendered: Any

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
        **given: Any,
    ) -> Self:
        """Return a message that the current app's templates ``name.txt`` and ``name.html`` write.

        Either of the two may be missing. The subject is what ``name.subject.txt`` gives, else the
        block ``subject`` of the text or the HTML, which is left out of both. Only the HTML is
        escaped. Its style sheets are inlined with the extra ``css`` (``MAIL_INLINE_CSS``).

        :param given: fields of the message, by the names of its parameters, such as ``cc``; a
            `subject` counts more than that of the templates. All others are template variables.
        :param variables: template variables of any names, also those of fields.
        :raises jinja2.TemplateNotFound: there is neither; a :class:`MessageError` too.
        :raises MessageError: a `body` or `html` is given that a template writes.
        :raises RuntimeError: no app is current; :meth:`Mail.render` needs none.
        """
        from . import css as inlining
        from . import templates

        fields = {field: given.pop(field) for field in _FIELDS if field in given}
        if recipients is not None and fields.setdefault("recipients", recipients) is not recipients:
            raise TypeError("from_template() got multiple values for argument 'recipients'")
        source = _context.app_templates()
        written = templates.render(source, name, {**given, **(variables or {})})
        html = written.html
        if html is not None:
            wanted = settings.lookup(source.config, "MAIL_INLINE_CSS")
            html = inlining.inline_css(html, wanted)
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
        return cls(**fields)

    def to_dict(self, *, files: bool = False) -> dict[str, Any]:
        """Return this message in types that JSON has, for a queue or a database.

        :param files: name the files that were attached by their paths instead of putting their
            content into the record: for a reader on the same machine.
        :raises MessageError: it holds what JSON cannot say, such as an attribute of a subclass, or
            a file that is gone or has changed.
        """
        from . import serialize as records

        if self.date is None:
            _ = self._first_rendered  # the same date on both sides
        return records.to_record(self, files=files)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read a message, such as an ``.eml`` file, of any origin: the best reading of it.

        Of headers that appear several times, such as Received, `extra_headers` has the first.

        :raises MessageError: it has parts in parts without end, or too many.
        """
        from . import parse as parsing

        message = cls._blank()
        for name, value in parsing.fields_of(content).items():
            setattr(message, name, value)
        return message

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], *, files: bool = False) -> Self:
        """Return the message that :meth:`to_dict` made `record` of.

        Its bytes are the same in the same time zone; in another one its Date is written in that,
        and a datetime without a zone is taken for one there.

        Reading it runs and imports nothing, whoever has written it.

        :param files: attach the files that the record names. Whoever writes records can have any
            file sent that this program can read: leave it out for records of others.
        :raises MessageError: it is no record, is of another version, or names a file without
            `files`, or one that is gone or has changed.
        """
        from . import serialize as records

        message = cls._blank()
        records.fill(message, record, files=files)
        return message
