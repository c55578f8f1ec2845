"""Self-contained HTML pages from templates inside packages."""

from __future__ import annotations

from importlib import resources

import jinja2


def template(name: str) -> jinja2.Template:
    """A template; what it is given is escaped.

    Args:
        name: PACKAGE/FILE, also in the template's own imports: kws_training.schemes.study/page.html.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    environment.filters["points"] = lambda share: f"{100 * share:+.1f}"
    return environment.get_template(name)


def _source(name: str) -> str:
    package, _, file = name.partition("/")
    return (resources.files(package) / file).read_text(encoding="utf-8")
