#!/usr/bin/env bash
# scripts/swg_numpy.py against swage convert: every tensor of packed and quantized files, bit for bit.
. tests/cli/lib.sh

python=''
for candidate in "${SWAGE_PYTHON:-}" python3 /usr/bin/python3; do
  [ -n "$candidate" ] && "$candidate" -c 'import numpy' 2>/dev/null && python=$candidate && break
done
if [ -z "$python" ]; then
  skip "no Python with NumPy"
  finish
  exit
fi
if ! "$python" -c '
import sys; sys.path.insert(0, "scripts"); import swg_numpy; swg_numpy._choose_zstd()' 2>/dev/null; then
  skip "neither the zstandard package nor libzstd for Python"
  finish
  exit
fi

# Tensors of many kinds; the odd sizes leave short groups and half bytes.
"$python" - "$scratch" <<'PY'
import json, os, struct, sys
import numpy as np
rng = np.random.default_rng(5)
tensors = {}
def add(name, dtype, array):
    tensors[name] = (dtype, array)
def bf16(a):
    return (np.ascontiguousarray(a, "<f4").view("<u4") >> 16).astype("<u2")
for i, shape in enumerate([(40, 96), (33, 129), (5, 67), (300, 1000)]):
    w = (rng.standard_normal(shape) / 20).astype("<f4")
    add(f"layers.{i}.proj.weight", "F32", w)
    add(f"layers.{i}.half.weight", "F16", w.astype("<f2"))
    add(f"layers.{i}.brain.weight", "BF16", bf16(w))
