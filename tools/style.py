"How the code of the notebooks is written, in four figures (see STYLE in CONTRIBUTING.md)."
import ast
import re
from dataclasses import dataclass, field
from statistics import median

from notebooks import code_cells, name_of, notebook_paths

LIMITS = {'long lines (%)': 3.,         # code lines over 100 columns
          'chained (%)': .5,            # code lines with a second statement after `;`
          'one-letter (%)': 30.,        # assignments to names of one letter
          'median cell': 400}           # characters of a code cell of the library chapters
LIBRARY = re.compile(r'0[1-7]_\w+/')    # chapters whose cells the median is taken of


@dataclass
class Counts:
    "What is counted in the code cells of some notebooks."
    lines: int = 0
    long: int = 0
    chained: int = 0
    stores: int = 0
    one_letter: int = 0
    cell_sizes: list = field(default_factory=list)

    def add(self, other):
        self.lines += other.lines
        self.long += other.long
        self.chained += other.chained
        self.stores += other.stores
        self.one_letter += other.one_letter
        self.cell_sizes += other.cell_sizes

    def figures(self) -> dict:
        return {'long lines (%)': 100*self.long/max(1, self.lines),
                'chained (%)': 100*self.chained/max(1, self.lines),
                'one-letter (%)': 100*self.one_letter/max(1, self.stores),
                'median cell': median(self.cell_sizes or [0])}


def is_chained(line: str) -> bool:
    "Whether something follows a `;` outside strings and comments."
    code = re.sub(r'([\'"]).*?\1', '', line.split('  #')[0])
    return bool(re.search(r';\s*\S', code))


def stored_names(source: str) -> list:
    "Names that are assigned to; none where the source is not plain Python."
    plain = [line for line in source.splitlines() if not line.lstrip().startswith(('%', '!'))]
    try:
        tree = ast.parse('\n'.join(plain))
    except SyntaxError:
        return []
    return [node.id for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def count_cell(source: str) -> Counts:
    stripped = [(line, line.strip()) for line in source.splitlines()]
    lines = [line for line, text in stripped if text and not text.startswith('#')]
    names = stored_names(source)
    return Counts(lines=len(lines),
                  long=sum(len(line) > 100 for line in lines),
                  chained=sum(is_chained(line) for line in lines),
                  stores=len(names),
                  one_letter=sum(len(name) == 1 for name in names),
                  cell_sizes=[len(source)])


def count_notebook(path) -> Counts:
    counts = Counts()
    for cell in code_cells(path):
        counts.add(count_cell(cell['source']))
    return counts


def overall(by_notebook: dict) -> dict:
    "The four figures of all notebooks; the median of the library chapters only."
    total, library = Counts(), Counts()
    for name, counts in by_notebook.items():
        total.add(counts)
        if LIBRARY.match(name):
            library.add(counts)
    return {**total.figures(), 'median cell': library.figures()['median cell']}


def row(name: str, figures: dict) -> str:
    return f'{name:48}' + ''.join(f'{figures[key]:16.1f}' for key in LIMITS)


def check_style(by_notebook=False) -> bool:
    "Print the figures as a table; whether all of them are within their limits."
    counts = {name_of(path): count_notebook(path) for path in notebook_paths()}
    figures = overall(counts)
    print(f"{'':48}" + ''.join(f'{key:>16}' for key in LIMITS))
    if by_notebook:
        for name, some in counts.items():
            print(row(name, some.figures()))
    print(row('all (median cell: chapters 01 to 07)', figures))
    print(row('limit', LIMITS))
    return all(figures[key] <= limit for key, limit in LIMITS.items())
