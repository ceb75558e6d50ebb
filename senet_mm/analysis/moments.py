"""Mean and variance of a stream of vectors, by group, in double precision."""

from dataclasses import dataclass

import torch
from mmengine.dist import all_gather
from torch import Tensor


@dataclass
class Moments:
    """Count, mean and spread of the vectors of each group.

    Attributes:
        count: Number of vectors, (..., 1).
        mean: Their mean, (..., C); 0 where there is none.
        squares: Sum of the squared deviations from the mean, (..., C).
    """

    count: Tensor
    mean: Tensor
    squares: Tensor

    @classmethod
    def zeros(cls, groups: int, channels: int) -> 'Moments':
        """Empty statistics."""
        shapes = (groups, 1), (groups, channels), (groups, channels)
        return cls(*(torch.zeros(shape, dtype=torch.float64) for shape in shapes))

    @classmethod
    def of(cls, values: Tensor, groups: Tensor, num_groups: int) -> 'Moments':
        """Statistics of vectors.

        Args:
            values: The vectors, (N, C), float64.
            groups: Group of each vector, (N,), from 0.
            num_groups: Number of groups.
        """
        moments = cls.zeros(num_groups, values.shape[1])
        moments.count.index_add_(0, groups, torch.ones_like(values[:, :1]))
        moments.mean.index_add_(0, groups, values).div_(moments.count.clamp(min=1))
        moments.squares.index_add_(0, groups, (values - moments.mean[groups]) ** 2)
        return moments

    @property
    def std(self) -> Tensor:
        """Standard deviation of the vectors (divided by the count), (..., C)."""
        return (self.squares / self.count.clamp(min=1)).sqrt()

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Count (..., 1), mean and squares (..., C)."""
        return self.count, self.mean, self.squares

    def select(self, groups: Tensor | slice | int) -> 'Moments':
        """The moments of some groups, by indices (K,) or a slice of the first axis, or of one."""
        return Moments(*(part[groups] for part in self.parts))

    def add(self, values: Tensor, groups: Tensor) -> None:
        """Add vectors (N, C), float64, with their groups (N,), in place."""
        present, index = groups.unique(return_inverse=True)
        pair = self.select(present), Moments.of(values, index, len(present))
        both = pool(Moments(*map(torch.stack, zip(*(one.parts for one in pair), strict=True))))
        for part, new in zip(self.parts, both.parts, strict=True):
            part[present] = new

    def gathered(self) -> 'Moments':
        """The moments over the vectors of all processes."""
        return pool(Moments(*(torch.stack(all_gather(part)) for part in self.parts)))


def pool(moments: Moments) -> Moments:
    """Merge all groups along the first axis: (K, ..., C) -> (..., C).

    The formula of Chan, Golub and LeVeque (Updating formulae and a pairwise algorithm for computing
    sample variances, 1979) does not cancel, however many vectors there are.
    """
    count = moments.count.sum(0)
    mean = (moments.count / count.clamp(min=1) * moments.mean).sum(0)
    squares = moments.squares + moments.count * (moments.mean - mean) ** 2
    return Moments(count, mean, squares.sum(0))
