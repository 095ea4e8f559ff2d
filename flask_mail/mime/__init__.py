"""Fields of a message to bytes, and bytes to parts."""
