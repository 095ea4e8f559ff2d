"""The database of a queue: its tables, the content of rows, and statements about them."""
