"""The Flask extension: Mail, the mail state of an app, connections."""
