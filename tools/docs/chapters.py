"The chapters of the site, in reading order: one folder of `nbs/` each."
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NBS = ROOT/'nbs'


@dataclass(frozen=True)
class Chapter:
    folder: str  # within `nbs/`; empty: the notebooks beside index.ipynb
    title: str
    about: str  # a sentence or two: what the chapter is for
    optional_from: str = '99'  # number of the first notebook that can be skipped on first reading
    names: tuple = ()  # notebooks in reading order; empty: all of the folder, by name

    @cached_property
    def paths(self) -> list:
        "The chapter's notebooks in reading order."
        found = sorted((NBS/self.folder).glob('*.ipynb'))
        if self.names:
            return [NBS/self.folder/f'{name}.ipynb' for name in self.names]
        return [path for path in found if path.stem != 'index']

    @property
    def number(self) -> str:
        "The folder's number without leading zeros, or nothing."
        first = self.folder.split('_')[0]
        return str(int(first)) if first.isdigit() else ''

    def is_optional(self, path: Path) -> bool:
        "Whether a notebook makes things fast or large and explains no part of the method."
        return path.stem.split('_')[0] >= self.optional_from


CHAPTERS = [
    Chapter('', 'Core',
            'Paths, files, seeds, errors and the look of figures: what all other modules use.',
            names=('00_core', '00_validation', '00_integrity', '00_docstrings')),
    Chapter('01_language_model', 'The language model',
            'The documents and questions, the model that reads them, and the activations that '
            'sparse autoencoders are trained on. All of it runs on small embedded models; '
            'Gemma-2-2B is the same code with another name.', optional_from='05'),
    Chapter('02_information', 'Information',
            'Estimators of mutual information, compared where the truth is known, and the '
            'window over recent batches that follows the information between groups during '
            'training.', optional_from='04'),
    Chapter('03_sae', 'Sparse autoencoders in groups',
            'The sparse autoencoder, and groups of its latents that merge, split and exchange '
            'members while it trains.', optional_from='03'),
    Chapter('04_training', 'Training',
            'The objective term by term, its configuration, and the training loop in mixed '
            'precision.', optional_from='06'),
    Chapter('05_unlearning', 'Unlearning',
            'How cleanly knowledge of one domain leaves the language model when a group of '
            'latents is closed: the score, the interventions, the baselines, an audit that looks '
            'for what is left, and a permanent version in the weights.'),
    Chapter('06_experiments', 'Experiments',
            'Sparse probing, the presets, and the runs and studies that fill `data/results`.'),
    Chapter('07_figures', 'Tables and figures',
            'From saved results to the tables and figures of the results chapter, and an explorer '
            'of knowledge groups, their latents and their training.'),
    Chapter('08_results', 'Results',
            'What was measured. These notebooks export nothing; they read `data/results`.'),
    Chapter('', 'Commands', 'The console scripts.', names=('09_commands',)),
    Chapter('tutorials', 'Tutorials',
            'The shortest way to a result, your own model and data, and Gemma-2-2B.'),
]


def all_paths() -> list:
    "The notebooks of all chapters in reading order."
    return [path for chapter in CHAPTERS for path in chapter.paths]


def unknown_folders() -> list:
    "Folders of notebooks that no chapter names."
    known = {chapter.folder for chapter in CHAPTERS}
    folders = {path.parent.relative_to(NBS).as_posix() for path in NBS.rglob('*.ipynb')
               if '.ipynb_checkpoints' not in path.parts}
    return sorted(folders - known - {'.'})
