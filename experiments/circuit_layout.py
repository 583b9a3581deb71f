"""Where the nodes of a circuit go in a picture: columns from left to right, as few crossings and bends as is cheap.

References:
    Sugiyama, Tagawa & Toda 1981, "Methods for Visual Understanding of Hierarchical System Structures": ranks, dummy
    nodes on long edges, barycentres; the heights are then a least-squares fit in a given order.
"""

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean

SWEEPS = 16


@dataclass(slots=True)
class Node:
    """A place in the picture: a value's, or a bend of an edge on its way past other nodes.

    Attributes:
        name: Of the value; a bend has one that no value has.
        rank: Column, from 0.
        half_height: Room it needs above and below its middle.
        y: Of its middle.
        above: The nodes it reads, of the column to the left.
        below: Those that read it, of the column to the right.
    """

    name: str
    rank: int
    half_height: float
    y: float = 0.0
    above: list["Node"] = field(default_factory=list)
    below: list["Node"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Layout:
    """The picture's nodes and ways.

    Attributes:
        nodes: By the name of the value.
        ways: Of each edge, by reader and number of its input: the source, the bends between, the reader.
        columns: Their number.
        height: From the top of the highest node to the bottom of the lowest; y counts from the top.
    """

    nodes: Mapping[str, Node]
    ways: Mapping[tuple[str, int], Sequence[Node]]
    columns: int
    height: float


def lay_out(
    inputs: Sequence[str], readers: Mapping[str, Sequence[str]], half_heights: Mapping[str, float], *, gap: float
) -> Layout:
    """Lay a circuit out.

    Args:
        inputs: Values that are fed.
        readers: What each gate's output is computed from, gates in topological order.
        half_heights: Of every value's node.
        gap: Between nodes of a column.
    """
    ranks = _ranks(inputs, readers)
    nodes = {name: Node(name, rank, half_heights[name]) for name, rank in ranks.items()}
    columns: list[list[Node]] = [[] for _ in range(max(ranks.values()) + 1)]
    for node in nodes.values():
        columns[node.rank].append(node)
    ways: dict[tuple[str, int], Sequence[Node]] = {}
    for reader, sources in readers.items():
        for number, source in enumerate(sources):
            way = [nodes[source]]
            for rank in range(ranks[source] + 1, ranks[reader]):
                way.append(Node(f"{source} to {reader} {number} {rank}", rank, gap))
                columns[rank].append(way[-1])
            way.append(nodes[reader])
            for left, right in pairwise(way):
                left.below.append(right)
                right.above.append(left)
            ways[reader, number] = way
    _order(columns)
    _place(columns, gap)
    top = min(node.y - node.half_height for column in columns for node in column)
    for column in columns:
        for node in column:
            node.y -= top
    return Layout(nodes, ways, len(columns), max(node.y + node.half_height for column in columns for node in column))


def _ranks(inputs: Sequence[str], readers: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Give each gate the column behind the last of its sources, and each input the one before its first reader."""
    ranks = dict.fromkeys(inputs, 0)
    for reader, sources in readers.items():
        ranks[reader] = 1 + max(ranks[source] for source in sources)
    for name in inputs:
        ranks[name] = min((ranks[reader] for reader, sources in readers.items() if name in sources), default=1) - 1
    return ranks


def _order(columns: list[list[Node]]) -> None:
    """Sort each column by its neighbours' mean place, to and fro, and keep the order with the fewest crossings."""
    for column in columns:
        _number(column)
    best, fewest = [list(column) for column in columns], _crossings(columns)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            means = {
                node.name: fmean([other.y for other in (node.above if forward else node.below)] or [node.y])
                for node in column
            }
            column.sort(key=lambda node: means[node.name])
            _number(column)
        crossings = _crossings(columns)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    columns[:] = best


def _number(column: Sequence[Node]) -> None:
    """Let y be the place in the column, until the heights are known."""
    for place, node in enumerate(column):
        node.y = float(place)


def _crossings(columns: Sequence[Sequence[Node]]) -> int:
    """Count the pairs of edges between neighbouring columns that cross."""
    count = 0
    for column in columns:
        ends: list[float] = []
        for node in column:
            for end in sorted(other.y for other in node.below):
                count += len(ends) - bisect_right(ends, end)
                insort(ends, end)
    return count


def _place(columns: Sequence[Sequence[Node]], gap: float) -> None:
    """Give every node the height nearest to its neighbours' mean that its column's order and the gaps allow."""
    for column in columns:
        y = 0.0
        for node in column:
            node.y = y + node.half_height
            y += 2 * node.half_height + gap
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted = [fmean([other.y for other in (*node.above, *node.below)] or [node.y]) for node in column]
            offsets = [0.0]
            for upper, lower in pairwise(column):
                offsets.append(offsets[-1] + upper.half_height + gap + lower.half_height)
            fitted = _isotonic([want - offset for want, offset in zip(wanted, offsets, strict=True)])
            for node, place, offset in zip(column, fitted, offsets, strict=True):
                node.y = place + offset


def _isotonic(wanted: Sequence[float]) -> list[float]:
    """Give the never-falling numbers nearest to those wanted in squares, by pooling neighbours that would fall.

    >>> _isotonic([1.0, 3.0, 2.0])
    [1.0, 2.5, 2.5]
    """
    pools: list[list[float]] = []
    for number in wanted:
        pools.append([number])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    return [fmean(pool) for pool in pools for _ in pool]
