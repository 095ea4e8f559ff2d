"""Write the table of mail programs from the facts of Can I email.

    npm pack caniemail && tar xzf caniemail-*.tgz
    python tools/mail_programs.py package/data/caniemail.json

Their licence (MIT) is in ``flask_mail/message/programs.LICENSE``; compare it with that of the
package. Only facts are taken over: features, mail programs, support, and the date. It prints the
features that are new and of which it does not know how they are written.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[1] / "flask_mail" / "message" / "programs.json"

# Programs that people use, with the versions that count as one: of several answers it has "partly".
PROGRAMS = {
    "Gmail": ["gmail.desktop-webmail", "gmail.android", "gmail.ios"],
    "Apple Mail": ["apple-mail.macos", "apple-mail.ios"],
    "Outlook (Windows)": ["outlook.windows"],
    "Outlook.com": ["outlook.outlook-com"],
    "Outlook (macOS)": ["outlook.macos"],
    "Outlook (phone)": ["outlook.ios", "outlook.android"],
    "Yahoo Mail": ["yahoo.desktop-webmail", "yahoo.android", "yahoo.ios"],
    "Samsung Email": ["samsung-email.android"],
    "Thunderbird": ["thunderbird.macos", "thunderbird.windows"],
    "Proton Mail": ["protonmail.desktop-webmail", "protonmail.android", "protonmail.ios"],
    "GMX, WEB.DE": ["gmx.desktop-webmail", "web-de.desktop-webmail"],
    "Fastmail": ["fastmail.desktop-webmail"],
    "Mail.ru": ["mail-ru.desktop-webmail"],
}

# Nothing that the author of a message could change, or nothing that is seen.
LEFT_OUT = {
    "amp",
    "bimi",
    "css-comments",
    "html-body",
    "html-comments",
    "html-doctype",
    "html-target",
}

_LOGICAL = ("inline", "block")
_SIDES = [f"{axis}-{side}" for axis in _LOGICAL for side in ("start", "end")]
_OF_BORDERS = ("color", "style", "width")

# Features whose title does not say how they are written; see html_features.py for the names.
NAMES: dict[str, list[str]] = {
    "css-at-media-device-pixel-ratio": [
        f"@media (-webkit-{each}device-pixel-ratio)" for each in ("", "min-", "max-")
    ],
    "css-at-media-hover": ["@media (hover)", "@media (any-hover)"],
    "css-block-inline-size": ["block-size:"],  # inline-size has its own feature
    "css-border-inline-block": [f"border-{axis}:" for axis in _LOGICAL],
    "css-border-inline-block-individual": [
        f"border-{side}{end}:" for side in _SIDES for end in ("", *(f"-{e}" for e in _OF_BORDERS))
    ],
    "css-border-inline-block-longhand": [
        f"border-{axis}-{each}:" for axis in _LOGICAL for each in _OF_BORDERS
    ],
    "css-border-radius-logical": [
        f"border-{one}-{other}-radius:" for one in ("start", "end") for other in ("start", "end")
    ],
    "css-column-layout-properties": [
        f"column-{each}:"
        for each in ("fill", "rule", "rule-color", "rule-style", "rule-width", "span", "width")
    ],
    "css-display": [
        f"display:{each}" for each in ("contents", "flow-root", "inline-flex", "inline-grid")
    ],
    "css-display-flex": ["display:flex"],
    "css-grid-template": [
        "grid-template:",
        *(f"grid-template-{each}:" for each in ("areas", "columns", "rows")),
    ],
    "css-important": ["!important"],
    "css-intrinsic-size": [f"value {each}-content" for each in ("fit", "min", "max")],
    "css-margin": ["margin:-"],  # apart from negative ones, all programs support margins
    "css-nesting": ["nesting"],
    "css-selector-adjacent-sibling": ["selector adjacent"],
    "css-selector-general-sibling": ["selector sibling"],
    "css-sytem-ui": [
        "value system-ui",
        *(f"value ui-{each}" for each in ("serif", "sans-serif", "rounded", "monospace")),
    ],
    "css-unit-calc": ["calc()"],
    "css-unit-initial": ["value initial"],
    "css-unit-percent": ["1%"],
    "css-variables": ["var()", "--*:"],
    "html-address": ["<address>"],
    "html-anchor-links": ["<a href=#>"],
    "html-h1-h6": [f"<h{level}>" for level in range(1, 7)],
    "html-image-maps": ["<map>", "[usemap]"],
    "html-lists": ["[reversed]"],  # otherwise, all programs support lists
    "html-mailto-links": ["<a href=mailto>"],
    "html-meta-color-scheme": ["<meta name=color-scheme>", "<meta name=supported-color-schemes>"],
    "html-semantics": [
        f"<{each}>"
        for each in (
            *("article", "aside", "details", "figcaption", "figure", "footer", "header", "main"),
            *("mark", "nav", "section", "summary", "time"),
        )
    ],
    "html-srcset": ["[srcset]", "[sizes]"],
    "html-svg": ["<svg>"],
    "image-heif": ["image heif", "image heic"],
    "image-jpg": ["image jpg", "image jpeg"],
    "image-tiff": ["image tiff", "image tif"],
    "css-at-keyframes": ["@keyframes", "@-webkit-keyframes"],
    "css-inert-attribute": ["[inert]"],
}


# Titles of features of which only a part is looked for, or that do not say what they are.
TITLES = {
    "css-block-inline-size": "block-size",
    "css-display": "display: contents, flow-root, inline-flex, inline-grid",
    "css-important": "!important",
    "css-inert-attribute": "inert attribute",
    "css-margin": "negative margin",
    "css-pseudo-class-lang": ":lang()",
    "css-unit-initial": "initial",
    "html-address": "<address> element",
    "html-lists": "reversed attribute",
}


def names_of(slug: str, title: str) -> list[str]:
    """Return how a feature is written; empty if that is not known."""
    if slug in NAMES:
        return NAMES[slug]
    if slug.startswith("css-selector-"):
        return [f"selector {slug.removeprefix('css-selector-')}"]
    if slug.startswith("image-"):
        return [f"image {slug.removeprefix('image-')}"]
    if slug.startswith("css-pseudo-"):
        kind, name = re.fullmatch(r"css-pseudo-(class|element)-(.+)", slug).groups()  # type: ignore[union-attr]
        return [f":{name}"] if kind == "class" else [f"::{name}", f":{name}"]
    if slug.startswith("html-"):
        if found := re.search(r'<(\w+)(?: type="(\w+)")?>', title):
            return [f"<{found[1]}{f' type={found[2]}' if found[2] else ''}>"]
        return [f"[{each}]" for each in re.findall(r"^([\w-]+) attribute", title)]
    if found := re.fullmatch(r"(@[\w-]+)(?: \(([\w-]+)\))?", title):
        return [f"{found[1]} ({found[2]})" if found[2] else found[1]]
    if found := re.fullmatch(r"(\w+) unit", title):
        return [f"1{found[1]}"]
    if functions := re.findall(r"([\w-]+\(\))", title):
        return functions
    if found := re.fullmatch(r"([\w-]+): ?([\w-]+)", title):
        return [f"{found[1]}:{found[2]}"]
    properties = re.split(
        r", | & ", re.sub(r" (shorthand|property|CSS property)$", "", title.strip())
    )
    return (
        [f"{each}:" for each in properties]
        if all(re.fullmatch(r"[a-z-]+", each) for each in properties)
        else []
    )


def support_of(stats: dict[str, Any], versions: list[str]) -> str:
    """Return one letter: yes, no, partly (``a``), or unknown (``u``)."""
    letters = set()
    for version in versions:
        family, _, platform = version.partition(".")
        tested = stats.get(family, {}).get(platform, {})
        letters.update(list(tested.values())[-1].strip()[:1] if tested else "")
    letters.discard("u")
    return "u" if not letters else letters.pop() if len(letters) == 1 else "a"


def table_of(facts: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the table, and the slugs of features that are not known."""
    rows, unknown = [], []
    for feature in sorted(facts["data"], key=lambda each: each["slug"]):
        slug, title = feature["slug"], feature["title"].strip()
        names = names_of(slug, title)
        if slug not in LEFT_OUT and names:
            support = "".join(support_of(feature["stats"], each) for each in PROGRAMS.values())
            rows.append([slug, TITLES.get(slug, title), names, support])
        elif slug not in LEFT_OUT:
            unknown.append(slug)
    head = {"source": "https://www.caniemail.com/", "date": facts["last_update_date"][:10]}
    return {**head, "programs": list(PROGRAMS), "features": rows}, unknown


def text_of(table: dict[str, Any]) -> str:
    """Return the table as JSON with a line for each feature."""
    head = [f"{json.dumps(key)}: {json.dumps(table[key])}" for key in table if key != "features"]
    lines = ",\n".join(json.dumps(each) for each in table["features"])
    return "{" + ",\n".join([*head, f'"features": [\n{lines}\n]']) + "}\n"


if __name__ == "__main__":
    written, left = table_of(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    TABLE.write_text(text_of(written), "utf-8")
    print(
        f"{len(written['features'])} features of {written['date']};",
        f"not known: {', '.join(left) or 'none'}",
    )
