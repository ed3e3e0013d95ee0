#!/usr/bin/env bash
# pimllm paper and pimllm sweep from the command line: exit codes, one line on stderr, files.
# usage: cost_cli_test.sh PIMLLM SOURCE_FOLDER
set -euo pipefail
pimllm=$1
source=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

source "$(dirname "$0")/expect.sh"

expect 0 "79.29x" paper --as-published --model opt-6.7b --context 128
expect 0 "+70.59 %" paper --model gpt2-355m --context 4096 --json "$folder/paper.json" --csv "$folder/paper.csv"
expect 0 "-17.44 %" paper --as-published --quirk attention_energy_once=off --model gpt2-355m --context 4096
expect 0 "bitnet-2b4t" paper --corrected --model bitnet-2b4t
grep -q '"tokens_per_s"' "$folder/paper.json"
[[ $(wc -l <"$folder/paper.csv") == 13 ]]
expect 0 "cells at 10x or more" paper --this-machine --model gpt2-124m,bitnet-2b4t --context 128,4096
expect 2 "expected a context of at most 65535" paper --this-machine --model gpt2-124m --context 70000
expect 0 "this machine is left out: this machine: expected a context of at most 65535" paper --model gpt2-124m --context 70000
expect 2 "needs --as-published or --corrected" paper --this-machine --plots "$folder/none"
expect 2 'model "gpt5": unknown' paper --model gpt5
expect 2 "--context: expected 1" paper --context 0
expect 2 "--context: expected 1" paper --context -5
expect 2 'quirk "x": unknown' paper --quirk x=on
expect 0 "tokens/s" paper --dataflow ws --model gpt2-124m --context 128
expect 2 "expected os, ws or is" paper --dataflow rs
expect 2 "cannot be read" paper --workloads "$folder/nowhere"
expect 2 "found none" paper --check "$folder"

mkdir "$folder/rows"
cat >"$folder/rows/pim_energy.csv" <<'CSV'
model,layers,crossbar_nj,dac_nj,adc_nj,buffer_nj,other_digital_nj,fc_total_nj_per_layer,crossbars,area_mm2_per_layer,peak_power_w_per_layer
opt-350m,24,72.30849825252481,14.4728064,10112.0,14956.76862976,15.138846101164107,20469.603471,289,681.734,82.163
CSV
expect 0 "0 differences in 10 values" paper --as-published --check "$folder/rows"
expect 1 "buffer_nj: expected 14956.76862976, found" paper --check "$folder/rows" --quirk dummy_layer=off
sed -i 's/,681.734,/,681.736,/' "$folder/rows/pim_energy.csv"
expect 1 "1 differences in 10 values" paper --check "$folder/rows"
sed -i 's/crossbar_nj/crossbars_nj/' "$folder/rows/pim_energy.csv"
expect 2 'column "crossbar_nj" is missing' paper --check "$folder/rows"

expect 0 "15552 points" sweep "$source/models/cost/sweep_example.json" --csv "$folder/sweep.csv" --json "$folder/sweep.json"
[[ $(wc -l <"$folder/sweep.csv") == 15553 ]]
expect 2 "not JSON" sweep "$0" --csv "$folder/other.csv"
expect 0 "figures in" paper --model gpt2-124m,bitnet-2b4t --context 128,4096 --plots "$folder/plots"
for figure in throughput speed_up latency_share energy efficiency roofline; do
  [[ -s "$folder/plots/$figure.svg" && -s "$folder/plots/$figure.png" ]] || { echo "no figure $figure"; exit 1; }
done
echo "paper and sweep: good"
