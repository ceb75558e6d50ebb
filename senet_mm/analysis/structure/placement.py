"""Where the boxes of a block are drawn: rows in the order of the data flow, lanes side by side."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from .diagrams import Box


@dataclass(eq=False)
class Edge:
    """What a box hands to another one.

    Attributes:
        source: The box, or None for the input of the block.
        target: The other box, or None for the output of the block.
        lane: The lane in which it runs down.
    """

    source: Box | None
    target: Box | None
    lane: int = 0


@dataclass
class Placement:
    """Rows and lanes of the boxes of a block.

    Attributes:
        rows: Row of each box, from 1; 0 is that of the input, the last one that of the output.
        lanes: Lane of each box, from 0.
        edges: What flows, each with its lane.
        num_rows: Number of rows, input and output included.
        num_lanes: Number of lanes.
    """

    rows: dict[Box | None, int]
    lanes: dict[Box | None, int]
    edges: list[Edge] = field(default_factory=list)
    num_rows: int = 0
    num_lanes: int = 1


def lay_out(boxes: Sequence[Box]) -> Placement:
    """Give each box a row below its inputs, and each branch a lane.

    The longest branch stays in the lane where it began; the others get free lanes to the right.
    """
    rows: dict[Box | None, int] = {None: 0}
    for box in boxes:
        rows[box] = 1 + max((rows[source] for source in box.inputs), default=0)
    edges = [Edge(source, box) for box in boxes for source in box.inputs or [None]]
    read = {edge.source for edge in edges}
    edges += [Edge(box, None) for box in boxes if box not in read]
    placement = Placement(rows, {None: 0}, edges, max(rows.values()) + 2)
    _place_boxes(placement, boxes)
    _place_edges(placement)
    placement.num_lanes = 1 + max([*placement.lanes.values(), *(edge.lane for edge in edges)])
    return placement


def _place_boxes(placement: Placement, boxes: Sequence[Box]) -> None:
    """Choose the lanes of the boxes."""
    targets: dict[Box | None, list[Box]] = {source: [] for source in [None, *boxes]}
    for edge in placement.edges:
        if edge.target:
            targets[edge.source].append(edge.target)
    depths: dict[Box, int] = {}  # boxes on the longest way to the output
    for box in reversed(boxes):
        depths[box] = 1 + max((depths[target] for target in targets[box]), default=0)
    filled: set[tuple[int, int]] = set()
    kept: dict[tuple[int, int], Box | None] = {}  # cells that wait for the boxes of a branch
    branches: dict[Box | None, Box | None] = {None: None}  # box -> the first one of its branch
    for box in boxes:
        sources = box.inputs or [None]
        source = min(sources, key=placement.lanes.__getitem__)
        begins = len(sources) == 1 and box is not max(targets[source], key=depths.__getitem__)
        branches[box] = box if begins else branches[source]
        span = _branch_rows(placement, box, targets) if begins else [placement.rows[box]]
        others = {cell for cell, branch in kept.items() if branch is not branches[box]}
        lane = _free_lane(filled | others, placement.lanes[source] + begins, span)
        placement.lanes[box] = lane
        filled.add((lane, placement.rows[box]))
        kept |= {(lane, row): box for row in span if begins}


def _branch_rows(placement: Placement, box: Box, targets: dict[Box | None, list[Box]]) -> list[int]:
    """Rows from a box to the one before its branch meets another one, or ends.

    The row above the first is one, too: the line out of a box there would meet the line in.
    """
    first = max(placement.rows[box] - 1, 1)
    while len(targets[box]) == 1 and len(targets[box][0].inputs) == 1:
        box = targets[box][0]
    end = min((placement.rows[target] for target in targets[box]), default=placement.num_rows - 1)
    return [*range(first, max(end, placement.rows[box] + 1))]


def _place_edges(placement: Placement) -> None:
    """Choose the lanes of the edges: that of the source, where nothing else is in the way.

    A cell is a lane at the height of a row, or of the space above it. In a space an edge may run
    with others of its source, and with those into its target where that comes next.
    """
    users: dict[tuple[int, int], list[Edge]] = defaultdict(list)  # by lane and half rows
    nothing = Box([])
    for box, lane in placement.lanes.items():
        row = 2 * placement.rows[box]
        users[lane, row].append(Edge(nothing, nothing))
        users[lane, row - 1].append(Edge(nothing, box))
        users[lane, row + 1].append(Edge(box, nothing))
    for edge in placement.edges:
        end = 2 * (placement.rows[edge.target] if edge.target else placement.num_rows - 1)
        halves = range(2 * placement.rows[edge.source] + 1, end)

        def fits(lane: int, edge: Edge = edge, halves: range = halves) -> bool:
            return all(
                other.source is edge.source
                or (other.target is edge.target and edge.target and half == halves[-1])
                for half in halves
                for other in users[lane, half]
            )

        is_branch = edge.target is not None and len(edge.target.inputs) < 2
        home = placement.lanes[edge.target if is_branch else edge.source]
        edge.lane = home if is_branch else next(filter(fits, count(home)))
        for half in halves:
            users[edge.lane, half].append(edge)


def _free_lane(taken: set[tuple[int, int]], first: int, rows: Iterable[int]) -> int:
    """The first lane, from one on, in which some rows are free."""
    return next(lane for lane in count(first) if not any((lane, row) in taken for row in rows))
