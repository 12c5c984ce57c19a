"""Random numbers that depend on what they are for, never on when they are drawn.

Each thing in the world (a tutor, a slot, a session) has a 64-bit key, mixed from the seed, the kind of thing and its
indices. A trait of it is one further mix of the key with the trait's name. So no draw shifts another: chunks, filters
and additional tutors leave everything else as it was. All is integer arithmetic and rational functions of our own, so
that no library's choice of algorithm can change a world.
"""

import hashlib
from functools import cache

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]

# The finaliser of splitmix64 (Steele, Lea, Flood 2014; constants: Stafford's variant 13) and its increment.
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_INCREMENT = np.uint64(0x9E3779B97F4A7C15)

# Percentage points of the normal distribution: Wichura, algorithm AS 241 (1988), PPND16. Lowest power first.
_CENTRE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_FLANK = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_TAIL = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


def keys(seed: int, kind: str, *indices: Ints | int) -> Keys:
    """Give the keys of the things of one kind with these non-negative indices (arrays that broadcast together)."""
    return subkeys(np.array([_constant(f"{seed}/{kind}")], dtype=np.uint64), *indices)


def subkeys(parents: Keys, *indices: Ints | int) -> Keys:
    """Give the keys of things that belong to other things: the sessions of a slot, the days of a tutor."""
    result = parents
    for index in indices:
        result = _mix(result + (np.atleast_1d(index).astype(np.uint64) + np.uint64(1)) * _INCREMENT)
    return result


def uniform(things: Keys, trait: str) -> Floats:
    """Draw from the open interval (0, 1), 53 bits each."""
    bits = _mix(things ^ np.array([_constant(trait)], dtype=np.uint64))
    bits >>= np.uint64(11)
    draws = bits.astype(np.float64)
    draws *= 2.0**-53
    draws += 2.0**-54
    return draws


def normal(things: Keys, trait: str) -> Floats:
    """Draw from the standard normal distribution."""
    return normal_quantile(uniform(things, trait))


def exponential(things: Keys, trait: str) -> Floats:
    """Draw from the exponential distribution of mean 1."""
    return np.asarray(-np.log(uniform(things, trait)))


def below(things: Keys, trait: str, limit: int | Ints) -> Ints:
    """Draw integers from 0 to limit - 1."""
    return (uniform(things, trait) * limit).astype(np.int64)


def chance(things: Keys, trait: str, probability: float | Floats) -> Bools:
    """Tell for each thing whether something of this probability is so."""
    return np.asarray(uniform(things, trait) < probability)


def choice(things: Keys, trait: str, weights: tuple[float, ...]) -> Ints:
    """Draw positions in `weights`, each in proportion to its weight."""
    bounds = np.cumsum(weights)
    return np.searchsorted(bounds[:-1] / bounds[-1], uniform(things, trait), side="right").astype(np.int64)


def normal_quantile(probability: Floats) -> Floats:
    """Invert the standard normal distribution function, to about 16 digits (AS 241)."""
    centred = probability - 0.5
    near = np.abs(centred) <= 0.425
    result = centred * _ratio(_CENTRE, np.where(near, 0.180625 - centred * centred, 0.0))
    far = np.flatnonzero(~near)
    tail = np.minimum(probability.flat[far], 1.0 - probability.flat[far])
    root = np.sqrt(-np.log(tail))
    magnitude = np.where(root <= 5.0, _ratio(_FLANK, root - 1.6), _ratio(_TAIL, root - 5.0))
    result.flat[far] = np.copysign(magnitude, centred.flat[far])
    return result


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], at: Floats) -> Floats:
    above, under = (_horner(coefficients, at) for coefficients in polynomials)
    above /= under
    return above


def _horner(coefficients: tuple[float, ...], at: Floats) -> Floats:
    result = np.full_like(at, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result *= at
        result += coefficient
    return result


def _mix(bits: Keys) -> Keys:
    """Scramble each 64-bit word, in place, one to one."""
    for shift, multiplier in zip(_SHIFTS[:2], _MULTIPLIERS, strict=True):
        bits ^= bits >> shift
        bits *= multiplier
    bits ^= bits >> _SHIFTS[2]
    return bits


@cache
def _constant(name: str) -> int:
    """Turn a name into 64 bits."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
