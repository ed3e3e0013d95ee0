#!/usr/bin/env bash
# The simulated board through `pimllm talk`: three texts as golden gives them, and what may go wrong.
# usage: talk_test.sh PIMLLM SOURCE_FOLDER MODEL
set -euo pipefail
pimllm=$1
model=$3
large=$2/models/checkpoints/kjv-bitnet.gguf
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# shellcheck source=sim/cli/expect.sh
source "$(dirname "$0")/expect.sh"
talk() { expect "$1" "$2" talk --model "$model" --port sim "${@:3}"; }

talk 0 "all equal to the integer golden model" --check --tokens 8 --prompt "And God" --prompt "A" --prompt "The LORD" --json "$folder/talk.json"
[[ $(grep -c "all equal" "$folder/stdout") == 3 ]]
"$pimllm" generate --model "$model" --engine golden --prompt A --tokens 8 --json "$folder/golden.json" >/dev/null
python3 - "$folder" <<'PYTHON'
import json, sys
talk = json.load(open(sys.argv[1] + "/talk.json"))["texts"]
golden = json.load(open(sys.argv[1] + "/golden.json"))
assert len(talk) == 3 and talk[1]["tokens"] == golden["tokens"], (talk[1], golden["tokens"])
PYTHON

expect 2 "cannot be opened" talk --model "$model" --port "$folder/ttyUSB7" --prompt A
expect 2 "is no serial port" talk --model "$model" --port "$large" --prompt A
expect 2 "board: expected ulx3s" talk --model "$model" --port sim --board other --prompt A
talk 2 "the context holds" --prompt A --tokens 128
talk 2 "empty prompt" --prompt ""
talk 2 "expected at least 1, found 0" --prompt A --tokens 0
talk 2 "expected the board's memory.hex" --prompt A --images "$folder/nothing"
expect 2 "kjv-bitnet" talk --model "$large" --port sim --prompt A
expect 2 "kjv-bitnet" compile --model "$large" --board ulx3s -o "$folder/large"
[[ ! -e $folder/large ]]

# Block RAM files of a board; the identity of another model is refused.
expect 0 "for ulx3s" compile --model "$model" --board ulx3s -o "$folder/board" --prompt A --tokens 2
[[ $(find "$folder/board" -name 'crossbar_*.hex' | wc -l) == 64 ]]
sed -i '$ s/.$/0/; $ s/^./1/' "$folder/board/memory.hex"
talk 2 "the board holds another model" --prompt A --images "$folder/board"

# Ctrl-C.
"$pimllm" talk --model "$model" --port sim --prompt A --tokens 120 --json "$folder/stopped.json" >/dev/null 2>"$folder/stderr" &
process=$!
sleep 4
kill -INT "$process"
code=0
wait "$process" || code=$?
[[ $code == 2 ]] || { echo "expected exit 2 after Ctrl-C, found $code"; exit 1; }
grep -q interrupted "$folder/stderr"
[[ ! -e $folder/stopped.json ]]
echo "talk: good"
