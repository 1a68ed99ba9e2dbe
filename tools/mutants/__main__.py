"""Judge the tests by mutants; the results go to build/mutants.json.

    python -m tools.mutants [--share ci] [--only PATTERN] [--light] [--list] [--fresh]

Pipeline mutants are wrong versions of pipeline/ and of its declaration, written by hand
(tools/mutants/pipeline.toml). Plugin mutants are a sample, drawn by a seed, of what cosmic-ray
makes of the modules that judge and own (ROOMS in tools/mutants/levels.py). Each is judged at the
cheapest level of tests that can, in a private copy of the tree. A second call goes on where the
first was stopped, as long as sources and tests are the same. Exit code 0: the floors are reached;
1: they are not.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Event
from types import FrameType
from typing import NoReturn

from pytest_sluice.errors import SluiceError
from tools.mutants import tree
from tools.mutants.judging import Judges
from tools.mutants.levels import all_levels
from tools.mutants.mutant import Mutant
from tools.mutants.place import Place
from tools.mutants.record import Record, Result
from tools.mutants.sample import SEED, SIZE, Sample, draw, reasons
from tools.mutants.score import IN_CI, WHOLE, Score, last_lines, survivors
from tools.mutants.wrong import wrong_versions

IN_CI_OF_PLUGIN = 12
PLACES = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, print a line for each mutant and the scores at the end; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _judge(options)
    except SluiceError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same call goes on from here", file=sys.stderr)
        return 130


def _judge(options: argparse.Namespace) -> int:
    root, in_ci = tree.ROOT, options.share == "ci"
    pipeline = _chosen(wrong_versions(root), options)
    sample = draw(root, options.seed, IN_CI_OF_PLUGIN if in_ci else SIZE)
    plugin = _chosen(sample.mutants, options)
    print(f"sample of the plugin: {len(sample.mutants)} mutants, seed {options.seed}", flush=True)
    for name, reason in sample.equivalent.items():
        print(f"equivalent, not counted: {name}: {reason}", flush=True)
    if not in_ci:
        _tell_stale(sample, {each.name for each in wrong_versions(root)})
    if options.list:
        print("\n".join(mutant.name for mutant in (*pipeline, *plugin)))
        return 0
    return _finish(options, *_run(options, pipeline, plugin))


def _tell_stale(sample: Sample, wrong: set[str]) -> None:
    """Name the committed reasons that are of no mutant any more, so that someone removes them."""
    drawn = {each.name for each in sample.mutants} | sample.equivalent.keys() | wrong
    for kind in ("equivalent", "survivors"):
        for name in reasons(kind).keys() - drawn:
            print(f"{kind}.toml gives a reason for a mutant that is not drawn: {name}", flush=True)


def _chosen(mutants: Sequence[Mutant], options: argparse.Namespace) -> list[Mutant]:
    """Those that the options leave: by name, and of the pipeline in CI what is cheap or named."""
    levels = all_levels(tree.ROOT)
    chosen = [each for each in mutants if fnmatchcase(each.name, options.only)]
    if options.share == "ci":
        return [each for each in chosen if each.in_ci or levels[each.levels[0]].light]
    return chosen


def _run(
    options: argparse.Namespace, pipeline: list[Mutant], plugin: list[Mutant]
) -> tuple[Record, list[Result]]:
    """Judge in private copies, which are removed however this ends."""
    names, stopping = tree.files(), Event()
    record = Record(options.json, tree.digest(tree.ROOT, names), options.fresh)
    places: list[Place] = []
    try:
        places.extend(Place(tree.ROOT, names, stopping) for _ in range(PLACES))
        judges = Judges(places, all_levels(tree.ROOT), record, stopping, _say)
        in_ci = options.share == "ci"
        judges.judge([*pipeline, *plugin], only_light=True)
        if not options.light:
            judges.judge([each for each in pipeline if each.in_ci] if in_ci else pipeline)
            judges.judge([] if in_ci else plugin)
        return record, [record.result(mutant) for mutant in (*pipeline, *plugin)]
    finally:
        stopping.set()
        for place in places:
            place.remove()


def _finish(options: argparse.Namespace, record: Record, results: list[Result]) -> int:
    floor = IN_CI if options.share == "ci" else WHOLE
    judged = [result for result in results if result.steps]
    if unjudged := len(results) - len(judged):
        print(f"{unjudged} mutants were not judged: no unit test is to judge them")
    told = survivors(judged, reasons("survivors"))
    for each in told:
        so_far = f" (not yet judged at: {each['levels left']})" if each["levels left"] else ""
        print(f"survivor{so_far}: {each['name']}: {each['reason']}\n{each['diff']}")
    scores = [
        Score.of([result for result in judged if result.mutant.group == group])
        for group in ("pipeline", "plugin")
    ]
    lines = last_lines(*scores)
    record.finish({"seed": options.seed, "scores": lines, "survivors": told})
    print("\n".join(lines), flush=True)
    good = scores[0].reaches(floor.pipeline, floor.stage) and scores[1].reaches(floor.plugin)
    return 0 if good else 1


def _say(line: str) -> None:
    print(line, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tools.mutants", None, __doc__, formatter_class=form)
    add = parser.add_argument
    add("--share", choices=("all", "ci"), default="all", help="ci: what takes five minutes at most")
    add("--only", default="*", metavar="PATTERN", help="judge the mutants with such names alone")
    add("--light", action="store_true", help="judge by unit tests alone: no process is started")
    add("--list", action="store_true", help="print the names and judge nothing")
    add("--fresh", action="store_true", help="forget earlier results")
    add("--seed", type=int, default=SEED, help="draws the plugin's sample (default: %(default)s)")
    add("--json", type=Path, default=tree.ROOT / "build/mutants.json", help="the results")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
