"""HTML with style sheets of all kinds, made by chance."""

from __future__ import annotations

from random import Random

_CLASSES = "abc"
_STATES = (
    *(":hover", ":first-child", ":not(.a)", ":visited", "::before", ":last-child", ":link"),
    *(":nth-child(2)", "[data-ogsc]", "[class]", ":is(.a,b)", ":where(.b)", ":-ms-x", ":focus"),
)
_HACKS = ("[data-ogsc] ", "u + ", ".ExternalClass ")
_PROPERTIES = {
    "color": ("red", "blue", "green", "nope(1)"),
    "margin": ("0", "5px", "1px 2px"),
    "margin-left": ("3px", "7px"),
    "padding": ("0", "4px"),
    "padding-top": ("1px", "9px"),
    "background": ("red", "none", "#eee"),
    "background-color": ("blue", "yellow"),
    "border": ("0", "1px solid red"),
    "border-left": ("2px solid blue", "0"),
    "border-color": ("green",),
    "border-radius": ("1px", "3px"),
    "font": ("12px serif", "bold 14px/2 sans-serif"),
    "font-size": ("11px", "20px"),
    "line-height": ("1", "2"),
    "text-align": ("left", "center"),
    "display": ("block", "inline"),
}
_AT_RULES = (
    *("@media (max-width:600px)", "@media (min-width:601px)", "@media print", "@media all"),
    *("@media (prefers-color-scheme:dark)", "@media screen", "@supports (display:grid)"),
    "@layer q",
)
_SHEETS = (
    *([""] * 6),
    *(" media=print", " media='screen and (max-width:600px)'", " media=all"),
    *(" data-css-inline=ignore", ' media="(prefers-color-scheme: dark)"'),
)
_OWN = (
    *(' style="color:purple"', " style='margin:1px;'", " style=padding:2px", " style"),
    *(' style="border-left:1px solid red !important"', ' STYLE="font-size:9px"'),
)


class Documents:
    """Makes the same documents for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def next(self) -> str:
        doctype = self._random.choice(("<!doctype html>", "", "<!doctype html><html><head></head>"))
        body = "".join(self._element(0) for _ in range(4))
        rows = "<table><tr><td class=a>x<td class=b>y</table>"
        return f"{doctype}{self._sheet()}{self._sheet()}{body}{self._sheet()}{rows}"

    def _chance(self, of: float) -> bool:
        return self._random.random() < of

    def _some(self, make: object, least: int, most: int) -> list[str]:
        return [make() for _ in range(self._random.randint(least, most))]  # type: ignore[operator]

    def _compound(self) -> str:
        choose = self._random.choice
        found = choose(("p", "b", "a", "span", "div", "*", "", ""))
        if not found or self._chance(0.25):
            found += f".{choose(_CLASSES)}"
        if self._chance(0.07):
            found += f"#{choose('xyz')}"
        return found + (choose(_STATES) if self._chance(0.1) else "")

    def _selector(self) -> str:
        if self._chance(0.1):
            return self._random.choice(_HACKS) + self._compound()
        if self._chance(0.3):
            return f"{self._compound()}{self._random.choice((' ', ' > ', ' + '))}{self._compound()}"
        return self._compound()

    def _declaration(self) -> str:
        name = self._random.choice(list(_PROPERTIES))
        value = self._random.choice(_PROPERTIES[name])
        return f"{name}:{value}{' !important' if self._chance(0.12) else ''}"

    def _rule(self) -> str:
        selectors = ", ".join(self._some(self._selector, 1, 2))
        return f"{selectors}{{{';'.join(self._some(self._declaration, 1, 3))}}}"

    def _rules(self) -> str:
        if self._chance(0.6):
            return self._rule()
        return f"{self._random.choice(_AT_RULES)}{{{''.join(self._some(self._rule, 1, 3))}}}"

    def _sheet(self) -> str:
        rules = "".join(self._some(self._rules, 1, 6))
        return f"<style{self._random.choice(_SHEETS)}>{rules}</style>"

    def _element(self, depth: int) -> str:
        choose = self._random.choice
        name = choose(("p", "div", "span", "a", "b"))
        attributes = ""
        if self._chance(0.6):
            attributes += f' class="{" ".join(self._random.sample(_CLASSES, 2))}"'
        if self._chance(0.15):
            attributes += f" id={choose('xyz')}"
        if name == "a":
            attributes += f" href=http://a.test/{self._random.random()}"
        if self._chance(0.2):
            attributes += choose(_OWN)
        if self._chance(0.05):
            attributes += " data-css-inline=ignore"
        content = "x"
        if name in ("div", "span") and depth < 3:
            content = "".join(self._element(depth + 1) for _ in range(self._random.randint(0, 3)))
        return f"<{name}{attributes}>{content}</{name}>"
