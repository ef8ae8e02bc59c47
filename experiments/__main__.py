"""Command ``python -m experiments``: run experiments and print a table of the results."""

import contextlib
import sys

from experiments import EXPERIMENTS, Settings, run, table
from experiments.experiment import DATA
from experiments.results import Results
from refconv._ascii import use_ascii_forms
from refconv._config import get_config
from refconv._errors import ArgumentError
from refconv._optional import MissingPackage
from refconv._progress import bar, bars_cleared, is_quiet, quiet
from refconv.cli.arguments import one_of
from refconv.cli.console import PipeWriter, in_one_line
from refconv.cli.parser import Parser, did_you_mean

PROGRAM = "python -m experiments"


def main(arguments=None) -> int:
    """Run experiments and return the exit status.

    It is 0 on success, 1 after an error and 130 after Ctrl-C. Invalid arguments raise ``SystemExit`` with status 2.
    """
    use_ascii_forms()
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        print(_listed())
        return 0
    plan = _plan(parser, options)
    with contextlib.redirect_stdout(PipeWriter(sys.stdout)), contextlib.redirect_stderr(PipeWriter(sys.stderr)):
        try:
            with quiet(options.quiet):
                print(table(_rows(plan, options)), flush=True)
        except (ArgumentError, OSError, MissingPackage) as error:
            print(f"{PROGRAM}: {in_one_line(error)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(f"{PROGRAM}: interrupted", file=sys.stderr)
            return 130
    return 0


def _parser():
    parser = Parser(PROGRAM, f"Run experiments and print a table of the results.\n\n{_listed()}")
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="experiments to run (default: all)")
    add("--list", action="store_true", help="print the name and the statement of each experiment")
    add("--variants", nargs="+", metavar="TEXT", help="run only the variants whose names begin with one of these texts")
    add("--quick", action="store_true", help="use less data, fewer epochs and one seed, to check that the experiments run")
    add("--seed", type=int, default=0, metavar="N", help="first seed (default: %(default)s)")
    add("--seeds", type=int, metavar="N", help="number of runs per variant, with consecutive seeds (default: 1 or 3)")
    add("--data", **one_of(*DATA), help="digits drawn by refconv, or MNIST")
    add("--images", type=int, metavar="N", help="number of training images")
    add("--epochs", type=int, metavar="N", help="passes over the data; for deep-image-prior, hundreds of steps")
    add("--results", metavar="FILE", help="add each row to this file, and do not repeat the runs of rows that it contains")
    add("-q", "--quiet", action="store_true", help="print only the table and errors")
    return parser


def _listed():
    return "\n".join(f"  {name:17} {experiment.statement}" for name, experiment in EXPERIMENTS.items())


def _plan(parser, options):
    """Return the variants to run for each experiment; exit with status 2 for an invalid option."""
    if unknown := set(options.names) - set(EXPERIMENTS):
        first = sorted(unknown)[0]
        parser.error(f"NAME must be one of {', '.join(EXPERIMENTS)}, got {first!r}{did_you_mean(first, EXPERIMENTS)}")
    given = [number for number in (options.images, options.epochs, options.seeds) if number is not None]
    if min(given, default=1) < 1 or options.seed < 0:
        parser.error("--images, --epochs and --seeds must be at least 1, and --seed at least 0")
    selected = [EXPERIMENTS[name] for name in options.names or EXPERIMENTS]
    for name in ("data", "images", "epochs"):
        fixed = [experiment.name for experiment in selected if name not in experiment.options]
        if getattr(options, name) is not None and fixed:
            parser.error(f"--{name} must be omitted for {', '.join(fixed)}, whose data and epochs are fixed")
    plan = {}
    for experiment in selected:
        plan[experiment.name] = [
            variant for variant in experiment.variants if variant.startswith(tuple(options.variants or [""]))
        ]
    if not any(plan.values()):
        variants = ", ".join(variant for experiment in selected for variant in experiment.variants)
        parser.error(f"--variants must match the beginning of one of: {variants}; got {', '.join(options.variants)}")
    return plan


def _rows(plan, options):
    """Run the plan and print each row to standard error as soon as it is complete."""
    _report(f"on {get_config().threads} thread(s)")
    given = {name: value for name in ("data", "images", "epochs") if (value := getattr(options, name)) is not None}
    settings = Settings(quick=options.quick, **given)
    counts = {name: options.seeds or (1 if options.quick else EXPERIMENTS[name].seeds) for name in plan}
    results, rows = Results(options.results) if options.results else None, []
    with bar("experiments", sum(counts[name] * len(variants) for name, variants in plan.items()), "runs") as advance:
        for name, variants in plan.items():
            seeds = range(options.seed, options.seed + counts[name])
            for variant in variants:
                rows.append(_row(EXPERIMENTS[name], variant, seeds, settings, results, advance))
                for cells in rows[-1].cells():
                    _report("   ".join(cells))
    return rows


def _row(experiment, variant, seeds, settings, results, advance):
    """Return a row from the results, or run a variant and add its row to them."""
    if results and (row := results.row(experiment, variant, seeds, settings)):
        advance(len(seeds))
        return row
    (row,) = run(experiment, seeds, settings, [variant], advance)
    if results:
        results.add(row, seeds, settings)
    return row


def _report(line):
    """Print a line about the progress to the standard error."""
    if not is_quiet():
        with bars_cleared():
            print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
