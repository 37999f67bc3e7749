"""What the Makefile calls.

python tools/dev.py test [NAME ...] [--profile] [--jobs N]
    all checks and the notebooks' tests; ends in `N passed, M failed`
python tools/dev.py sync
    fails, naming the file, if exporting, cleaning or rebuilding README.md would change anything
python tools/dev.py run [NAME ...] [--jobs N]
    executes notebooks in fresh kernels and saves them; cells marked slow keep their outputs
python tools/dev.py results [NAME ...]
    the same with the slow cells that write a file of data/results which is missing
python tools/dev.py readme
    writes README.md from nbs/index.ipynb
python tools/dev.py style [--by-notebook]
    how the code is written, in four figures with their limits

NAME is a part of a notebook's path in nbs/, as `03_sae` or `01_sae`; without one, all are meant.
"""
import argparse
import os
import sys


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    added = {name: commands.add_parser(name)
             for name in ('test', 'sync', 'run', 'results', 'readme', 'style')}
    for name in ('test', 'run', 'results'):
        added[name].add_argument('names', nargs='*', metavar='NAME')
    for name in ('test', 'run'):
        added[name].add_argument('--jobs', type=int, default=min(2, os.cpu_count() or 1),
                                 help='how many notebooks at a time')
    added['test'].add_argument('--profile', action='store_true', help='list the slowest cells')
    added['style'].add_argument('--by-notebook', action='store_true', help='a row a notebook')
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    options = parse(arguments)
    if options.command == 'test':
        from testing import test
        return test(options.names, options.jobs, options.profile)
    if options.command == 'run':
        from execution import run
        return run(options.names, options.jobs)
    if options.command == 'results':
        from execution import results
        return results(options.names)
    if options.command == 'sync':
        from checks import check_sync
        return int(not check_sync())
    if options.command == 'style':
        from style import check_style
        return int(not check_style(options.by_notebook))
    from readme import write_readme
    write_readme()
    return 0


if __name__ == '__main__':
    sys.exit(main())
