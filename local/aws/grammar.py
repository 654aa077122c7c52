"""The grammar of DynamoDB expressions: text in, a tree of frozen nodes out. Nothing here looks at an item.

Source: Amazon DynamoDB Developer Guide, "Condition and filter expressions", "Update expressions", "Specifying item
attributes".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

from local.aws.errors import invalid
from local.aws.reserved import RESERVED_WORDS

T = TypeVar("T")

MAX_BYTES: Final = 4096
MAX_OPERANDS: Final = 100
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<word>[A-Za-z][A-Za-z0-9_]*)|(?P<name>\#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)|(?P<index>[0-9]+)"
    r"|(?P<sign><>|<=|>=|[=<>()\[\].,+\-]))",
    re.ASCII,
)
_COMPARATORS: Final = frozenset({"=", "<>", "<", "<=", ">", ">="})
_KEYWORDS: Final = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN"})
#: Function → number of operands.
_PREDICATES: Final = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
}
_PATH_ONLY: Final = frozenset({"attribute_exists", "attribute_not_exists", "attribute_type"})


@dataclass(frozen=True, slots=True)
class Path:
    """A document path; a step is a name, a `#placeholder` or a list index."""

    steps: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A `:value`."""

    name: str


@dataclass(frozen=True, slots=True)
class Size:
    """`size(path)`."""

    path: Path


Operand: TypeAlias = Path | Value | Size


@dataclass(frozen=True, slots=True)
class Compare:
    """`left operator right`."""

    operator: str
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Between:
    """`operand BETWEEN low AND high`, both ends included."""

    operand: Operand
    low: Operand
    high: Operand


