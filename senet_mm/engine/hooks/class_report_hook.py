"""Logs and writes what the metric ``ClassReport`` found."""

from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook

from senet_mm.evaluation.class_report import ClassReport, Report
from senet_mm.evaluation.class_tables import confusion_to_csv, report_to_json, report_to_text
from senet_mm.registry import HOOKS
from senet_mm.utils.files import atomic_file

if TYPE_CHECKING:
    from senet_mm.engine.runner import Runner

# In the message hub, which is saved in checkpoints: the lines on the last validation.
CLASS_REPORT = 'class_report'


@HOOKS.register_module()
class ClassReportHook(Hook):
    """Part of every runner. Has an effect where an evaluator has the metric ``ClassReport``.

    Every evaluation writes ``val_classes.json`` and ``val_confusion.csv`` beside the log, or
    ``test_...``. The log has the scores of a test, and at the end of a training those of the last
    validation.
    """

    priority = 'LOWEST'

    def after_val_epoch(self, runner: 'Runner', metrics: dict[str, float] | None = None) -> None:
        """Write the files; keep the lines for the end of the training."""
        report = find_report(runner.val_loop.evaluator)
        if report is not None:
            write_report(runner, report, 'val')
            when = f'validation after epoch {runner.epoch}, iteration {runner.iter}'
            text = f'{when}: {report_to_text(report)}'
            runner.message_hub.update_info(CLASS_REPORT, text)
            if not runner.is_training:
                runner.logger.info(text)

    def after_test_epoch(self, runner: 'Runner', metrics: dict[str, float] | None = None) -> None:
        """Write the files; log the lines."""
        report = find_report(runner.test_loop.evaluator)
        if report is not None:
            write_report(runner, report, 'test')
            runner.logger.info(f'test: {report_to_text(report)}')

    def after_train(self, runner: 'Runner') -> None:
        """Log the lines on the last validation, which may have been before an interruption."""
        if text := runner.message_hub.get_info(CLASS_REPORT):
            runner.logger.info(text)


def find_report(evaluator: Evaluator) -> Report | None:
    """The report of an evaluation; None without the metric, or in another process."""
    metrics = getattr(evaluator, 'metrics', ())
    return next((metric.report for metric in metrics if isinstance(metric, ClassReport)), None)


def write_report(runner: 'Runner', report: Report, split: str) -> None:
    """Write the files beside the log.

    Args:
        runner: The runner.
        report: The report.
        split: ``val`` or ``test``, with which their names begin.

    Raises:
        OSError: They cannot be written.
    """
    folder = Path(runner.log_dir)
    place = dict(epoch=runner.epoch, iter=runner.iter) if runner.is_training else {}
    with atomic_file(folder / f'{split}_classes.json') as file:
        file.write(report_to_json(report, **place).encode())
    if report.confusion is not None:
        names = [scores.name for scores in report.classes]
        with atomic_file(folder / f'{split}_confusion.csv') as file:
            file.write(confusion_to_csv(names, report.confusion).encode())
