"""Reading an expression: parsed with `ast` and never evaluated as Python, so that nothing but arithmetic gets in.

Length, depth and exponents are limited, and an error is one sentence: which piece, in which column, and what is right.
"""

import ast
import keyword
import re
import unicodedata
import warnings
from collections.abc import Mapping

import numpy as np

from gradvitals.engine.expression_tree import ExpressionError, Name, Number, Operation, Tree, apply, shorten

MAX_LENGTH, MAX_DEPTH, MAX_EXPONENT = 1000, 100, 1000
"""Characters of an expression, operations one inside the other, and the largest power."""

FUNCTIONS: Mapping[str, int | None] = {"exp": 1, "log": 1, "max": None, "sigmoid": 1, "sqrt": 1, "tanh": 1}
"""What may be called, with how many values; None for two or more."""

ALIASES: Mapping[str, str] = {"σ": "sigmoid"}

PRODUCT = "a product is written x*y"
"""What to say where two values stand side by side."""

MEANT = {
    "leading zeros": "begins with 0; write 7 for 007",
    "literal": "has a number that runs into a name; write 2*x",
    "forgot a comma": f"lacks an operator; {PRODUCT}",
}
"""What was probably meant where Python's reader says this."""

GRAMMAR = f"numbers, names, + - * / **, and calls of {', '.join(FUNCTIONS)}"

INSTEAD = {
    "relu": "max(0, x)",
    "leaky_relu": "max(x, 0.01*x)",
    "min": "-max(-x, -y)",
    "abs": "max(x, -x)",
    "pow": "x**2",
    "square": "x**2",
    "sub": "x - y",
    "add": "x + y",
    "mul": "x*y",
    "div": "x/y",
    "ln": "log(x)",
    "reciprocal": "1/x",
}
"""How to write what is no gate of its own."""

OPERATORS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}

REFUSED: Mapping[type[ast.expr], str] = {
    ast.Attribute: "attribute access",
    ast.Subscript: "a subscript",
    ast.Compare: "a comparison",
    ast.BoolOp: "a logical operation",
    ast.Lambda: "a lambda",
    ast.IfExp: "a condition",
    ast.JoinedStr: "a string",
    ast.NamedExpr: "an assignment",
    ast.Starred: "a starred value",
    ast.Tuple: "a tuple",
    ast.List: "a list",
    ast.Set: "a set",
    ast.Dict: "a dict",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
}


