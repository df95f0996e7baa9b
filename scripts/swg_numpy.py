#!/usr/bin/env python3
"""Read .swg checkpoints with NumPy: one file, nothing to build.

    import swg_numpy
    with swg_numpy.open("model.swg") as model:
        print(model.config, list(model))
        weight = model["model.norm.weight"]     # dequantized; bit-equal to swage's own reader

    python3 swg_numpy.py model.swg                  list the tensors
    python3 swg_numpy.py model.swg NAME OUT.f32     write one as little-endian float32
    python3 swg_numpy.py --check model.swg          decode everything

Needs NumPy, and the zstandard package or libzstd. Follows docs/container.md. Frames are checked
against their raw sizes; their XXH3 hashes are checked where the xxhash package is there (the
`has_hashes` of this module says so): `swage verify` always checks them.
"""
import contextlib
import json
import mmap
import struct
import sys

import numpy as np

try:
    import xxhash
    has_hashes = True
except ImportError:
    has_hashes = False

MAGIC = b"\x89SWG\r\n\x1a\n"
OWN_BYTES = 0xFFFFFFFF
MAX_FRAME, MAX_RATIO, MAX_DIRECTORY = 1 << 24, 1024, 1 << 28
DESCRIBED_PLANES = 1  # required feature: the planes of tensors are described
RANS = 2  # required feature: frames may have codec 4
KINDS = ("values", "codes", "scales", "zeros", "mask", "index", "positions", "blocks", "codebook",
         "row scales")

# Element types: NumPy's type of the stored bytes, bits.
TYPES = {"f32": ("<f4", 32), "f16": ("<f2", 16), "bf16": ("<u2", 16), "f64": ("<f8", 64),
         "i64": ("<i8", 64), "u64": ("<u8", 64), "i32": ("<i4", 32), "u32": ("<u4", 32),
         "i16": ("<i2", 16), "u16": ("<u2", 16), "i8": ("i1", 8), "u8": ("u1", 8),
         "bool": ("?", 8), "c64": ("<c8", 64), "f8_e4m3": ("u1", 8), "f8_e5m2": ("u1", 8),
         "f8_e4m3fnuz": ("u1", 8), "f8_e5m2fnuz": ("u1", 8), "f8_e8m0": ("u1", 8),
         "f6_e2m3": ("u1", 6), "f6_e3m2": ("u1", 6), "f4": ("u1", 4)}


class Error(Exception):
    """A file that is not a .swg as docs/container.md describes it."""


def _need(condition, sentence):
    if not condition:
        raise Error(sentence)


# --- zstd ----------------------------------------------------------------------------------------

def _bind_zstd():
    """A function (stored, raw length) -> bytes of exactly that length."""
    import ctypes
    import ctypes.util
    library = None
    for name in (ctypes.util.find_library("zstd"), "libzstd.so.1", "libzstd.so"):
        if name and library is None:
            with contextlib.suppress(OSError):
                library = ctypes.CDLL(name)
    if library is None:
        return _bind_zstandard()
    call = library.ZSTD_decompress
    call.restype, call.argtypes = ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_size_t,
                                                    ctypes.c_char_p, ctypes.c_size_t]
    is_error = library.ZSTD_isError
    is_error.restype, is_error.argtypes = ctypes.c_uint, [ctypes.c_size_t]

    def decode(stored, length):
        out = ctypes.create_string_buffer(max(length, 1))
        code = call(out, length, bytes(stored), len(stored))
        _need(not is_error(code) and code == length, "a frame does not decode to its size")
        return out.raw[:length]
    return decode


def _bind_zstandard():
    import zstandard

    def decode(stored, length):
        out, stored = b"", bytes(stored)
        while stored:
            if 0x184D2A50 <= struct.unpack_from("<I", stored)[0] <= 0x184D2A5F:  # skippable
                stored = stored[8 + struct.unpack_from("<I", stored, 4)[0]:]
                continue
            one = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
            try:
                out += one.decompress(stored)
            except zstandard.ZstdError as error:
                raise Error("a frame does not decode") from error
            _need(one.eof and len(out) <= length, "a frame does not decode to its size")
            stored = one.unused_data
        _need(len(out) == length, "a frame does not decode to its size")
        return out
    return decode


