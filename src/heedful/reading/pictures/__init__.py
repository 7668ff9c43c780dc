"""Pictures as plain data: the page and the paper draw the same records.

>>> from heedful.reading import pictures as pic
>>> bars = pic.Bars("What moved it", ["claims", "spread"], [4.2, -1.1], weights=[0.3, 0.7], unit="points")
>>> bars.to_dict()["values"]
[4.2, -1.1]
"""

from .base import Picture
from .charts import Bars, Curves, Timeline, Waterfall
from .graphs import Arcs, Network, Opinions, Tokens
from .images import Matrix, Slice, Swipe
from .tables import Table

KINDS = (Bars, Waterfall, Timeline, Curves, Matrix, Slice, Swipe, Network, Arcs, Tokens, Opinions, Table)

__all__ = [
    "KINDS",
    "Picture",
    "Arcs",
    "Bars",
    "Curves",
    "Matrix",
    "Network",
    "Opinions",
    "Slice",
    "Swipe",
    "Table",
    "Timeline",
    "Tokens",
    "Waterfall",
]
