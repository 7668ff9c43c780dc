"""One view of pictures and stories: a file that opens offline, or a notebook's cell.

>>> from heedful.view import write_report
"""

from .report import report_html, write_report
from .widget import widget

__all__ = ["report_html", "widget", "write_report"]
