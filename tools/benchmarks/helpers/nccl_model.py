"""Times of NCCL's collectives, as its own tuning model predicts them to choose an algorithm.

The values are those of src/graph/tuning.cc, June 2026 (5067397), for Hopper GPUs and Intel hosts
(DGX H100). docs/scaling.md names what is left out.
"""

import math
from typing import NamedTuple


class Latency(NamedTuple):
    """Latencies of an algorithm in microseconds: of a call, of a hop in a node, between nodes."""

    base: float
    hop: float
    network: float


class Protocol(NamedTuple):
    """A protocol of NCCL.

    Attributes:
        ring: Latencies of a ring.
        tree: Latencies of a tree.
        overhead: Least latency of a hop in a ring over several nodes, in microseconds.
        ring_share: Share of the bandwidth that a ring uses.
        tree_shares: Share of a tree's bandwidth, on one node and on several.
        limits: Largest bandwidth on one, two and more nodes, in bytes per second.
        correction: Tenths of a tree's bandwidth for 64 bytes, 128, 256, and so on.
    """

    ring: Latency
    tree: Latency
    overhead: float
    ring_share: float
    tree_shares: tuple[float, float]
    limits: tuple[float, float, float]
    correction: tuple[int, ...]


TREE = 0.92  # bandwidth of a tree relative to a ring's
CHANNELS = 16  # assumed; NCCL chooses it by the topology
PLATEAU = 1.4  # factor of the latency of a ring of Simple between nodes, if each part is so large:
PLATEAU_BYTES = 64  # per channel and GPU
UNLIMITED = (math.inf, math.inf, math.inf)
PROTOCOLS = {
    'LL': Protocol(
        ring=Latency(6.6, 0.6, 2.7), tree=Latency(6.8, 0.6, 5.0), overhead=1.0,
        ring_share=0.5, tree_shares=(1 / 3.8, 1 / 3.8), limits=(141e9, 39e9, 20.4e9),
        correction=(10, 10, 10, 10, 9, 8, 7, 7, 7, 7, 6, 5, 4, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10),
    ),
    'LL128': Protocol(
        ring=Latency(14.0, 1.9, 4.0), tree=Latency(14.0, 1.25, 8.5), overhead=1.0,
        ring_share=0.92, tree_shares=(7 / 9, 120 / 128), limits=UNLIMITED,
        correction=(10, 10, 10, 10, 10, 9, 8, 8, 8, 7, 6, 6, 6, 6, 6, 6, 8, 9, 9, 9, 9, 10, 10),
    ),
    'Simple': Protocol(
        ring=Latency(8.4, 3.4, 14.0), tree=Latency(8.4, 4.0, 14.0), overhead=3.0,
        ring_share=1.0, tree_shares=(1.0, 1.0), limits=UNLIMITED,
        correction=(9, 9, 9, 9, 9, 9, 9, 8, 7, 6, 6, 5, 5, 5, 5, 6, 7, 8, 7, 7, 8, 9, 9),
    ),
}  # fmt: skip


class Group(NamedTuple):
    """GPUs that exchange values.

    Attributes:
        gpus: Their number, at least 2.
        nodes: Of so many nodes.
        bandwidth: Of a ring, in bytes per second.
        latency: Factor of the latencies of :data:`PROTOCOLS`.
    """

    gpus: int
    nodes: int
    bandwidth: float
    latency: float = 1.0

    @property
    def local(self) -> float:
        """GPUs of a node."""
        return self.gpus / self.nodes

    def all_reduce(self, size: float) -> float:
        """Seconds to sum ``size`` bytes, by the fastest algorithm and protocol."""
        return min(
            min(self._ring(protocol, size, rounds=2, reduces=True), self._tree(protocol, size))
            for protocol in PROTOCOLS.values()
        )

    def all_gather(self, size: float) -> float:
        """Seconds to give all GPUs the ``size`` bytes of each one; NCCL has no trees for it."""
        return min(
            self._ring(protocol, self.gpus * size, rounds=1, reduces=False)
            for protocol in PROTOCOLS.values()
        )

    def _ring(self, protocol: Protocol, size: float, rounds: int, reduces: bool) -> float:
        """Seconds of a ring that is passed ``rounds`` times, but for the last hop of each."""
        between = rounds * (self.nodes - 1)
        within = rounds * (self.gpus - 1) - between
        hop = protocol.ring.hop if self.nodes == 1 else max(protocol.ring.hop, protocol.overhead)
        # With one GPU per node nothing hides the latency of the network.
        network = (protocol.tree if self.local == 1 else protocol.ring).network
        latency = protocol.ring.base + within * hop + between * network
        is_large = size >= PLATEAU_BYTES * CHANNELS * self.gpus
        if protocol is PROTOCOLS['Simple'] and self.nodes > 1 and reduces and is_large:
            latency *= PLATEAU
        bandwidth = min(self.bandwidth * protocol.ring_share, self._limit(protocol))
        return self._seconds(latency) + rounds * (self.gpus - 1) / self.gpus * size / bandwidth

    def _tree(self, protocol: Protocol, size: float) -> float:
        """Seconds of a tree: up to sum, down to give everyone the result."""
        depth = math.floor(math.log2(self.nodes))
        hops = (self.local - 1) * protocol.tree.hop + depth * protocol.tree.network
        share = protocol.tree_shares[self.nodes > 1]
        bandwidth = min(self.bandwidth * TREE * share, self._limit(protocol))
        step = math.floor(math.log2(size / 64)) if size >= 64 else -1
        if 0 <= step < len(protocol.correction):
            bandwidth *= protocol.correction[step] / 10
        return self._seconds(protocol.tree.base + 2 * hops) + 2 * size / bandwidth

    def _limit(self, protocol: Protocol) -> float:
        return protocol.limits[min(self.nodes, 3) - 1]

    def _seconds(self, microseconds: float) -> float:
        return 1e-6 * self.latency * microseconds
