"""Make our own JavaScript and style small as they are shipped: no comments, no spaces, short local names.

The sources are written for readers; a report carries them squeezed. Both forms are the same program:
names are exchanged one for one over the whole module, so every scope stays as it was, and no property,
string or name of the browser's is touched.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*")
_STRING = re.compile(r"(['\"])(?:\\.|(?!\1).)*\1", re.S)
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]])*\]|[^/\\\[\n])+/[a-z]*")
_NUMBER = re.compile(r"\d[\w.]*|\.\d[\w]*")
_PUNCTUATION = re.compile(
    r"=>|\.\.\.|\?\.(?!\d)|[=!]==?|>>>=?|<<=?|>>=?|[<>]=|&&=?|\|\|=?|\?\?=?|\*\*=?|\+\+|--|[-+*/%&|^]=|[^\s]"
)
_VALUE_ENDS = {")", "]", "}", "name", "text", "number"}
_BEFORE_REGEX = {"return", "typeof", "case", "of", "in"}
_WORDS = """
async await break case catch class const continue default delete do else export extends false finally
for function get if import in instanceof let new null of return self set static super switch this throw
true try typeof undefined var void while with yield
"""
_RESERVED = frozenset(_WORDS.split())
_GOES_ON_AFTER = frozenset("{[,;(=&|?:*<>+-/%!") | {"=>", "&&", "||", "??", "==", "===", "!==", "<=", ">="}
_GOES_ON_BEFORE = frozenset("}]).?:&|*=<>,;") | {"?.", "&&", "||", "??", "==", "===", "!==", "<=", ">=", "**"}


@dataclass
class _Token:
    kind: str  # name, text, number, mark
    text: str
    line: bool = False  # a line ends before it
    space: bool = False  # a space stands before it
    open: int = -1  # of a closing bracket: where it was opened
    within: int = -1  # the bracket that holds it
    inside: list[_Token] = field(default_factory=list)


def squeeze_style(source: str) -> str:
    """Return the style sheet without comments and needless spaces.

    Examples
    --------
    >>> squeeze_style("a { color: red; /* x */ margin: 0 1px; }")
    'a{color:red;margin:0 1px}'
    """
    source = re.sub(r"/\*.*?\*/", "", source, flags=re.S)
    source = re.sub(r":\s+", ":", re.sub(r"\s+", " ", source))
    return re.sub(r"\s*([{};,])\s*", r"\1", source).replace(";}", "}").strip()


def squeeze_script(source: str, *, rename: bool = True) -> str:
    """Return the module without comments and needless spaces, and with short local names.

    Strings, regular expressions and the text of templates are kept as they are. A line end stays where
    JavaScript may read it as a semicolon.

    Parameters
    ----------
    source : str
        Our own JavaScript: modules without classes, labels or ``eval``.
    rename : bool
        Give short names to what the module itself declares.

    Examples
    --------
    >>> squeeze_script("const a = 'b  c'; // why\\nlet d = (x) => x / 2;", rename=False)
    "const a='b  c';let d=x=>x/2;"
    >>> squeeze_script("const width = 1; f({ width, height: width, b: o.width });")
    'const a=1;f({width:a,height:a,b:o.width});'
    """
    tokens = _tokens(source)
    if rename:
        _rename(tokens)
    return "".join(_written(list(_joined(tokens))))


def _tokens(source: str) -> list[_Token]:
    """Read the source into tokens; the code in a template's ``${...}`` stands between its pieces of text."""
    out: list[_Token] = []
    stack: list[int] = []
    at, line, space = 0, False, False

    def put(kind: str, end: int) -> None:
        nonlocal at, line, space
        token = _Token(kind, source[at:end], line, space, within=stack[-1] if stack else -1)
        if kind == "mark" and token.text in ")]}":
            token.open = stack.pop()
            token.within = stack[-1] if stack else -1
        out.append(token)
        if kind == "mark" and token.text in ("(", "[", "{"):
            stack.append(len(out) - 1)
        at, line, space = end, False, False

    while at < len(source):
        char = source[at]
        if char.isspace():
            line, space, at = line or char == "\n", True, at + 1
        elif source.startswith("//", at):
            at = source.find("\n", at) if "\n" in source[at:] else len(source)
        elif source.startswith("/*", at):
            at = source.index("*/", at) + 2
        elif char in "'\"":
            put("text", _STRING.match(source, at).end())
        elif char == "`" or (char == "}" and stack and out[stack[-1]].text.endswith("${")):
            if char == "}":
                stack.pop()
            end = at + 1
            while source[end] != "`" and not source.startswith("${", end):
                end += 2 if source[end] == "\\" else 1
            opened = source[end] == "$"
            put("text" if not opened else "template", end + (2 if opened else 1))
            if opened:
                stack.append(len(out) - 1)
        elif match := _IDENTIFIER.match(source, at):
            put("name", match.end())
        elif match := _NUMBER.match(source, at):
            put("number", match.end())
            out[-1].text = out[-1].text.removeprefix("0") if out[-1].text.startswith("0.") else out[-1].text
        elif char == "/" and _starts_regex(out):
            put("text", _REGEX.match(source, at).end())
        else:
            put("mark", _PUNCTUATION.match(source, at).end())
    return out


