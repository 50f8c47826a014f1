"""`python -m dashboards` is `streamlit` with all that a page needs loaded beforehand, so that nobody waits for it."""

import importlib
from pkgutil import iter_modules

from streamlit.testing.v1 import AppTest
from streamlit.web.cli import main

from dashboards import screens


def page_of_everything() -> None:
    """What Streamlit and Plotly load when first used, on a page that is shown to nobody."""
    import pandas as pd
    import plotly.graph_objects as go
    import streamlit as st

    from dashboards import theme

    st.info("as long as text with signs of its own – is looked through for pictures")
    st.dataframe(pd.DataFrame({"name": ["text"]}), column_config={"name": st.column_config.TextColumn()})
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], error_x={"array": [1, 1]})).update_xaxes(title_text="x")
    figure.add_annotation(text="x", x=0, y=0).add_hline(0)
    st.plotly_chart(theme.frame(figure, 100), theme=None)


for page in iter_modules(screens.__path__, f"{screens.__name__}."):
    importlib.import_module(page.name)
AppTest.from_function(page_of_everything).run(timeout=60)
main(prog_name="streamlit")
