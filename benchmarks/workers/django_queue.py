"""Project of Django, which django-post_office and django-mailer have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django
from content import SENDER
from django.conf import settings


def set_up(options: dict[str, Any], app: str, **given: Any) -> None:
    """Configure Django for one app, with the database of the options."""
    database = {"ENGINE": "django.db.backends.sqlite3"}
    database["NAME"] = str(Path(options["folder"], f"{app}.db"))
    if options["settings"]["database"] == "postgresql":
        database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres"}
        database |= {"USER": "postgres", "HOST": options["postgresql"]}
    settings.configure(
        INSTALLED_APPS=[app],
        DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DEFAULT_FROM_EMAIL=SENDER,
        USE_TZ=True,
        LOGGING_CONFIG=None,
        **given,
    )
    django.setup()