def _starts_regex(out: list[_Token]) -> bool:
    if not out:
        return True
    last = out[-1]
    if last.kind == "name":
        return last.text in _BEFORE_REGEX
    return (last.text if last.kind == "mark" else last.kind) not in _VALUE_ENDS


def _joined(tokens: list[_Token]) -> Iterator[_Token]:
    """Leave out the brackets around a lone parameter, and the second of two const (or let) in a row."""
    declaring: dict[int, str] = {}
    skip: set[int] = set()
    for i, token in enumerate(tokens):
        if i in skip:
            continue
        after = tokens[i + 1].text if i + 1 < len(tokens) else ""
        if token.kind == "name" and token.text in ("const", "let"):
            declaring[token.within] = token.text
        elif token.text == ";" and token.kind == "mark":
            if declaring.get(token.within) == after and tokens[i + 1].kind == "name":
                token.text = ","
                skip.add(i + 1)
                tokens[i + 2].line = False
            else:
                declaring.pop(token.within, None)
        elif [t.text for t in tokens[i : i + 4 : 2]] == ["(", ")"] and _lone_parameter(tokens, i):
            skip.add(i + 2)
            tokens[i + 1].line = token.line
            continue
        yield token


def _written(tokens: list[_Token]) -> Iterator[str]:
    last = None
    for i, token in enumerate(tokens):
        following = tokens[i + 1] if i + 1 < len(tokens) else None
        ends = following is not None and following.kind == "mark"
        # a comma before a closing bracket, a semicolon before a closing brace, say nothing
        if ends and token.text == "," and following.text in ("}", ")", "]") and last.text != ",":
            continue
        if ends and token.text == ";" and following.text == "}":
            continue
        if last is not None:
            words = (
                _part_of_word(last.text[-1:]) and _part_of_word(token.text[:1]) and last.kind != "template"
            )
            signs = last.kind == "mark" and last.text[-1:] in "+-" and token.text[:1] == last.text[-1:]
            if token.line and not (_goes_on(last, _GOES_ON_AFTER) or _goes_on(token, _GOES_ON_BEFORE)):
                yield "\n"
            elif words or signs:
                yield " "
        yield token.text
        last = token


def _lone_parameter(tokens: list[_Token], i: int) -> bool:
    return tokens[i + 1].kind == "name" and i + 3 < len(tokens) and tokens[i + 3].text == "=>"


def _part_of_word(char: str) -> bool:
    return char.isalnum() or char in ("_", "$")


def _goes_on(token: _Token, marks: frozenset[str]) -> bool:
    return token.kind == "template" or (token.kind == "mark" and token.text in marks)