def _choose_zstd():
    try:
        import zstandard  # noqa: F401
        return _bind_zstandard()
    except ImportError:
        return _bind_zstd()


# --- Range coding --------------------------------------------------------------------------------

def _rans_symbols(data, count):
    """`count` symbols of a frame of codec 4, one a byte."""
    first, last, at = data[0], data[1], 2
    symbol_of, base_of, frequency_of = [], [], []
    for symbol in range(first, last + 1):
        frequency, at = data[at], at + 1
        if frequency >= 128:
            frequency, at = frequency - 128 + 128 * data[at], at + 1
        base_of += [len(symbol_of)] * frequency
        symbol_of += [symbol] * frequency
        frequency_of += [frequency] * frequency
    _need(len(symbol_of) == 4096 and (len(data) - at) % 2 == 0 and len(data) - at >= 16,
          "a range-coded frame with an impossible table")
    states = list(struct.unpack_from("<4I", data, at))
    words = np.frombuffer(data[at + 16:], "<u2").tolist()
    out, next_word = bytearray(count), 0
    for i in range(count):
        state = states[i % 4]
        slot = state % 4096
        out[i] = symbol_of[slot]
        state = frequency_of[slot] * (state >> 12) + slot - base_of[slot]
        if state < 65536:
            _need(next_word < len(words), "a range-coded frame that ends early")
            state, next_word = state << 16 | words[next_word], next_word + 1
        states[i % 4] = state
    _need(next_word == len(words) and states == [65536] * 4,
          "a range-coded frame that does not end with its symbols")
    return bytes(out)


# --- Reading records -----------------------------------------------------------------------------

class _Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        _need(length <= len(self.data) - self.at, "the directory ends early")
        self.at += length
        return bytes(self.data[self.at - length:self.at])

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def text(self, size):
        return self.take(self.number(size)).decode("utf-8")

    def is_done(self):
        return self.at == len(self.data)


