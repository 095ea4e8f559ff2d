"""The settings: their table, look-up and converters."""
