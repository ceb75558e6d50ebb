"""Functions timed in turns, each in a process of its own.

Thread pools, oneDNN's caches and the heap belong to a process: what ran in it before changes a
time. So each variant is built in a process of its own. One at a time runs, the others wait; every
round times each of them once, so that other load on the machine hits all alike.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from senet_mm.utils.errors import one_line
from senet_mm.utils.measure import Timing, summarise, synchronize

Call = Callable[[], object]
Clock = Callable[[], float]
# What a process builds: functions by the name of a case, for example of a batch size.
Make = Callable[[], Mapping[str, Call]]


# Processor time hardly depends on other load; it is that of all threads.
CLOCKS: dict[str, Clock] = dict(wall=time.perf_counter, cpu=time.process_time)


class Result(NamedTuple):
    """Of one variant in one case.

    Attributes:
        timing: Seconds of a call; None after a failure.
        measured: What was measured beside the time.
        fault: Why it failed.
    """

    timing: Timing | None = None
    measured: object = None
    fault: str = ''


def time_in_turns(
    makes: Mapping[str, Make],
    rounds: Mapping[str, int],
    measure: Callable[[Call], object] = lambda call: None,
    warm: bool = True,
    clock: Clock = time.perf_counter,
) -> dict[str, dict[str, Result]]:
    """Results of variants by name and by case, case after case.

    Processes are forked: before this call nothing must have computed or touched a GPU.

    Args:
        makes: By name, what builds a variant in its process.
        rounds: Timed calls by case, at least two.
        measure: Called with the function after its times were taken.
        warm: Call once more before each timed call, since the other variants emptied the caches.
        clock: Seconds from some moment.
    """
    workers: dict[str, Worker] = {}
    for name, make in makes.items():
        print(f'building {name}', file=sys.stderr, flush=True)
        workers[name] = Worker(make, Job(measure, warm, clock), [w.pipe for w in workers.values()])
        workers[name].ask(None)  # one after the other: a compiler takes all cores
    results: dict[str, dict[str, Result]] = {name: {} for name in workers}
    for case, number in rounds.items():
        for worker in workers.values():
            worker.ask((case, 'warm up'))
        seconds: dict[str, list[float]] = {name: [] for name in workers}
        for _ in range(number):
            for name, worker in workers.items():
                seconds[name].append(worker.ask((case, 'time')))
        for name, worker in workers.items():
            measured = worker.ask((case, 'measure'))
            timing = None if worker.fault else summarise(seconds[name])
            results[name][case] = Result(timing, measured, worker.fault)
    for worker in workers.values():
        worker.stop()
    return results


def exit_on_faults(results: Mapping[str, Mapping[str, Result]]) -> None:
    """End with 1, and name the variants that failed, if there are some; to call after the table."""
    failed = [name for name, cases in results.items() if any(r.fault for r in cases.values())]
    if failed:
        sys.exit(f'failed: {", ".join(failed)}')


class Job(NamedTuple):
    """How functions are measured; see :func:`time_in_turns`."""

    measure: Callable[[Call], object]
    warm: bool
    clock: Clock

    def reply(self, call: Call, request: str) -> object:
        """Seconds of a call, or what else is asked for."""
        if request == 'measure':
            return self.measure(call)
        if request == 'warm up' or self.warm:
            call()
        synchronize()
        start = self.clock()
        call()
        synchronize()
        return self.clock() - start


class Worker:
    """A process with one variant.

    Args:
        make: Builds the variant.
        job: How it is measured.
        others: The pipes of other workers, which the process inherits and closes.
    """

    def __init__(self, make: Make, job: Job, others: list[Connection]) -> None:
        context = multiprocessing.get_context('fork')
        self.pipe, end = context.Pipe()
        self.fault = ''
        arguments = (end, [*others, self.pipe], make, job)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        end.close()

    def ask(self, request: tuple[str, str] | None) -> Any:
        """The reply of the process; None from one that failed, with the reason in ``fault``."""
        if self.fault:
            return None
        try:
            if request is not None:
                self.pipe.send(request)
            reply, self.fault = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            reply, self.fault = None, f'the process ended with {self.process.exitcode}'
        return reply

    def stop(self) -> None:
        """End the process; at the end of the pipe it leaves."""
        self.pipe.close()
        self.process.join()


def _serve(pipe: Connection, others: list[Connection], make: Make, job: Job) -> None:
    """Reply to requests until the pipe is closed; a failure is the last reply."""
    for other in others:
        other.close()
    try:
        calls = make()
        pipe.send((None, ''))
        while True:
            try:
                case, request = pipe.recv()
            except EOFError:
                return
            pipe.send((job.reply(calls[case], request), ''))
    except Exception as error:  # of any library
        pipe.send((None, one_line(f'{type(error).__name__}: {error}')[:200]))
