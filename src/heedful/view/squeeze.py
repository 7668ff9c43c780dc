"""Take comments and needless spaces out of our own JavaScript and style, so that reports stay small."""

from __future__ import annotations

import re

_WORD = re.compile(r"[\w$\u0080-\uffff]")
_VALUE_ENDS = re.compile(r"[\w$)\]}'\"`]")
_BEFORE_REGEX = {"return", "typeof", "case", "of", "in"}


def squeeze_script(source: str) -> str:
    """Return the module without comments, indentation and spaces that part nothing.

    Strings, templates and regular expressions are kept as they are. A line end is kept as it stands,
    since JavaScript may read it as a semicolon, but after ``{``, ``,`` and ``;`` it is not needed.

    Examples
    --------
    >>> squeeze_script("const a = 'b  c'; // why\\nlet d = (x) => x / 2;")
    "const a='b  c';let d=(x)=>x/2;"
    """
    return _Script(source).run()


def squeeze_style(source: str) -> str:
    """Return the style sheet without comments and needless spaces.

    Examples
    --------
    >>> squeeze_style("a { color: red; /* x */ margin: 0 1px }")
    'a{color:red;margin:0 1px}'
    """
    source = re.sub(r"/\*.*?\*/", "", source, flags=re.S)
    source = re.sub(r"\s+", " ", source)
    return re.sub(r"\s*([{};,])\s*", r"\1", re.sub(r":\s+", ":", source)).strip()


class _Script:
    def __init__(self, source: str):
        self.source, self.at, self.out = source, 0, []

    def run(self) -> str:
        while self.at < len(self.source):
            self._one()
        return "".join(self.out).strip()

    def _one(self) -> None:
        source, at = self.source, self.at
        char = source[at]
        if char in "'\"":
            self._copy(re.compile(r"(['\"])(?:\\.|(?!\1).)*\1", re.S).match(source, at).end())
        elif char == "`":
            self._template()
        elif source.startswith("//", at):
            self.at = source.find("\n", at) if "\n" in source[at:] else len(source)
        elif source.startswith("/*", at):
            self.at = source.index("*/", at) + 2
        elif char == "/" and self._regex_here():
            self._copy(re.compile(r"/(?:\\.|\[(?:\\.|[^\]])*\]|[^/\\\[])+/[a-z]*").match(source, at).end())
        elif char.isspace():
            end = re.compile(r"\s+").match(source, at).end()
            self._space("\n" in source[at:end], source[end : end + 1], source[end : end + 2])
            self.at = end
        else:
            self._keep(at + 1)

    def _keep(self, end: int) -> None:
        text = self.source[self.at : end]
        # a comma before a closing bracket, a semicolon before a closing brace, say nothing
        if (text in ("}", ")", "]") and self._last() == ",") or (text == "}" and self._last() == ";"):
            self.out.pop()
        self.out.append(text)
        self.at = end

    def _last(self) -> str:
        return self.out[-1][-1] if self.out else "\n"

    def _regex_here(self) -> bool:
        written = "".join(self.out[-12:]).rstrip()
        word = re.search(r"[\w$]+$", written)
        if word:
            return word[0] in _BEFORE_REGEX
        return not written or not _VALUE_ENDS.match(written[-1])

    def _space(self, line: bool, following: str, two: str) -> None:
        last = self._last()
        if line:
            if two in ("//", "/*"):  # decided at the space behind the comment
                following = ""
            if last in "{[,;(\n=&|?:>*" or following in ("", *"})].?:&|*=<>"):
                return  # the statement goes on, or was closed: nothing is read into this line end
            self.out.append("\n")
        elif (_WORD.match(last) and _WORD.match(following or " ")) or (last in "+-" and following == last):
            self.out.append(" ")

    def _copy(self, end: int) -> None:
        self.out.append(self.source[self.at : end])
        self.at = end

    def _template(self) -> None:
        """Copy a template; what stands in ${...} is code and is squeezed too."""
        self._copy(self.at + 1)
        while self.source[self.at] != "`":
            if self.source[self.at] == "\\":
                self._copy(self.at + 2)
            elif self.source.startswith("${", self.at):
                self._copy(self.at + 2)
                depth = 1
                while True:
                    char = self.source[self.at]
                    depth += (char == "{") - (char == "}")
                    if not depth:
                        break
                    self._one()
                self._copy(self.at + 1)
            else:
                self._copy(self.at + 1)
        self._copy(self.at + 1)