def _rename(tokens: list[_Token]) -> None:
    """Exchange every name that the module declares for a short one, the most frequent first.

    Two names may share a short one unless some top-level statement holds both: within a statement the
    exchange is one for one, and a name of the module's own keeps one short form everywhere.
    """
    shared = {name: top for name, top in sorted(_declared(tokens)) if name not in _RESERVED}
    uses: dict[int, str] = {}
    places: dict[str, set[int]] = {}
    foreign: dict[int, set[str]] = {}
    for i, (token, chunk) in enumerate(zip(tokens, _statements(tokens), strict=True)):
        role = _role(tokens, i) if token.kind == "name" else "property"
        if role == "property":
            continue
        if token.text in shared:
            uses[i] = role
            # a name of the module's own is kept apart from every other such name
            places.setdefault(token.text, {-1} if shared[token.text] else set()).add(chunk)
        else:
            foreign.setdefault(chunk, set()).add(token.text)
    names: dict[str, str] = {}
    by_use = Counter(tokens[i].text for i in uses)
    for name in sorted(by_use, key=lambda name: (-by_use[name], name)):
        where = places[name]
        names[name] = next(
            short
            for short in _short_names()
            if short not in _RESERVED
            and all(short not in foreign.setdefault(chunk, set()) for chunk in where)
        )
        for chunk in where:
            foreign[chunk].add(names[name])
    for i, role in uses.items():
        old = tokens[i].text
        tokens[i].text = f"{old}:{names[old]}" if role == "shorthand" and names[old] != old else names[old]


def _statements(tokens: list[_Token]) -> Iterator[int]:
    """The number of the top-level statement that each token belongs to."""
    number = 0
    for i, token in enumerate(tokens):
        ended = i == 0 or tokens[i - 1].text in (";", "}")
        if token.within < 0 and token.kind == "name" and ended:
            number += 1
        yield number


def _short_names() -> Iterator[str]:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    yield from letters
    yield from map("".join, itertools.product(letters, letters + "0123456789"))


def _holds_properties(tokens: list[_Token], brace: int) -> bool:
    """Whether ``{`` opens an object or a pattern rather than a block, by what stands before it."""
    if brace < 0 or tokens[brace].text != "{":
        return False
    before = tokens[brace - 1] if brace else None
    if before is None or before.kind == "template":
        return before is not None
    if before.kind == "name":
        return before.text in ("const", "let", "return", "of", "default")
    return before.kind == "mark" and before.text not in (")", "=>", ";", "}", "{")


def _role(tokens: list[_Token], i: int) -> str:
    """What a name is where it stands: a variable, a property, or both at once (``{ width }``)."""
    before = tokens[i - 1].text if i else ""
    after = tokens[i + 1].text if i + 1 < len(tokens) else ""
    if before in (".", "?."):
        return "property"
    if before in ("{", ",") and tokens[i - 1].kind == "mark" and _holds_properties(tokens, tokens[i].within):
        if after in (":", "("):
            return "property"
        if after in (",", "}", "="):
            return "shorthand"
    return "variable"


def _declared(tokens: list[_Token]) -> Iterator[tuple[str, bool]]:
    """The names bound by const, let and function, by parameters, and by catch; is it by the module itself?"""
    for i, token in enumerate(tokens):
        top = token.within < 0
        if token.kind == "name" and token.text in ("const", "let"):
            yield from ((name, top) for name in _bound(tokens, i + 1, token.within))
        elif token.kind == "name" and token.text == "function":
            if tokens[i + 1].kind == "name":
                yield tokens[i + 1].text, top
                i += 1
            yield from ((name, False) for name in _bound(tokens, i + 2, i + 1))
        elif token.text == "=>":
            if tokens[i - 1].text == ")":
                opened = tokens[i - 1].open
                yield from ((name, False) for name in _bound(tokens, opened + 1, opened))
            else:
                yield tokens[i - 1].text, False
        elif token.kind == "name" and token.text == "catch" and tokens[i + 1].text == "(":
            yield tokens[i + 2].text, False


def _bound(tokens: list[_Token], i: int, within: int) -> Iterator[str]:
    """The names that a list of patterns binds, up to its end; values after ``=`` are passed over."""
    binding = True
    while i < len(tokens):
        token = tokens[i]
        if token.within == within and (
            token.text in (";", "of", "in") or (token.text in ")}" and token.kind == "mark")
        ):
            if token.text in ")}" and token.open != within:  # a bracket that closes within the list
                i += 1
                continue
            return
        if token.kind == "mark" and token.open == within and within >= 0:
            return
        if token.text == "=" and token.kind == "mark":
            binding = False
            holder = token.within
            i += 1
            while i < len(tokens) and not (
                (tokens[i].within == holder and tokens[i].text in (",", ";", "of"))
                or tokens[i].open == holder >= 0
            ):
                i += 1
            binding = True
            continue
        if (
            binding
            and token.kind == "name"
            and token.text not in _RESERVED
            and _role(tokens, i) != "property"
        ):
            yield token.text
        i += 1
