"""A caller in Python, by ctypes: the same options and output as verify.c.

    verify.py LIBRARY --policy F --trust F [--bundle F]... [--proof F]... --sha256 HEX --size N --name TEXT [--now N] [--floor F]
              [--watched F] [--unwitnessed]
"""

import argparse
import ctypes
import sys

ABI, NO_TIME, UNWITNESSED = 1, 1, 2


class Bytes(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("length", ctypes.c_size_t)]


class Question(ctypes.Structure):
    _fields_ = [
        ("abi", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("policy", Bytes),
        ("trust", Bytes),
        ("bundles", ctypes.POINTER(Bytes)),
        ("bundle_count", ctypes.c_size_t),
        ("proofs", ctypes.POINTER(Bytes)),
        ("proof_count", ctypes.c_size_t),
        ("sha256", ctypes.c_uint8 * 32),
        ("size", ctypes.c_uint64),
        ("name", Bytes),
        ("now", ctypes.c_uint64),
        ("floor", Bytes),
        ("watched", Bytes),
    ]


class Answer(ctypes.Structure):
    _fields_ = [("exit_code", ctypes.c_int32), ("json", ctypes.c_char_p), ("floor", ctypes.c_char_p)]


def given(data):
    """The bytes as a structure, which keeps them alive as long as itself."""
    return Bytes(None, 0) if data is None else Bytes(data, len(data))


def verify(library, policy, trust, sha256, size, name, bundles=(), proofs=(), now=None, floor=None, watched=None, unwitnessed=False):
    """Exit code, JSON text, and the floor to store or None."""
    question = Question(
        abi=ABI,
        flags=(NO_TIME if now is None else 0) | (UNWITNESSED if unwitnessed else 0),
        policy=given(policy),
        trust=given(trust),
        bundles=(Bytes * len(bundles))(*map(given, bundles)),
        bundle_count=len(bundles),
        proofs=(Bytes * len(proofs))(*map(given, proofs)),
        proof_count=len(proofs),
        sha256=(ctypes.c_uint8 * 32)(*sha256),
        size=size,
        name=given(name.encode()),
        now=now or 0,
        floor=given(floor),
        watched=given(watched),
    )
    answer = Answer()
    code = library.vitrine_verify(ctypes.byref(question), ctypes.byref(answer))
    text, stored = answer.json.decode(), answer.floor and answer.floor.decode()
    library.vitrine_free(ctypes.byref(answer))
    return code, text, stored


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    for name in ["policy", "trust", "sha256", "size", "name", "now", "floor", "watched"]:
        parser.add_argument(f"--{name}")
    for name in ["bundle", "proof"]:
        parser.add_argument(f"--{name}", action="append", default=[])
    parser.add_argument("--unwitnessed", action="store_true")
    options = parser.parse_args()

    def read(path):
        if path is None:
            return None
        with open(path, "rb") as file:
            return file.read()

    library = ctypes.CDLL(options.library)
    library.vitrine_verify.argtypes = [ctypes.POINTER(Question), ctypes.POINTER(Answer)]
    library.vitrine_verify.restype = ctypes.c_int32
    library.vitrine_free.argtypes = [ctypes.POINTER(Answer)]
    library.vitrine_free.restype = None
    code, text, floor = verify(
        library,
        read(options.policy),
        read(options.trust),
        bytes.fromhex(options.sha256),
        int(options.size),
        options.name,
        bundles=[read(path) for path in options.bundle],
        proofs=[read(path) for path in options.proof],
        now=None if options.now is None else int(options.now),
        floor=read(options.floor),
        watched=read(options.watched),
        unwitnessed=options.unwitnessed,
    )
    print(text)
    print(floor or "", end="")
    return code


if __name__ == "__main__":
    sys.exit(main())