add("embed_tokens.weight", "F32", tensors["layers.1.proj.weight"][1])
add("lm_head.weight", "F32", tensors["layers.1.proj.weight"][1])
add("norm.weight", "F32", rng.standard_normal(96).astype("<f4"))
add("ids", "I64", np.arange(7, dtype="<i8") - 3)
add("scalar", "F64", np.array(2.5, "<f8"))
add("empty", "F16", np.zeros((0, 4), "<f2"))
header, data = {}, b""
for name, (dtype, array) in sorted(tensors.items(), key=lambda item: -item[1][1].itemsize):
    raw = array.tobytes()
    header[name] = {"dtype": dtype, "shape": list(array.shape),
                    "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
os.mkdir(sys.argv[1] + "/model")
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[1] + "/model/model.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)
open(sys.argv[1] + "/model/config.json", "w").write('{"model_type": "test"}')
open(sys.argv[1] + "/model/tokenizer.json", "w").write('{"version": "1.0"}' * 400)
PY

cat >"$scratch/compare.py" <<'PY'
import json, struct, sys
import numpy as np
sys.path.insert(0, "scripts")
import swg_numpy
if sys.argv[3] == "ctypes":
    swg_numpy._choose_zstd = swg_numpy._bind_zstd
data = open(sys.argv[2], "rb").read()
length = struct.unpack_from("<Q", data)[0]
header = json.loads(data[8:8 + length])
header.pop("__metadata__", None)
with swg_numpy.open(sys.argv[1]) as model:
    assert sorted(model) == sorted(header), (sorted(model), sorted(header))
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        mine = model[name].astype("<f4") if entry["dtype"] == "F32" else model.stored(name)
        assert list(mine.shape) == entry["shape"], name
        theirs = data[8 + length + begin:8 + length + end]
        assert mine.tobytes() == theirs, f"{name} differs"
        if entry["dtype"] == "BF16":
            bits = np.frombuffer(theirs, "<u2").astype("<u4") << 16
            assert model[name].tobytes() == bits.tobytes(), f"{name} differs as float32"
    assert model.read_file("tokenizer.json") == b'{"version": "1.0"}' * 400
    assert model.config == {"model_type": "test"}
PY

compare() { # NAME FILE.swg
  rm -rf "$scratch/floats"
  expect_exit 0 "$1: convert" "$SWAGE" convert "$2" -o "$scratch/floats" --dequantize f32
  expect_exit 0 "$1: compare" "$python" "$scratch/compare.py" "$2" "$scratch/floats/model.safetensors" any
  expect_exit 0 "$1: libzstd" "$python" "$scratch/compare.py" "$2" "$scratch/floats/model.safetensors" ctypes
  expect_exit 0 "$1: check" "$python" scripts/swg_numpy.py --check "$2"
}
expect_exit 0 "pack" "$SWAGE" convert "$scratch/model" -o "$scratch/packed.swg"
compare "packed" "$scratch/packed.swg"
expect_match "tied tensors are listed" "$stdout" 'lm_head\.weight .* as embed_tokens\.weight'
for bits in $(sed -nE 's/^SWG_INTEGER_FORMAT\(int([0-9]+), .*/\1/p' runtime/base/weight_formats.def); do
  for options in "--group-size 32" "--group-size row --asymmetric" "--group-size 128 --scale-type bf16" \
    "--asymmetric --scale-type f32 --group-size 64"; do
    # shellcheck disable=SC2086
    expect_exit 0 "quantize $bits $options" "$SWAGE" quantize "$scratch/model" --allow-unrunnable -o "$scratch/q.swg" \
      --force --bits "$bits" $options
    compare "$bits bits $options" "$scratch/q.swg"
  done
done

for options in "--format codebook" "--format nf4 --group-size row --scale-type f32" \
  "--format iq4_nl --group-size 32 --scale-type bf16" "--scale-type i8" "--scale-type i8 --asymmetric" \
  "--format codebook --scale-type i8 --group-size 32"; do
  # shellcheck disable=SC2086
  expect_exit 0 "quantize $options" "$SWAGE" quantize "$scratch/model" --allow-unrunnable -o "$scratch/q.swg" --force $options
  compare "$options" "$scratch/q.swg"
done

# Codes of which one is likelier than a half are range coded.
expect_exit 0 "prune" "$SWAGE" prune "$scratch/model" -o "$scratch/pruned" -q --sparsity 0.8
expect_exit 0 "quantize what is pruned" "$SWAGE" quantize "$scratch/pruned" --allow-unrunnable -o "$scratch/q.swg" \
  --force --format codebook --group-size row
compare "pruned" "$scratch/q.swg"
"$python" - "$scratch/q.swg" <<'PY' && pass || fail "no frame is range coded"
import sys
sys.path.insert(0, "scripts")
import swg_numpy
with swg_numpy.open(sys.argv[1]) as model:
    assert any(frame[2] == 4 for tensor in model.tensors.values() for stream in tensor.streams
               for frame in stream.frames)
PY

# Planes of other row counts than the tensor's: elements that are stored, and a mask of them.
sparse=tests/formats/fixtures/sparse.swg
expect_exit 0 "sparse: convert" "$SWAGE" convert "$sparse" -o "$scratch/dense" --dequantize f32
expect_exit 0 "sparse: check" "$python" scripts/swg_numpy.py --check "$sparse"
expect_match "sparse: listed" "$stdout" 'b  \[37, 129\]  sparse-f16'
expect_exit 0 "sparse: values" "$python" scripts/swg_numpy.py "$sparse" b "$scratch/b.f32"
expect_exit 0 "sparse: pack the values" "$SWAGE" convert "$scratch/dense" -o "$scratch/dense.swg"
expect_exit 0 "sparse: values as swage has them" "$python" scripts/swg_numpy.py "$scratch/dense.swg" b "$scratch/wanted.f32"
check "sparse: the same values" cmp "$scratch/b.f32" "$scratch/wanted.f32"
# A scheme of a later version: tensors are listed and their frames checked, values are refused.
"$python" - "$sparse" "$scratch/later.swg" <<'PY'
import struct, sys
sys.path.insert(0, "scripts")
import swg_numpy
data = bytearray(open(sys.argv[1], "rb").read())
at, stored, raw = struct.unpack_from("<QII", data, 32)
directory = bytes(data[at:]) if stored == raw else swg_numpy._choose_zstd()(data[at:], raw)
directory = directory.replace(b"sparse-f16", b"newish-f16")
struct.pack_into("<QQII", data, 24, at + raw, at, raw, raw)
swg_numpy.has_hashes = False
open(sys.argv[2], "wb").write(bytes(data[:at]) + directory)
PY
later() { "$python" -c 'import sys; sys.path.insert(0, "scripts"); import swg_numpy
swg_numpy.has_hashes = False
sys.exit(swg_numpy.main(sys.argv[1:]))' "$@"; }
expect_exit 0 "unknown scheme: check" later --check "$scratch/later.swg"
expect_exit 3 "unknown scheme: values" later "$scratch/later.swg" b "$scratch/b.f32"
expect_match "unknown scheme: values" "$stderr" 'unknown scheme .newish-f16'

# Damage is noticed.
head -c 1000 "$scratch/q.swg" >"$scratch/short.swg"
expect_exit 3 "a truncated file" "$python" scripts/swg_numpy.py --check "$scratch/short.swg"
finish
