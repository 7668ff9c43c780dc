"""Stories as plain data: what the page is given, whoever hosts it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from heedful.errors import InputError
from heedful.reading.pictures.base import clip, number, verdict_dict
from heedful.reading.pictures.tables import frame_dict

LONGEST_TEXT = 20_000
MOST_ROWS = 5_000  # of a table, on a page; the study's --out has them all


def page_dict(stories: Any, *, title: str | None = None) -> dict[str, Any]:
    """Return what the view is given: the stories as data that ``json.dumps`` accepts.

    Parameters
    ----------
    stories : Story or sequence of Story
    title : str, optional
        Of the page; by default the story's own, or "heedful: n studies".

    Returns
    -------
    dict
        ``{"version", "title", "stories": [...]}``.

    Raises
    ------
    InputError
        If there is no story, or one is not a Story.
    """
    stories = list(stories) if isinstance(stories, Sequence) else [stories]
    if not stories:
        raise InputError("there is no story to be written", remedy="pass at least one Story")
    own = stories[0].title if len(stories) == 1 else f"heedful: {len(stories)} studies"
    try:
        release = version("heedful")
    except PackageNotFoundError:
        release = ""
    return {
        "version": release,
        "title": clip(title or own),
        "stories": [story_dict(story) for story in stories],
    }


def story_dict(story: Any) -> dict[str, Any]:
    """Return one story as plain data."""
    missing = [name for name in ("study", "title", "data", "headline") if not hasattr(story, name)]
    if missing:
        raise InputError(
            f"a {type(story).__name__} has no {missing[0]}", remedy="pass heedful.reading.story.Story"
        )
    tables, cut = [], []
    for name, frame in (story.tables or {}).items():
        tables.append({"title": clip(name), **frame_dict(frame.head(MOST_ROWS))})
        if len(frame) > MOST_ROWS:
            cut.append(f"{clip(name)}: the page holds the first {MOST_ROWS} of {len(frame)} rows")
    verdicts = [verdict_dict(verdict) for verdict in story.verdicts or ()]
    pictures = [_told_once(picture.to_dict(), verdicts) for picture in story.pictures or ()]
    return {
        "study": clip(story.study),
        "title": clip(story.title),
        "data": clip(story.data, LONGEST_TEXT),
        "headline": clip(story.headline, LONGEST_TEXT),
        "scores": [_score(score) for score in story.scores or ()],
        "verdicts": verdicts,
        "pictures": pictures,
        "tables": [table for table in tables if not _shown(table, pictures)],
        "notes": [clip(note, LONGEST_TEXT) for note in [*(story.notes or ()), *cut]],
        "outputs": [clip(Path(path).name) for path in story.outputs or ()],
    }


def _told_once(picture: dict[str, Any], verdicts: list[dict[str, Any]]) -> dict[str, Any]:
    """The picture; where its verdict already stands at the head of the chapter, with its outcome alone."""
    verdict = picture.get("verdict")
    if verdict in verdicts and verdict.get("sentence"):
        name = verdict.get("name") or "the claim"
        picture["verdict"] = {"status": verdict["status"], "sentence": f"{name} (told above)"}
    return picture


def _shown(table: dict[str, Any], pictures: list[dict[str, Any]]) -> bool:
    """Whether a picture already shows this table; it then takes the table's digits, which may be more."""
    for picture in pictures:
        if picture["kind"] == "table" and _words(picture) == _words(table):
            picture["rows"] = table["rows"]
            return True
    return False


def _words(table: dict[str, Any]) -> list[list[Any]]:
    """Head and cells of a table, its numbers as nothing but numbers."""
    return [
        table["columns"],
        *([v if isinstance(v, str) else v is None for v in row] for row in table["rows"]),
    ]


def _score(score: Any) -> dict[str, Any]:
    return {
        "name": clip(score.name),
        "ours": number(score.ours, 6),
        "baseline": number(score.baseline, 6),
        "baseline_name": clip(score.baseline_name),
        "higher_is_better": bool(score.higher_is_better),
        "interval": None if score.interval is None else [number(end, 4) for end in score.interval],
        "outcome": score.outcome,
    }
