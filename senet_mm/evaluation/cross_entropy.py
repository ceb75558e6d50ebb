"""The validation loss."""

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric

from senet_mm.registry import METRICS


@METRICS.register_module()
class CrossEntropy(BaseMetric):
    """Mean of ``-log p(label)``, in nats: the loss without smoothing, mixing or regularisation.

    Computed from predicted probabilities in float32, which limits the loss of a sample to 87.
    """

    default_prefix = 'loss'

    def process(self, data_batch: Sequence[dict], data_samples: Sequence[dict]) -> None:
        """Store the loss of every sample of a batch."""
        for sample in data_samples:
            score = sample['pred_score'].float()[sample['gt_label']]
            self.results.append(-score.clamp_min(torch.finfo(torch.float32).tiny).log().item())

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        """The mean over the data set."""
        return dict(cross_entropy=sum(results) / len(results))
