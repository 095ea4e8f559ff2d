"""Flask-Mail against its peers: ``python -m benchmarks``. See README.md beside this file."""
