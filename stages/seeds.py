"""Seeds: from what a row is to a 64-bit seed, never from worker, part, batch or time."""

from hashlib import blake2b

_PERSON = b"palimpsest-seed"


def seed_of(run_seed: int, prompt_id: str, sample: int) -> int:
    """Return the seed of one generation, uniform over 63 bits.

    Args:
        run_seed: seed of the run, any integer.
        prompt_id: digest of what the model is asked.
        sample: number of the generation within its prompt.

    Returns:
        An integer in 0..2**63-1, which every generator of torch and NumPy accepts.

    >>> seed_of(1, "a", 0) == seed_of(1, "a", 0) != seed_of(1, "a", 1)
    True
    """
    words = f"{run_seed}\x1f{prompt_id}\x1f{sample}".encode()
    return int.from_bytes(blake2b(words, digest_size=8, person=_PERSON).digest(), "big") >> 1