def parse(text: str) -> Tree:
    """Read an expression.

    >>> parse("2*x")
    Operation(symbol='*', operands=(Number(value=2.0), Name(name='x')))

    Raises:
        ExpressionError: If it is anything but arithmetic, or too long or deep.
    """
    source = "".join(" " if letter.isspace() else letter for letter in text).strip()
    if not source:
        msg = "the expression is empty; write arithmetic such as (x + y)*z"
        raise ExpressionError(msg)
    for column, letter in enumerate(source, 1):
        if letter == "#" or not letter.isprintable():
            msg = f"column {column}: {letter!r} {'begins a comment, which ' * (letter == '#')}is no arithmetic"
            raise ExpressionError(msg)
    if len(source) > MAX_LENGTH:
        msg = f"the expression has {len(source)} characters; {MAX_LENGTH} are the most that is read"
        raise ExpressionError(msg)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python on what it reads: the sentences here are ours
            tree = ast.parse(source, mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(_syntax(source, error)) from error
    except (RecursionError, MemoryError, ValueError) as error:
        msg = "the expression cannot be read: it is nested too deeply"
        raise ExpressionError(msg) from error
    return _Reader(source).read(tree, 1)


class _Reader:
    """Turns Python's tree into ours, refusing what is no arithmetic."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._bytes = source.encode(errors="replace")

    def read(self, node: ast.expr, depth: int) -> Tree:
        """Read a piece of the expression that stands inside this many others."""
        if depth > MAX_DEPTH:
            raise self._wrong(node, f"stands inside {MAX_DEPTH} other operations, the most that is read")
        match node:
            case ast.Constant():
                return self._number(node)
            case ast.Name():
                return self._name(node)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand, depth + 1)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._operation(node, "neg", self.read(operand, depth + 1))
            case ast.BinOp():
                return self._binary(node, depth)
            case ast.Call():
                return self._call(node, depth)
            case _:
                raise self._wrong_kind(node)

    def _number(self, node: ast.Constant) -> Number:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            kind = "a string" if isinstance(value, str | bytes) else "no real number"
            raise self._wrong(node, f"is {kind}; an expression has {GRAMMAR}")
        try:
            number = float(value)
        except OverflowError:
            number = np.inf
        if not np.isfinite(number):
            raise self._wrong(node, f"is too large; numbers go up to {np.finfo(np.float64).max:.1e}")
        return Number(number)

    def _name(self, node: ast.Name) -> Name:
        name = ALIASES.get(node.id, node.id)
        if name in FUNCTIONS:
            raise self._wrong(node, f"is a gate and needs its values: {name}({'x, y' if name == 'max' else 'x'})")
        return Name(name)

    def _binary(self, node: ast.BinOp, depth: int) -> Tree:
        if isinstance(node.op, ast.BitXor):
            raise self._wrong(node, "has ^, which is no arithmetic; a power is written x**2")
        if type(node.op) not in OPERATORS:
            raise self._wrong_kind(node)
        left, right = self.read(node.left, depth + 1), self.read(node.right, depth + 1)
        if isinstance(node.op, ast.Pow):
            return self._power(node, left, right)
        if isinstance(node.op, ast.Div) and right == Number(0.0):
            raise self._wrong(node, "divides by zero")
        return self._operation(node, OPERATORS[type(node.op)], left, right)

    def _power(self, node: ast.BinOp, base: Tree, exponent: Tree) -> Tree:
        if not isinstance(exponent, Number):
            raise self._wrong(node.right, "is an exponent and must be a number; x**y is exp(y*log(x)) for positive x")
        if abs(exponent.value) > MAX_EXPONENT:
            raise self._wrong(node.right, f"is an exponent, and {MAX_EXPONENT} is the largest that is read")
        return self._operation(node, "**", base, exponent)

    def _call(self, node: ast.Call, depth: int) -> Tree:
        if isinstance(node.func, ast.Constant | ast.BinOp | ast.UnaryOp | ast.Call):
            raise self._wrong(node, f"has no operator between its values; {PRODUCT}")
        if not isinstance(node.func, ast.Name):
            raise self._wrong_kind(node.func)
        name = ALIASES.get(node.func.id, node.func.id)
        if name not in FUNCTIONS:
            instead = f"write {INSTEAD[name]}" if name in INSTEAD else f"there are {', '.join(FUNCTIONS)}"
            raise self._wrong(node.func, f"is no gate; {instead}{f'; {PRODUCT}' * (len(name) == 1)}")
        if node.keywords:
            raise self._wrong(node, f"has a keyword; {name} takes values alone")
        count, wanted = len(node.args), FUNCTIONS[name]
        if count != wanted if wanted else count < 2:
            has = "1 value" if count == 1 else f"{count} values"
            raise self._wrong(node, f"has {has}, and {name} takes {wanted or 'two or more'}")
        first, *others = (self.read(argument, depth + max(count - 1, 1)) for argument in node.args)
        if name == "sqrt":
            return self._operation(node, "**", first, Number(0.5))
        if not others:
            return self._operation(node, name, first)
        for other in others:  # of three values the larger of the third and the larger of the first two
            first = self._operation(node, name, first, other)
        return first

    def _operation(self, node: ast.expr, symbol: str, *operands: Tree) -> Tree:
        """Make an operation; on numbers alone, the number that comes out."""
        if not all(isinstance(operand, Number) for operand in operands):
            return Operation(symbol, operands)
        try:
            with np.errstate(all="raise", under="ignore"):
                return Number(apply(symbol, *(operand.value for operand in operands if isinstance(operand, Number))))
        except FloatingPointError as error:
            raise self._wrong(node, "has no finite value") from error

    def _wrong_kind(self, node: ast.expr) -> ExpressionError:
        return self._wrong(node, f"is {REFUSED.get(type(node), 'no arithmetic')}; an expression has {GRAMMAR}")

    def _wrong(self, node: ast.expr, why: str) -> ExpressionError:
        column = len(self._bytes[: node.col_offset].decode(errors="replace")) + 1
        piece = ast.get_source_segment(self._source, node) or self._source
        return ExpressionError(f"column {column}: {shorten(piece)!r} {why}")


def _syntax(source: str, error: SyntaxError) -> str:
    """Say where Python's reader stopped, and what was probably meant."""
    column = min(max(error.offset or 1, 1), len(source))
    piece, said = source[column - 1 :], error.msg or ""
    reserved = next((word for word in re.finditer(r"[^\W\d]\w*", source) if keyword.iskeyword(word[0])), None)
    if "too many nested" in said:
        return "the expression cannot be read: it is nested too deeply"
    if source[-1] in "+-*/,(":
        return f"column {len(source)}: a value is missing after {source[-1]!r}"
    if "never closed" in said:
        return f"column {column}: {piece[0]!r} is never closed"
    if reserved is not None:
        return f"column {reserved.start() + 1}: {reserved[0]!r} is a reserved word and no name; write {reserved[0]}_"
    why = next((why for phrase, why in MEANT.items() if phrase in said), "")
    return f"column {column}: {f'{shorten(piece)!r} {why}' if why else _misplaced(source, column)}"


def _misplaced(source: str, column: int) -> str:
    """Say what is wrong with the piece that begins at a column, where Python's reader does not."""
    before, piece = source[: column - 1].rstrip(), source[column - 1 :]
    plain = {"−": "-", "×": "*", "·": "*", "∗": "*", "÷": "/"}.get(piece[0], unicodedata.normalize("NFKC", piece[0]))
    if piece[0] == "=":
        return "'=' is an assignment; give values behind the expression: x=3"
    if unicodedata.decomposition(piece[0]).startswith("<super>"):
        return f"{piece[0]!r} is no operator or digit here; a power is written x**2"
    if plain != piece[0]:
        return f"{piece[0]!r} is no operator or digit here; write {plain!r}"
    if re.search(r"[\w)]$", before) and re.match(r"[\w(]", piece):
        return f"{shorten(piece)!r} lacks an operator; {PRODUCT}"
    return f"{shorten(piece)!r} cannot stand here; write arithmetic such as 2*(x*y + max(z, w))"