@dataclass(frozen=True, slots=True)
class Among:
    """`operand IN (…)`."""

    operand: Operand
    choices: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A predicate such as `begins_with(path, :prefix)`."""

    function: str
    arguments: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Both:
    """AND."""

    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Either:
    """OR."""

    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Negated:
    """NOT."""

    node: "Node"


Node: TypeAlias = Compare | Between | Among | Call | Both | Either | Negated


@dataclass(frozen=True, slots=True)
class IfNotExists:
    """`if_not_exists(path, otherwise)`."""

    path: Path
    otherwise: "Term"


@dataclass(frozen=True, slots=True)
class ListAppend:
    """`list_append(first, second)`."""

    first: "Term"
    second: "Term"


@dataclass(frozen=True, slots=True)
class Sum:
    """`left + right`, or `left - right` with sign -1."""

    left: "Term"
    right: "Term"
    sign: int


Term: TypeAlias = Path | Value | IfNotExists | ListAppend | Sum


@dataclass(frozen=True, slots=True)
class Update:
    """The four sections of an update expression."""

    sets: tuple[tuple[Path, Term], ...] = ()
    removes: tuple[Path, ...] = ()
    adds: tuple[tuple[Path, Value], ...] = ()
    deletes: tuple[tuple[Path, Value], ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """All paths that the update writes."""
        written = (*self.sets, *self.adds, *self.deletes)
        return (*(path for path, _ in written), *self.removes)


class Parser:
    """A recursive-descent parser over one expression; `kind` names it in refusals, such as "ConditionExpression"."""

    def __init__(self, kind: str, text: str) -> None:
        """Split the text into tokens, which may already refuse it."""
        self.kind = kind
        self.text = text
        self._check_length()
        self._tokens = self._split()
        self._at = 0

    def condition(self) -> Node:
        """Parse a condition, filter or key condition."""
        node = self._either()
        self._finish()
        return node

    def projection(self) -> tuple[Path, ...]:
        """Parse a projection: paths with commas between them."""
        paths = self._listed(self._path)
        self._finish()
        return paths

    def update(self) -> Update:
        """Parse an update: each section at most once, in any order."""
        sections: dict[str, tuple[object, ...]] = {}
        readers: dict[str, Callable[[], object]] = {
            "SET": self._assignment,
            "REMOVE": self._path,
            "ADD": self._path_and_value,
            "DELETE": self._path_and_value,
        }
        while self._peek():
            word = self._next().upper()
            if word not in readers:
                self._refuse(self._at - 1)
            if word in sections:
                self._fail(f'The "{word}" section can only be used once in an update expression;')
            sections[word] = self._listed(readers[word])
        found: dict[str, Any] = {word.lower() + "s": parts for word, parts in sections.items()}
        return Update(**found)

    def _either(self) -> Node:
        node = self._both()
        while self._take_keyword("OR"):
            node = Either(node, self._both())
        return node

    def _both(self) -> Node:
        node = self._negated()
        while self._take_keyword("AND"):
            node = Both(node, self._negated())
        return node

    def _negated(self) -> Node:
        return Negated(self._negated()) if self._take_keyword("NOT") else self._primary()

    def _primary(self) -> Node:
        if self._peek() == "(":
            return self._grouped()
        if self._peek(1) == "(" and self._peek() != "size":
            return self._call()
        return self._comparison(self._operand())

    def _grouped(self) -> Node:
        """Parse `( condition )`; AWS refuses a second pair around the same condition."""
        opened = self._at
        self._expect("(")
        node = self._either()
        self._expect(")")
        if (
            self._tokens[opened + 1] == "("
            and self._tokens[self._at - 2] == ")"
            and self._closes(opened + 1, self._at - 2)
        ):
            self._fail("The expression has redundant parentheses;")
        return node

    def _closes(self, opened: int, closed: int) -> bool:
        """Return whether the bracket at `closed` is the partner of the one at `opened`."""
        depth = 0
        for position in range(opened, closed + 1):
            depth += {"(": 1, ")": -1}.get(self._tokens[position], 0)
            if depth == 0:
                return position == closed
        return False

    def _call(self) -> Node:
        name = self._next()
        if name not in _PREDICATES:
            self._fail(f"Invalid function name; function: {name}")
        self._expect("(")
        arguments = self._listed(self._operand)
        self._expect(")")
        self._check_arguments(name, arguments)
        return Call(name, arguments)

    def _check_arguments(self, name: str, arguments: tuple[Operand, ...]) -> None:
        if len(arguments) != _PREDICATES[name]:
            self._fail(
                f"Incorrect number of operands for operator or function; "
                f"operator or function: {name}, number of operands: {len(arguments)}",
            )
        if name in _PATH_ONLY and not isinstance(arguments[0], Path):
            self._fail(f"Operator or function requires a document path; operator or function: {name}")
        self._check_distinct(name, *arguments)

    def _check_distinct(self, name: str, first: Operand, *others: Operand) -> None:
        if isinstance(first, Path) and first in others:
            self._fail(
                "The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: {name}, first operand: [{shown(first)}]",
            )

    def _comparison(self, left: Operand) -> Node:
        token = self._next()
        if token in _COMPARATORS:
            right = self._operand()
            self._check_distinct(token, left, right)
            return Compare(token, left, right)
        if token.upper() == "BETWEEN":
            low = self._operand()
            self._expect_keyword("AND")
            return Between(left, low, self._operand())
        if token.upper() != "IN":
            self._refuse(self._at - 1)
        return self._among(left)

    def _among(self, operand: Operand) -> Node:
        self._expect("(")
        choices = self._listed(self._operand)
        self._expect(")")
        if len(choices) > MAX_OPERANDS:
            self._fail(f"The IN operator accepts at most {MAX_OPERANDS} operands, number of operands: {len(choices)}")
        return Among(operand, choices)

    def _operand(self) -> Operand:
        if self._peek().startswith(":"):
            return Value(self._next())
        if self._peek() == "size" and self._peek(1) == "(":
            return self._size()
        return self._path()

    def _size(self) -> Size:
        self._next()
        self._expect("(")
        if self._peek().startswith(":"):
            self._fail("Operator or function requires a document path; operator or function: size")
        path = self._path()
        self._expect(")")
        return Size(path)

    def _assignment(self) -> tuple[Path, Term]:
        path = self._path()
        self._expect("=")
        return path, self._sum()

    def _sum(self) -> Term:
        left = self._term()
        sign = {"+": 1, "-": -1}.get(self._peek())
        if sign is None:
            return left
        self._next()
        return Sum(left, self._term(), sign)

    def _term(self) -> Term:
        if self._peek().startswith(":"):
            return Value(self._next())
        if self._peek(1) == "(":
            return self._function_term()
        return self._path()

    def _function_term(self) -> Term:
        name = self._next()
        if name not in {"if_not_exists", "list_append"}:
            self._fail(f"Invalid function name; function: {name}")
        self._expect("(")
        first = self._term()
        self._expect(",")
        second = self._term()
        self._expect(")")
        if name == "list_append":
            return ListAppend(first, second)
        if not isinstance(first, Path):
            self._fail("Operator or function requires a document path; operator or function: if_not_exists")
        return IfNotExists(first, second)

    def _path_and_value(self) -> tuple[Path, Value]:
        path = self._path()
        if not self._peek().startswith(":"):
            self._refuse(self._at)
        return path, Value(self._next())

    def _path(self) -> Path:
        steps: list[str | int] = [self._name()]
        while self._peek() in {".", "["}:
            steps.append(self._name() if self._next() == "." else self._index())
        return Path(tuple(steps))

    def _name(self) -> str:
        token = self._peek()
        if not (token[:1].isalpha() or token.startswith("#")) or token.upper() in _KEYWORDS:
            self._refuse(self._at)
        if token.upper() in RESERVED_WORDS:
            self._fail(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        return self._next()

    def _index(self) -> int:
        token = self._next()
        if not token.isdigit():
            self._refuse(self._at - 1)
        self._expect("]")
        return int(token)

    def _listed(self, read: Callable[[], T]) -> tuple[T, ...]:
        found = [read()]
        while self._peek() == ",":
            self._next()
            found.append(read())
        return tuple(found)

    def _check_length(self) -> None:
        if not self.text.strip():
            self._fail("The expression can not be empty;")
        if len(self.text.encode()) > MAX_BYTES:
            self._fail(
                f"Expression size has exceeded the maximum allowed size; expression size: {len(self.text.encode())}",
            )

    def _split(self) -> list[str]:
        tokens, position, text = [], 0, self.text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                odd = text[position:].lstrip()[:1]
                self._fail(f'Syntax error; token: "{odd}", near: "{text[max(0, position - 10) : position + 10]}"')
            tokens.append(found[0].strip())
            position = found.end()
        return tokens

    def _peek(self, ahead: int = 0) -> str:
        position = self._at + ahead
        return self._tokens[position] if position < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            self._refuse(self._at)
        self._at += 1
        return token

    def _expect(self, sign: str) -> None:
        if self._peek() != sign:
            self._refuse(self._at)
        self._at += 1

    def _expect_keyword(self, word: str) -> None:
        if not self._take_keyword(word):
            self._refuse(self._at)

    def _take_keyword(self, word: str) -> bool:
        taken = self._peek().upper() == word
        self._at += taken
        return taken

    def _finish(self) -> None:
        if self._peek():
            self._refuse(self._at)

    def _refuse(self, position: int) -> NoReturn:
        token = self._tokens[position] if position < len(self._tokens) else "<EOF>"
        near = " ".join(self._tokens[max(0, position - 1) : position + 2])
        self._fail(f'Syntax error; token: "{token}", near: "{near}"')

    def _fail(self, reason: str) -> NoReturn:
        invalid(f"Invalid {self.kind}: {reason}")


def shown(path: Path) -> str:
    """Return a path as AWS writes it in messages: `a, b, [0]`."""
    return ", ".join(f"[{step}]" if isinstance(step, int) else step for step in path.steps)
