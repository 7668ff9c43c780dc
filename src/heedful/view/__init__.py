"""One view of pictures and stories: today a file that opens offline.

>>> from heedful.view import write_report
"""

from .report import report_html, write_report

__all__ = ["report_html", "write_report"]
