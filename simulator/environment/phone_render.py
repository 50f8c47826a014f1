"""Picture of a user's phone: the output of `render_mode="rgb_array"`, and the frames of `askew render`.

Axes: `h`, `w` pixels; 3 colours.
"""

import colorsys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from policies.base import Event, Feedback, Observation
from simulator.whole_file import whole_file

WIDTH: Final = 300
HEIGHT: Final = 540
_MARGIN: Final = 18
_INK: Final = (245, 245, 245)
_FAINT: Final = (170, 174, 182)
_PANEL: Final = (28, 30, 34)
_BAR: Final = (86, 180, 233)
_REPLAY: Final = (230, 159, 0)
_GOOD: Final = (0, 158, 115)
_BAD: Final = (213, 94, 0)
_ACTS: Final = (
    (Event.LIKE, "liked", _GOOD),
    (Event.FOLLOW, "followed", _GOOD),
    (Event.COMMENT, "commented", _GOOD),
    (Event.FORWARD, "forwarded", _GOOD),
    (Event.PROFILE_ENTER, "saw profile", _GOOD),
    (Event.HATE, "not interested", _BAD),
    (Event.SKIP, "skipped", _FAINT),
)
_ANSWERS: Final = ("Dissatisfied", "Uncertain", "Satisfied")

Picture = UInt8[np.ndarray, "h w 3"]


@final
class PictureError(ValueError):
    """The recording cannot be written; the message says where and why."""


@final
@dataclass(frozen=True)
class ScreenView:
    """One view on the screen.

    Attributes:
        obs: A request of the user, for the catalogue and the clock.
        log: The log of a slate.
        row: Row of the log to draw; None before the first view.
        mood: Mood of the user if truth is revealed; else None.
    """

    obs: Observation
    log: Feedback | None
    row: int | None
    mood: float | None = None


def picture(view: ScreenView) -> Picture:
    """Draw the screen during or after a view."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (12, 13, 15))
    draw = ImageDraw.Draw(image)
    _head(draw, view)
    if view.log is None or view.row is None:
        _text(draw, (WIDTH / 2, HEIGHT / 2), "the feed is loading", 16, _FAINT, "mm")
    else:
        _card(draw, view, view.log, view.row)
        _acts(draw, int(view.log.events[view.row]))
        _question(draw, int(view.log.events[view.row]), int(view.log.answer[view.row]))
    return np.asarray(image, np.uint8).copy()


def check_gif(path: Path) -> None:
    """Refuse a file name whose extension is not GIF's.

    Raises:
        PictureError: The path does not end in .gif.
    """
    if path.suffix.lower() != ".gif":
        raise PictureError(f"{path}: names no GIF, want a file that ends in .gif, from which other tools make films")


def write_gif(frames: list[Picture], path: Path, ms: int) -> None:
    """Write frames as a GIF that repeats.

    Args:
        frames: At least one.
        path: File to write; it is never seen half written, and its folder is made if it does not exist.
        ms: Milliseconds per frame.

    Raises:
        PictureError: The path does not end in .gif, or the file cannot be written.
    """
    check_gif(path)
    images = [Image.fromarray(frame).quantize(64, dither=Image.Dither.NONE) for frame in frames]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial_path:
            later_images = images[1:]
            images[0].save(
                partial_path,
                format="GIF",
                save_all=True,
                append_images=later_images,
                duration=ms,
                loop=0,
                optimize=True,
            )
    except OSError as error:
        raise PictureError(f"{path}: cannot be written: {error.strerror or error}; give another file") from None


def _head(draw: ImageDraw.ImageDraw, view: ScreenView) -> None:
    """Draw the time, the user, and the mood if it is revealed."""
    obs = view.obs
    hour = int(obs.hour[0]) if view.log is None or view.row is None else int(view.log.hour[view.row])
    day = obs.day if view.log is None or view.row is None else int(view.log.day[view.row])
    _text(draw, (_MARGIN, 16), f"{hour:02d}:00", 15, _INK, "lm")
    _text(draw, (WIDTH - _MARGIN, 16), f"day {day} · user {int(obs.user_id[0])}", 12, _FAINT, "rm")
    if view.mood is not None:
        _text(draw, (_MARGIN, 38), f"mood {view.mood:+.2f} (truth)", 12, _FAINT, "lm")


def _card(draw: ImageDraw.ImageDraw, view: ScreenView, log: Feedback, row: int) -> None:
    """Draw the video: its topic as a colour, its length, and the share that was watched."""
    video = int(log.video_id[row])
    length_s, watch_s = float(view.obs.videos.duration_s[video]), float(log.watch_s[row])
    tag = int(view.obs.videos.tag[video])
    box = (_MARGIN, 54, WIDTH - _MARGIN, 330)
    draw.rounded_rectangle(box, 14, fill=_topic_colour(tag))
    _text(draw, (WIDTH / 2, 165), f"topic {tag}", 26, _INK, "mm")
    _text(draw, (WIDTH / 2, 200), f"video {video} · {_clock(length_s)}", 13, _INK, "mm")
    bar_left, bar_right, y = _MARGIN + 12, WIDTH - _MARGIN - 12, 306
    draw.rounded_rectangle((bar_left, y, bar_right, y + 8), 4, fill=(20, 20, 20))
    share_watched = min(1.0, watch_s / length_s)
    if share_watched > 0:
        draw.rounded_rectangle(
            (bar_left, y, bar_left + max(8.0, share_watched * (bar_right - bar_left)), y + 8), 4, fill=_BAR
        )
    replays = f"  ×{watch_s / length_s:.1f}" if watch_s > 1.05 * length_s else ""
    _text(draw, (bar_left, y - 12), f"watched {_clock(watch_s)}", 13, _INK, "lm")
    if replays:
        _text(draw, (bar_right, y - 12), f"played{replays}", 13, _REPLAY, "rm")


def _acts(draw: ImageDraw.ImageDraw, events: int) -> None:
    """Draw the user's acts as rows of labels."""
    x, y = float(_MARGIN), 344.0
    for event, label, colour in _ACTS:
        if not events & event:
            continue
        width = draw.textlength(label, font=_font(13)) + 20
        if x + width > WIDTH - _MARGIN:
            x, y = float(_MARGIN), y + 30
        draw.rounded_rectangle((x, y, x + width, y + 24), 12, outline=colour, width=2)
        _text(draw, (x + width / 2, y + 12), label, 13, _INK, "mm")
        x += width + 8


