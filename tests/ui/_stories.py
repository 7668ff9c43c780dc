"""Stories for the browser tests: one of every picture, with names of the test's choosing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from heedful.reading import pictures as pic
from heedful.reading.story import Score, Story

HOSTILE = [
    "</script><script>window.ran=1</script>",
    "<script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    "<svg onload=window.ran=1>",
    "<svg><script>window.ran=1</script></svg>",
    "<iframe src=javascript:window.ran=1>",
    "<body onload=window.ran=1>",
    "<a href=javascript:window.ran=1>a</a>",
    "javascript:window.ran=1",
    "<img src=http://evil.invalid/x.png>",
    "<link rel=stylesheet href=http://evil.invalid/x.css>",
    "<style>@import 'http://evil.invalid/y.css';</style>",
    "<meta http-equiv=refresh content='0;url=http://evil.invalid'>",
    "<base href=http://evil.invalid/>",
    "<object data=http://evil.invalid/o>",
    "<embed src=http://evil.invalid/e>",
    "<video><source onerror=window.ran=1>",
    "<details open ontoggle=window.ran=1>",
    "<math><mi xlink:href=data:x,1>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?xml version='1.0'?>",
    "&lt;script&gt;window.ran=1&lt;/script&gt;",
    "&#60;script&#62;window.ran=1",
    "\\u003cscript\\u003ewindow.ran=1",
    '" onmouseover="window.ran=1',
    "' onfocus='window.ran=1' autofocus='",
    "`${window.ran=1}`",
    "${window.ran=1}",
    "{{constructor.constructor('window.ran=1')()}}",
    "';window.ran=1;//",
    '";window.ran=1;//',
    "\\';window.ran=1;//",
    "\u2028window.ran=1",
    "\u2029window.ran=1",
    "a\nb\r\nc\td",
    "\x00\x01\x1f\x7f",
    "\u202egnp.exe\u202c",
    "\u2066isolate",
    "\ufeffbom",
    "\ud800",
    "\udfff\ud83d",
    "😀👩‍👩‍👧",
    "猫很累了",
    "مرحبا بالعالم",
    "=1+cmd|' /C calc'!A0",
    "x" * 1_000_000,
    "__proto__",
    "constructor",
]


class Names:
    """Names in turn from a list, so that every place where a name may stand meets every name."""

    def __init__(self, names: list[str], start: int = 0):
        self.names, self.at = names, start

    def __call__(self, n: int | None = None):
        if n is None:
            self.at += 1
            return self.names[self.at % len(self.names)]
        return [self() for _ in range(n)]

    def frame(self) -> str:
        """A name that pandas can hold: it refuses lone surrogates."""
        return self().encode("utf-8", "replace").decode()


def verdict(name: Names):
    tests = ({"name": name(), "p": 0.01, "interval": (0.1, 0.3)}, {"name": name(), name(): name()})
    return SimpleNamespace(
        name=name(),
        status="supported",
        sentence=name(),
        effect=0.2,
        interval=(0.1, 0.3),
        p=0.01,
        n=40,
        compared_with=name(),
        tests=tests,
    )


def pictures(name: Names, seed: int = 0) -> list[pic.Picture]:
    rng = np.random.default_rng(seed)
    image = rng.random((40, 50))
    hole = np.hypot(*np.mgrid[-20:20, -25:25]) < 8
    sources = {
        "pixel": rng.integers(15, 25, (12, 2)),
        "source": rng.integers(0, 40, (12, 4, 2)),
        "weight": rng.dirichlet(np.ones(4), 12),
        "contribution": rng.standard_normal((12, 4)),
    }
    n = 30
    i, j = rng.integers(0, n, 80), rng.integers(0, n, 80)
    days = pd.date_range("2001-01-01", periods=50, freq="MS")
    said = {"caption": name(), "unit": name(), "verdict": verdict(name)}
    top = rng.integers(0, n, (2, 3, n, 5))
    return [
        pic.Bars(name(), name(8), rng.standard_normal(8), weights=rng.random(8), groups=name(8), **said),
        pic.Waterfall(
            name(), name(5), rng.standard_normal(5), start=1.0, end_label=name(), start_label=name()
        ),
        pic.Timeline(
            name(),
            days,
            {name(): rng.random(50) for _ in range(3)},
            spans=[(days[5], days[9], name())],
            events=[(days[k], name(), rng.standard_normal(), rng.random()) for k in (3, 20, 21, 40)],
            y_label=name(),
            **said,
        ),
        pic.Curves(
            name(),
            [1, 10, 100],
            {name(): [1, 2, 3], name(): [3, 2, 2]},
            log_x=True,
            x_label=name(),
            y_label=name(),
            marks=[(10, name())],
        ),
        pic.Matrix(
            name(),
            rng.random((5, 7)),
            name(5),
            name(7),
            marks=rng.random((5, 7)) > 0.8,
            row_label=name(),
            column_label=name(),
        ),
        pic.Slice(
            name(),
            image,
            overlay=np.where(hole, image, np.nan),
            overlay_label=name(),
            outlines={name(): hole},
            sources=sources,
        ),
        pic.Swipe(
            name(),
            image,
            rng.random((40, 50, 3)),
            left_label=name(),
            right_label=name(),
            layers={name(): image},
        ),
        pic.Network(
            name(),
            rng.random(n),
            rng.random(n),
            labels=name(n),
            values=rng.standard_normal(n),
            edges=(i, j, rng.random(80)),
            x_label=name(),
            y_label=name(),
            directed=True,
        ),
        pic.Network(name(), rng.random(n), rng.random(n), labels=name(n), groups=name(n), edges=(i, j)),
        pic.Arcs(
            name(), name(n), np.stack([i, j], 1)[i != j][:20], rng.random(20), marks=rng.random(20) > 0.3
        ),
        pic.Tokens(
            name(),
            name(n),
            name(n),
            top,
            rng.random(top.shape),
            contribution=rng.standard_normal(top.shape),
            columns=rng.random((2, 3, n)),
            heads={name(): name(2), "head" + name()[:50]: name(3)},
            unit=name(),
        ),
        pic.Opinions(
            name(),
            rng.uniform(-1, 1, 60),
            tau=0.02,
            steps=20,
            groups=name(60),
            edges=(rng.integers(0, 60, 400), rng.integers(0, 60, 400)),
        ),
        pic.Table(
            name(), pd.DataFrame({name.frame(): [name.frame() for _ in range(4)], "number": rng.random(4)})
        ),
    ]


def story(name: Names, shown: list[pic.Picture] | None = None) -> Story:
    return Story(
        study=name(),
        title=name(),
        data=name(),
        headline=name(),
        scores=[Score(name(), 0.9, 0.8, name(), True, (0.01, 0.2)), Score(name(), 0.1, 0.2, name(), False)],
        verdicts=[verdict(name)],
        pictures=pictures(name) if shown is None else shown,
        tables={
            name(): pd.DataFrame({name.frame(): [2.0, 10.0, 1.0], "word": [name.frame() for _ in range(3)]})
        },
        notes=[name(), name()],
        outputs=[name().replace("/", "").replace("\x00", "")[:80]],
    )


def edges() -> list[pic.Picture]:
    """Pictures of nothing, of one thing, of what is missing, and of far too much."""
    r, N = np.random.default_rng(0), float("nan")
    return [
        pic.Bars("empty", [], []),
        pic.Bars("nan", ["a"], [N]),
        pic.Bars("zero", ["a", "b"], [0, 0], weights=[0, 0]),
        pic.Bars("60", [f"n{i}" for i in range(60)], r.standard_normal(60)),
        pic.Waterfall("none", [], [], start=0, end_label="e"),
        pic.Waterfall("neg", ["a", "b"], [-1, -2], start=-0.5, end_label="e"),
        pic.Timeline("empty", [], {}),
        pic.Timeline("one", ["2001-01-01"], {"s": [1]}),
        pic.Timeline("nan", [1, 2, 3], {"s": [N, N, N]}),
        pic.Timeline(
            "numbers", [3, 1, 2], {"s": [1, 2, 3], "t": [2, 2, 2]}, bands={"other": ([0, 0, 0], [1, 1, 1])}
        ),
        pic.Timeline(
            "only span", ["2001-01-01", "2001-02-01"], {}, spans=[("2001-01-05", "2001-01-08", "x")]
        ),
        pic.Curves("const", [1, 1, 1], {"s": [2, 2, 2]}),
        pic.Curves("unsorted NaN x", [1, N, 0], {"s": [1, 2, 3]}),
        pic.Curves("log wide", np.logspace(-8, 8, 30), {"s": np.arange(30)}, log_x=True),
        pic.Matrix("one", [[1.0]], ["r"], ["c"]),
        pic.Matrix("nan", [[N, N]], ["r"], ["c", "d"]),
        pic.Matrix("wide", r.random((3, 400)), list("abc"), [f"c{i}" for i in range(400)]),
        pic.Matrix("tall", r.random((500, 3)), [f"row number {i}" for i in range(500)], list("abc")),
        pic.Matrix("zero", [[0.0, 0.0]], ["r"], ["c", "d"], signed=True),
        pic.Slice("flat", np.zeros((4, 4))),
        pic.Slice("nan", np.full((4, 4), N), overlay=np.full((4, 4), N)),
        pic.Slice("thin", r.random((2, 300)), outlines={"none": np.zeros((2, 300))}),
        pic.Swipe("s", np.zeros((3, 3)), np.zeros((3, 3)), left_label="", right_label=""),
        pic.Network("empty", [], []),
        pic.Network("one", [0], [0]),
        pic.Network("same", [1, 1], [1, 1], labels=["a", "b"], edges=([0], [1], [N])),
        pic.Network(
            "many",
            r.normal(size=3000),
            r.normal(size=3000),
            edges=(r.integers(0, 3000, 9000), r.integers(0, 3000, 9000)),
        ),
        pic.Arcs("none", ["a"], [], []),
        pic.Arcs("one", ["a"], [[0, 0]], [1]),
        pic.Tokens("none", ["a"], ["b"], [[-1]], [[N]]),
        pic.Tokens("nan", ["a", "b"], ["a", "b"], [[0, 1], [1, -1]], [[N, 0.5], [1, N]], columns=[N, 1]),
        pic.Opinions("one", [0.0], tau=1, steps=1),
        pic.Opinions("same", [1.0, 1.0], tau=1e-9, steps=3, edges=([0], [1])),
        pic.Table("none", pd.DataFrame()),
        pic.Table("cols", pd.DataFrame(columns=["a"])),
        pic.Table(
            "multi",
            pd.DataFrame({("a", "b"): [1]}, index=pd.MultiIndex.from_tuples([("x", "y")], names=["p", "q"])),
        ),
    ]
