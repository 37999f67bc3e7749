"How long the notebooks' tests take on this machine, so that the longest can start first."
import json

from notebooks import CACHE, code_cells, name_of

TIMES = CACHE/'test_seconds.json'


def load_times() -> dict:
    "Seconds that each notebook took when it last passed on this machine."
    return json.loads(TIMES.read_text(encoding='utf-8')) if TIMES.exists() else {}


def save_times(results):
    "Remember the times of what passed."
    times = load_times()
    times.update({result.name: round(result.seconds, 1) for result in results if result.passed})
    TIMES.parent.mkdir(parents=True, exist_ok=True)
    TIMES.write_text(json.dumps(times, indent=1, sort_keys=True), encoding='utf-8')


def longest_first(paths) -> list:
    "Notebooks of unknown duration come first, those with more code before others."
    times = load_times()

    def length(path):
        seconds = times.get(name_of(path), float('inf'))
        return seconds, sum(len(cell['source']) for cell in code_cells(path))

    return sorted(paths, key=length, reverse=True)
