"""The development inbox: what an app has sent, in the browser. Imported when it is first used."""

from ..extension.mounting import prefix_of
from .blueprint import inbox_blueprint

__all__ = ["inbox_blueprint", "prefix_of"]
