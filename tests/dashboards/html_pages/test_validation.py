"""`validation.html`: says what was measured, admits what was not, and needs no network."""

import importlib.util
import re
from pathlib import Path

import plotly.graph_objects as go
import pytest
from markupsafe import escape

from dashboards.figures import validation
from dashboards.html_pages.validation import check_line, panels, render_validation
from simulator.reports.validation import Compared

EVIL = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def sound():
    """A validation made up by hand, in which everything is right."""
    path = Path(__file__).parents[2] / "simulator" / "sample_validation.py"
    spec = importlib.util.spec_from_file_location("sample_validation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.sample_validation()


@pytest.fixture(scope="module")
def bare(sound):
    """The same with every section that may be missing left out."""
    gone = dict.fromkeys(("heldout", "two_sample", "two_sample_auc", "answering", "recovery"))
    reasons = dict.fromkeys(("heldout", "two_sample", "answering", "recovery"), "left out on purpose")
    empty = {"duration": [], "activity": [], "hour": []}
    more = {"by_group": empty, "watch_time": [], "hate_concentration": [0.0] * 11, "reasons": reasons}
    return sound.model_copy(update={**gone, **more})


@pytest.fixture(scope="module")
def text(sound):
    return render_validation(sound)


def test_every_target_is_in_the_table(sound, text):
    for check in sound.checks:
        assert all(escape(cell) in text for cell in check_line(check))


def test_every_figure_has_its_caption(sound, text):
    assert len(panels(sound)) == 8
    for panel in panels(sound):
        assert escape(panel.caption) in text
        assert f'id="figure-{panel.key}"' in text


def test_a_sound_world_is_called_sound(text):
    assert "Sound: no rate is far from reality." in text
    assert 'class="verdict alarm"' not in text


def test_a_refused_world_is_set_apart_with_its_faults(sound):
    refused = sound.model_copy(update={"sound": False, "faults": ["hate under base: 675 times the real figure"]})
    page = render_validation(refused)
    assert 'class="verdict alarm"' in page
    assert "hate under base: 675 times the real figure" in page


def test_it_needs_no_network_and_holds_the_library_once(text):
    assert text.count('id="library"') == 1
    assert "default-src 'none'" in text
    assert not re.search(r"<(script|img|link)[^>]+(src|href)=", text.split("<style>")[0])


def test_same_validation_same_page(sound, text):
    assert render_validation(sound) == text


def test_names_are_escaped(sound):
    page = render_validation(sound.model_copy(update={"world": EVIL, "faults": [EVIL], "reasons": {"recovery": EVIL}}))
    assert EVIL not in page
    assert escape(EVIL) in page


def test_what_was_not_measured_is_admitted(bare):
    page = render_validation(bare)
    assert "heldout: left out on purpose" in page
    for draw in (validation.pit, validation.importances, validation.biases):
        [note] = draw(bare).layout.annotations
        assert "left out on purpose" in note.text


def test_ratios_stand_where_they_were_measured(sound):
    figures = {**sound.regimes["base"], "click": Compared.of(0.9, 0.45)}
    figure = validation.ratios(sound.model_copy(update={"regimes": {**sound.regimes, "base": figures}}))
    points = [trace for trace in figure.data if trace.showlegend is False]
    assert points[0].x[0] == 1
    assert points[1].x[0] == 2
    low, high = (10**end for end in figure.layout.xaxis.range)
    assert low < 0.5
    assert high > 2 or high == pytest.approx(2)


def test_a_ratio_beyond_all_ticks_is_on_the_figure(sound):
    figures = {**sound.regimes["base"], "hate": Compared.of(0.53, 0.0003)}
    figure = validation.ratios(sound.model_copy(update={"regimes": {**sound.regimes, "base": figures}}))
    assert 10 ** figure.layout.xaxis.range[1] >= 0.53 / 0.0003


def test_cumulative_watch_times_end_at_one(sound):
    curves = [trace for trace in validation.watch_times(sound).data if isinstance(trace.y, tuple | list)]
    drawn = [trace for trace in curves if trace.y[0] is not None]
    assert len(drawn) == 2 * len(sound.watch_time)
    assert all(trace.y[-1] == pytest.approx(1) for trace in drawn)


@pytest.mark.parametrize("regime", ["random", "base"])
def test_groups_show_real_and_simulated_alike(sound, regime):
    figure = validation.groups(sound, regime)
    assert isinstance(figure, go.Figure)
    drawn = [trace for trace in figure.data if trace.showlegend is False]
    assert len(drawn) == 2 * (3 + 2 + 1)
    for real, simulated in zip(drawn[::2], drawn[1::2], strict=True):
        assert real.y == simulated.y
