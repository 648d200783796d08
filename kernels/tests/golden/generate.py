#!/usr/bin/env python3
"""Writes numpy.txt: what NumPy makes of arrays that the tests can make too.

    python3 kernels/tests/golden/generate.py [more]      (needs numpy >= 2; "more" multiplies the histograms)

A line is `kernel, dtype, pattern, length, parameters, result`, separated by tabs. Floats are written as the bits of a
float64. Arrays of floats narrower than float64 are widened before sums, since the kernels calculate in float64.
"""

import random
import sys
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")
INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
PATTERNS = ["noise", "offset", "edges", "constant", "nan", "inf", "negzero"]


def noise(length, seed):
    """Words that any language can make: 32 bits of a multiplicative hash of the index."""
    index = np.arange(length, dtype=np.uint64) + np.uint64(seed)
    return (index * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)


def array(dtype, pattern, length, seed=0):
    if dtype in COMPLEX:
        part = {"complex64": "float32", "complex128": "float64"}[dtype]
        return array(part, pattern, 2 * length, seed).view(dtype)
    words = noise(length, seed)
    if pattern == "constant":
        words = np.full(length, 77, dtype=np.uint64)
    if pattern == "edges":
        words = words % np.uint64(11)
    if dtype == "bool":
        return (words % np.uint64(3) == 1).astype(bool)
    if dtype in INTS:
        wide = words * np.uint64(0x100000001) if dtype.endswith("64") and pattern != "edges" else words
        return wide.astype(dtype)
    top = (words >> np.uint64(21)).astype(np.float64)
    if pattern == "constant":
        top = words.astype(np.float64)
    x = {
        "noise": (top - 1024.0) / 256.0,
        "offset": top / 256.0 + 1000.0,
        "edges": words.astype(np.float64) / 10.0,
    }.get(pattern, (top - 1024.0) / 256.0)
    if pattern == "noise" and dtype == "float64":
        x = (words.astype(np.float64) - 2147483648.0) / 3.0
    if pattern == "negzero":
        x = x * -0.0
    x = x.astype(dtype)
    if pattern in ("nan", "inf"):
        x[length // 3] = pattern
    return x


def bits(value):
    if np.isnan(value):
        return "nan"
    return format(int(np.float64(value).view(np.uint64)), "016x")


def shown(value):
    if isinstance(value, (bool, np.bool_)):
        return f"bool {int(value)}"
    if isinstance(value, np.unsignedinteger):
        return f"uint {value}"
    if isinstance(value, (int, np.integer)):
        return f"int {value}"
    if isinstance(value, (complex, np.complexfloating)):
        return f"complex {bits(value.real)} {bits(value.imag)}"
    return f"float {bits(value)}"


LINES = []


def line(kernel, dtype, pattern, length, params, result):
    params = " ".join(f"{name}={value}" for name, value in params)
    LINES.append("\t".join([kernel, dtype, pattern, str(length), params or "-", result]))


def widened(x):
    if x.dtype.kind == "f":
        return x.astype(np.float64)
    if x.dtype.kind == "c":
        return x.astype(np.complex128)
    return x


def mean(x):
    """By parts: NumPy's complex division spreads a NaN of one part to the other."""
    return complex(x.real.mean(), x.imag.mean()) if x.dtype.kind == "c" else x.mean()


def reductions():
    for dtype in ["bool", *INTS, *FLOATS, *COMPLEX]:
        is_float = dtype in FLOATS or dtype in COMPLEX
        for pattern in PATTERNS if is_float else ["noise", "edges", "constant"]:
            for length in [1, 7, 1000, 40000]:
                x = array(dtype, pattern, length)
                wide = widened(x)
                line("mean", dtype, pattern, length, [], shown(mean(wide)))
                for kernel in ["sum", "var", "std"]:
                    line(kernel, dtype, pattern, length, [], shown(getattr(np, kernel)(wide)))
                for ddof in [1, 1.5, 7, 9]:
                    if length == 7:
                        line("var", dtype, pattern, length, [("ddof", ddof)], shown(np.var(wide, ddof=ddof)))
                if dtype not in COMPLEX:
                    line("min", dtype, pattern, length, [], shown(x.min()))
                    line("max", dtype, pattern, length, [], shown(x.max()))
                other = widened(array(dtype, pattern, length, seed=5))
                if dtype in INTS:
                    accumulator = np.uint64 if dtype.startswith("u") else np.int64
                    wide, other = wide.astype(accumulator), other.astype(accumulator)
                if dtype in COMPLEX and pattern == "inf":
                    continue  # What becomes of infinite parts depends on NumPy's BLAS.
                line("dot", dtype, pattern, length, [], shown(np.dot(wide, other)))


def histogram(dtype, pattern, length, bins, given):
    x = array(dtype, pattern, length)
    params = [("bins", bins)] + ([("range", f"{given[0]!r},{given[1]!r}")] if given else [])
    try:
        counts, edges = np.histogram(x, bins=bins, range=given)
        result = "record " + " ".join(map(str, counts)) + " | " + " ".join(map(bits, edges))
    except ValueError:
        result = "error"
    except IndexError:
        return  # NumPy fails on its own rounding.
    line("histogram", dtype, pattern, length, params, result)


def histograms(times):
    choice = random.Random(1).choice
    for _ in range(times):
        dtype = choice(["bool", *INTS, *FLOATS, "float64", "float32"])
        is_float = dtype in FLOATS
        pattern = choice(PATTERNS if is_float else ["noise", "edges", "constant"])
        given = choice([None, (0, 10), (0.0, 1.0), (-3, 7), (-1e9, 1e9), (0.1, 0.7), (5, 5), (1000.0, 1004.0), (0, 300)])
        histogram(dtype, pattern, choice([1, 50, 3000]), choice([1, 2, 10, 10, 100, 257]), given)


def scale_adds():
    cases = [(dtype, 3, -5 if dtype.startswith("i") else 5) for dtype in INTS]
    cases += [(dtype, 1.1, 0.7) for dtype in FLOATS + COMPLEX] + [(dtype, 2, 1) for dtype in FLOATS]
    for dtype, scale, offset in cases:
        for pattern in ["noise", "nan", "inf", "negzero"] if dtype not in INTS else ["noise"]:
            x = array(dtype, pattern, 9)
            x *= scale
            x += offset
            parts = x.view({"complex64": "float32", "complex128": "float64"}.get(dtype, dtype))
            values = [shown(part).split()[1] for part in parts]
            line("scale_add", dtype, pattern, 9, [("scale", scale), ("offset", offset)], "elements " + " ".join(values))


reductions()
histograms(150 if "more" not in sys.argv else 20000)
scale_adds()
Path(__file__).with_name("numpy.txt").write_text("\n".join(LINES) + "\n")
