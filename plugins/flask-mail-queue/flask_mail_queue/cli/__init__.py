"""The commands ``flask mail work``, ``flask mail queue`` and ``flask mail suppressed``."""
