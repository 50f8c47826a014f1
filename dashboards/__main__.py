"""`python -m dashboards` is `streamlit` with what the first page needs loaded beforehand: nobody waits for it."""

import importlib
import signal
from pkgutil import iter_modules


def load() -> None:
    """All pages, what Streamlit looks through words for, and the parts of Plotly that figures are made of."""
    import plotly.graph_objects as go

    from dashboards import screens
    from dashboards.figures import theme

    for page in iter_modules(screens.__path__, f"{screens.__name__}."):
        importlib.import_module(page.name)
    importlib.import_module("streamlit.emojis")
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], error_x={"array": [1, 1]})).update_xaxes(title_text="x")
    figure.add_annotation(text="x", x=0, y=0).add_hline(0)
    theme.frame(figure, 100).to_json()


def serve() -> None:
    """Load, then hand over to Streamlit, which ends in its own way on Ctrl-C; until then it ends at once."""
    from streamlit.web.cli import main

    load()
    main(prog_name="streamlit")


signal.signal(signal.SIGINT, signal.SIG_DFL)
serve()
