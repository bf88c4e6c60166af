#!/bin/bash
# A GPU measured without network, each part within its time, every result written as it comes: docs/gpu.md.
#   scripts/measure_gpu.sh OUT [DEVICE]
# OUT: folder of the results. DEVICE: cuda (default); cpu runs the same dry. PYTHON names the interpreter.
out=${1:?scripts/measure_gpu.sh OUT [DEVICE]} device=${2:-cuda} python=${PYTHON:-python3}
cd "$(dirname "$0")/.." && mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 CARSEG_REPORTS=${CARSEG_REPORTS:-$(mktemp -d)}
export CARSEG_DEVICE=$device CARSEG_TEST_LIMIT=100

part() { # name, seconds, command: its output into OUT/name.txt; one that fails or is cut does not stop the others
  local name=$1 seconds=$2 started=$SECONDS; shift 2
  timeout "$seconds" "$@" >"$out/$name.txt" 2>&1
  echo "$name: exit $? after $((SECONDS - started)) s of $seconds: $(tail -n 1 "$out/$name.txt")" | tee -a "$out/parts.txt"
}

{ nvidia-smi; "$python" -c 'import torch, torchvision; print(torch.__version__, torchvision.__version__)'; } \
  >"$out/machine.txt" 2>&1
part tests 90 "$python" -m pytest -m gpu -q -n 0 -p no:cacheprovider tests/gpu
part benchmark 300 "$python" -m carseg_lib.workflow.cli benchmark --device "$device" --set "${SWEEP:-seconds=240}"
part training 120 "$python" -c "
import carseg_lib
settings = {'train.epochs': '2', 'inputs.num_workers': '8', 'model.precision': 'bf16-mixed'}
run = carseg_lib.train('gpu', profile='quick', overrides=settings, weights='segmenter', device='$device')
print(run.history.read_text())"
cp "$CARSEG_REPORTS"/bench/{sweep.jsonl,sweep.md,traces/carseg-8.json.gz} "$out" 2>>"$out/parts.txt"
echo "$(grep -c photos_per_second "$out/sweep.jsonl") rows measured"