class _Stream:
    """Frames of one plane or file."""

    def __init__(self, cursor, length, width, symbol_bits=8):
        self.length, self.width, self.symbol_bits = length, width, symbol_bits
        self.frame_bytes, count = cursor.number(4), cursor.number(4)
        due = -(-length // self.frame_bytes) if self.frame_bytes else 0
        _need(count == due and (length > 0) == (count > 0) and self.frame_bytes <= MAX_FRAME
              and self.frame_bytes % width == 0, "a plane has an impossible number of frames")
        self.frames = [struct.unpack("<QIIQQ", cursor.take(32)) for _ in range(count)]

    def raw_bytes(self, index):
        return min(self.frame_bytes, self.length - index * self.frame_bytes)


class Tensor:
    """What the directory says of one tensor."""

    def __init__(self, name, scheme, shape):
        self.name, self.scheme, self.shape = name, scheme, shape
        self.same_as, self.streams = None, None
        self.quantized, self.sparse, self.n_stored = None, None, 0
        if scheme not in TYPES:
            self.sparse = _parse_sparse(scheme)
            self.quantized = None if self.sparse else _parse_scheme(scheme)
            if self.sparse:
                self.kind, self.block, self.payload = self.sparse
            self.is_known = bool(self.sparse or self.quantized)
            _need(not self.is_known or len(shape) == 2 and min(shape) >= 1,
                  f"{name} is {scheme} and not a matrix")
        else:
            self.is_known = True

    def __repr__(self):
        return f"Tensor({self.name!r}, {self.scheme!r}, {self.shape})"

    def planes(self):
        """(kind, rows, bytes of a row, element width, bits of a packed code) of each plane."""
        _need(self.is_known, f"the unknown scheme {self.scheme!r}")
        if self.sparse:
            return self._sparse_planes()
        if not self.quantized:
            bits = TYPES[self.scheme][1]
            rows = int(np.prod(self.shape[:-1], dtype=object))
            columns = self.shape[-1] if self.shape else 1
            _need(rows * columns * bits % 8 == 0, "a type below 8 bits that does not fill its bytes")
            if columns * bits % 8:
                rows, columns = 1, rows * columns
            return [("values", rows, columns * bits // 8, max(bits // 8, 1), 8)]
        bits, group, zero, scale = self.quantized
        n, k = self.shape
        groups = -(-k // group) if group else 1
        width = TYPES[scale][1] // 8
        planes = [("codes", n, -(-k * bits // 8), 1, bits),
                  ("scales", n, groups * width, width, 8)]
        planes += [("row scales", n, 2, 2, 8)] * (scale == "i8")
        return (planes + [("zeros", n, groups, 1, 8)] * (zero == "asym")
                + [("codebook", 1, 1 << bits, 1, 8)] * (zero == "codebook"))


    def per_row(self):
        """Stored elements in a row of the plane that holds them."""
        return (self.shape[1] // 2 if self.kind == "2of4" else self.block if self.block
                else 8 if _parse_scheme(self.payload) else 1)

    def _sparse_planes(self):
        n, k = self.shape
        each = self.per_row()
        rows = n if self.kind == "2of4" else self.n_stored // each
        masks = n // (self.block or 1)
        planes = ([("positions", n, -(-k // 8), 1, 8)] if self.kind == "2of4" else
                  [("mask", masks, -(-k // 8), 1, 8), ("index", masks, 8, 8, 8)])
        codes = _parse_scheme(self.payload)
        if not codes:
            width = TYPES[self.payload][1] // 8
            return planes + [("values", rows, each * width, width, 8)]
        dense = Tensor(self.name, self.payload, self.shape).planes()
        return planes + [("codes", rows, -(-each * codes[0] // 8), 1, codes[0])] + dense[1:]


def _parse_sparse(text):
    """(kind, rows of a block or 0, scheme of the elements) of a sparse scheme."""
    head, _, payload = text.partition("-")
    if payload not in ("f32", "f16", "bf16") and not (payload.startswith("int")
                                                      and _parse_scheme(payload)):
        return None
    if head in ("sparse", "2of4"):
        return head, 0, payload
    block = head[len("block"):-len("x1")]
    known = head == f"block{block}x1" and block.isdigit() and block == str(int(block))
    return ("block", int(block), payload) if known and 2 <= int(block) <= 64 else None


def _parse_scheme(text):
    """(bits, group, "sym", "asym" or "codebook", scale type) of codes; None for other schemes."""
    parts = text.split("-")
    if len(parts) == 3 and parts[0] == "codebook4":
        parts = ["int4", parts[1], "codebook", parts[2]]
    elif len(parts) == 4 and parts[2] == "codebook":
        return None
    known = (len(parts) == 4 and parts[0] in ("int2", "int3", "int4", "int5", "int6", "int8")
             and parts[1] in ("g32", "g64", "g128", "g256", "row") and parts[2] in ("sym", "asym", "codebook")
             and parts[3] in ("f16", "bf16", "f32", "i8"))
    if not known:
        return None
    group = 0 if parts[1] == "row" else int(parts[1][1:])
    return int(parts[0][3:]), group, parts[2], parts[3]


def unpack_codes(rows, bits):
    """Rows of packed codes as one code per byte: code c is bits [c * bits, (c + 1) * bits)."""
    if bits == 8:
        return rows
    each = np.unpackbits(rows, axis=1, bitorder="little")
    each = each[:, :each.shape[1] // bits * bits].reshape(rows.shape[0], -1, bits)
    return (each << np.arange(bits, dtype="u1")).sum(axis=2, dtype="u1")


def to_float32(array, scheme):
    """f16, bf16 (as u16) or f32 as float32; exact."""
    if scheme == "bf16":
        return (array.astype("<u4") << 16).view("<f4")
    return array.astype("<f4")


# --- The file ------------------------------------------------------------------------------------

class Model:
    """An open .swg. A mapping from tensor names to dequantized arrays."""

    def __init__(self, path):
        self.file = __import__("io").open(path, "rb")
        self.map = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = memoryview(self.map)
        self.decode = _choose_zstd()
        self.config, self.provenance, self.metadata = None, [], {}
        self.tensors, self.files, self.extensions = {}, {}, {}
        self._read_directory()

    def close(self):
        self.data.release()
        self.map.close()
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __iter__(self):
        return iter(self.tensors)

    def __len__(self):
        return len(self.tensors)

    def _check_hash(self, data, due, what):
        _need(not has_hashes or xxhash.xxh3_64_intdigest(data) == due,
              f"{what} does not match its hash")

    def _read_directory(self):
        _need(len(self.data) >= 64 and self.data[:8] == MAGIC, "not a .swg")
        version, required, optional, zero = struct.unpack_from("<4I", self.data, 8)
        length, at, stored, raw, digest, own = struct.unpack_from("<QQIIQQ", self.data, 24)
        self._check_hash(self.data[:56], own, "the superblock")
        _need(version == 1, f"container version {version}; 1 is read")
        _need(required & ~(DESCRIBED_PLANES | RANS) == 0, f"unknown required features {required:#x}")
        self.is_described = bool(required & DESCRIBED_PLANES)
        _need(zero == 0 and length == len(self.data), "the superblock and the file disagree")
        _need(64 <= at <= length and stored == length - at and stored <= raw <= MAX_DIRECTORY
              and raw <= stored * MAX_RATIO, "the directory has impossible sizes")
        directory = self.data[at:]
        self._check_hash(directory, digest, "the directory")
        cursor = _Cursor(directory if stored == raw else self.decode(directory, raw))
        parsers = {b"CONF": self._config, b"TENS": self._tensors, b"FILE": self._files,
                   b"META": self._metadata, b"PROV": self._provenance}
        seen = set()
        while not cursor.is_done():
            tag, flags = cursor.take(4), cursor.number(4)
            body = _Cursor(cursor.take(cursor.number(8)))
            _need(tag not in seen and flags <= 1, "a section twice, or with unknown flags")
            seen.add(tag)
            if tag in parsers:
                parsers[tag](body)
                _need(body.is_done(), f"section {tag!r} is too long")
            else:
                _need(flags == 0, f"unknown required section {tag!r}")
                self.extensions[tag.decode("ascii")] = bytes(body.data)
        _need({b"CONF", b"TENS"} <= seen, "a section is missing")

    def _config(self, cursor):
        self.config = json.loads(cursor.take(len(cursor.data)))

    def _provenance(self, cursor):
        self.provenance = json.loads(cursor.take(len(cursor.data)))

    def _metadata(self, cursor):
        for _ in range(cursor.number(4)):
            key = cursor.text(4)
            self.metadata[key] = cursor.text(4)

    def _files(self, cursor):
        for _ in range(cursor.number(4)):
            name = cursor.text(2)
            self.files[name] = _Stream(cursor, cursor.number(8), 1)

    def _tensors(self, cursor):
        every = []
        for _ in range(cursor.number(4)):
            name, scheme, rank = cursor.text(2), cursor.text(1), cursor.number(1)
            _need(rank <= 4, "a rank above 4")
            tensor = Tensor(name, scheme, tuple(cursor.number(8) for _ in range(rank)))
            _need(not every or every[-1].name.encode() < name.encode(), "names out of order")
            owner = cursor.number(4)
            if owner == OWN_BYTES:
                tensor.streams = self._streams(cursor, tensor)
            else:
                _need(owner < len(every) and every[owner].same_as is None
                      and (every[owner].scheme, every[owner].shape) == (scheme, tensor.shape),
                      f"{name} shares the bytes of a tensor unlike it")
                tensor.same_as, tensor.streams = every[owner].name, every[owner].streams
                tensor.n_stored = every[owner].n_stored
            every.append(tensor)
            self.tensors[name] = tensor

    def _streams(self, cursor, tensor):
        if not self.is_described:
            _need(not tensor.sparse or tensor.kind == "2of4",
                  f"the planes of {tensor.name} are not described")
            planes = tensor.planes()
        else:
            planes = []
            for _ in range(cursor.number(1)):
                kind, width, bits, zero = (cursor.number(1) for _ in range(4))
                _need(zero == 0 and 1 <= width <= 8 and 1 <= bits <= 8,
                      f"a plane of {tensor.name} is described as none can be")
                name = KINDS[kind] if kind < len(KINDS) else f"kind {kind}"
                planes.append((name, cursor.number(8), cursor.number(8), width, bits))
            if tensor.sparse:
                tensor.n_stored = tensor.per_row() * sum(
                    plane[1] for plane in planes if plane[0] in ("values", "codes"))
            # Of unknown schemes the description is all that is known.
            _need(not tensor.is_known or planes == tensor.planes(),
                  f"the planes of {tensor.name} are not those of its scheme and shape")
        return [_Stream(cursor, rows * row_bytes, width, bits)
                for _, rows, row_bytes, width, bits in planes]

    # --- Frames ---

    def _frame(self, stream, index):
        offset, stored, codec, digest, raw_digest = stream.frames[index]
        length = stream.raw_bytes(index)
        _need(64 <= offset <= len(self.data) and stored <= len(self.data) - offset
              and length <= stored * MAX_RATIO, "a frame lies outside the file")
        data = self.data[offset:offset + stored]
        self._check_hash(data, digest, "a frame")
        if codec == 0:
            _need(stored == length, "a stored frame of another size")
            raw = bytes(data)
        else:
            _need(stored < length, "a coded frame that is not smaller")
            _need(codec in (1, 2, 3, 4), f"the unknown codec {codec}")
            raw = (self.decode(data, length) if codec == 1 else
                   self._split(data, length, stream.width) if codec == 2 else
                   self._symbols(data, length, stream.symbol_bits) if codec == 3 else
                   self._rans(data, length, stream.symbol_bits))
        self._check_hash(raw, raw_digest, "a decoded frame")
        return raw

    def _split(self, data, length, width):
        _need(width > 1 and length % width == 0 and len(data) >= 4 * width,
              "a split frame of other elements")
        count, at = length // width, 4 * width
        planes = np.empty((width, count), "u1")
        for j in range(width):
            block = int.from_bytes(data[4 * j:4 * j + 4], "little")
            _need(block <= count and block <= len(data) - at, "a byte plane that does not fit")
            raw = data[at:at + block] if block == count else self.decode(data[at:at + block], count)
            planes[j] = np.frombuffer(raw, "u1")
            at += block
        _need(at == len(data), "bytes after the byte planes")
        return planes.T.tobytes()

    def _symbols(self, data, length, bits):
        _need(bits < 8, "a frame of symbols in a plane of bytes")
        return self._pack(self.decode(data, -(-8 * length // bits)), length, bits)

    def _rans(self, data, length, bits):
        return (self._pack(_rans_symbols(data, -(-8 * length // bits)), length, bits)
                if 2 < bits < 8 else _rans_symbols(data, length))

    @staticmethod
    def _pack(symbols, length, bits):
        codes = np.frombuffer(symbols, "u1")
        each = np.unpackbits(codes[:, None], axis=1, bitorder="little", count=bits)
        return np.packbits(each.ravel()[:8 * length], bitorder="little").tobytes()

    def _plane(self, stream):
        return b"".join(self._frame(stream, i) for i in range(len(stream.frames)))

    # --- Values ---

    def read_file(self, name):
        """The bytes of a carried file."""
        return self._plane(self.files[name])

    def planes(self, name):
        """The raw bytes of a tensor's planes."""
        return [self._plane(stream) for stream in self.tensors[name].streams]

    def stored(self, name):
        """A plain tensor in its own type; bf16 as u2, types without one in NumPy as bytes."""
        tensor = self.tensors[name]
        _need(tensor.scheme in TYPES, f"{name} is {tensor.scheme}")
        kind, bits = TYPES[tensor.scheme]
        values = np.frombuffer(self.planes(name)[0], kind)
        return values.reshape(tensor.shape) if bits >= 8 else values

    def __getitem__(self, name):
        """The tensor: float32 for f32, f16, bf16 and quantized ones, else its own type."""
        tensor = self.tensors[name]
        _need(tensor.is_known, f"{name} has the unknown scheme {tensor.scheme!r}")
        if tensor.sparse:
            return self._expand(tensor)
        if not tensor.quantized:
            values = self.stored(name)
            return to_float32(values, tensor.scheme) if tensor.scheme in ("f32", "f16", "bf16") \
                else values
        bits = tensor.quantized[0]
        n, k = tensor.shape
        planes = self.planes(name)
        codes = np.frombuffer(planes[0], "u1").reshape(n, -1)
        return _dequantize(tensor.quantized, unpack_codes(codes, bits)[:, :k], planes[1:])

    def _stored_elements(self, tensor, mask, index):
        """Which elements are stored, from a mask of rows or of blocks."""
        rows, k = mask.shape[0], tensor.shape[1]
        mask = unpack_codes(mask, 1)[:, :k].astype(bool)
        ends = np.frombuffer(index, "<u8")
        # Codes fill whole bytes, so there may be room for a few more.
        room = tensor.n_stored // (tensor.block or 1) - int(ends[-1])
        _need((np.cumsum(mask.sum(axis=1), dtype="u8") == ends).all() and len(ends) == rows
              and 0 <= room < (tensor.per_row() if not tensor.block else 1),
              f"the planes of {tensor.name} disagree")
        return mask

    def _expand(self, tensor):
        n, k = tensor.shape
        planes = self.planes(tensor.name)
        first = np.frombuffer(planes[0], "u1")
        if tensor.kind == "2of4":
            places = unpack_codes(first.reshape(n, -1), 2)[:, :k // 2].reshape(n, k // 4, 2)
            _need((places[:, :, 0] < places[:, :, 1]).all(),
                  f"the positions of {tensor.name} do not ascend")
            mask = (np.arange(4) == places[..., None]).any(axis=2).reshape(n, k)
            rest = planes[1:]
        else:
            mask = self._stored_elements(tensor, first.reshape(-1, -(-k // 8)), planes[1])
            rest = planes[2:]
        scheme = _parse_scheme(tensor.payload)
        each = tensor.per_row()
        if scheme:
            packed = np.frombuffer(rest[0], "u1").reshape(-1, -(-each * scheme[0] // 8))
            elements = unpack_codes(packed, scheme[0])[:, :each]
        else:
            elements = np.frombuffer(rest[0], TYPES[tensor.payload][0]).reshape(-1, each)
        if tensor.block:  # [block][lane] to [row][column]
            lanes = mask.shape[0], k, each
            full = np.zeros(lanes, elements.dtype)
            full[mask] = elements
            full = full.transpose(0, 2, 1).reshape(n, k)
            mask = mask.repeat(each, axis=0)
        else:
            full = np.zeros((n, k), elements.dtype)
            full[mask] = elements.ravel()[:int(mask.sum())]
        numbers = (_dequantize(scheme, full, rest[1:]) if scheme else
                   to_float32(full, tensor.payload))
        return np.where(mask, numbers, np.float32(0))


def _dequantize(scheme, codes, planes):
    """Codes [n, k], one per byte, and planes of scales, of row scales under scales of 8 bits, and of
    zeros or a codebook, as float32."""
    bits, group, zero, scale = scheme
    n, k = codes.shape
    column_group = np.arange(k) // (group or k)
    scales = np.frombuffer(planes[0], TYPES[scale][0])
    if scale == "i8":
        rows = to_float32(np.frombuffer(planes.pop(1), "<u2"), "bf16")
        scales = scales.astype("<f4").reshape(n, -1) * rows[:, None]
    else:
        scales = to_float32(scales, scale).reshape(n, -1)
    if zero == "codebook":
        return np.frombuffer(planes[1], "i1").astype("<f4")[codes] * scales[:, column_group]
    if zero == "asym":
        zeros = np.frombuffer(planes[1], "u1").reshape(n, -1).astype("<i2")[:, column_group]
    else:
        zeros = np.int16(1 << (bits - 1))
    return (codes.astype("<i2") - zeros).astype("<f4") * scales[:, column_group]


def open(path):  # noqa: A001 - as gzip.open and its like
    """Open a .swg; close it, or use it in a with statement."""
    return Model(path)


def main(arguments):
    check = arguments[:1] == ["--check"]
    arguments = arguments[check:]
    if len(arguments) not in (1, 3):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(arguments[0]) as model:
            if len(arguments) == 3:
                model[arguments[1]].astype("<f4").tofile(arguments[2])
                return 0
            for name, tensor in model.tensors.items():
                shared = f"  as {tensor.same_as}" if tensor.same_as else ""
                print(f"{name}  {list(tensor.shape)}  {tensor.scheme}{shared}")
                if check:
                    model.planes(name)
            if check:
                for name in model.files:
                    model.read_file(name)
    except (Error, OSError, ValueError, KeyError) as error:
        print(f"swg_numpy: {arguments[0]}: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
