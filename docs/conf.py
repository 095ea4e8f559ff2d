"""How Sphinx builds the documentation: ``sphinx-build -W -n -b html docs docs/_build/html``."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
# What the plugins declare is in their tables; what they need is not imported for that.
sys.path += map(str, Path(__file__).parent.parent.glob("plugins/*"))

project = "Flask-Mail"
copyright = "the Flask-Mail authors"  # noqa: A001 (Sphinx's name)
release = version = version_of("Flask-Mail")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "settings_table",
    "table_labels",
    "declarations",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
default_role = "literal"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
# The type `date` of a parameter could also be the attribute of that name of several classes.
suppress_warnings = ["ref.python"]
nitpick_ignore_regex = [
    # Other projects' names: nothing is fetched to link them. S, P and A are type variables.
    (
        "py:.*",
        r"(Flask|flask\.app|flask\.blueprints|blinker|jinja2|collections|dataclasses|datetime|email|os"
        r"|pathlib|re|smtplib|unittest)(\..*)?",
    ),
    (
        "py:class",
        r"(flask_mail\.backends\.(base|sending)\.)?S|flask_mail\.extension\.(previews\.P|admitting\.A)",
    ),
    # Passed on by those who get them.
    (
        "py:class",
        r"(flask_mail\.delivery\.(policy|reporting)\.)?(Policy|Causes)"
        r"|(flask_mail\.mime\.content\.)?Content|DataSource|Store|Load"
        r"|flask_mail\.(smtp\.deadline\.Deadline|backends\.http_values\.Blocks)",
    ),
    # Sphinx splits the types of fields that have a default.
    ("py:class", r"(tuple|Mapping)\[.*"),
    # What File stands for, which has its own entry.
    ("py:class", r"flask_mail\.message\.attachment\.Readable"),
    # The keyword arguments of assert_sent(), which it describes.
    ("py:class", r"Expectations"),
]

html_theme = "furo"
html_title = f"Flask-Mail {version}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {"code-font-size": "87.5%"},  # 14 px
}
pygments_dark_style = "one-dark"
toc_object_entries_show_parents = "hide"
# Not for output.
copybutton_selector = "div:not(.highlight-text) > div.highlight > pre"
