"""Names of the settings, for errors."""

from __future__ import annotations

from collections.abc import Callable


class SettingNames:
    """Names of the settings by option, for ``"Check {port}.".format_map(names)``.

    :param setting: returns the setting of an option.
    """

    def __init__(self, setting: Callable[[str], str]) -> None:
        self._setting = setting

    def __getitem__(self, option: str) -> str:
        return self._setting(option)


FLAT = SettingNames(lambda option: f"MAIL_{option.upper()}")
"""The names of the flat settings."""
