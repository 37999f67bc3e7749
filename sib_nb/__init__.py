"""Structured Information Bottleneck sparse autoencoders.

The names below are imported when they are first used, so `import sib_nb` itself is quick.
Everything else is in the sub-packages, one for each folder of notebooks.
"""

__version__ = "0.1.0"

import sys

import lazy_loader

from .docstrings import DescribingFinder

sys.meta_path.insert(0, DescribingFinder(__name__))

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        'core', 'validation', 'integrity', 'language_model', 'information', 'sae', 'training',
        'unlearning', 'experiments', 'figures', 'commands',
    ],
    submod_attrs={
        'language_model.model': ['load_model'],
        'language_model.activations': ['ActivationStore'],
        'information.sliding_window': ['SlidingWindowMI'],
        'sae.sae': ['SAE', 'SAEConfig'],
        'sae.adaptive_groups': ['AdaptiveGroups', 'Groups'],
        'training.config': ['TrainConfig'],
        'training.trainer': ['train_sae'],
        'unlearning.saebench': ['unlearning_eval'],
        'unlearning.audit': ['audit'],
        'unlearning.knowledge_groups': ['erase_domain'],
        'experiments.probing': ['probing_eval'],
        'experiments.runs': ['run'],
    },
)
