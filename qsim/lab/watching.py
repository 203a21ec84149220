"""A run as a film, in a notebook or as an HTML file that needs nothing else.

It knows where a film is put; what is in it, ``film`` tells, and ``static/watch.js`` plays it, the same in both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from qsim.api import Run
from qsim.lab.film import MOST, film
from qsim.plot.page import colours

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,">
<style>:root {{ color-scheme: light dark }} body {{ margin: 0 }} {style}</style></head>
<body><div class="qsim-film-page"><div id="film"></div></div>
<script type="application/json" id="told">{told}</script>
<script type="module">
{script}
const told = JSON.parse(document.getElementById("told").textContent);
player.render({{ model: {{ get: () => told }}, el: document.getElementById("film") }});
</script></body></html>
"""


@dataclass(frozen=True)
class Film:
    """Shows itself in a notebook; ``save`` writes it as a page.  ``told`` is what it shows, as plain values."""

    told: dict[str, Any] = field(repr=False)

    def save(self, path: str | Path) -> Path:
        """One HTML file, without network."""
        target = Path(path)
        target.write_text(page(self.told), encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return f"<Film of {self.told['title']}: {self.told['said']}>"

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return _widget(self.told)._repr_mimebundle_()


def watch(
    run: Run, queue: str | None = None, *, start: str | None = None, length: str | None = None, messages: int = MOST
) -> Film:
    """The run as a film: ``watch(r)``, ``watch(r, "orders", start="10m", length="30s")``; ``.save("film.html")``.
    Of more than so many messages every n-th is shown, which is said."""
    return Film(film(run.numbers, queue, start, length, messages))


def page(told: dict[str, Any]) -> str:
    """The film as a page of HTML."""
    script = _static("watch.js").replace("export default", "const player =")
    safe = json.dumps(told, separators=(",", ":")).replace("</", "<\\/")
    ground = ".qsim-film-page { background: var(--paper); min-height: 100vh }"
    style = f"{colours('qsim-film')}{colours('qsim-film-page')}{ground}{_static('watch.css')}"
    return _PAGE.format(title=escape(told["title"]), style=style, told=safe, script=script)


def _static(name: str) -> str:
    return (files("qsim.lab") / "static" / name).read_text(encoding="utf-8")


def _widget(told: dict[str, Any]) -> Any:
    import anywidget
    from traitlets import Dict

    parts = {
        "_esm": _static("watch.js"),
        "_css": colours("qsim-film") + _static("watch.css"),
        "film": Dict().tag(sync=True),
    }
    return type("FilmWidget", (anywidget.AnyWidget,), parts)(film=told)
