"""World card: which tables are fitted, published or assumed, what the data lack, and the fit's accuracy."""

from user_models.world.parameters import Parameter
from user_models.world.world import World


def card(world: World) -> str:
    """A world's card in Markdown."""
    parts = [
        f"# World card: {world.name}\n",
        world.attribution + "\n",
        "## Figures of the fit\n",
        _table(("figure", "value"), [(name, f"{value:,.4g}") for name, value in world.figures.items()]),
        "## Tables\n",
        _table(("table", "where it comes from"), list(world.provenance.items())),
    ]
    if world.targets.sources:
        parts += ["## Targets\n", _table(("figure", "where it comes from"), list(world.targets.sources.items()))]
    if world.assumptions:
        parts += ["## What the data lack\n", "".join(f"- {line}\n" for line in world.assumptions)]
    for status in ("fitted", "published", "assumed"):
        rows = [_row(name, p) for name, p in sorted(world.parameters.items()) if p.status == status]
        parts += [f"## Parameters, {status}\n", _table(("parameter", "value", "range", "meaning", "source"), rows)]
    return "\n".join(parts)


def _row(name: str, parameter: Parameter) -> tuple[str, ...]:
    """One parameter."""
    has_range = parameter.low is not None and parameter.high is not None
    span = f"{parameter.low:g} to {parameter.high:g}" if has_range else ""
    return name, f"{parameter.value:.4g}", span, parameter.meaning, parameter.source


def _table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Render a Markdown table, or a note that it is empty."""
    if not rows:
        return "none\n"
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines) + "\n"
