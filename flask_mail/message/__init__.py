"""Messages and attachments: fields, validation, templates, other formats."""
