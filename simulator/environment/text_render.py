"""Text of a slate and its feedback: the output of `render_mode="ansi"`."""

from typing import Final

from policies.base import Event, Feedback, Observation, Slates, VideoTable

_BAR: Final = 10
_SAID: Final = Event.SATISFIED | Event.DISSATISFIED
_ACTS: Final = tuple(event for event in Event if event not in Event.COMPLETE | Event.SKIP | _SAID)
_ANSWERS: Final = ("", " dissatisfied", " uncertain", " satisfied")


def screen(obs: Observation, slates: Slates | None, feedback: Feedback | None) -> str:
    """Render the user and time of a request, then one line per video of the last slate."""
    lines = [f"user {obs.user_id[0]} · day {obs.day} · {obs.hour[0]:02d}:00 · {obs.position[0]} views today"]
    if slates is not None and feedback is not None:
        n_viewed = len(feedback)
        lines += [_view_line(obs.videos, feedback, row) for row in range(n_viewed)]
        lines += [f"{_card(obs.videos, video_id)}  not reached" for video_id in slates[0, n_viewed:].tolist()]
    return "\n".join(lines)


def _card(videos: VideoTable, video_id: int) -> str:
    """Render a video's id, tag and length."""
    return f"  video {video_id:6d}  tag {videos.tag[video_id]:3d}  {videos.duration_s[video_id]:6.1f} s"


def _view_line(videos: VideoTable, feedback: Feedback, row: int) -> str:
    """Render one view: watch time and the user's acts."""
    video_id, watch_s = int(feedback.video_id[row]), float(feedback.watch_s[row])
    bar_length = round(_BAR * min(1.0, watch_s / float(videos.duration_s[video_id])))
    acts = " ".join(str(event.name).lower() for event in _ACTS if int(feedback.events[row]) & event)
    answer = _ANSWERS[int(feedback.answer[row])]
    return f"{_card(videos, video_id)}  {'#' * bar_length:.<{_BAR}}  {watch_s:6.1f} s  {acts}{answer}".rstrip()
