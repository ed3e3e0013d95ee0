#!/usr/bin/env bash
# What a user may do wrong: one clear line on stderr, exit code 2, nothing half-written.
# usage: bad_input_test.sh PIMLLM SOURCE_FOLDER
set -euo pipefail
pimllm=$1
model=$2/models/checkpoints/kjv-bitnet.gguf
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# shellcheck source=sim/cli/expect.sh
source "$(dirname "$0")/expect.sh"

generate() { expect 2 "$1" generate --model "${2:-$model}" --prompt "${3:-In the beginning}" "${@:4}"; }

# Checkpoints.
: >"$folder/empty.gguf"
head -c 5000 "$model" >"$folder/short.gguf"
printf 'GGUX' | cat - <(tail -c +5 "$model") >"$folder/magic.gguf"
sed 's/bitnet-b1.58/bitnet-b1.59/g' "$model" >"$folder/architecture.gguf"
generate "nowhere.gguf" "$folder/nowhere.gguf"
generate "$folder" "$folder"
for file in empty short magic architecture; do generate "$file.gguf" "$folder/$file.gguf"; done
for command in "info $folder/short.gguf" "compile --model $folder/short.gguf -o $folder/out" \
  "perplexity --model $folder/short.gguf --text $model" "profile --model $folder/short.gguf --context 1"; do
  # shellcheck disable=SC2086
  expect 2 "short.gguf" $command
done
[[ ! -e $folder/out ]]

# Prompts, numbers, names.
generate "expected bytes that have a token, found byte 50 ('2')" "$2/models/checkpoints/kjv-board.gguf" "And 2 of them"
expect 2 "empty prompt" generate --model "$model" --prompt ""
long=$(printf 'And he said. %.0s' {1..200})
generate "the context holds 256" "$model" "$long"
generate "the context holds 256" "$model" "A" --tokens 256
generate "--tokens: expected at least 1, found 0" "$model" "A" --tokens 0
generate "--tokens" "$model" "A" --tokens many
generate "huge" "$model" "A" --engine rtl --config huge
generate "--engine" "$model" "A" --engine magic
generate "--check: expected --engine rtl" "$model" "A" --check
generate "--on-mismatch: expected --check" "$model" "A" --engine rtl --on-mismatch "$folder/mismatch"
generate "--memory-stall: expected 0 to 0.95" "$model" "A" --memory-stall nan
generate "--temperature: expected a finite number" "$model" "A" --temperature nan
generate "needs 1280 words of KV, the machine has 512" "$model" "A" --engine rtl --config unit
expect 2 "--context: expected 1 to 256, found 257" profile --model "$model" --context 257
expect 2 "" frobnicate
expect 2 "" generate --model "$model"

# A machine that meets a bad memory, or none.
generate "bus error on an instruction fetch" "$model" "A" --engine rtl --tokens 1 --memory-error 0
generate "watchdog" "$model" "A" --engine rtl --tokens 1 --memory-hang 15000

# Places that cannot be written.
generate "$folder/no/where.json" "$model" "A" --tokens 1 --json "$folder/no/where.json"
: >"$folder/file"
expect 2 "$folder/file" compile --model "$model" -o "$folder/file/out"

# Ctrl-C while it works: exit 2, one line, no file.
for command in "generate --model $model --prompt A --tokens 255 --engine rtl --check --json $folder/stopped.json" \
  "perplexity --model $model --text $model --engine golden --json $folder/stopped.json"; do
  # shellcheck disable=SC2086
  "$pimllm" $command >/dev/null 2>"$folder/stderr" &
  process=$!
  sleep 1
  kill -INT "$process"
  code=0
  wait "$process" || code=$?
  [[ $code == 2 ]] || { echo "$command: expected exit 2 after Ctrl-C, found $code"; cat "$folder/stderr"; exit 1; }
  grep -q interrupted "$folder/stderr" || { echo "$command: expected a word of it"; cat "$folder/stderr"; exit 1; }
  if compgen -G "$folder/stopped*" >/dev/null; then echo "$command: left a file"; exit 1; fi
done

# A full disk.
code=0
"$pimllm" info "$model" >/dev/full 2>"$folder/stderr" || code=$?
[[ $code == 2 ]] || { echo "info into a full disk: expected exit 2, found $code"; exit 1; }
grep -q "standard output cannot be written" "$folder/stderr" || { echo "full disk: expected a word of it"; exit 1; }
echo "bad input: good"
