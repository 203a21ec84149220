"""The colours of a notebook's page, light or dark, for what is drawn into it.

It knows the themes of ``plot`` and how JupyterLab, VS Code and a browser say which one they show.
"""

from __future__ import annotations

from qsim.plot.style import variables

NOT_KNOWN = "body:not([data-jp-theme-light]):not(.vscode-light):not(.vscode-dark)"
"""A page that says nothing of its own goes by what the system prefers."""


def colours(of_class: str) -> str:
    """A style sheet that gives what has the class its ``--ink``, ``--paper``, ``--c1`` and so on."""
    light, dark = (";".join(f"--{name}:{value}" for name, value in variables(theme).items()) for theme in ("light", "dark"))
    return (
        f".{of_class} {{{light}; color-scheme: light}}\n"
        f'body[data-jp-theme-light="false"] .{of_class}, body.vscode-dark .{of_class} {{{dark}; color-scheme: dark}}\n'
        f"@media (prefers-color-scheme: dark) {{ {NOT_KNOWN} .{of_class} {{{dark}; color-scheme: dark}} }}\n"
    )
