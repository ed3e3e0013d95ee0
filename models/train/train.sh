#!/bin/sh
# Trains the shipped checkpoints from the text of Debian's bible-kjv: train.sh PIMLLM-TRAIN [FOLDER].
# Writes to FOLDER (out/train); an interrupted run resumes from FOLDER/*.state.
set -eu
tool=$1
folder=${2:-out/train}
mkdir -p "$folder"
"$tool" --arch bitnet-b1.58 --steps 3000 --seed 1 --learning-rate 0.004 --out "$folder/kjv-bitnet.gguf"
"$tool" --arch gpt2-consmax --steps 3000 --seed 1 --learning-rate 0.003 --out "$folder/kjv-consmax.gguf"
"$tool" --arch bitnet-b1.58 --size board --steps 20000 --seed 1 --learning-rate 0.008 --out "$folder/kjv-board.gguf"
"$tool" --evaluate "$folder/kjv-bitnet.gguf"
"$tool" --evaluate "$folder/kjv-consmax.gguf"
"$tool" --evaluate "$folder/kjv-board.gguf"