def _outcome(events: int, answer: int) -> str:
    """Describe whether a questionnaire was answered, and whether it had the strong form."""
    form = " (asked strongly)" if events & Event.ASKED_STRONGLY else ""
    return ("answered" if answer else "left unanswered") + form


def _question(draw: ImageDraw.ImageDraw, events: int, answer: int) -> None:
    """Draw the questionnaire if one was shown."""
    if not events & Event.ASKED:
        return
    top = HEIGHT - 128
    draw.rounded_rectangle((8, top, WIDTH - 8, HEIGHT - 8), 14, fill=_PANEL)
    _text(draw, (WIDTH / 2, top + 24), "Are you satisfied with this video?", 14, _INK, "mm")
    width = (WIDTH - 2 * _MARGIN - 12) / 3
    for i, label in enumerate(_ANSWERS):
        x = _MARGIN + i * (width + 6)
        is_answer = answer == i + 1
        draw.rounded_rectangle((x, top + 44, x + width, top + 74), 10, fill=_BAR if is_answer else (52, 55, 61))
        _text(draw, (x + width / 2, top + 59), label, 12, (10, 10, 10) if is_answer else _INK, "mm")
    _text(draw, (WIDTH / 2, top + 96), _outcome(events, answer), 12, _FAINT, "mm")


def _text(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int, colour: tuple[int, int, int], anchor: str
) -> None:
    """Draw a line of text; `anchor` is Pillow's."""
    draw.text(at, text, fill=colour, font=_font(size), anchor=anchor)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, the same on every machine."""
    return ImageFont.load_default(size)


def _topic_colour(tag: int) -> tuple[int, int, int]:
    """Dark colour of a topic; hues of neighbouring topics are far apart (golden ratio)."""
    red, green, blue = colorsys.hsv_to_rgb((tag * 0.618034) % 1.0, 0.55, 0.5)
    return round(255 * red), round(255 * green), round(255 * blue)


def _clock(seconds: float) -> str:
    """Format seconds as minutes and seconds.

    >>> _clock(83.4), _clock(2.49)
    ('1:23', '2.5 s')
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}" if seconds >= 60 else f"{seconds:.1f} s"
