"""All that is Flask: Mail, the state of an app, connections."""
