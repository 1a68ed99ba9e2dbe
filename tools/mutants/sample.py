"""A sample of the plugin's mutants by a seed, and those of it that change nothing."""

import tomllib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tools.mutants.generated import in_order
from tools.mutants.mutant import Mutant

HERE = Path(__file__).parent
SEED = 9
SIZE = 80


@dataclass(frozen=True)
class Sample:
    """The mutants to judge, and those drawn that are equivalent, with the reason of each."""

    mutants: list[Mutant]
    equivalent: dict[str, str]


def draw(root: Path, seed: int = SEED, size: int = SIZE) -> Sample:
    """Draw `size` mutants; the equivalent ones among them are told apart and not replaced."""
    known = reasons("equivalent")
    drawn = list(islice(in_order(root, seed), size))
    equivalent = {each.name: known[each.name] for each in drawn if each.name in known}
    return Sample([each for each in drawn if each.name not in equivalent], equivalent)


def reasons(kind: str, folder: Path = HERE) -> dict[str, str]:
    """Read a committed file of reasons, ``equivalent.toml`` or ``survivors.toml``, by mutant."""
    text = (folder / f"{kind}.toml").read_text("utf-8")
    return {entry["mutant"]: entry["reason"] for entry in tomllib.loads(text).get(kind, [])}
