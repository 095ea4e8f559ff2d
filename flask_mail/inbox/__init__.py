"""The development inbox: the messages that an app has sent, in the browser."""

from typing import TYPE_CHECKING, Any

from .mounting import prefix_of

if TYPE_CHECKING:
    from .blueprint import inbox_blueprint

__all__ = ["inbox_blueprint", "prefix_of"]


def __getattr__(name: str) -> Any:
    if name == "inbox_blueprint":  # imported when it is used, as mounting needs none of it
        from .blueprint import inbox_blueprint

        return inbox_blueprint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
